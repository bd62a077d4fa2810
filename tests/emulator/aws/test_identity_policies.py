"""Who may do what: identity policies are evaluated as AWS evaluates them, and refusals are in AWS's words.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Keys, Site, code_of, policy, site, status_of

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import TagSpecificationTypeDef

OURS: TagSpecificationTypeDef = {"ResourceType": "security-group", "Tags": [{"Key": "s3private:path", "Value": "demo"}]}
NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def shared() -> Iterator[Site]:
    with site() as one:
        yield one


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: str, resource: str = "*", **more: Any) -> dict[str, Any]:
    return {**allow(action, resource, **more), "Effect": "Deny"}


def when(operator: str, key: str, *values: str) -> dict[str, Any]:
    return {"Condition": {operator: {key: list(values)}}}


def having(aws: Site, *statements: dict[str, Any]) -> Keys:
    """Of a role of the data account with this policy."""
    iam, name = aws.client("iam"), f"role-{next(NUMBERS)}"
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{aws.world.base_account}:root"},
        "Action": "sts:AssumeRole",
    }
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="it", PolicyDocument=policy(*statements))
    return aws.keys_of(arn)


def refusal(call: Any, **asked: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as refused:
        call(**asked)
    return code_of(refused.value), status_of(refused.value), refused.value.response["Error"]["Message"]


def allowed(call: Any, **asked: Any) -> bool:
    """Whether EC2 got past the rights."""
    code, _, _ = refusal(call, **asked, DryRun=True)
    assert code in ("DryRunOperation", "UnauthorizedOperation")
    return code == "DryRunOperation"


def test_what_no_statement_allows_is_refused_in_each_services_words(shared: Site) -> None:
    keys = having(shared, allow("ec2:DescribeVpcs"))
    who = f"arn:aws:sts::{shared.world.data_account}:assumed-role/role-"
    shared.client("ec2", keys).describe_vpcs()
    code, status, said = refusal(shared.client("ec2", keys).describe_subnets)
    assert (code, status) == ("UnauthorizedOperation", 403)
    assert said.startswith(f"You are not authorized to perform this operation. User: {who}")
    assert said.endswith("ec2:DescribeSubnets because no identity-based policy allows the ec2:DescribeSubnets action")
    code, status, said = refusal(shared.client("elbv2", keys).describe_load_balancers)
    assert (code, status) == ("AccessDenied", 403)
    assert said.startswith(f"User: {who}")
    code, status, said = refusal(shared.client("s3", keys).list_objects_v2, Bucket="sales-records")
    assert (code, status) == ("AccessDenied", 403)
    assert said.endswith(
        'is not authorized to perform: s3:ListBucket on resource: "arn:aws:s3:::sales-records" '
        "because no identity-based policy allows the s3:ListBucket action"
    )
    shared.client("sts", keys).get_caller_identity()


def test_a_write_names_the_resource_and_encodes_why(shared: Site) -> None:
    keys = having(shared, allow("sts:DecodeAuthorizationMessage"), deny("ec2:CreateSecurityGroup"))
    asked = {"GroupName": "no", "Description": "no", "VpcId": shared.world.vpc.id}
    code, _, said = refusal(shared.client("ec2", keys).create_security_group, **asked)
    resource = f"arn:aws:ec2:{shared.world.region}:{shared.world.data_account}:security-group/*"
    assert code == "UnauthorizedOperation"
    assert f"ec2:CreateSecurityGroup on resource: {resource} with an explicit deny in an identity-based policy" in said
    message = said.rpartition("Encoded authorization failure message: ")[2]
    told = shared.client("sts", keys).decode_authorization_message(EncodedMessage=message)["DecodedMessage"]
    assert json.loads(told)["explicitDeny"] is True
    assert json.loads(told)["context"]["resource"] == resource


VPC = "arn:aws:ec2:*:*:vpc/*"
GROUP = "arn:aws:ec2:*:*:security-group/*"
CREATE = "ec2:CreateSecurityGroup"


@pytest.mark.parametrize(
    ("statements", "may"),
    [
        ([allow("ec2:*")], True),
        ([allow("EC2:createsecurity?roup"), allow("ec2:CreateTags")], True),
        ([allow(CREATE)], False),  # the tags are a right of their own
        ([allow([CREATE, "ec2:CreateTags"], GROUP)], False),  # and so is the VPC
        ([allow([CREATE, "ec2:CreateTags"], [GROUP, VPC])], True),
        ([allow([CREATE, "ec2:CreateTags"], [GROUP, VPC.replace("ec2:*", "ec2:eu-west-1")])], False),
        ([allow("ec2:*"), deny(CREATE, VPC)], False),
        ([allow("ec2:*"), deny("ec2:Create*", "arn:aws:ec2:*:*:subnet/*")], True),
        ([allow("ec2:*"), {"Effect": "Deny", "NotAction": "ec2:Create*", "Resource": "*"}], True),
        ([allow("ec2:*", **when("StringEquals", "aws:RequestedRegion", "ap-northeast-1"))], True),
        ([allow("ec2:*", **when("StringNotEquals", "aws:RequestedRegion", "ap-northeast-1"))], False),
        # A VPC takes no tag of the request: one condition on everything refuses it.
        ([allow("ec2:*", **when("StringEquals", "aws:RequestTag/s3private:path", "demo"))], False),
        ([allow("ec2:*", **when("StringEqualsIfExists", "aws:RequestTag/s3private:path", "demo"))], True),
        ([allow("ec2:*", **when("StringEqualsIfExists", "aws:RequestTag/s3private:path", "other"))], False),
        ([allow(CREATE), allow("ec2:CreateTags", **when("StringEquals", "ec2:CreateAction", CREATE[4:]))], True),
        ([allow(CREATE), allow("ec2:CreateTags", **when("StringEquals", "ec2:CreateAction", "CreateVpc"))], False),
        ([allow("ec2:*", **when("ForAllValues:StringEquals", "aws:TagKeys", "s3private:path"))], True),
        ([allow("ec2:*", **when("ForAllValues:StringEquals", "aws:TagKeys", "other"))], False),
        ([allow("ec2:*"), deny("ec2:*", GROUP, **when("Null", "aws:RequestTag/s3private:path", "true"))], True),
        ([allow("ec2:*"), deny("ec2:*", GROUP, **when("Null", "aws:RequestTag/cost", "true"))], False),
        ([allow("ec2:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*:role/role-*"))], True),
        ([allow("ec2:*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::*"))], False),
        ([allow("ec2:*", **when("Bool", "aws:SecureTransport", "false"))], False),
    ],
)
def test_a_creation_needs_itself_its_tags_and_what_it_is_made_in(
    shared: Site, statements: list[dict[str, Any]], may: bool
) -> None:
    ec2 = shared.client("ec2", having(shared, *statements))
    asked = {"GroupName": "g", "Description": "g", "VpcId": shared.world.vpc.id, "TagSpecifications": [OURS]}
    assert allowed(ec2.create_security_group, **asked) is may


def test_a_resources_own_tags_decide_over_it(shared: Site) -> None:
    ours, theirs = shared.group("ours"), shared.group("theirs")
    shared.ec2.create_tags(Resources=[ours], Tags=OURS["Tags"])
    tagged = when("StringEquals", "aws:ResourceTag/s3private:path", "demo")
    ec2 = shared.client("ec2", having(shared, allow("ec2:DeleteSecurityGroup", **tagged)))
    assert allowed(ec2.delete_security_group, GroupId=ours)
    assert not allowed(ec2.delete_security_group, GroupId=theirs)
    ec2.delete_security_group(GroupId=ours)
    shared.ec2.delete_security_group(GroupId=theirs)


def test_load_balancing_needs_its_tags_and_for_the_first_the_service_linked_role(shared: Site) -> None:
    asked = {
        "Name": "rights",
        "Protocol": "TCP",
        "Port": 443,
        "VpcId": shared.world.vpc.id,
        "TargetType": "ip",
        "Tags": [{"Key": "k", "Value": "v"}],
    }
    make = "elasticloadbalancing:CreateTargetGroup"
    tag = "elasticloadbalancing:AddTags"
    link = allow("iam:CreateServiceLinkedRole")
    on = f"arn:aws:elasticloadbalancing:{shared.world.region}:{shared.world.data_account}:targetgroup/rights/*"
    created = when("StringEquals", "elasticloadbalancing:CreateAction", "CreateTargetGroup")
    for statements, lacking in (
        ([allow(tag), link], make),
        ([allow(make), link], tag),
        ([allow([make, tag])], "iam:CreateServiceLinkedRole"),
    ):
        elb = shared.client("elbv2", having(shared, *statements))
        code, _, said = refusal(elb.create_target_group, **asked)
        assert code == "AccessDenied"
        assert f"is not authorized to perform: {lacking} on resource: " in said
        assert on in said or lacking.startswith("iam:")
    elb = shared.client("elbv2", having(shared, allow(make, on), allow(tag, on, **created), link))
    arn = elb.create_target_group(**asked)["TargetGroups"][0]["TargetGroupArn"]
    without = having(shared, allow([make, tag, "elasticloadbalancing:DeleteTargetGroup"]))
    second = shared.client("elbv2", without)
    second.delete_target_group(TargetGroupArn=arn)
    again = second.create_target_group(**asked)["TargetGroups"][0]["TargetGroupArn"]
    second.delete_target_group(TargetGroupArn=again)


def test_a_role_of_the_account_is_assumed_by_whom_it_names_or_by_who_may(shared: Site) -> None:
    iam = shared.client("iam")
    account = shared.world.data_account
    keys = having(shared, allow("ec2:DescribeVpcs"))
    session = shared.client("sts", keys).get_caller_identity()["Arn"]
    acting = f"arn:aws:iam::{account}:role/{session.split('/')[1]}"
    for name, principal in (("names-account", f"arn:aws:iam::{account}:root"), ("names-role", acting)):
        trust = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    asked = {"RoleSessionName": "x1", "RoleArn": f"arn:aws:iam::{account}:role/names-account"}
    code, _, said = refusal(shared.client("sts", keys).assume_role, **asked)
    assert code == "AccessDenied"
    assert said.endswith("because no identity-based policy allows the sts:AssumeRole action")
    shared.client("sts", keys).assume_role(**{**asked, "RoleArn": f"arn:aws:iam::{account}:role/names-role"})
    may = having(shared, allow("sts:AssumeRole", asked["RoleArn"]))
    shared.client("sts", may).assume_role(**asked)


def test_the_base_role_assumes_the_provisioner_and_nothing_else(shared: Site) -> None:
    made = shared.aws.session(shared.world.base_role_arn, "vended")
    sts = shared.client("sts", Keys(made.access_key_id, made.secret_access_key, made.session_token))
    asked = {"RoleSessionName": "x1", "ExternalId": shared.world.external_id}
    sts.assume_role(RoleArn=shared.world.role_arn, **asked)
    assert refusal(sts.assume_role, RoleArn=shared.world.administrator_role_arn, **asked)[0] == "AccessDenied"


def test_s3_asks_the_role_the_endpoint_and_the_bucket(shared: Site) -> None:
    bucket, key = "sales-records", "readme.txt"
    nothing = having(shared, allow("ec2:DescribeVpcs"))
    reading = having(shared, allow(["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::*"]))
    everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    endpoint = shared.endpoint()
    closed = shared.endpoint(PolicyDocument=policy({**everything, "Resource": "arn:aws:s3:::hr-records/*"}))
    shared.through(endpoint, reading).get_object(Bucket=bucket, Key=key)
    said = refusal(shared.through(closed, reading).get_object, Bucket=bucket, Key=key)[2]
    assert "no VPC endpoint policy allows the s3:GetObject action" in said
    said = refusal(shared.through(endpoint, nothing).get_object, Bucket=bucket, Key=key)[2]
    assert "no identity-based policy allows the s3:GetObject action" in said
    # Who may list is told that a key is not there; who may not, nothing.
    assert refusal(shared.through(endpoint, reading).get_object, Bucket=bucket, Key="none")[0] == "NoSuchKey"
    blind = having(shared, allow("s3:GetObject", "arn:aws:s3:::*"))
    assert refusal(shared.through(endpoint, blind).get_object, Bucket=bucket, Key="none")[0] == "AccessDenied"
    # A bucket's policy allows by itself who it names, within the account; the account alone is no allowance.
    account = {**everything, "Principal": {"AWS": shared.world.data_account}}
    shared.s3.put_bucket_policy(Bucket=bucket, Policy=policy(account))
    assert refusal(shared.client("s3", nothing).get_object, Bucket=bucket, Key=key)[0] == "AccessDenied"
    shared.s3.put_bucket_policy(Bucket=bucket, Policy=policy(everything))
    shared.client("s3", nothing).get_object(Bucket=bucket, Key=key)
    only = {**everything, "Effect": "Deny", "Condition": {"StringNotEquals": {"aws:SourceVpce": endpoint}}}
    shared.s3.put_bucket_policy(Bucket=bucket, Policy=policy({**only, "Action": "s3:GetObject"}))
    said = refusal(shared.client("s3", reading).get_object, Bucket=bucket, Key=key)[2]
    assert said.endswith("with an explicit deny in a resource-based policy")
    shared.through(endpoint, reading).get_object(Bucket=bucket, Key=key)


def test_a_users_and_a_groups_policies_count_together_and_a_made_key_signs(shared: Site) -> None:
    iam = shared.client("iam")
    iam.create_user(UserName="colleague")
    key = iam.create_access_key(UserName="colleague")["AccessKey"]
    ec2 = shared.client("ec2", Keys(key["AccessKeyId"], key["SecretAccessKey"]))
    assert refusal(ec2.describe_vpcs)[0] == "UnauthorizedOperation"
    iam.create_group(GroupName="lookers")
    iam.put_group_policy(GroupName="lookers", PolicyName="look", PolicyDocument=policy(allow("ec2:Describe*")))
    iam.add_user_to_group(GroupName="lookers", UserName="colleague")
    ec2.describe_vpcs()
    made = iam.create_policy(PolicyName="blind", PolicyDocument=policy(deny("ec2:DescribeVpcs")))["Policy"]["Arn"]
    iam.attach_user_policy(UserName="colleague", PolicyArn=made)
    assert "with an explicit deny in an identity-based policy" in refusal(ec2.describe_vpcs)[2]
    iam.delete_access_key(UserName="colleague", AccessKeyId=key["AccessKeyId"])
    assert refusal(ec2.describe_subnets)[0] == "AuthFailure"


def test_a_condition_that_is_not_known_is_not_passed_over(shared: Site) -> None:
    keys = having(shared, allow("ec2:*", **when("NumericLessThan", "aws:MultiFactorAuthAge", "5")))
    assert refusal(shared.client("ec2", keys).describe_vpcs)[1] == 501

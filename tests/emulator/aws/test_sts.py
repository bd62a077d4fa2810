"""Who may call, and who may become whom.
https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Keys, Site, code_of, policy, status_of


def assume(aws: Site, keys: Keys | None = None, **changed: Any) -> dict[str, Any]:
    asked = {
        "RoleArn": aws.world.role_arn,
        "RoleSessionName": "test",
        "ExternalId": aws.world.external_id,
        **changed,
    }
    client = aws.client("sts", keys or aws.base_keys)
    return dict(client.assume_role(**{k: v for k, v in asked.items() if v is not None}))


def role(aws: Site, name: str, *statements: dict[str, Any], **more: Any) -> str:
    made = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(*statements), **more)
    return str(made["Role"]["Arn"])


def trust(principal: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **more}


def test_the_role_is_assumed_with_its_external_id(aws: Site) -> None:
    made = assume(aws)
    assert made["AssumedRoleUser"]["Arn"] == (
        f"arn:aws:sts::{aws.world.data_account}:assumed-role/{aws.world.role_name}/test"
    )
    keys = made["Credentials"]
    client = aws.client("sts", Keys(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]))
    assert client.get_caller_identity()["Account"] == aws.world.data_account
    assert aws.sts.get_caller_identity()["Account"] == aws.world.base_account


@pytest.mark.parametrize("external_id", [None, "guessed", "S3PRIVATE-DEMO"])
def test_a_missing_or_wrong_external_id_is_denied(aws: Site, external_id: str | None) -> None:
    with pytest.raises(ClientError) as refused:
        assume(aws, ExternalId=external_id)
    assert (code_of(refused.value), status_of(refused.value)) == ("AccessDenied", 403)


def test_a_role_that_is_not_there_is_denied_in_the_same_words(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        assume(aws, RoleArn=aws.world.role_arn + "-none")
    assert code_of(refused.value) == "AccessDenied"


def test_a_role_that_trusts_somebody_else_is_denied(aws: Site) -> None:
    arn = role(aws, "theirs", trust("arn:aws:iam::999999999999:root"))
    with pytest.raises(ClientError) as refused:
        assume(aws, RoleArn=arn)
    assert code_of(refused.value) == "AccessDenied"


def test_a_role_that_trusts_a_user_trusts_that_user(aws: Site) -> None:
    arn = role(aws, "users", trust(f"arn:aws:iam::{aws.world.base_account}:user/operator"))
    assume(aws, RoleArn=arn, ExternalId=None)


def test_a_role_that_denies_is_denied_whatever_it_allows(aws: Site) -> None:
    root = f"arn:aws:iam::{aws.world.base_account}:root"
    arn = role(aws, "denied", trust(root), trust(root) | {"Effect": "Deny"})
    with pytest.raises(ClientError) as refused:
        assume(aws, RoleArn=arn)
    assert code_of(refused.value) == "AccessDenied"


@pytest.mark.parametrize(("seconds", "code"), [(900, None), (3600, None), (3601, "ValidationError")])
def test_a_session_lasts_no_longer_than_the_role_allows(aws: Site, seconds: int, code: str | None) -> None:
    if code is None:
        expires = assume(aws, DurationSeconds=seconds)["Credentials"]["Expiration"]
        left = expires - datetime.now(UTC)
        assert timedelta(seconds=seconds - 60) < left <= timedelta(seconds=seconds + 1)
        return
    with pytest.raises(ClientError) as refused:
        assume(aws, DurationSeconds=seconds)
    assert code_of(refused.value) == code


def test_a_session_lasts_at_most_twelve_hours_and_chained_at_most_one(aws: Site) -> None:
    root = f"arn:aws:iam::{aws.world.base_account}:root"
    long = role(
        aws, "long", trust(root), trust(f"arn:aws:iam::{aws.world.data_account}:root"), MaxSessionDuration=43200
    )
    assume(aws, RoleArn=long, DurationSeconds=43200)
    for keys, seconds in ((aws.base_keys, 43201), (aws.keys, 3601)):
        with pytest.raises(ClientError) as refused:
            assume(aws, keys, RoleArn=long, DurationSeconds=seconds)
        assert code_of(refused.value) == "ValidationError"


@pytest.mark.parametrize(
    "wrong", [{"RoleSessionName": "has space"}, {"ExternalId": "has space"}, {"RoleArn": "x" * 20}]
)
def test_a_parameter_that_aws_does_not_take_is_refused(aws: Site, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        assume(aws, **wrong)
    assert code_of(refused.value) == "ValidationError"


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", 403),
        ("elbv2", "describe_load_balancers", "InvalidClientTokenId", 403),
        ("iam", "list_roles", "InvalidClientTokenId", 403),
        ("ec2", "describe_vpcs", "AuthFailure", 401),
        ("s3", "list_buckets", "InvalidAccessKeyId", 403),
    ],
)
def test_an_unknown_access_key_is_refused(aws: Site, service: str, call: str, code: str, status: int) -> None:
    client = aws.client(service, Keys("AKIANOBODYKNOWSTHIS1", "secret"))
    with pytest.raises(ClientError) as refused:
        getattr(client, call)()
    assert (code_of(refused.value), status_of(refused.value)) == (code, status)


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_secret_is_refused(aws: Site, service: str, call: str, code: str) -> None:
    client = aws.client(service, Keys(aws.world.access_key_id, "wrong"))
    with pytest.raises(ClientError) as refused:
        getattr(client, call)()
    assert code_of(refused.value) == code


@pytest.mark.parametrize(
    ("service", "call", "code", "status"),
    [
        ("sts", "get_caller_identity", "ExpiredToken", 403),
        ("elbv2", "describe_load_balancers", "ExpiredToken", 403),
        ("ec2", "describe_vpcs", "RequestExpired", 400),
        ("s3", "list_buckets", "ExpiredToken", 400),
    ],
)
def test_a_session_that_is_over_is_refused(aws: Site, service: str, call: str, code: str, status: int) -> None:
    client = aws.client(service)
    getattr(client, call)()
    aws.aws.credentials.expire_sessions()
    with pytest.raises(ClientError) as refused:
        getattr(client, call)()
    assert (code_of(refused.value), status_of(refused.value)) == (code, status)


def test_a_users_own_key_does_not_expire(aws: Site) -> None:
    aws.aws.credentials.expire_sessions()
    aws.sts.get_caller_identity()


@pytest.mark.parametrize("token", [None, "another"])
def test_a_session_without_its_token_is_refused(aws: Site, token: str | None) -> None:
    keys = Keys(aws.keys.access_key_id, aws.keys.secret_access_key, token)
    with pytest.raises(ClientError) as refused:
        aws.client("sts", keys).get_caller_identity()
    assert code_of(refused.value) == "InvalidClientTokenId"
    with pytest.raises(ClientError) as refused:
        aws.client("s3", keys).list_buckets()
    assert code_of(refused.value) == "InvalidToken"


def test_what_one_account_makes_another_does_not_see(aws: Site) -> None:
    made = aws.path()
    aws.knock(made["service_name"])
    base_ec2, base_elb = aws.client("ec2", aws.base_keys), aws.client("elbv2", aws.base_keys)
    assert base_ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    assert base_ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"] == []
    assert base_ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"] == []
    assert aws.world.vpc.id not in {v["VpcId"] for v in base_ec2.describe_vpcs()["Vpcs"]}
    assert base_elb.describe_load_balancers()["LoadBalancers"] == []
    assert base_elb.describe_target_groups()["TargetGroups"] == []
    with pytest.raises(ClientError) as refused:
        base_ec2.describe_vpc_endpoints(VpcEndpointIds=[made["endpoint"]])
    assert code_of(refused.value) == "InvalidVpcEndpointId.NotFound"


def test_what_one_region_holds_another_does_not(aws: Site) -> None:
    aws.path()
    elsewhere = aws.client("ec2", region_name="eu-west-1")
    assert elsewhere.describe_vpc_endpoints()["VpcEndpoints"] == []


def test_the_trust_policy_of_the_role_is_there_to_read(aws: Site) -> None:
    found = aws.client("iam").get_role(RoleName=aws.world.role_name)["Role"]
    assert found["Arn"] == aws.world.role_arn
    assert aws.world.external_id in json.dumps(found["AssumeRolePolicyDocument"])


def test_a_session_the_cloud_vends_itself_is_as_good_as_one_assumed(aws: Site) -> None:
    made = aws.aws.session(aws.world.role_arn, "vended")
    client = aws.client("sts", Keys(made.access_key_id, made.secret_access_key, made.session_token))
    assert client.get_caller_identity()["Arn"].endswith(f"assumed-role/{aws.world.role_name}/vended")

"""A security group in use stays.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, where
from s3private_emulator.delays import Takes


def refused_code(aws: Site, group: str) -> str:
    with pytest.raises(ClientError) as refused:
        aws.ec2.delete_security_group(GroupId=group)
    return code_of(refused.value)


def test_a_group_that_is_not_there_is_named_as_aws_names_it(aws: Site) -> None:
    with pytest.raises(ClientError, match="The security group 'sg-0123456789abcdef0' does not exist"):
        aws.ec2.describe_security_groups(GroupIds=["sg-0123456789abcdef0"])


def test_a_group_on_an_endpoint_stays_until_the_endpoint_is_gone(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_DELETED, seconds=30)
    group = aws.group()
    endpoint = aws.endpoint(group)
    assert refused_code(aws, group) == "DependencyViolation"
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert refused_code(aws, group) == "DependencyViolation"
    aws.clock.advance(30)
    aws.ec2.delete_security_group(GroupId=group)
    assert refused_code(aws, group) == "InvalidGroup.NotFound"


def test_trying_again_is_a_read_that_lets_time_pass(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_DELETED, polls=2)
    group = aws.group()
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[aws.endpoint(group)])
    assert [refused_code(aws, group) for _ in range(2)] == ["DependencyViolation"] * 2
    aws.ec2.delete_security_group(GroupId=group)


def test_a_group_on_a_load_balancer_stays_while_its_interfaces_linger(aws: Site) -> None:
    aws.takes(Takes.LOAD_BALANCER_INTERFACES_RELEASED, seconds=60)
    group = aws.group()
    balancer = aws.balancer(SecurityGroups=[group])
    assert refused_code(aws, group) == "DependencyViolation"
    aws.elb.delete_load_balancer(LoadBalancerArn=balancer)
    assert refused_code(aws, group) == "DependencyViolation"
    aws.clock.advance(60)
    aws.ec2.delete_security_group(GroupId=group)


def test_a_group_that_anothers_rule_names_stays(aws: Site) -> None:
    named, naming = aws.group("named"), aws.group("naming", cidr=None)
    aws.ec2.authorize_security_group_ingress(
        GroupId=naming,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": named}]}],
    )
    assert refused_code(aws, named) == "DependencyViolation"
    aws.ec2.delete_security_group(GroupId=naming)
    aws.ec2.delete_security_group(GroupId=named)


def test_the_default_group_stays(aws: Site) -> None:
    default = aws.ec2.describe_security_groups(Filters=where("vpc-id", aws.world.vpc.id))["SecurityGroups"][0][
        "GroupId"
    ]
    assert refused_code(aws, default) == "CannotDelete"


def test_a_subnet_with_an_interface_in_it_stays(aws: Site) -> None:
    endpoint = aws.endpoint()
    with pytest.raises(ClientError) as refused:
        aws.ec2.delete_subnet(SubnetId=aws.subnets[0])
    assert code_of(refused.value) == "DependencyViolation"
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    aws.ec2.delete_subnet(SubnetId=aws.subnets[0])


def test_an_unknown_filter_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.ec2.describe_security_groups(Filters=where("colour", "red"))
    assert code_of(refused.value) == "InvalidParameterValue"


def test_groups_are_found_by_tag_and_vpc(aws: Site) -> None:
    group = aws.group()
    aws.ec2.create_tags(Resources=[group], Tags=[{"Key": "s3private:path", "Value": "demo"}])
    filters = where("tag:s3private:path", "demo") + where("vpc-id", aws.world.vpc.id)
    found = aws.ec2.describe_security_groups(Filters=filters)["SecurityGroups"]
    assert [g["GroupId"] for g in found] == [group]


def test_a_second_group_of_one_name_is_refused(aws: Site) -> None:
    aws.group("one")
    with pytest.raises(ClientError) as refused:
        aws.group("one")
    assert code_of(refused.value) == "InvalidGroup.Duplicate"


def test_a_rule_that_is_there_already_is_refused(aws: Site) -> None:
    group = aws.group()
    with pytest.raises(ClientError) as refused:
        aws.ec2.authorize_security_group_ingress(
            GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.20.0.0/16"
        )
    assert code_of(refused.value) == "InvalidPermission.Duplicate"

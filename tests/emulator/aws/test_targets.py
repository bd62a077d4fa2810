"""Target groups, their targets, and what health checks find.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of
from s3private_emulator.delays import Takes

HEALTHY = ("healthy", None)
NOT_IN_USE = ("unused", "Target.NotInUse")
TIMED_OUT = ("unhealthy", "Target.Timeout")


def in_use(aws: Site, group: str | None = None, **balancer: Any) -> tuple[str, str]:
    """(target group, endpoint): one in front of the other."""
    endpoint = aws.endpoint(group or aws.group())
    targets = aws.target_group()
    aws.register(targets, aws.addresses(endpoint))
    aws.listener(aws.balancer(**balancer), targets)
    return targets, endpoint


def test_targets_nobody_forwards_to_are_unused(aws: Site) -> None:
    targets = aws.target_group()
    aws.register(targets, aws.addresses(aws.endpoint(aws.group())))
    assert aws.health(targets) == [NOT_IN_USE] * 2
    balancer = aws.balancer()
    listener = aws.listener(balancer, targets)
    assert aws.health(targets) == [HEALTHY] * 2
    aws.elb.delete_listener(ListenerArn=listener)
    assert aws.health(targets) == [NOT_IN_USE] * 2


def test_health_takes_time_once_a_listener_forwards(aws: Site) -> None:
    aws.takes(Takes.TARGET_HEALTHY, seconds=30)
    targets = aws.target_group()
    aws.register(targets, aws.addresses(aws.endpoint(aws.group())))
    aws.clock.advance(100)
    aws.listener(aws.balancer(), targets)
    assert aws.health(targets) == [("initial", "Elb.InitialHealthChecking")] * 2
    aws.clock.advance(30)
    assert aws.health(targets) == [HEALTHY] * 2


def test_health_can_take_polls(aws: Site) -> None:
    aws.takes(Takes.TARGET_HEALTHY, polls=2)
    targets, _ = in_use(aws)
    assert [aws.health(targets)[0][0] for _ in range(3)] == ["initial", "initial", "healthy"]


def test_nothing_is_checked_before_the_load_balancer_is_active(aws: Site) -> None:
    aws.takes(Takes.LOAD_BALANCER_ACTIVE, seconds=30)
    targets, _ = in_use(aws)
    assert aws.health(targets) == [("initial", "Elb.RegistrationInProgress")] * 2
    aws.clock.advance(30)
    assert aws.health(targets) == [HEALTHY] * 2


def test_an_address_of_no_endpoint_times_out(aws: Site) -> None:
    targets = aws.target_group()
    aws.register(targets, ["10.20.1.200"])
    aws.listener(aws.balancer(), targets)
    assert aws.health(targets) == [TIMED_OUT]


def test_an_endpoint_that_is_not_yet_available_times_out(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_AVAILABLE, seconds=60)
    targets, _ = in_use(aws)
    assert aws.health(targets) == [TIMED_OUT] * 2
    aws.clock.advance(60)
    assert aws.health(targets) == [HEALTHY] * 2


def test_a_deleted_endpoint_times_out(aws: Site) -> None:
    targets, endpoint = in_use(aws)
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    assert aws.health(targets) == [TIMED_OUT] * 2


@pytest.mark.parametrize(
    ("cidr", "port", "found"),
    [
        ("10.20.0.0/16", 443, [HEALTHY, HEALTHY]),
        ("10.20.1.0/24", 443, [HEALTHY, TIMED_OUT]),
        ("10.99.0.0/16", 443, [TIMED_OUT, TIMED_OUT]),
        ("10.20.0.0/16", 80, [TIMED_OUT, TIMED_OUT]),
        (None, 443, [TIMED_OUT, TIMED_OUT]),
    ],
)
def test_the_endpoints_group_must_let_the_load_balancers_subnets_in(
    aws: Site, cidr: str | None, port: int, found: list[Any]
) -> None:
    targets, _ = in_use(aws, aws.group("rule", cidr, port))
    assert aws.health(targets) == found


def test_with_cross_zone_every_node_must_be_let_in(aws: Site) -> None:
    targets, _ = in_use(aws, aws.group("rule", "10.20.1.0/24"))
    balancer = aws.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    aws.elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "true"}]
    )
    assert aws.health(targets) == [TIMED_OUT] * 2


@pytest.mark.parametrize(("value", "found"), [("true", [TIMED_OUT] * 2), ("false", [HEALTHY, TIMED_OUT])])
def test_cross_zone_of_the_target_group_goes_before_the_load_balancers(
    aws: Site, value: str, found: list[tuple[str, str | None]]
) -> None:
    targets, _ = in_use(aws, aws.group("rule", "10.20.1.0/24"))
    balancer = aws.elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    other = {"true": "false", "false": "true"}[value]
    cross_zone = "load_balancing.cross_zone.enabled"
    aws.elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": cross_zone, "Value": other}])
    aws.elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=[{"Key": cross_zone, "Value": value}])
    assert aws.health(targets) == found
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_target_group_attributes(TargetGroupArn=targets, Attributes=[{"Key": cross_zone, "Value": "on"}])
    assert code_of(refused.value) == "ValidationError"


def test_the_endpoints_group_may_name_the_load_balancers(aws: Site) -> None:
    front, back = aws.group("front"), aws.group("back", cidr=None)
    aws.ec2.authorize_security_group_ingress(
        GroupId=back,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": front}]}],
    )
    targets, _ = in_use(aws, back, SecurityGroups=[front])
    assert aws.health(targets) == [HEALTHY] * 2


def test_the_load_balancers_group_must_let_it_out(aws: Site) -> None:
    front = aws.group("front")
    targets, _ = in_use(aws, SecurityGroups=[front])
    assert aws.health(targets) == [HEALTHY] * 2
    aws.ec2.revoke_security_group_egress(
        GroupId=front, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    assert aws.health(targets) == [TIMED_OUT] * 2


def test_a_target_in_a_zone_the_load_balancer_has_not_is_unused(aws: Site) -> None:
    targets, _ = in_use(aws, Subnets=aws.subnets[:1])
    assert aws.health(targets) == [HEALTHY, NOT_IN_USE]


def test_a_rule_mended_heals_its_targets(aws: Site) -> None:
    group = aws.group("rule", cidr=None)
    targets, _ = in_use(aws, group)
    assert aws.health(targets) == [TIMED_OUT] * 2
    aws.ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.20.0.0/16"
    )
    assert aws.health(targets) == [HEALTHY] * 2


def test_a_deregistered_target_drains_and_is_gone(aws: Site) -> None:
    aws.takes(Takes.TARGET_DRAINED, polls=1)
    targets, endpoint = in_use(aws)
    first = aws.addresses(endpoint)[0]
    aws.elb.deregister_targets(TargetGroupArn=targets, Targets=[{"Id": first}])
    draining = ("draining", "Target.DeregistrationInProgress")
    assert aws.health(targets) == [draining, HEALTHY]
    assert aws.health(targets) == [HEALTHY]


def test_a_draining_target_can_be_registered_again(aws: Site) -> None:
    aws.takes(Takes.TARGET_DRAINED, seconds=300)
    targets, endpoint = in_use(aws)
    addresses = aws.addresses(endpoint)
    aws.elb.deregister_targets(TargetGroupArn=targets, Targets=[{"Id": addresses[0]}])
    aws.register(targets, addresses)
    assert aws.health(targets) == [HEALTHY] * 2


def test_an_unused_target_goes_at_once_and_an_unknown_one_is_no_error(aws: Site) -> None:
    aws.takes(Takes.TARGET_DRAINED, seconds=300)
    targets = aws.target_group()
    aws.register(targets, ["10.20.1.9"])
    aws.elb.deregister_targets(TargetGroupArn=targets, Targets=[{"Id": "10.20.1.9"}, {"Id": "10.20.1.10"}])
    assert aws.health(targets) == []


def test_asked_for_by_address_what_is_not_registered_says_so(aws: Site) -> None:
    targets = aws.target_group()
    found = aws.elb.describe_target_health(TargetGroupArn=targets, Targets=[{"Id": "10.20.1.9"}])
    assert found["TargetHealthDescriptions"][0]["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_registering_twice_registers_once(aws: Site) -> None:
    targets = aws.target_group()
    aws.register(targets, ["10.20.1.9"])
    aws.register(targets, ["10.20.1.9"])
    found = aws.elb.describe_target_health(TargetGroupArn=targets)["TargetHealthDescriptions"]
    assert [t["Target"] for t in found] == [{"Id": "10.20.1.9", "Port": 443, "AvailabilityZone": "ap-northeast-1a"}]


@pytest.mark.parametrize("address", ["not an address", "192.168.1.1", "8.8.8.8"])
def test_an_address_outside_the_vpc_is_refused(aws: Site, address: str) -> None:
    targets = aws.target_group()
    with pytest.raises(ClientError) as refused:
        aws.register(targets, [address])
    assert code_of(refused.value) == "ValidationError"


def test_the_same_group_again_is_the_one_that_is_there(aws: Site) -> None:
    assert aws.target_group() == aws.target_group()


@pytest.mark.parametrize(
    "change", [{"Port": 8443}, {"HealthCheckIntervalSeconds": 10}, {"Tags": [{"Key": "a", "Value": "b"}]}]
)
def test_the_same_name_with_other_settings_is_refused(aws: Site, change: dict[str, Any]) -> None:
    aws.target_group()
    with pytest.raises(ClientError) as refused:
        aws.target_group(**change)
    assert code_of(refused.value) == "DuplicateTargetGroupName"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a" * 33},
        {"name": "a_b"},
        {"Port": 65536},
        {"VpcId": "vpc-00000000000000000"},
        {"HealthCheckIntervalSeconds": 301},
        {"HealthyThresholdCount": 11},
    ],
)
def test_a_setting_that_aws_does_not_take_is_refused(aws: Site, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        aws.target_group(**wrong)
    assert code_of(refused.value) == "ValidationError"


def test_a_group_that_a_listener_forwards_to_stays(aws: Site) -> None:
    group = aws.target_group()
    listener = aws.listener(aws.balancer(), group)
    with pytest.raises(ClientError) as refused:
        aws.elb.delete_target_group(TargetGroupArn=group)
    assert code_of(refused.value) == "ResourceInUse"
    aws.elb.delete_listener(ListenerArn=listener)
    aws.elb.delete_target_group(TargetGroupArn=group)
    with pytest.raises(ClientError) as refused:
        aws.elb.describe_target_groups(Names=["s3private-demo"])
    assert code_of(refused.value) == "TargetGroupNotFound"


def test_a_group_is_described_as_it_was_made(aws: Site) -> None:
    group = aws.target_group(HealthCheckIntervalSeconds=10, HealthyThresholdCount=3)
    found = aws.elb.describe_target_groups(Names=["s3private-demo"])["TargetGroups"][0]
    assert found["TargetGroupArn"] == group
    assert (found["Protocol"], found["Port"], found["TargetType"], found["VpcId"]) == (
        "TCP",
        443,
        "ip",
        aws.world.vpc.id,
    )
    assert (found["HealthCheckProtocol"], found["HealthCheckPort"]) == ("TCP", "traffic-port")
    assert (found["HealthCheckIntervalSeconds"], found["HealthyThresholdCount"]) == (10, 3)


def test_client_addresses_are_not_preserved_unless_switched_on(aws: Site) -> None:
    group = aws.target_group()
    found = aws.elb.describe_target_group_attributes(TargetGroupArn=group)["Attributes"]
    assert {"Key": "preserve_client_ip.enabled", "Value": "false"} in found
    with pytest.raises(ClientError) as refused:
        aws.elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=[{"Key": "colour", "Value": "red"}])
    assert code_of(refused.value) == "ValidationError"


def test_health_check_settings_change_in_place(aws: Site) -> None:
    group = aws.target_group()
    aws.elb.modify_target_group(TargetGroupArn=group, HealthCheckIntervalSeconds=15)
    found = aws.elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]
    assert found["HealthCheckIntervalSeconds"] == 15


@pytest.mark.parametrize(
    ("address", "zone", "taken"),
    [
        ("100.64.0.7", "all", True),
        ("172.16.9.9", "all", True),
        ("127.0.0.1", "all", False),
        ("169.254.169.254", "all", False),
        ("192.0.2.1", "all", False),
        ("8.8.8.8", "all", False),
        ("10.20.200.1", None, False),
    ],
)
def test_a_target_is_in_a_subnet_of_the_vpc_or_in_a_range_for_elsewhere(
    aws: Site, address: str, zone: str | None, taken: bool
) -> None:
    """The last one is in the VPC, and in none of its subnets."""
    targets = aws.target_group()
    one: Any = {"Id": address, **({"AvailabilityZone": zone} if zone else {})}
    with nullcontext() if taken else pytest.raises(ClientError, match="ValidationError"):
        aws.elb.register_targets(TargetGroupArn=targets, Targets=[one])


def test_a_health_check_waits_no_longer_than_its_interval(aws: Site) -> None:
    with pytest.raises(ClientError, match="timeout must be smaller"):
        aws.target_group(HealthCheckIntervalSeconds=10, HealthCheckTimeoutSeconds=20)

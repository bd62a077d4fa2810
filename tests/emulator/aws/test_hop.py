"""A connection to the endpoint service gets through only where everything on its way is as it should be."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.aws.site import Site
from s3private_emulator.aws import Hop, Passage
from s3private_emulator.delays import Takes


def hop(aws: Site, made: dict[str, str]) -> Hop:
    return aws.aws.hop(made["service_name"])


def test_a_whole_path_is_open_and_says_where_it_ends(aws: Site) -> None:
    made = aws.path()
    found = hop(aws, made)
    assert (found.passage, found.vpc_endpoint_id, found.idle_timeout_seconds) == (Passage.OPEN, made["endpoint"], 350)


def test_the_listeners_idle_timeout_is_the_hops(aws: Site) -> None:
    made = aws.path()
    aws.elb.modify_listener_attributes(
        ListenerArn=made["listener"], Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
    )
    assert hop(aws, made).idle_timeout_seconds == 60


def test_a_service_that_is_not_there_times_out(aws: Site) -> None:
    assert aws.aws.hop("com.amazonaws.vpce.ap-northeast-1.vpce-svc-0").passage is Passage.TIMEOUT


@pytest.mark.parametrize("what", [Takes.SERVICE_AVAILABLE, Takes.LOAD_BALANCER_ACTIVE, Takes.ENDPOINT_AVAILABLE])
def test_what_is_not_up_yet_times_out(aws: Site, what: Takes) -> None:
    aws.takes(what, seconds=60)
    made = aws.path()
    assert hop(aws, made).passage is Passage.TIMEOUT
    aws.clock.advance(60)
    assert hop(aws, made).passage is Passage.OPEN


def test_looking_at_the_hop_lets_no_time_pass(aws: Site) -> None:
    aws.takes(Takes.LOAD_BALANCER_ACTIVE, polls=1)
    made = aws.path()
    for _ in range(3):
        assert hop(aws, made).passage is Passage.TIMEOUT
    aws.elb.describe_load_balancers()
    assert hop(aws, made).passage is Passage.OPEN


def test_looking_at_the_hop_makes_no_target_healthier(aws: Site) -> None:
    aws.takes(Takes.TARGET_HEALTHY, polls=1)
    made = aws.path()
    for _ in range(3):
        hop(aws, made)
    assert [aws.health(made["targets"])[0][0] for _ in range(2)] == ["initial", "healthy"]


def test_without_a_listener_it_is_reset(aws: Site) -> None:
    made = aws.path()
    aws.elb.delete_listener(ListenerArn=made["listener"])
    found = hop(aws, made)
    assert found.passage is Passage.RESET
    assert "listener" in found.reason


def test_a_listener_on_another_port_is_no_listener(aws: Site) -> None:
    made = aws.path()
    aws.elb.modify_listener(ListenerArn=made["listener"], Port=8443)
    assert hop(aws, made).passage is Passage.RESET


def test_without_targets_it_is_reset(aws: Site) -> None:
    made = aws.path()
    gone: list[Any] = [{"Id": a} for a in aws.addresses(made["endpoint"])]
    aws.elb.deregister_targets(TargetGroupArn=made["targets"], Targets=gone)
    assert hop(aws, made).passage is Passage.RESET


@pytest.mark.parametrize(
    ("attribute", "passage"),
    [("proxy_protocol_v2.enabled", Passage.GARBLED), ("preserve_client_ip.enabled", Passage.TIMEOUT)],
)
def test_an_attribute_that_an_endpoint_cannot_bear_breaks_it_and_no_health_check_shows_it(
    aws: Site, attribute: str, passage: Passage
) -> None:
    made = aws.path()
    aws.elb.modify_target_group_attributes(
        TargetGroupArn=made["targets"], Attributes=[{"Key": attribute, "Value": "true"}]
    )
    found = hop(aws, made)
    assert (found.passage, found.spares_open) == (passage, True)
    assert {state for state, _ in aws.health(made["targets"])} == {"healthy"}


def test_one_healthy_target_is_enough(aws: Site) -> None:
    made = aws.path()
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=made["endpoint"], RemoveSubnetIds=aws.subnets[:1])
    assert hop(aws, made).passage is Passage.OPEN


def test_when_none_is_healthy_it_fails_open_and_then_the_endpoint_drops_it(aws: Site) -> None:
    made = aws.path()
    aws.ec2.revoke_security_group_ingress(
        GroupId=made["group"], IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.20.0.0/16"
    )
    found = hop(aws, made)
    assert found.passage is Passage.TIMEOUT
    assert made["endpoint"] in found.reason


def test_while_none_is_checked_yet_it_fails_open_and_gets_through(aws: Site) -> None:
    aws.takes(Takes.TARGET_HEALTHY, seconds=60)
    assert hop(aws, aws.path()).passage is Passage.OPEN


def test_a_deleted_endpoint_times_out(aws: Site) -> None:
    made = aws.path()
    aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[made["endpoint"]])
    assert hop(aws, made).passage is Passage.TIMEOUT


def guarded(aws: Site, cidr: str) -> tuple[str, str, str]:
    """(service name, load balancer, its group)"""
    endpoint, targets = aws.endpoint(aws.group()), aws.target_group()
    aws.register(targets, aws.addresses(endpoint))
    group = aws.group("front", cidr)
    balancer = aws.balancer(SecurityGroups=[group])
    aws.listener(balancer, targets)
    return aws.service(balancer)[1], balancer, group


def test_inbound_rules_drop_privatelink_traffic_until_they_are_switched_off(aws: Site) -> None:
    name, balancer, group = guarded(aws, "10.20.0.0/16")
    assert aws.aws.hop(name).passage is Passage.TIMEOUT
    aws.elb.set_security_groups(
        LoadBalancerArn=balancer,
        SecurityGroups=[group],
        EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="off",
    )
    assert aws.aws.hop(name).passage is Passage.OPEN


def test_inbound_rules_for_every_address_let_it_in(aws: Site) -> None:
    name, _, _ = guarded(aws, "0.0.0.0/0")
    assert aws.aws.hop(name).passage is Passage.OPEN

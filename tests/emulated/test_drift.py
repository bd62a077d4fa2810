"""What somebody changed by hand is seen by plan and put back by provision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulated.ground import Ground
from emulated.hand import Hand
from s3private.provision.engine import Action, Outcome

DRIFTS = [
    (Hand.security_group_rule, "security group", "does not let tcp/443 in from 10.20.1.0/24, 10.20.2.0/24"),
    (Hand.security_group_egress, "security group", "does not let tcp/443 out to 10.20.1.0/24, 10.20.2.0/24"),
    (Hand.endpoint_policy, "interface endpoint", "its policy is not the one for the named buckets"),
    (Hand.endpoint_security_group, "interface endpoint", "without security group sg-"),
    (Hand.endpoint_subnet, "interface endpoint", "not in subnet-"),
    (Hand.health_check, "target group", "its health check is TCP on 80 every 10 s"),
    (Hand.proxy_protocol, "target group", "proxy protocol is on"),
    (Hand.client_ips, "target group", "client IP preservation is on"),
    (Hand.cross_zone_of_the_group, "target group", "cross-zone load balancing is off"),
    (Hand.privatelink_flag, "load balancer", "inbound rules are enforced on PrivateLink traffic"),
    (Hand.groups_of_the_load_balancer, "load balancer", "without security group sg-"),
    (Hand.cross_zone, "load balancer", "cross-zone load balancing is off"),
    (Hand.idle_timeout, "listener", "idle timeout is 60 s, not 350"),
    (Hand.listener_gone, "listener", "not there"),
    (Hand.target_out, "targets", "without 10.20."),
    (Hand.target_on_another_port, "targets", "still hold 10.20.1.4:80, where no endpoint answers"),
    (Hand.acceptance, "endpoint service", "acceptance is switched off"),
    (Hand.principal, "allowed principal", "not there"),
    (Hand.domain_names, "private endpoint rule", "carries bucket.elsewhere.example.com instead of bucket.vpce-"),
]


@pytest.mark.parametrize(("by_hand", "step", "says"), DRIFTS, ids=[by_hand.__name__ for by_hand, _, _ in DRIFTS])
def test_what_is_changed_by_hand_is_planned_and_put_back(
    built: Ground, by_hand: Callable[[Hand], None], step: str, says: str
) -> None:
    by_hand(Hand(built.hand))
    planned = {c.step: c for c in built.plan().changes if c.action in (Action.UPDATE, Action.CREATE)}
    assert step in planned
    assert planned[step].reason.startswith(says)
    assert built.provision().outcome is Outcome.SETTLED
    assert built.plan().outcome is Outcome.SETTLED


def https(**to: Any) -> list[Any]:
    return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **to}]


def test_rules_that_say_as_much_in_other_words_are_left_as_they_are(built: Ground) -> None:
    hand = Hand(built.hand)
    group = hand.group["GroupId"]
    hand.security_group_rule()
    hand.security_group_egress()
    hand.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https(IpRanges=[{"CidrIp": "10.20.0.0/16"}]))
    hand.ec2.authorize_security_group_egress(GroupId=group, IpPermissions=https(UserIdGroupPairs=[{"GroupId": group}]))
    assert built.plan().outcome is Outcome.SETTLED


def test_a_rule_that_lets_everybody_in_is_named_and_left(ground: Ground) -> None:
    ground.provision()
    hand = Hand(ground.hand)
    group = hand.group["GroupId"]
    assert ground.plan().notes == ()
    everybody: Any = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    hand.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=everybody)
    for report in (ground.plan(), ground.provision()):
        assert report.outcome is Outcome.SETTLED
        assert report.notes == (f"security group {group} lets 0.0.0.0/0 in: no rule of this path's, and left as it is",)


def test_a_given_security_group_that_lets_too_little_through_is_named_and_never_changed(ground: Ground) -> None:
    hand, vpc = Hand(ground.hand), ground.config.vpc_id
    group = hand.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    ground.write(vpc_id=f'"{vpc}"\nsecurity_group_id = "{group}"')
    mark = ground.emulator.log.mark()
    note = f"aws.security_group_id: {group} does not let tcp/443 in from 10.20.1.0/24, 10.20.2.0/24: add the rule"
    assert ground.plan().notes == (note,)
    hand.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https(IpRanges=[{"CidrIp": "10.20.0.0/16"}]))
    assert ground.plan().notes == ()
    assert [r.operation for r in ground.emulator.log.writes(mark)] == ["ec2:AuthorizeSecurityGroupIngress"]

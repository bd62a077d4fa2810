"""What somebody changed by hand is seen by plan and put back by provision."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulated.ground import Ground
from emulated.hand import Hand
from s3private.provision.engine import Action, Outcome

DRIFTS = [
    (Hand.security_group_rule, "security group", "does not let tcp/443 in from 10.20.1.0/24, 10.20.2.0/24"),
    (Hand.endpoint_policy, "interface endpoint", "its policy is not the one for the named buckets"),
    (Hand.endpoint_security_group, "interface endpoint", "without security group sg-"),
    (Hand.endpoint_subnet, "interface endpoint", "not in subnet-"),
    (Hand.health_check, "target group", "its health check is TCP on 80 every 10 s"),
    (Hand.privatelink_flag, "load balancer", "inbound rules are enforced on PrivateLink traffic"),
    (Hand.cross_zone, "load balancer", "cross-zone load balancing is off"),
    (Hand.idle_timeout, "listener", "idle timeout is 60 s, not 350"),
    (Hand.listener_gone, "listener", "not there"),
    (Hand.target_out, "targets", "without 10.20."),
    (Hand.acceptance, "endpoint service", "acceptance is switched off"),
    (Hand.principal, "allowed principal", "not there"),
    (Hand.domain_names, "private endpoint rule", "carries bucket.elsewhere.example.com instead of bucket.vpce-"),
]


@pytest.mark.parametrize(("by_hand", "step", "says"), DRIFTS, ids=[by_hand.__name__ for by_hand, _, _ in DRIFTS])
def test_what_is_changed_by_hand_is_planned_and_put_back(
    built: Ground, by_hand: Callable[[Hand], None], step: str, says: str
) -> None:
    by_hand(Hand(built.clients))
    planned = {c.step: c for c in built.plan().changes if c.action in (Action.UPDATE, Action.CREATE)}
    assert step in planned
    assert planned[step].reason.startswith(says)
    assert built.provision().outcome is Outcome.SETTLED
    assert built.plan().outcome is Outcome.SETTLED

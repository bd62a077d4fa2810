"""What one call has made, the next one may not know yet: it is asked again, for a while, and nothing else is."""

from __future__ import annotations

import pytest

from emulated.ground import Ground, PollingClock
from emulated.hand import Hand
from s3private.provision.engine import Outcome, Report, provision
from s3private.provision.steps import path_steps
from s3private_emulator.faults import Fault, Planned

UNSEEN = [
    ("ec2:AuthorizeSecurityGroupIngress", "InvalidGroup.NotFound", 400),
    ("ec2:CreateVpcEndpoint", "InvalidGroup.NotFound", 400),
    ("elbv2:CreateLoadBalancer", "InvalidSecurityGroup", 400),
    ("elbv2:SetSecurityGroups", "LoadBalancerNotFound", 400),
    ("elbv2:ModifyLoadBalancerAttributes", "LoadBalancerNotFound", 400),
    ("elbv2:CreateListener", "TargetGroupNotFound", 400),
    ("elbv2:RegisterTargets", "TargetGroupNotFound", 400),
    ("elbv2:DescribeTargetHealth", "TargetGroupNotFound", 400),
    ("ec2:ModifyVpcEndpointServicePermissions", "InvalidVpcEndpointServiceId.NotFound", 400),
    ("ec2:AcceptVpcEndpointConnections", "InvalidVpcEndpointServiceId.NotFound", 400),
    ("account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules", "RESOURCE_DOES_NOT_EXIST", 404),
]


def planned(operation: str, code: str, status: int, times: int) -> Planned:
    return Planned(operation=operation, fault=Fault.ERROR, code=code, status=status, times=times)


def walked(ground: Ground, clock: PollingClock) -> Report:
    return provision(path_steps(ground.config, ground.clients), clock=clock, timeout=7200)


def test_a_first_provision_in_which_no_call_sees_what_the_one_before_made_settles_in_one_run(ground: Ground) -> None:
    ground.emulator.faults.add(*(planned(*one, times=2) for one in UNSEEN))
    report = walked(ground, PollingClock())
    assert report.outcome is Outcome.SETTLED, report.message
    assert [str(one) for one in ground.emulator.faults.unstruck()] == []


def test_it_is_asked_again_for_three_minutes_and_no_longer(ground: Ground) -> None:
    ground.emulator.faults.add(planned("elbv2:CreateListener", "TargetGroupNotFound", 400, times=10**6))
    clock = PollingClock()
    report = walked(ground, clock)
    assert report.outcome is Outcome.RUN_AGAIN
    assert "the target group was just made and is not visible yet after 3 min" in report.message
    assert 180 <= clock.now() < 240


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("elbv2:RegisterTargets", "TargetGroupNotFound"),
        ("elbv2:RegisterTargets", "LoadBalancerNotFound"),
        ("elbv2:DescribeListenerAttributes", "ListenerNotFound"),
    ],
)
def test_what_was_not_just_made_and_is_not_there_ends_the_run_at_once(built: Ground, operation: str, code: str) -> None:
    Hand(built.hand).target_out()
    built.emulator.faults.add(planned(operation, code, 400, times=1))
    clock = PollingClock()
    report = walked(built, clock)
    built.emulator.faults.clear()
    assert (report.outcome, clock.now()) == (Outcome.FAILED, 0)
    assert code in report.message
    assert built.provision().outcome is Outcome.SETTLED

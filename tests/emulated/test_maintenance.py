"""Targets follow the endpoint's addresses and the path follows its endpoint; what else drifts is said; ours alone."""

from __future__ import annotations

from typing import Any

import pytest

from emulated.ground import Ground, PollingClock
from emulated.hand import Hand
from emulated.inspection import security_groups
from s3private.cli import main
from s3private.provision import engine
from s3private.provision.engine import Action, Outcome, Report
from s3private.provision.maintenance import maintain
from s3private.provision.steps import path_steps, target_steps
from s3private.route import Route
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator

WORKSPACE = 1001001001001001
OTHER_ROLE = "arn:aws:iam::333333333333:role/auditor"


def maintained(ground: Ground, clock: PollingClock) -> Report:
    steps = target_steps(ground.config, ground.clients)
    return maintain(steps, path_steps(ground.config, ground.clients), clock=clock, timeout=5400)


def test_maintain_says_the_cause_first_and_waits_for_nothing_that_provision_must_mend(ground: Ground) -> None:
    ground.provision()
    hand, clock = Hand(ground.hand), PollingClock()
    hand.security_group_rule()
    report = maintained(ground, clock)
    assert (report.outcome, clock.now()) == (Outcome.RUN_AGAIN, 0)
    assert report.message == (
        "drifted: security group: does not let tcp/443 in from 10.20.1.0/24, 10.20.2.0/24. "
        "`s3private provision` mends it"
    )
    gone = move_an_address(hand)
    report = maintained(ground, clock)
    assert clock.now() == 0
    assert report.message.startswith("drifted: security group: ")
    assert gone in healthy(hand), "the new address is registered, the old one stays until that is healthy"
    assert len(healthy(hand)) == 3
    assert ground.provision().outcome is Outcome.SETTLED
    assert maintained(ground, clock).outcome is Outcome.SETTLED


def test_what_is_not_ours_is_left_alone(ground: Ground) -> None:
    """Whatever people add beside the path stays: on its own resources too."""
    ground.provision()
    hand = Hand(ground.hand)
    ec2, elbv2 = hand.ec2, hand.elbv2
    ssh: Any = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "10.20.9.0/24"}]}
    ec2.authorize_security_group_ingress(GroupId=hand.group["GroupId"], IpPermissions=[ssh])
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=hand.service, AddAllowedPrincipals=[OTHER_ROLE])
    ec2.create_tags(Resources=[hand.endpoint["VpcEndpointId"]], Tags=[{"Key": "cost-centre", "Value": "42"}])
    balancer = hand.balancer["LoadBalancerArn"]
    elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "true"}]
    )
    elbv2.modify_target_group(TargetGroupArn=hand.target_group["TargetGroupArn"], HealthyThresholdCount=7)
    mark = ground.emulator.log.mark()
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED
    assert ground.emulator.log.writes(mark) == []
    assert any(OTHER_ROLE in note for note in report.notes)
    hand.idle_timeout()
    assert ground.provision().outcome is Outcome.SETTLED
    assert any(rule.get("FromPort") == 22 for rule in hand.group["IpPermissions"])
    assert {"Key": "cost-centre", "Value": "42"} in hand.endpoint["Tags"]
    assert hand.target_group["HealthyThresholdCount"] == 7
    attributes = elbv2.describe_load_balancer_attributes(LoadBalancerArn=balancer)["Attributes"]
    assert {"Key": "deletion_protection.enabled", "Value": "true"} in attributes


def test_maintain_reports_drift_by_its_exit_code_and_mends_only_the_targets(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.provision()
    maintain = ["maintain", str(ground.file), "--poll", "0.01"]
    assert main(maintain) == 0
    hand = Hand(ground.hand)
    hand.target_out()
    assert main(maintain) == 0
    hand.cross_zone()
    hand.target_out()
    capsys.readouterr()
    mark = ground.emulator.log.mark()
    assert main(maintain) == 3
    said = capsys.readouterr().err
    assert "drifted: load balancer: cross-zone load balancing is off. `s3private provision` mends it" in said
    assert {r.operation for r in ground.emulator.log.writes(mark)} == {"elbv2:RegisterTargets"}
    assert main(["plan", str(ground.file), "--exit-code"]) == 3
    assert main(["plan", str(ground.file)]) == 0
    assert main(["provision", str(ground.file), "--poll", "0.01"]) == 0
    assert main(maintain) == 0
    assert main(["plan", str(ground.file), "--exit-code"]) == 0


def healthy(hand: Hand) -> dict[str, str]:
    """Each target's address and state."""
    arn = hand.target_group["TargetGroupArn"]
    described = hand.elbv2.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    return {d["Target"]["Id"]: d["TargetHealth"]["State"] for d in described}


def move_an_address(hand: Hand) -> str:
    """AWS gives the endpoint's interface in one subnet another address. Returns the old one."""
    endpoint = hand.endpoint
    name, subnet = endpoint["VpcEndpointId"], endpoint["SubnetIds"][0]
    interfaces = hand.ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])
    (old,) = (i["PrivateIpAddress"] for i in interfaces["NetworkInterfaces"] if i["SubnetId"] == subnet)
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=name, RemoveSubnetIds=[subnet])
    hand.ec2.create_network_interface(SubnetId=subnet, PrivateIpAddress=old)  # somebody else has it now
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=name, AddSubnetIds=[subnet])
    return old


class WatchingClock(PollingClock):
    """Looks at the hop whenever the engine waits."""

    def __init__(self, emulator: Emulator, service: str) -> None:
        super().__init__()
        self.emulator, self.service = emulator, service
        self.seen: list[str] = []

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.seen.append(self.emulator.aws.hop(self.service).passage.value)


def only_targets(ground: Ground, clock: PollingClock) -> Report:
    steps = target_steps(ground.config, ground.clients)
    return engine.provision(steps, clock=clock, timeout=3600, only=steps[-1])


def test_a_new_address_is_healthy_before_the_old_one_drains_and_the_hop_is_never_empty(ground: Ground) -> None:
    ground.provision()
    hand = Hand(ground.hand)
    gone = move_an_address(hand)
    ground.emulator.delays.set(Takes.TARGET_HEALTHY, Delay(polls=4))
    ground.emulator.delays.set(Takes.TARGET_DRAINED, Delay(polls=3))
    (service,) = [rule.endpoint_service for rule in ground.emulator.account.rules()]
    clock = WatchingClock(ground.emulator, service)
    mark = ground.emulator.log.mark()
    report = only_targets(ground, clock)
    assert report.outcome is Outcome.SETTLED, report.message
    assert set(clock.seen) == {"open"}, "it waited, and bytes passed all the while"
    writes = [r.operation for r in ground.emulator.log.writes(mark)]
    assert writes == ["elbv2:RegisterTargets", "elbv2:DeregisterTargets"]
    states = healthy(hand)
    assert states.pop(gone) == "draining", "its open connections have the deregistration delay to end in"
    assert sorted(states.values()) == ["healthy", "healthy"]
    mark = ground.emulator.log.mark()
    assert only_targets(ground, PollingClock()).outcome is Outcome.SETTLED
    assert ground.emulator.log.writes(mark) == []


def test_an_old_target_stays_while_the_new_one_is_not_healthy(ground: Ground) -> None:
    ground.provision()
    hand = Hand(ground.hand)
    gone = move_an_address(hand)
    ground.emulator.delays.set(Takes.TARGET_HEALTHY, Delay(polls=10**6))
    report = only_targets(ground, PollingClock())
    assert report.outcome is Outcome.RUN_AGAIN
    assert gone in healthy(hand)


def test_only_targets_mends_nothing_else_and_makes_nothing(ground: Ground) -> None:
    report = only_targets(ground, PollingClock())
    assert report.outcome is Outcome.REFUSED
    assert "provision the whole path first" in report.message
    assert ground.emulator.log.writes() == []
    ground.provision()
    hand = Hand(ground.hand)
    hand.cross_zone()
    hand.target_out()
    mark = ground.emulator.log.mark()
    report = only_targets(ground, PollingClock())
    assert report.outcome is Outcome.SETTLED
    assert [r.operation for r in ground.emulator.log.writes(mark)] == ["elbv2:RegisterTargets"]
    assert "load balancer: cross-zone load balancing is off" in report.notes


def moved_together(ground: Ground, old: Route) -> Route:
    new = Route.load(ground.route)
    assert new.endpoint_url != old.endpoint_url
    assert new.vpc_endpoint_id != old.vpc_endpoint_id
    assert list(ground.emulator.account.carried_names(WORKSPACE)) == [new.host]
    (service,) = [rule.endpoint_service for rule in ground.emulator.account.rules()]
    assert ground.emulator.aws.hop(service).vpc_endpoint_id == new.vpc_endpoint_id
    assert set(healthy(Hand(ground.hand)).values()) == {"healthy"}
    return new


def test_an_endpoint_that_was_deleted_is_made_anew_and_targets_names_and_route_move_together(ground: Ground) -> None:
    ground.provision()
    old = Route.load(ground.route)
    ec2 = ground.hand.ec2
    had = ec2.describe_network_interfaces(NetworkInterfaceIds=Hand(ground.hand).endpoint["NetworkInterfaceIds"])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[old.vpc_endpoint_id])
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    for one in had["NetworkInterfaces"]:  # somebody else has the addresses now
        ec2.create_network_interface(SubnetId=one["SubnetId"], PrivateIpAddress=one["PrivateIpAddress"])
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    moved = {c.step: c.action for c in report.changes if c.action is not Action.KEEP}
    assert moved == {
        "interface endpoint": Action.CREATE,
        "targets": Action.UPDATE,
        "private endpoint rule": Action.UPDATE,
        "route": Action.UPDATE,
    }
    moved_together(ground, old)
    assert len(ground.emulator.account.rules()) == 1


def test_another_given_endpoint_takes_the_path_with_it_and_the_old_one_is_named_and_goes_with_destroy(
    ground: Ground,
) -> None:
    ground.provision()
    old = Route.load(ground.route)
    hand = Hand(ground.hand)
    subnets: list[str] = hand.endpoint["SubnetIds"]
    made: Any = hand.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=ground.config.vpc_id,
        ServiceName=f"com.amazonaws.{ground.config.region}.s3",
        SubnetIds=subnets,
        SecurityGroupIds=[hand.group["GroupId"]],
        PrivateDnsEnabled=False,
    )
    given = made["VpcEndpoint"]["VpcEndpointId"]
    ground.write(vpc_id=f'"{ground.config.vpc_id}"\nendpoint_id = "{given}"')
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    assert moved_together(ground, old).vpc_endpoint_id == given
    for told in (report, ground.plan()):
        assert any(old.vpc_endpoint_id in note and "costs money" in note for note in told.notes)
    assert len(hand.ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 2
    removed = {c.step: (c.action, c.id) for c in ground.destroy().changes}
    assert removed["interface endpoint"] == (Action.DELETE, old.vpc_endpoint_id)
    assert [e["VpcEndpointId"] for e in hand.ec2.describe_vpc_endpoints()["VpcEndpoints"]] == [given]
    removed = {c.step: (c.action, c.id) for c in ground.destroy().changes}
    assert removed["interface endpoint"] == (Action.KEEP, given)


def test_an_endpoint_of_the_path_that_was_given_since_is_not_deleted(ground: Ground) -> None:
    ground.provision()
    own = Route.load(ground.route).vpc_endpoint_id
    ground.write(vpc_id=f'"{ground.config.vpc_id}"\nendpoint_id = "{own}"')
    assert ground.plan().outcome is Outcome.SETTLED
    clock = PollingClock()
    report = engine.destroy(path_steps(ground.config, ground.clients), clock=clock, timeout=7200)
    assert [e["VpcEndpointId"] for e in Hand(ground.hand).ec2.describe_vpc_endpoints()["VpcEndpoints"]] == [own]
    assert f"is on the given endpoint {own}" in report.message
    assert clock.now() == 0, "nothing was waited for that will not come"


def test_another_given_security_group_joins_the_paths_own_which_goes_with_destroy(ground: Ground) -> None:
    ground.provision()
    hand, vpc = Hand(ground.hand), ground.config.vpc_id
    own = hand.group["GroupId"]
    given = hand.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    ground.write(vpc_id=f'"{vpc}"\nsecurity_group_id = "{given}"')
    assert ground.provision().outcome is Outcome.SETTLED
    assert sorted(hand.balancer["SecurityGroups"]) == sorted([own, given])
    assert sorted(g["GroupId"] for g in hand.endpoint["Groups"]) == sorted([own, given])
    ground.destroy()
    assert security_groups(ground.emulator) == [given]


def test_each_state_has_a_deadline_of_its_own_and_running_again_goes_on(ground: Ground) -> None:
    ground.emulator.delays.set(Takes.RULE_ENDPOINT_ID, Delay(polls=10**6))
    clock = PollingClock()
    report = engine.provision(path_steps(ground.config, ground.clients), clock=clock, timeout=24 * 3600)
    assert report.outcome is Outcome.RUN_AGAIN
    assert "private endpoint rule: still CREATING after 30 min" in report.message
    assert 1800 <= clock.now() < 2400


def test_a_wait_longer_than_a_session_goes_on_with_new_keys(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore fetches new keys when fewer than 15 minutes are left: here, at every call."""
    monkeypatch.setattr("s3private.credentials.ROLE_SECONDS", 900)
    ground.emulator.delays.set(Takes.ENDPOINT_AVAILABLE, Delay(polls=5))
    assert ground.provision().outcome is Outcome.SETTLED
    assumed = [r for r in ground.emulator.log.since() if r.operation == "sts:AssumeRole"]
    assert len(assumed) > 5

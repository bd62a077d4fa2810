"""Destroy goes on past what the platform keeps, never touches what it did not make, and finishes when run again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulated.ground import Ground, PollingClock
from emulated.hand import Hand
from emulated.inspection import connections, count, not_settled
from emulated.interruptions import DAY, WAYS, Interrupted, world
from s3private.provision.engine import Action, Outcome, Report, destroy
from s3private.provision.steps import path_steps
from s3private_emulator.aws import Passage
from s3private_emulator.clock import HandClock
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.privatelink import ConnectionState

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import IpRangeTypeDef

WORKSPACE, OTHER_WORKSPACE = 1001001001001001, 1001001001001002
DELETE_RULE = ("account:DELETE network-connectivity-configs/{ncc_id}/private-endpoint-rules/{rule_id}", 1)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Interrupted]:
    with world(tmp_path) as run:
        yield run


def remaining(run: Interrupted) -> dict[str, str]:
    """Step -> until, of what the last report says remains."""
    return {c.step: c.until for c in run.reports[-1].changes if c.action is Action.REMAINS}


def wait_a_day(run: Interrupted) -> None:
    clock = run.ground.emulator.clock
    assert isinstance(clock, HandClock)
    clock.advance(DAY)


def test_what_remains_says_why_and_until_when_and_a_later_run_finishes(tmp_path: Path) -> None:
    with world(tmp_path, workspaces="[]") as run:
        run.until_settled(run.ground.provision, runs=1)
        first = run.run(run.ground.destroy)
        assert first is not None
        assert first.outcome is Outcome.RUN_AGAIN
        assert set(remaining(run)) == {"private endpoint rule", "network connectivity config"}
        assert remaining(run)["private endpoint rule"].startswith("between 20")
        assert all(c.reason for c in run.reports[-1].changes if c.action is Action.REMAINS)
        assert set(count(run.ground.emulator)) == {"NCCs", "rules"}
        wait_a_day(run)
        run.run(run.ground.destroy)
        assert run.reports[-1].outcome is Outcome.SETTLED
        assert count(run.ground.emulator) == {}


def test_provision_works_while_a_deactivated_rule_still_sits_on_the_same_service(run: Interrupted) -> None:
    """Destroy was killed when the rule was gone and the service was not: the old endpoint is still there."""
    run.until_settled(run.ground.provision, runs=1)
    run.ground.emulator.faults.add(WAYS["killed after"](DELETE_RULE))
    assert run.run(run.ground.destroy) is None
    run.until_settled(run.ground.provision, runs=1)
    emulator = run.ground.emulator
    assert [c.state.value for c in connections(emulator)] == ["available", "available"]
    assert [rule.deactivated for rule in emulator.account.rules()] == [True, False]
    assert emulator.account.carried_names(WORKSPACE), "only the rule that is not deactivated carries"
    wait_a_day(run)
    assert run.ground.plan().outcome is Outcome.SETTLED
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize("way", ["killed before", "killed after", "refused before"])
def test_a_path_is_whole_again_after_a_destroy_that_stopped_at_the_connection(run: Interrupted, way: str) -> None:
    run.until_settled(run.ground.provision, runs=1)
    run.ground.emulator.faults.add(WAYS[way](("ec2:RejectVpcEndpointConnections", 1)))
    run.run(run.ground.destroy)
    run.until_settled(run.ground.provision, runs=1)
    wait_a_day(run)
    assert not_settled(run.ground) == ""


def test_what_a_rule_is_found_by_stays_while_the_rule_cannot_be_deleted(tmp_path: Path) -> None:
    with world(tmp_path, workspaces="[]") as run:
        run.until_settled(run.ground.provision, runs=1)
        run.ground.emulator.faults.add(WAYS["refused before"](DELETE_RULE))
        stopped = run.run(run.ground.destroy)
        assert stopped is not None
        assert (stopped.outcome, "PERMISSION_DENIED" in stopped.message) == (Outcome.FAILED, True)
        assert count(run.ground.emulator)["services"] == 1
        assert "endpoint service" in {c.step for c in stopped.changes if c.reason == "not tried yet"}
        run.remove(again=1)
        assert count(run.ground.emulator) == {}


def test_the_connection_of_a_rule_that_hands_deactivated_does_not_hold_the_service(tmp_path: Path) -> None:
    with world(tmp_path, workspaces="[]") as run:
        run.until_settled(run.ground.provision, runs=1)
        [rule] = run.ground.emulator.account.rules()
        run.ground.clients.account.network_connectivity.delete_private_endpoint_rule(rule.ncc_id, rule.id)
        run.run(run.ground.destroy)
        assert set(count(run.ground.emulator)) == {"NCCs", "rules"}


def test_a_rule_that_was_never_accepted_goes_at_once_with_its_connection(tmp_path: Path) -> None:
    with world(tmp_path, workspaces="[]") as run:
        run.ground.emulator.faults.add(WAYS["killed before"](("ec2:AcceptVpcEndpointConnections", 1)))
        assert run.run(run.ground.provision) is None
        run.run(run.ground.destroy)
        assert run.reports[-1].outcome is Outcome.SETTLED, run.reports[-1].message
        assert count(run.ground.emulator) == {}


def test_a_rule_deleted_while_creating_is_finished_by_the_next_run(tmp_path: Path) -> None:
    """It is deactivated, and its endpoint knocks all the same."""
    with world(tmp_path, workspaces="[]") as run:
        run.ground.emulator.delays.set(Takes.RULE_ENDPOINT_ID, Delay(seconds=60))
        assert run.ground.provision(timeout=60).outcome is Outcome.RUN_AGAIN
        run.run(run.ground.destroy)
        run.remove(again=1)
        assert run.reports[-1].outcome is Outcome.SETTLED, run.reports[-1].message
        assert count(run.ground.emulator) == {}


def destroyed_at_once(run: Interrupted) -> Report:
    """Of a destroy that has nothing to wait for."""
    run.ground.forget_clients()
    clock = PollingClock()
    report = destroy(path_steps(run.ground.config, run.ground.clients), clock=clock, timeout=7200)
    assert clock.now() == 0
    return report


BENEATH = {"load balancers": 1, "listeners": 1, "targets": 2, "target groups": 1, "endpoints": 1, "security groups": 1}


@pytest.mark.parametrize("accepted", [False, True], ids=["pending", "in use"])
def test_a_strangers_connection_holds_the_service_and_is_named_at_once_and_not_cut_off(
    run: Interrupted, accepted: bool
) -> None:
    run.until_settled(run.ground.provision, runs=1)
    emulator = run.ground.emulator
    [rule] = emulator.account.rules()
    stranger = emulator.stranger(rule.endpoint_service)
    service = Hand(run.ground.hand).service
    if accepted:
        emulator.privatelink.accept(service, stranger)
    report = destroyed_at_once(run)
    assert report.outcome is Outcome.RUN_AGAIN
    word = "available" if accepted else "pendingAcceptance"
    assert f"{service} is held by {stranger} of account 565502421330 ({word})" in report.message
    assert f"--service-id {service} --vpc-endpoint-ids {stranger}, then run destroy again" in report.message
    assert str(rule.vpc_endpoint_id) not in report.message
    assert {**BENEATH, "services": 1}.items() <= count(emulator).items()
    assert emulator.aws.hop(rule.endpoint_service).passage is Passage.OPEN
    spared = {c.step for c in report.changes if c.reason == "under the endpoint service"}
    assert len(spared) == len(BENEATH)
    seen = emulator.privatelink.connection(stranger)
    assert seen is not None
    assert seen.state == word
    emulator.privatelink.reject(service, stranger)
    run.run(run.ground.destroy)
    assert not {"services", *BENEATH} & set(count(emulator))


def test_its_own_connection_that_aws_still_shows_is_waited_for_and_not_called_a_strangers(run: Interrupted) -> None:
    """It was rejected, and EC2 shows it, and refuses, as if it had not been, for a moment."""
    run.until_settled(run.ground.provision, runs=1)
    emulator = run.ground.emulator
    [rule] = emulator.account.rules()
    lines: list[str] = []

    def lagging(line: str) -> None:
        lines.append(line)
        if line.startswith("endpoint service") and rule.vpc_endpoint_id:
            state = ConnectionState.REJECTED if "in use" in line else ConnectionState.AVAILABLE
            emulator.privatelink.end(rule.vpc_endpoint_id, state)

    steps = path_steps(run.ground.config, run.ground.clients)
    destroy(steps, clock=PollingClock(), timeout=7200, progress=lagging)
    assert any(line.startswith("endpoint service: in use: ExistingVpcEndpointConnections") for line in lines)
    assert not {"services", *BENEATH} & set(count(emulator))


def test_what_else_has_the_security_group_is_named_while_destroy_waits(run: Interrupted) -> None:
    run.until_settled(run.ground.provision, runs=1)
    hand = Hand(run.ground.hand)
    made = hand.ec2.create_network_interface(
        SubnetId=run.ground.config.subnet_ids[0], Groups=[hand.group["GroupId"]], Description="somebody's"
    )
    run.run(run.ground.destroy)
    [group] = [c for c in run.reports[-1].changes if c.step == "security group"]
    assert (group.action, run.reports[-1].outcome) == (Action.REMAINS, Outcome.RUN_AGAIN)
    assert f": on {made['NetworkInterface']['NetworkInterfaceId']} (somebody's)" in group.reason


def test_deletion_protection_is_said_at_once_with_how_to_lift_it(run: Interrupted) -> None:
    run.until_settled(run.ground.provision, runs=1)
    hand = Hand(run.ground.hand)
    arn = hand.balancer["LoadBalancerArn"]

    def protect(value: str) -> None:
        hand.elbv2.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": "deletion_protection.enabled", "Value": value}]
        )

    protect("true")
    report = destroyed_at_once(run)
    assert report.outcome is Outcome.RUN_AGAIN
    assert f"--load-balancer-arn {arn} --attributes Key=deletion_protection.enabled,Value=false" in report.message
    left = count(run.ground.emulator)
    assert {"load balancers", "security groups"} <= set(left)
    assert not {"endpoints", "target groups"} & set(left)
    protect("false")
    run.run(run.ground.destroy)
    assert not set(BENEATH) & set(count(run.ground.emulator))


def test_what_was_given_is_never_deleted(run: Interrupted) -> None:
    """An endpoint, a security group and an NCC of the company's own, used by the path and by others."""
    ground, emulator = run.ground, run.ground.emulator
    ec2 = ground.clients.ec2
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=ground.config.vpc_id)["GroupId"]
    cidrs: list[IpRangeTypeDef] = [{"CidrIp": subnet.cidr} for subnet in emulator.world.vpc.subnets]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": cidrs}],
    )
    endpoint = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=ground.config.vpc_id,
        ServiceName=f"com.amazonaws.{ground.config.region}.s3",
        SubnetIds=list(ground.config.subnet_ids),
        SecurityGroupIds=[group],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]["VpcEndpointId"]
    ncc = ground.make_ncc("the-companys-own")
    ground.attach(OTHER_WORKSPACE, ncc)
    vpc_id = emulator.world.vpc.id
    ground.write(
        vpc_id=f'"{vpc_id}"\nsecurity_group_id = "{group}"\nendpoint_id = "{endpoint}"',
        workspace_ids=f'[{WORKSPACE}]\nncc_id = "{ncc}"',
    )
    before = {"security groups": 1, "endpoints": 1, "NCCs": 1}
    run.until_settled(ground.provision, runs=1)
    run.run(ground.destroy)
    wait_a_day(run)
    run.run(ground.destroy)
    assert count(emulator) == {**before, "attached workspaces": 2}
    assert [n.id for n in emulator.account.nccs()] == [ncc]


def test_what_carries_another_paths_tag_is_never_touched(run: Interrupted) -> None:
    ground, emulator = run.ground, run.ground.emulator
    run.until_settled(ground.provision, runs=1)
    # A second path whose name begins as the first one's does.
    other = ground.file.read_text(encoding="utf-8").replace('name = "demo"', 'name = "demo-two"')
    other = other.replace(str(ground.route), str(ground.directory / "two.route.json"))
    first = ground.file
    ground.file = ground.directory / "two.toml"
    ground.file.write_text(other, encoding="utf-8")
    run.until_settled(ground.provision, runs=1)
    mark = emulator.log.mark()
    run.run(ground.destroy)
    wait_a_day(run)
    run.run(ground.destroy)
    ground.file = first
    assert emulator.log.writes(mark)
    assert ground.plan().outcome is Outcome.SETTLED
    assert not_settled(ground) == ""


def test_the_rule_is_found_although_the_workspace_was_switched_to_another_ncc(run: Interrupted) -> None:
    ground, emulator = run.ground, run.ground.emulator
    run.until_settled(ground.provision, runs=1)
    ground.attach(WORKSPACE, ground.make_ncc("the-companys-own"))
    run.run(ground.destroy)
    wait_a_day(run)
    run.run(ground.destroy)
    assert [ncc.name for ncc in emulator.account.nccs()] == ["the-companys-own"]
    assert count(emulator) == {"NCCs": 1, "attached workspaces": 1}


def test_a_foreign_security_group_of_the_paths_name_is_refused_at_plan(run: Interrupted) -> None:
    ground = run.ground
    ground.clients.ec2.create_security_group(
        GroupName=ground.config.resource_name, Description="theirs", VpcId=ground.config.vpc_id
    )
    mark = ground.emulator.log.mark()
    for report in (ground.plan(), ground.provision()):
        assert report.outcome is Outcome.REFUSED
        assert "somebody else's" in report.message
    run.run(ground.destroy)
    assert ground.emulator.log.writes(mark) == []


def test_a_group_that_a_rule_of_another_names_is_said_with_what_a_person_takes_out(ground: Ground) -> None:
    ground.write(workspace_ids="[]")
    ground.provision()
    hand, vpc = Hand(ground.hand), ground.config.vpc_id
    own = hand.group["GroupId"]
    other = hand.ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)["GroupId"]
    rule: Any = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": own}]}
    hand.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    report = ground.destroy()
    (left,) = [change for change in report.changes if change.step == "security group"]
    assert f"named by a rule of {other}" in left.reason
    assert left.reason.endswith(f"take {own} out of the rules of {other}, then run destroy again")


@pytest.mark.parametrize(
    ("mounted", "file", "says"),
    [
        ((), "c/s/v/x.json", "mounted on Databricks compute only"),
        (("c/s",), "c/s/v/x.json", "there is no volume"),
        (("c/s",), "c/s/x.json", "is no file in a volume"),
    ],
)
def test_a_route_in_a_volume_that_is_not_seen_here_stops_every_verb_before_anything(
    built: Ground, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mounted: tuple[str, ...], file: str, says: str
) -> None:
    """Destroyed all the same, the path would leave its Route behind."""
    monkeypatch.setattr("s3private.provision.steps.route_file._VOLUMES", tmp_path / "Volumes")
    monkeypatch.setattr("s3private.provision.steps.route_file._VOLUME_PARTS", len(tmp_path.parts) + 4)
    for folder in mounted:
        (tmp_path / "Volumes" / folder).mkdir(parents=True)
    kept, mark = built.file.read_text(encoding="utf-8"), built.emulator.log.mark()
    built.write(file=f'"{tmp_path}/Volumes/{file}"')
    for walk in (built.provision, built.destroy):
        report = walk()
        assert (report.outcome, says in report.message) == (Outcome.REFUSED, True), report.message
    built.file.write_text(kept, encoding="utf-8")
    assert built.emulator.log.writes(mark) == []

"""Other subnets in the path file: the path moves while something serves all the time, or says what it would take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulated.ground import Ground, PollingClock
from emulated.hand import Hand
from emulated.inspection import not_settled
from emulated.interruptions import WAYS, world
from emulated.scenarios import SCENARIOS, other_subnet
from emulated.serving import Serving
from s3private.provision.engine import Action, Outcome
from s3private.provision.maintenance import maintain
from s3private.provision.steps import path_steps, target_steps
from s3private_emulator.delays import Delay, Takes

THIRD = "ap-northeast-1d"


def name(ground: Ground, *subnets: str) -> None:
    ground.write(subnet_ids=json.dumps(subnets))


def moved(ground: Ground) -> Serving:
    """Provision what the path file says by now, looking all the while."""
    for takes in (Takes.TARGET_HEALTHY, Takes.TARGET_DRAINED):
        ground.emulator.delays.set(takes, Delay(polls=3))
    serving = Serving(ground.emulator)
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    assert ground.plan().outcome is Outcome.SETTLED
    assert sorted(Hand(ground.hand).endpoint["SubnetIds"]) == sorted(ground.config.subnet_ids)
    return serving


def test_zones_are_added_exchanged_and_left_without_a_moment_that_nothing_serves(ground: Ground) -> None:
    ground.provision()
    first, second = ground.config.subnet_ids
    third = other_subnet(ground, "10.20.3.0/24", THIRD)
    for subnets in ([second, third], [first, second, third], [first, third]):
        name(ground, *subnets)
        serving = moved(ground)
        assert (serving.wrong, serving.moments > 0) == ([], True)
    assert any("keep the subnets until the path is destroyed" in note for note in ground.plan().notes)
    hand = Hand(ground.hand)
    hand.security_group_rule()
    assert ground.provision().outcome is Outcome.SETTLED
    health = hand.elbv2.describe_target_health(TargetGroupArn=hand.target_group["TargetGroupArn"])
    states = {one["TargetHealth"].get("State") for one in health["TargetHealthDescriptions"]}
    assert states == {"healthy"}, "the nodes in the zone that was left send, too, and are let in again"


def test_the_plan_of_a_move_says_what_follows_and_what_is_cut(ground: Ground) -> None:
    ground.provision()
    first, second = ground.config.subnet_ids
    third = other_subnet(ground, "10.20.3.0/24", THIRD)
    name(ground, second, third)
    planned = {change.step: change.reason for change in ground.plan().changes if change.action is Action.UPDATE}
    assert planned == {
        "security group": "does not let tcp/443 in from 10.20.3.0/24",
        "interface endpoint": f"not in {third}: added, which interrupts nothing",
        "load balancer": f"not in {third}: added, which interrupts nothing",
        "targets": f"follow the endpoint into {third}: its new addresses are healthy before an old one is taken out, "
        "and what is open to that has 300 s to end",
        "endpoint subnets": f"also in {first}: left when their addresses are drained. What is still open to them after "
        "300 s is cut; nothing else is interrupted",
    }
    mark = ground.emulator.log.mark()
    steps = target_steps(ground.config, ground.clients)
    maintained = maintain(steps, path_steps(ground.config, ground.clients), clock=PollingClock(), timeout=3600)
    assert maintained.outcome is Outcome.RUN_AGAIN
    assert ground.emulator.log.writes(mark) == [], "a move is provision's: the targets alone are in step as they are"


def test_a_subnet_exchanged_within_its_zone_is_refused_before_any_write_and_by_maintain_too(ground: Ground) -> None:
    ground.provision()
    first, second = ground.config.subnet_ids
    other = other_subnet(ground, "10.20.9.0/24", "ap-northeast-1a")
    name(ground, other, second)
    mark = ground.emulator.log.mark()
    steps = target_steps(ground.config, ground.clients)
    for report in (
        ground.plan(),
        ground.provision(),
        maintain(steps, path_steps(ground.config, ground.clients), clock=PollingClock(), timeout=3600),
    ):
        assert report.outcome is Outcome.REFUSED
        assert f"aws.subnet_ids: {other} is in ap-northeast-1a, where the load balancer" in report.message
        assert f"Name {first} again" in report.message
        assert "mends it" not in report.message
    assert ground.emulator.log.writes(mark) == []
    name(ground, first, second)
    assert ground.plan().outcome is Outcome.SETTLED


def test_an_endpoint_that_was_put_into_another_subnet_of_its_zone_by_hand_is_said_with_the_way_back(
    ground: Ground,
) -> None:
    ground.provision()
    hand, first = Hand(ground.hand), ground.config.subnet_ids[0]
    other = other_subnet(ground, "10.20.9.0/24", "ap-northeast-1a")
    endpoint = hand.endpoint["VpcEndpointId"]
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[first])
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSubnetIds=[other])
    refused = ground.provision()
    assert refused.outcome is Outcome.REFUSED
    assert f"--vpc-endpoint-id {endpoint} --remove-subnet-ids {other}" in refused.message
    hand.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[other])
    assert ground.provision().outcome is Outcome.SETTLED
    assert not_settled(ground) == ""


def test_a_subnet_without_room_for_the_load_balancer_is_refused_before_any_write(ground: Ground) -> None:
    """Eight are free, and the endpoint takes one before the load balancer comes."""
    first, second = ground.config.subnet_ids
    small = other_subnet(ground, "10.20.3.0/28", THIRD)
    for _ in range(3):
        ground.hand.ec2.create_network_interface(SubnetId=small)
    name(ground, first, small)
    mark = ground.emulator.log.mark()
    assert ground.plan().outcome is ground.provision().outcome is Outcome.REFUSED
    name(ground, first, second)
    assert ground.emulator.log.writes(mark) == []
    assert ground.provision().outcome is Outcome.SETTLED
    name(ground, first, second, small)
    mark = ground.emulator.log.mark()
    report = ground.provision()
    assert report.outcome is Outcome.REFUSED
    assert f"{small} has 8 free addresses, and the path needs 9 there" in report.message
    assert ground.emulator.log.writes(mark) == []


def test_a_given_endpoint_in_a_zone_that_the_load_balancer_is_not_in_is_refused_before_any_write(
    ground: Ground,
) -> None:
    first, second = ground.config.subnet_ids
    third = other_subnet(ground, "10.20.3.0/24", THIRD)
    made = ground.clients.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=ground.config.vpc_id,
        ServiceName=f"com.amazonaws.{ground.config.region}.s3",
        SubnetIds=[first, third],
        PrivateDnsEnabled=False,
    )
    given = made["VpcEndpoint"].get("VpcEndpointId")
    ground.write(vpc_id=f'"{ground.config.vpc_id}"\nendpoint_id = "{given}"')
    mark = ground.emulator.log.mark()
    refused = ground.provision()
    assert refused.outcome is Outcome.REFUSED
    assert f"aws.endpoint_id: {given} is in {THIRD}, too, where the load balancer sends nothing" in refused.message
    assert ground.emulator.log.writes(mark) == []
    ground.write(
        vpc_id=f'"{ground.config.vpc_id}"\nendpoint_id = "{given}"', subnet_ids=json.dumps([first, second, third])
    )
    assert ground.plan().outcome is Outcome.PLANNED


def test_a_subnet_without_ipv4_addresses_is_a_conflict_in_one_line(ground: Ground) -> None:
    made = ground.hand.ec2.create_subnet(
        VpcId=ground.config.vpc_id, Ipv6Native=True, Ipv6CidrBlock="2001:db8:1234:1a00::/64", AvailabilityZone=THIRD
    )
    name(ground, ground.config.subnet_ids[0], str(made["Subnet"].get("SubnetId")))
    for report in (ground.plan(), ground.provision(), ground.destroy()):
        assert report.outcome is Outcome.REFUSED
        assert "has no IPv4 addresses, which the path is made of: name another" in report.message


def test_a_move_interrupted_at_every_write_in_turn_goes_on_and_something_serves_all_the_while(tmp_path: Path) -> None:
    scenario = SCENARIOS["move"]
    with world(tmp_path) as run:
        scenario.prepare(run)
        operations = ("AuthorizeSecurityGroupIngress", "ModifyVpcEndpoint", "RegisterTargets", "DeregisterTargets")
        for operation in (*operations, "SetSubnets"):
            service = "ec2" if operation in operations[:2] else "elbv2"
            run.ground.emulator.faults.add(WAYS["killed after, then stale reads"]((f"{service}:{operation}", 1)))
        run.until_settled(run.ground.provision, runs=9)
        assert scenario.wrong(run, 3) == ""


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
def test_a_move_interrupted_anywhere_leaves_no_moment_that_nothing_serves(tmp_path: Path, way: str) -> None:
    scenario = SCENARIOS["move"]
    wrong = {}
    for number, write in enumerate(scenario.clean(tmp_path / "clean")):
        try:
            said = scenario.interrupted(tmp_path / str(number), WAYS[way](write))
        except AssertionError as error:
            said = str(error)
        if said:
            wrong[write] = said
    assert not wrong, wrong

"""What is interrupted: building a path, mending one that was changed by hand, taking one away.

Each ends in words: what is wrong, or nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from databricks.sdk.service.settings import UpdatePrivateEndpointRule

from emulated.ground import Ground, PollingClock
from emulated.inspection import count, not_settled, region_of
from emulated.interruptions import Interrupted, Write, world, writes
from emulated.serving import Serving
from s3private.provision.engine import Outcome, Report, provision
from s3private.provision.steps import aws_side_steps, databricks_side_steps
from s3private.provision.steps.handed import ACCEPTED_TAG
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.faults import Fault, Planned


def break_by_hand(ground: Ground) -> None:
    """Change everything that the path owns and can mend in place."""
    ec2, elbv2, account = ground.hand.ec2, ground.hand.elbv2, ground.clients.account
    [group] = [g for g in ec2.describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"]
    ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"][:1])
    ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=group["IpPermissionsEgress"])
    [endpoint] = ec2.describe_vpc_endpoints()["VpcEndpoints"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint["VpcEndpointId"], ResetPolicy=True)
    [balancer] = elbv2.describe_load_balancers()["LoadBalancers"]
    arn = balancer["LoadBalancerArn"]
    elbv2.set_security_groups(
        LoadBalancerArn=arn,
        SecurityGroups=balancer["SecurityGroups"],
        EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="on",
    )
    elbv2.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "load_balancing.cross_zone.enabled", "Value": "false"}]
    )
    pool = elbv2.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    first = elbv2.describe_target_health(TargetGroupArn=pool)["TargetHealthDescriptions"][0]["Target"]["Id"]
    elbv2.modify_target_group(TargetGroupArn=pool, HealthCheckIntervalSeconds=60)
    elbv2.modify_target_group_attributes(
        TargetGroupArn=pool, Attributes=[{"Key": "proxy_protocol_v2.enabled", "Value": "true"}]
    )
    elbv2.deregister_targets(TargetGroupArn=pool, Targets=[{"Id": first}])
    elbv2.register_targets(TargetGroupArn=pool, Targets=[{"Id": "10.20.1.200"}])
    other = elbv2.create_target_group(
        Name="by-hand", Protocol="TCP", Port=443, VpcId=ground.config.vpc_id, TargetType="ip"
    )["TargetGroups"][0]["TargetGroupArn"]
    [listener] = elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"]
    elbv2.modify_listener(
        ListenerArn=listener["ListenerArn"], DefaultActions=[{"Type": "forward", "TargetGroupArn": other}]
    )
    elbv2.modify_listener_attributes(
        ListenerArn=listener["ListenerArn"], Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
    )
    [service] = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
    ec2.modify_vpc_endpoint_service_configuration(ServiceId=service["ServiceId"], AcceptanceRequired=False)
    [rule] = ground.emulator.account.rules()
    account.network_connectivity.update_private_endpoint_rule(
        rule.ncc_id, rule.id, UpdatePrivateEndpointRule(domain_names=["elsewhere.example.com"]), "domain_names"
    )


def _tidy(ground: Ground) -> None:
    """What was made by hand goes by hand; found from behind, where no read is stale."""
    for group in list(region_of(ground.emulator).target_groups.values()):
        if group.name == "by-hand":
            ground.clients.elbv2.delete_target_group(TargetGroupArn=group.arn)


@dataclass(frozen=True)
class Scenario:
    """`prepare` comes before the fault is planned, `act` is what is interrupted, `wrong` looks at the end."""

    workspaces: str | None
    prepare: Callable[[Interrupted], None]
    act: Callable[[Interrupted, Planned | None], None]
    wrong: Callable[[Interrupted, int], str]

    def clean(self, directory: Path) -> list[Write]:
        """The writes of an uninterrupted run."""
        with world(directory, workspaces=self.workspaces) as run:
            self.prepare(run)
            mark = run.ground.emulator.log.mark()
            self.act(run, None)
            found = writes(run.ground.emulator, mark)
            assert (said := self.wrong(run, 0)) == "", said
            return found

    def interrupted(self, directory: Path, planned: Planned) -> str:
        with world(directory, workspaces=self.workspaces) as run:
            self.prepare(run)
            run.ground.emulator.faults.add(planned)
            self.act(run, planned)
            return self.wrong(run, planned.reads)


def _provision(run: Interrupted, planned: Planned | None) -> None:
    report = run.run(run.ground.provision)
    if planned is not None and planned.fault is Fault.ERROR and planned.status == 403:
        assert report is not None
        assert (report.outcome, planned.code in report.message) == (Outcome.FAILED, True), report.message
    run.until_settled(run.ground.provision, runs=2)


def _not_settled(run: Interrupted, stale: int) -> str:
    # A read that is still stale shows what is no more.
    plans = [run.ground.plan() for _ in range(1 + stale)]
    if plans[-1].outcome is not Outcome.SETTLED:
        return f"plan still says {[(c.step, c.action.value, c.reason) for c in plans[-1].pending]}"
    _tidy(run.ground)
    return not_settled(run.ground)


def _built(run: Interrupted) -> None:
    run.until_settled(run.ground.provision, runs=1)


def _broken(run: Interrupted) -> None:
    _built(run)
    break_by_hand(run.ground)


def other_subnet(ground: Ground, cidr: str, zone: str) -> str:
    """In the path's VPC."""
    made = ground.hand.ec2.create_subnet(VpcId=ground.config.vpc_id, CidrBlock=cidr, AvailabilityZone=zone)
    return str(made["Subnet"].get("SubnetId"))


def _moving(run: Interrupted) -> None:
    """A zone of the path file is another now."""
    _built(run)
    ground = run.ground
    _left, kept = ground.config.subnet_ids
    ground.write(subnet_ids=json.dumps([kept, other_subnet(ground, "10.20.3.0/24", "ap-northeast-1d")]))
    for takes in (Takes.TARGET_HEALTHY, Takes.TARGET_DRAINED):
        ground.emulator.delays.set(takes, Delay(polls=2))
    run.serving = Serving(ground.emulator)


def _not_moved(run: Interrupted, stale: int) -> str:
    assert run.serving is not None
    assert run.serving.moments
    if run.serving.wrong:
        return f"cut off: {run.serving.wrong}"
    return _not_settled(run, stale)


def _destroy(run: Interrupted, planned: Planned | None) -> None:
    run.remove(again=0 if planned is None else 1)


def _left(run: Interrupted, _stale: int) -> str:
    last = run.reports[-1]
    if last.outcome is not Outcome.SETTLED:
        return f"the last destroy ended {last.outcome.value}: {last.message}"
    left = count(run.ground.emulator)
    return f"left: {left}" if left else ""


def _aws_side(run: Interrupted) -> Report:
    ground = run.ground
    steps = aws_side_steps(ground.config, ground.clients, _handover(run))
    return provision(steps, clock=PollingClock(), timeout=7200)


def _handover(run: Interrupted) -> Path:
    return run.ground.directory / "demo.handover.json"


def _handed(run: Interrupted) -> None:
    """The AWS side is built, and the Databricks side has told which endpoint is its own."""
    assert _aws_side(run).outcome is Outcome.RUN_AGAIN
    steps = databricks_side_steps(run.ground.config, run.ground.clients, _handover(run))
    assert provision(steps, clock=PollingClock(), timeout=7200).outcome is Outcome.RUN_AGAIN


def _accept(run: Interrupted, planned: Planned | None) -> None:
    run.run(lambda: _aws_side(run))
    run.until_settled(lambda: _aws_side(run), runs=2)


def _not_accepted(run: Interrupted, _stale: int) -> str:
    emulator = run.ground.emulator
    [rule] = emulator.account.rules()
    seen = emulator.privatelink.connection(str(rule.vpc_endpoint_id))
    aws = region_of(emulator)
    tags = dict(aws.network.tags)[next(iter(aws.services))]
    if tags.get(ACCEPTED_TAG) != rule.vpc_endpoint_id:
        return f"the mark is {tags.get(ACCEPTED_TAG)!r}"
    return "" if seen is not None and seen.state == "available" else f"the connection is {seen}"


SCENARIOS = {
    "provision": Scenario(None, lambda _run: None, _provision, _not_settled),
    "mend": Scenario(None, _broken, _provision, _not_settled),
    "move": Scenario(None, _moving, _provision, _not_moved),
    "destroy": Scenario("[]", _built, _destroy, _left),
    "accept": Scenario("[]", _handed, _accept, _not_accepted),
}

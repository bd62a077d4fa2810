"""What there is in the emulated clouds, seen from behind: no request, so nothing is counted, cached or stale."""

from __future__ import annotations

from moto.ec2.models import ec2_backends

from emulated.ground import Ground
from s3private.route import Route
from s3private_emulator.aws import Passage
from s3private_emulator.aws.cloud import Region
from s3private_emulator.emulator import Emulator
from s3private_emulator.place import serverless
from s3private_emulator.privatelink import Connection, ConnectionState


def region_of(emulator: Emulator) -> Region:
    return emulator.aws.cloud.region(emulator.world.data_account, emulator.world.region)


def security_groups(emulator: Emulator) -> list[str]:
    network = ec2_backends[emulator.world.data_account][emulator.world.region]
    return [g.id for groups in network.groups.values() for g in groups.values() if g.name != "default"]


def connections(emulator: Emulator) -> list[Connection]:
    services = region_of(emulator).services
    return [c for service in services for c in emulator.privatelink.connections_of(service)]


def count(emulator: Emulator) -> dict[str, int]:
    """How many there are of everything that the path makes, whoever made it."""
    aws, account = region_of(emulator), emulator.account
    made = {
        "security groups": len(security_groups(emulator)),
        "endpoints": len([e for e in aws.endpoints.values() if e.closing is None]),
        "target groups": len(aws.target_groups),
        "targets": sum(len(group.targets) for group in aws.target_groups.values()),
        "load balancers": len(aws.load_balancers),
        "listeners": len(aws.listeners),
        "services": len(aws.services),
        "principals": sum(len(service.permissions) for service in aws.services.values()),
        "NCCs": len(account.nccs()),
        "rules": len(account.rules()),
        "connections": len(connections(emulator)),
        "attached workspaces": sum(workspace.ncc_id is not None for workspace in account.workspaces()),
    }
    return {what: number for what, number in made.items() if number}


ONE_OF_EACH = {
    "security groups": 1,
    "endpoints": 1,
    "target groups": 1,
    "targets": 2,
    "load balancers": 1,
    "listeners": 1,
    "services": 1,
    "principals": 1,
    "NCCs": 1,
    "rules": 1,
    "connections": 1,
    "attached workspaces": 1,
}


def untagged(emulator: Emulator, path: str) -> list[str]:
    """What can carry the path's tag and does not."""
    aws = region_of(emulator)
    tags = dict(aws.network.tags)
    wanted = [*security_groups(emulator), *aws.endpoints, *aws.services]
    without = [one for one in wanted if tags.get(one, {}).get("s3private:path") != path]
    for held in (aws.load_balancers, aws.target_groups, aws.listeners):
        without += [arn for arn, one in held.items() if one.tags.get("s3private:path") != path]
    return without


def cannot_be_read(ground: Ground) -> str:
    """Why data would not reach a serverless notebook that goes by the written Route; empty where it would."""
    emulator = ground.emulator
    workspace = ground.config.workspace_ids[0]
    route = Route.load(ground.route)
    resolved = emulator.network.resolve(serverless(workspace), route.host)
    if not resolved.via.startswith("service:"):
        return resolved.reason
    hop = emulator.aws.hop(resolved.via.removeprefix("service:"))
    return "" if hop.passage is Passage.OPEN and hop.vpc_endpoint_id == route.vpc_endpoint_id else hop.reason


def not_settled(ground: Ground) -> str:
    """Why the path is not as one clean run would leave it; empty where it is."""
    emulator = ground.emulator
    if (counted := count(emulator)) != ONE_OF_EACH:
        odd = {what: counted.get(what, 0) for what, number in ONE_OF_EACH.items() if counted.get(what, 0) != number}
        return f"not one of each: {odd}"
    if without := untagged(emulator, ground.config.name):
        return f"without the path's tag: {without}"
    if strange := [c.state for c in connections(emulator) if c.state is not ConnectionState.AVAILABLE]:
        return f"connections {strange}"
    return cannot_be_read(ground)

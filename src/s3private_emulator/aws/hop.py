"""What becomes of a TCP connection to an endpoint service: all that is on its way, in the order packets meet it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from s3private_emulator.aws.cloud import Cloud, Listener, LoadBalancer, Region, Target, TargetGroup
from s3private_emulator.aws.health import HEALTHY, S3_PORT, endpoint_at, health_of, reaches
from s3private_emulator.aws.listeners import IDLE_TIMEOUT
from s3private_emulator.aws.network import admits_anyone
from s3private_emulator.aws.services import service_named


class Passage(StrEnum):
    OPEN = "open"
    TIMEOUT = "timeout"
    """Packets are dropped: the client waits until it gives up."""
    RESET = "reset"
    """The load balancer answers with RST."""
    GARBLED = "garbled"
    """Bytes pass behind a PROXY protocol header, which S3 cannot read."""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """`vpc_endpoint_id`: where the bytes come out, when open. `reason`: what was found, in one line.
    `spares_open`: connections that are open already do not feel it.
    """

    passage: Passage
    reason: str
    vpc_endpoint_id: str | None = None
    idle_timeout_seconds: float = 350.0
    spares_open: bool = False


def examine(cloud: Cloud, service_name: str) -> Hop:
    found = service_named(cloud, service_name)
    if found is None or not found[1].opening.passed() or found[1].opening.ending:
        return _timeout(f"endpoint service {service_name} is not available")
    region, service = found
    balancer = region.load_balancers.get(service.load_balancer_arns[0])
    if balancer is None or not balancer.carries:
        return _timeout(f"the load balancer of {service.id} is not active")
    if (
        balancer.groups
        and balancer.enforces_inbound_on_privatelink
        and not admits_anyone(region.network, balancer.groups, S3_PORT)
    ):
        # The consumer's addresses are not ours to know: only a rule for every address surely lets them in.
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html
        return _timeout(f"security groups of {balancer.name} do not let PrivateLink traffic in on {S3_PORT}")
    listener = next((x for x in region.listeners_of(balancer.arn) if x.port == S3_PORT), None)
    if listener is None or listener.protocol != "TCP":
        return _reset(f"{balancer.name} has no TCP listener on {S3_PORT}")
    return _through(cloud, region, balancer, listener)


def _through(cloud: Cloud, region: Region, balancer: LoadBalancer, listener: Listener) -> Hop:
    group = region.target_groups[listener.target_group_arns[0]]
    if group.settings["Protocol"] != "TCP":
        return _reset(f"target group {group.name} does not pass plain TCP through")
    target = _chosen(cloud, region, group)
    if target is None:
        return _reset(f"target group {group.name} has no target in use")
    endpoint = endpoint_at(region, target.ip)
    if endpoint is None:
        return _timeout(f"no available interface endpoint has the address {target.ip}")
    if not reaches(region, balancer, group, endpoint, target, target.port):
        return _timeout(f"security groups of {endpoint.id} do not let {balancer.name} in on {target.port}")
    if target.port != S3_PORT:
        return _reset(f"{endpoint.id} does not listen on {target.port}")
    if group.attributes["preserve_client_ip.enabled"] == "true":
        # https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html#client-ip-preservation
        reason = f"target group {group.name} preserves client addresses, and holds addresses of an endpoint"
        return Hop(passage=Passage.TIMEOUT, reason=reason, spares_open=True)
    garbled = group.attributes["proxy_protocol_v2.enabled"] == "true"
    return Hop(
        passage=Passage.GARBLED if garbled else Passage.OPEN,
        reason=f"{balancer.name} -> {target.ip} -> {endpoint.id}{', behind a PROXY header' if garbled else ''}",
        vpc_endpoint_id=endpoint.id,
        idle_timeout_seconds=float(listener.attributes[IDLE_TIMEOUT]),
        spares_open=garbled,
    )


def _chosen(cloud: Cloud, region: Region, group: TargetGroup) -> Target | None:
    """A healthy target; any that is in use when none is healthy: the load balancer fails open.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html"""
    in_use = []
    for target in group.targets.values():
        health = health_of(cloud, region, group, target, read=False)
        if health == HEALTHY:
            return target
        if health is not None and health.state in ("unhealthy", "initial"):
            in_use.append(target)
    return in_use[0] if in_use else None


def _timeout(reason: str) -> Hop:
    return Hop(passage=Passage.TIMEOUT, reason=reason)


def _reset(reason: str) -> Hop:
    return Hop(passage=Passage.RESET, reason=reason)

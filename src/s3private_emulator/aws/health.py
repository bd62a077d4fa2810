"""Target health, as the load balancer's own checks would find it.

A target is healthy when its address belongs to an available interface endpoint that lets the load balancer's nodes in
on 443: client IP preservation is off for TCP targets by address, so the endpoint sees the nodes' own addresses.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html#client-ip-preservation
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from s3private_emulator.aws.cloud import Cloud, Endpoint, LoadBalancer, Region, Target, TargetGroup
from s3private_emulator.aws.network import admits, lets_out
from s3private_emulator.delays import Takes

S3_PORT = 443


@dataclass(frozen=True)
class Health:
    """`state` and `reason` as DescribeTargetHealth gives them."""

    state: str
    reason: str | None = None
    description: str | None = None


UNREGISTERED = Health("unused", "Target.NotRegistered", "Target is not registered to the target group")
NOT_IN_USE = Health(
    "unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer"
)
ZONE_NOT_ENABLED = Health("unused", "Target.NotInUse", "Target is in an Availability Zone that is not enabled")
REGISTERING = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = Health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
TIMED_OUT = Health("unhealthy", "Target.Timeout", "Request timed out")
FAILED = Health("unhealthy", "Target.FailedHealthChecks", "Health checks failed")
HEALTHY = Health("healthy")


def balancers_of(region: Region, group: TargetGroup) -> list[LoadBalancer]:
    arns = dict.fromkeys(x.load_balancer_arn for x in region.users_of(group.arn))
    return [region.load_balancers[a] for a in arns]


def observe(cloud: Cloud, region: Region, group: TargetGroup) -> None:
    """Health checks of a target begin once a listener forwards to its group."""
    if not balancers_of(region, group):
        for target in group.targets.values():
            target.checking = None
        return
    for target in group.targets.values():
        if target.checking is None:
            target.checking = cloud.delays.begin(Takes.TARGET_HEALTHY)


def health_of(cloud: Cloud, region: Region, group: TargetGroup, target: Target, *, read: bool) -> Health | None:
    """None: the target is gone. `read`: a client asked, which counts as one poll."""
    if target.draining is not None:
        drained = target.draining.reached() if read else target.draining.passed()
        return None if drained else DRAINING
    observe(cloud, region, group)
    balancers = balancers_of(region, group)
    if not balancers or target.checking is None:
        return NOT_IN_USE
    if not balancers[0].opening.passed():
        return REGISTERING
    if zone_of(region, target) not in {zone for _, zone in balancers[0].subnets} | {"all"}:
        return ZONE_NOT_ENABLED
    checked = target.checking.reached() if read else target.checking.passed()
    return check(region, balancers[0], group, target) if checked else CHECKING


def check(region: Region, balancer: LoadBalancer, group: TargetGroup, target: Target) -> Health:
    """One health check, from every node that sends this target traffic."""
    endpoint = endpoint_at(region, target.ip)
    if endpoint is None:
        return TIMED_OUT
    port = group.health_check["HealthCheckPort"]
    wanted = target.port if port == "traffic-port" else int(str(port))
    if not reaches(region, balancer, group, endpoint, target, wanted):
        return TIMED_OUT
    return HEALTHY if wanted == S3_PORT else FAILED


def reaches(
    region: Region, balancer: LoadBalancer, group: TargetGroup, endpoint: Endpoint, target: Target, port: int
) -> bool:
    """Whether packets of the load balancer's nodes pass both its own groups and the endpoint's."""
    zone = zone_of(region, target)
    nodes = [i for z, i in balancer.interfaces.items() if balancer.crosses_zones(group) or zone in (z, "all")]
    network = region.network
    return all(
        admits(network, endpoint.groups, port, address=str(node.private_ip_address), source_groups=balancer.groups)
        and (
            not balancer.groups
            or lets_out(network, balancer.groups, port, address=target.ip, target_groups=endpoint.groups)
        )
        for node in nodes
    )


def endpoint_at(region: Region, address: str) -> Endpoint | None:
    """The available S3 interface endpoint that has an interface at the address."""
    for endpoint in region.endpoints.values():
        if endpoint.available and endpoint.service_name.endswith(".s3"):
            for interface in endpoint.interfaces.values():
                if interface.private_ip_address == address:
                    return endpoint
    return None


def zone_of(region: Region, target: Target) -> str | None:
    if target.zone is not None:
        return target.zone
    address = ipaddress.ip_address(target.ip)
    for zone, subnets in region.network.subnets.items():
        for subnet in subnets.values():
            if address in ipaddress.ip_network(subnet.cidr_block):
                return str(zone)
    return None

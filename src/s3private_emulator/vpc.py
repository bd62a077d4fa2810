"""The S3 interface endpoints that AWS holds, as DNS and a machine inside their VPC see them."""

from __future__ import annotations

import ipaddress

from s3private_emulator.aws.cloud import Cloud, Endpoint, Region
from s3private_emulator.aws.endpoints import dns_names
from s3private_emulator.aws.network import admits
from s3private_emulator.network import HTTPS, EndpointView
from s3private_emulator.world import World


def endpoint_views(cloud: Cloud) -> list[EndpointView]:
    with cloud.lock:
        return [
            EndpointView(
                vpc_endpoint_id=endpoint.id,
                dns_names=tuple(dns_names(endpoint, region.name)),
                available=endpoint.available,
                admits_vpc=_admits_a_machine(cloud.world, region, endpoint),
            )
            for region in cloud.regions()
            for endpoint in region.endpoints.values()
            if endpoint.type == "Interface" and endpoint.service_name.endswith(".s3")
        ]


def machine_address(world: World) -> str:
    """The private address of the machine that plays "inside the VPC": the last usable one of the first subnet."""
    return str(ipaddress.ip_network(world.vpc.subnets[0].cidr)[-2])


def _admits_a_machine(world: World, region: Region, endpoint: Endpoint) -> bool:
    if endpoint.vpc_id != world.vpc.id:
        return False
    return admits(region.network, endpoint.groups, HTTPS, address=machine_address(world))

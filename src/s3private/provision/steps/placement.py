"""Which subnets, and so which availability zones, the things on the path are in, and what AWS lets change of that.

Both the endpoint and the load balancer are in one subnet of a zone. A zone is added to both at any time. The endpoint
leaves one; a load balancer leaves none while VPC endpoints are connected to what stands over it, and exchanges none.
https://docs.aws.amazon.com/vpc/latest/privatelink/interface-endpoints.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/availability-zones.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from s3private.errors import Conflict
from s3private.provision.engine import Resource

_FREE_ADDRESSES = 8
"""So many must be free in a subnet before a load balancer comes into it."""


@dataclass(frozen=True, kw_only=True)
class Subnets(Resource):
    cidrs: tuple[str, ...]
    zones: Mapping[str, str]
    """Subnet id -> its availability zone."""
    free: Mapping[str, int]
    """Subnet id -> how many of its addresses are free, where AWS says."""

    def check_room(self, subnet: str, *, besides: int) -> None:
        """For a node of the load balancer. besides: addresses that the path takes there before. Raises Conflict."""
        needed = _FREE_ADDRESSES + besides
        if self.free.get(subnet, needed) < needed:
            raise Conflict(
                f"aws.subnet_ids: {subnet} has {self.free[subnet]} free addresses, and the path needs {needed} there: "
                f"AWS asks for {_FREE_ADDRESSES} before a load balancer comes into a subnet. Name another subnet"
            )


@dataclass(frozen=True, kw_only=True)
class LoadBalancer(Resource):
    unseen_codes = ("LoadBalancerNotFound",)

    cross_zone: bool
    inbound_rules_on_privatelink: bool
    group_ids: tuple[str, ...]
    zones: Mapping[str, str]
    """Availability zone -> the subnet that it is in there."""

    @property
    def subnet_ids(self) -> tuple[str, ...]:
        return tuple(sorted(self.zones.values()))

    def check_zone(self, subnet: str, zone: str) -> None:
        """Raises Conflict where it is in another subnet of the zone."""
        held = self.zones.get(zone, subnet)
        if held != subnet:
            raise Conflict(
                f"aws.subnet_ids: {subnet} is in {zone}, where the load balancer {self.short_id} is in {held}: AWS "
                "takes no subnet from a load balancer that VPC endpoints are connected to, and exchanges none within a "
                f"zone. Name {held} again, or a subnet of another zone. To give {held} up: destroy the path and "
                "provision it anew; nothing is read in between, nor for ten minutes after, and the Route is a new one"
            )

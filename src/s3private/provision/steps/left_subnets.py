"""The subnets that the endpoint leaves: last, when the load balancer sends nothing there any more.

The endpoint comes into new subnets first, the load balancer follows, then the targets; an address that goes before it
has drained cuts what is open to it, and is sent to until the health checks see that it is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3private.errors import Conflict
from s3private.provision.engine import Found, Resource, State
from s3private.provision.steps.base import AwsStep
from s3private.provision.steps.endpoint import InterfaceEndpoint
from s3private.provision.steps.load_balancer import TargetGroup


@dataclass(frozen=True, kw_only=True)
class EndpointSubnets(Resource):
    besides: tuple[str, ...] = ()
    """Those that the path file does not name."""


class LeftSubnets(AwsStep[EndpointSubnets]):
    kind = EndpointSubnets
    title = "endpoint subnets"
    # A target group's deregistration delay is 3600 s at most.
    wait_seconds = 3900.0

    def find(self, found: Found) -> EndpointSubnets:
        endpoint = found.get(InterfaceEndpoint)
        if endpoint is None or not (endpoint.ours and self._besides(endpoint.subnet_ids)):
            return EndpointSubnets(id="", detail="as they were given" if endpoint else "with the endpoint")
        [seen] = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint.id])["VpcEndpoints"]
        besides = self._besides(seen.get("SubnetIds", []))
        if not besides:
            return EndpointSubnets(id="", detail="as they were given")
        group = found[TargetGroup].id
        health = self.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        registered = {one["Target"]["Id"] for one in health}
        left = sorted(one.ip for one in endpoint.addresses if one.subnet_id in besides and one.ip in registered)
        return EndpointSubnets(
            id=endpoint.id,
            state=State.PENDING if left else State.READY,
            detail=f"draining {', '.join(left)}" if left else f"also in {', '.join(besides)}",
            besides=besides,
        )

    def _besides(self, subnets: list[str] | tuple[str, ...]) -> tuple[str, ...]:
        return tuple(sorted(set(subnets) - set(self.config.subnet_ids)))

    def leftover(self, found: Found) -> None:
        """They go with the endpoint."""

    def create(self, found: Found) -> None:
        raise Conflict("the endpoint's subnets come with it")

    def delete(self, resource: EndpointSubnets, found: Found) -> None:
        raise Conflict("the endpoint's subnets go with it")

    def follows(self, resource: EndpointSubnets, found: Found) -> str | None:
        if not resource.besides:
            return None
        seconds = found[TargetGroup].drain_seconds
        return (
            f"also in {', '.join(resource.besides)}: left when their addresses are drained. What is still open to them "
            f"after {seconds} s is cut; nothing else is interrupted"
        )

    def drift(self, resource: EndpointSubnets, found: Found) -> str | None:
        if not resource.besides or resource.state is not State.READY:
            return None
        return f"also in {', '.join(resource.besides)}: drained, and left"

    def update(self, resource: EndpointSubnets, found: Found) -> None:
        self.ec2.modify_vpc_endpoint(VpcEndpointId=resource.id, RemoveSubnetIds=list(resource.besides))

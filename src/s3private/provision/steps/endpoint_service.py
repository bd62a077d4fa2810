"""The endpoint service that PrivateLink consumers knock at, and the one role that may knock.

Every Databricks customer of the region comes as that same role: what keeps strangers out is the acceptance.
https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from s3private.errors import Conflict, NotYet
from s3private.provision.engine import Found, Resource, State, StillInUse, Unsure
from s3private.provision.steps.base import AwsStep, error_code
from s3private.provision.steps.endpoint import InterfaceEndpoint, SecurityGroup, raise_unsuccessful
from s3private.provision.steps.load_balancer import Listener, TargetGroup, Targets
from s3private.provision.steps.ownership import PATH_TAG, is_own_load_balancer
from s3private.provision.steps.placement import LoadBalancer

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import ServiceConfigurationTypeDef


@dataclass(frozen=True, kw_only=True)
class EndpointService(Resource):
    unseen_codes = ("InvalidVpcEndpointServiceId.NotFound", "InvalidVpcEndpointService.NotFound")

    name: str
    acceptance_required: bool
    load_balancers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class AcceptedConnection(Resource):
    own: tuple[str, ...] = ()
    """The endpoint ids of all of the path's own rules; destroy tells strangers' by them."""


class AcceptingService(AwsStep[EndpointService]):
    kind = EndpointService
    title = "endpoint service"
    wait_seconds = 120.0
    # Whoever else is connected is not cut off by taking away what is behind it.
    holds = (Targets, Listener, LoadBalancer, TargetGroup, InterfaceEndpoint, SecurityGroup)

    def find(self, found: Found) -> EndpointService | None:
        own, others = self._tagged()
        if others:
            raise self._others(others)
        return self._kept(own, found)

    def leftover(self, found: Found) -> EndpointService | None:
        own, others = self._tagged()
        if others and not own:
            raise self._others(others)
        return self._kept(own, found)

    def _tagged(self) -> tuple[list[ServiceConfigurationTypeDef], list[str]]:
        """What carries the path's tag: those of its shape, and in words those of another."""
        answer = self.ec2.describe_vpc_endpoint_service_configurations(Filters=self.by_tag())
        alive = [s for s in answer["ServiceConfigurations"] if s["ServiceState"].lower() not in ("deleting", "deleted")]
        behind = {s["ServiceId"]: self._foreign(s) for s in alive}
        own = [s for s in alive if not behind[s["ServiceId"]] and self._is_own(s)]
        return own, [f"{name} (over {', '.join(others)})" for name, others in behind.items() if others]

    def _is_own(self, seen: ServiceConfigurationTypeDef) -> bool:
        return self.is_ours(f"endpoint service {seen['ServiceId']}", seen.get("Tags", []))

    def _others(self, others: Sequence[str]) -> Unsure:
        return Unsure(
            f"the path's tag is on {', '.join(others)}: an endpoint service of this path's has its load balancer "
            f"{self.config.resource_name} alone behind it. Take the tag off: aws ec2 delete-tags --resources "
            f"{others[0].partition(' ')[0]} --tags Key={PATH_TAG}"
        )

    def _kept(self, own: Sequence[ServiceConfigurationTypeDef], found: Found) -> EndpointService | None:
        if not own:
            self._refuse_untagged(found)
            return None
        seen, *doubles = self._by_preference(own)
        word = seen["ServiceState"]
        return EndpointService(
            id=seen["ServiceId"],
            state={"available": State.READY, "pending": State.PENDING}.get(word.lower(), State.FAILED),
            detail=word,
            name=seen["ServiceName"],
            acceptance_required=bool(seen.get("AcceptanceRequired")),
            load_balancers=tuple(seen.get("NetworkLoadBalancerArns", [])),
            doubles=tuple(other["ServiceId"] for other in doubles),
        )

    def _foreign(self, service: ServiceConfigurationTypeDef) -> list[str]:
        """What is behind it that is not the path's load balancer, which has one name in its account and region."""
        behind = [*service.get("NetworkLoadBalancerArns", []), *service.get("GatewayLoadBalancerArns", [])]
        foreign = [arn.split(":", 5)[-1] for arn in behind if not is_own_load_balancer(arn, self.config)]
        return foreign or ([] if behind else ["nothing"])

    def _refuse_untagged(self, found: Found) -> None:
        """AWS lets one service stand over a load balancer: one over the path's that has lost its tag is named here,
        where a second would be refused for ever. Raises Unsure."""
        balancer = found.get(LoadBalancer)
        if balancer is None:
            return
        pages = self.ec2.get_paginator("describe_vpc_endpoint_service_configurations").paginate()
        for seen in (one for page in pages for one in page["ServiceConfigurations"]):
            alive = seen["ServiceState"].lower() not in ("deleting", "deleted")
            if alive and self._is_own(seen):
                return  # another run's, made since the tag was asked for: AWS refuses a second one
            if alive and balancer.id in seen.get("NetworkLoadBalancerArns", []):
                what = f"endpoint service {seen['ServiceId']}"
                raise self.mark.lost(what, seen["ServiceId"], f"is over the path's load balancer {balancer.short_id}")

    def _by_preference(self, alive: Sequence[ServiceConfigurationTypeDef]) -> list[ServiceConfigurationTypeDef]:
        """What somebody has knocked at, then the lowest id. Two runs at once may make two services, if AWS lets them:
        every run that sees both chooses alike, and AWS itself deletes none that has connections."""
        if len(alive) == 1:
            return list(alive)
        every = self.ec2.get_paginator("describe_vpc_endpoint_connections").paginate()
        knocked = {c["ServiceId"] for page in every for c in page["VpcEndpointConnections"]}
        if len(both := [s["ServiceId"] for s in alive if s["ServiceId"] in knocked]) > 1:
            raise Unsure(
                f"the endpoint services {', '.join(both)} carry this path's tag, and all have connections: "
                "reject those of all but one, and delete the services they were at"
            )
        return sorted(alive, key=lambda s: (s["ServiceId"] not in knocked, s["ServiceId"]))

    def create(self, found: Found) -> None:
        self.ec2.create_vpc_endpoint_service_configuration(
            ClientToken=str(uuid.uuid4()),
            AcceptanceRequired=True,
            NetworkLoadBalancerArns=[found[LoadBalancer].id],
            TagSpecifications=self.tagged("vpc-endpoint-service"),
        )

    def drift(self, resource: EndpointService, found: Found) -> str | None:
        if resource.doubles:
            return f"{', '.join(resource.doubles)} too: made by another run at once, without connections: deleted"
        if resource.state is not State.READY:
            return None
        if not resource.acceptance_required:
            return "acceptance is switched off: any Databricks customer of the region could come in"
        if found[LoadBalancer].id not in resource.load_balancers:
            return "the path's load balancer is not behind it"
        return None

    def update(self, resource: EndpointService, found: Found) -> None:
        if resource.doubles:
            self._delete(resource.doubles)
        elif not resource.acceptance_required:
            self.ec2.modify_vpc_endpoint_service_configuration(ServiceId=resource.id, AcceptanceRequired=True)
        else:
            self.ec2.modify_vpc_endpoint_service_configuration(
                ServiceId=resource.id, AddNetworkLoadBalancerArns=[found[LoadBalancer].id]
            )

    def delete(self, resource: EndpointService, found: Found) -> None:
        try:
            self._delete((*resource.doubles, resource.id))
        except ClientError as error:
            if error_code(error) != "ExistingVpcEndpointConnections":
                raise
            connections = found.get(AcceptedConnection)
            strangers = self._strangers(resource.id, connections.own if connections else ())
            if strangers:
                ids = " ".join(strangers)
                raise NotYet(
                    f"endpoint service {resource.id} is held by {', '.join(strangers.values())}, which this path does "
                    "not reject, for others may need it; what is under the service stays, and costs money, meanwhile. "
                    "When nobody needs it: aws ec2 reject-vpc-endpoint-connections "
                    f"--service-id {resource.id} --vpc-endpoint-ids {ids}, then run destroy again"
                ) from error
            raise StillInUse(self.refusal(error)) from error

    def _strangers(self, service: str, own: Sequence[str]) -> dict[str, str]:
        """Endpoint id -> which, whose and in what state, of the connections that hold the service back."""
        pages = self.ec2.get_paginator("describe_vpc_endpoint_connections").paginate(
            Filters=[{"Name": "service-id", "Values": [service]}]
        )
        holding = sorted(
            (c["VpcEndpointId"], c["VpcEndpointOwner"], c["VpcEndpointState"])
            for page in pages
            for c in page["VpcEndpointConnections"]
            if c["VpcEndpointState"].lower() in ("pendingacceptance", "pending", "available")
        )
        return {one: f"{one} of account {owner} ({word})" for one, owner, word in holding if one not in own}

    def _delete(self, ids: Sequence[str]) -> None:
        answer = self.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=list(ids))
        raise_unsuccessful(answer.get("Unsuccessful", []), "DeleteVpcEndpointServiceConfigurations")


@dataclass(frozen=True, kw_only=True)
class AllowedPrincipal(Resource):
    pass


class DatabricksPrincipal(AwsStep[AllowedPrincipal]):
    kind = AllowedPrincipal
    title = "allowed principal"
    never_doubles = True

    def find(self, found: Found) -> AllowedPrincipal | None:
        service = found[EndpointService].id
        answer = self.ec2.describe_vpc_endpoint_service_permissions(ServiceId=service)
        principals = [p["Principal"] for p in answer["AllowedPrincipals"]]
        if "*" in principals:
            raise Conflict(
                f"endpoint service {service} allows the principal '*': every AWS customer can knock; "
                f"remove it: aws ec2 modify-vpc-endpoint-service-permissions --service-id {service} "
                "--remove-allowed-principals '*'"
            )
        if self.config.allowed_principal not in principals:
            return None
        others = tuple(f"endpoint service {service} also allows {p}" for p in principals)
        notes = tuple(n for n in others if not n.endswith(self.config.allowed_principal))
        return AllowedPrincipal(id=self.config.allowed_principal, notes=notes)

    def create(self, found: Found) -> AllowedPrincipal:
        self.ec2.modify_vpc_endpoint_service_permissions(
            ServiceId=found[EndpointService].id, AddAllowedPrincipals=[self.config.allowed_principal]
        )
        return AllowedPrincipal(id=self.config.allowed_principal)

    def delete(self, resource: AllowedPrincipal, found: Found) -> None:
        self.ec2.modify_vpc_endpoint_service_permissions(
            ServiceId=found[EndpointService].id, RemoveAllowedPrincipals=[resource.id]
        )

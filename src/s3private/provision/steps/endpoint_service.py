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

from s3private.errors import Conflict
from s3private.provision.engine import Found, Resource, State, StillInUse
from s3private.provision.steps.base import AwsStep, error_code
from s3private.provision.steps.endpoint import raise_unsuccessful
from s3private.provision.steps.load_balancer import LoadBalancer

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import ServiceConfigurationTypeDef


@dataclass(frozen=True, kw_only=True)
class EndpointService(Resource):
    name: str
    acceptance_required: bool
    load_balancers: tuple[str, ...]


class AcceptingService(AwsStep[EndpointService]):
    kind = EndpointService
    title = "endpoint service"
    wait_seconds = 120.0

    def find(self, found: Found) -> EndpointService | None:
        answer = self.ec2.describe_vpc_endpoint_service_configurations(Filters=self.by_tag())
        alive = [s for s in answer["ServiceConfigurations"] if s["ServiceState"].lower() not in ("deleting", "deleted")]
        if not alive:
            return None
        seen, *others = self._by_preference(alive)
        word = seen["ServiceState"]
        return EndpointService(
            id=seen["ServiceId"],
            state={"available": State.READY, "pending": State.PENDING}.get(word.lower(), State.FAILED),
            detail=word,
            name=seen["ServiceName"],
            acceptance_required=bool(seen.get("AcceptanceRequired")),
            load_balancers=tuple(seen.get("NetworkLoadBalancerArns", [])),
            doubles=tuple(other["ServiceId"] for other in others),
        )

    def _by_preference(self, alive: Sequence[ServiceConfigurationTypeDef]) -> list[ServiceConfigurationTypeDef]:
        """What somebody has knocked at, then the lowest id. Two runs at once may make two services, if AWS lets them:
        every run that sees both chooses alike, and AWS itself deletes none that has connections."""
        if len(alive) == 1:
            return list(alive)
        every = self.ec2.get_paginator("describe_vpc_endpoint_connections").paginate()
        knocked = {c["ServiceId"] for page in every for c in page["VpcEndpointConnections"]}
        if len(both := [s["ServiceId"] for s in alive if s["ServiceId"] in knocked]) > 1:
            raise Conflict(
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
            if error_code(error) == "ExistingVpcEndpointConnections":
                raise StillInUse(f"{self.refusal(error)} {self._connected(resource.id)}") from error
            raise

    def _connected(self, service: str) -> str:
        """Who holds the service, and what a person can do about it: strangers are not this path's to reject."""
        pages = self.ec2.get_paginator("describe_vpc_endpoint_connections").paginate(
            Filters=[{"Name": "service-id", "Values": [service]}]
        )
        holding = sorted(
            f"{c['VpcEndpointId']} ({c['VpcEndpointState']})"
            for page in pages
            for c in page["VpcEndpointConnections"]
            if c["VpcEndpointState"].lower() in ("pendingacceptance", "pending", "available")
        )
        return (
            f"{', '.join(holding) or 'none seen'}; not this path's to reject: "
            f"aws ec2 reject-vpc-endpoint-connections --service-id {service} --vpc-endpoint-ids <id>"
        )

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

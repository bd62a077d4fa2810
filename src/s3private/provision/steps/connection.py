"""Accepts one connection: the one whose endpoint id the rule names. A stranger's stays pending and is reported.

Strangers are to be expected: every Databricks customer of the region knocks as the same allowed principal.
"""

from __future__ import annotations

from dataclasses import dataclass

from s3private.provision.engine import Found, Resource, State
from s3private.provision.steps.base import AwsStep
from s3private.provision.steps.endpoint import raise_unsuccessful
from s3private.provision.steps.endpoint_service import EndpointService
from s3private.provision.steps.network_connectivity import PrivateEndpointRule


@dataclass(frozen=True, kw_only=True)
class AcceptedConnection(Resource):
    pass


class OwnConnection(AwsStep[AcceptedConnection]):
    """True once the rule says ESTABLISHED: AWS's `available` comes minutes before it."""

    kind = AcceptedConnection
    title = "accepted connection"
    wait_seconds = 1800.0

    def find(self, found: Found) -> AcceptedConnection | None:
        service, rule = found[EndpointService].id, found[PrivateEndpointRule]
        if not rule.vpc_endpoint_id:
            return None
        answer = self.ec2.describe_vpc_endpoint_connections(Filters=[{"Name": "service-id", "Values": [service]}])
        states = {c["VpcEndpointId"]: c["VpcEndpointState"] for c in answer["VpcEndpointConnections"]}
        strangers = tuple(
            f"endpoint service {service}: {stranger} is {word} and is not this path's: left as it is"
            for stranger, word in sorted(states.items())
            if stranger != rule.vpc_endpoint_id and word.lower() in ("pendingacceptance", "available")
        )
        own = states.get(rule.vpc_endpoint_id, "")
        word = own.lower()
        if word == "pendingacceptance":
            return None
        if word == "available" and rule.word == "ESTABLISHED":
            state = State.READY
        elif word in ("", "pending", "available"):
            state = State.PENDING
        else:
            state = State.FAILED
        return AcceptedConnection(
            id=rule.vpc_endpoint_id,
            state=state,
            detail=f"{own or 'not at the service yet'}, rule {rule.word or 'unknown'}",
            notes=strangers,
        )

    def create(self, found: Found) -> None:
        answer = self.ec2.accept_vpc_endpoint_connections(
            ServiceId=found[EndpointService].id, VpcEndpointIds=[found[PrivateEndpointRule].vpc_endpoint_id]
        )
        raise_unsuccessful(answer.get("Unsuccessful", []), "AcceptVpcEndpointConnections")

    def gone(self, resource: AcceptedConnection | None) -> bool:
        """A rejected connection stays listed until the platform deletes its endpoint."""
        return resource is None or resource.detail.lower().startswith("rejected")

    def delete(self, resource: AcceptedConnection, found: Found) -> None:
        answer = self.ec2.reject_vpc_endpoint_connections(
            ServiceId=found[EndpointService].id, VpcEndpointIds=[resource.id]
        )
        raise_unsuccessful(answer.get("Unsuccessful", []), "RejectVpcEndpointConnections")

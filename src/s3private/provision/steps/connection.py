"""Accepts one connection: the one whose endpoint id the rule names. A stranger's stays pending and is reported.

Strangers are to be expected: every Databricks customer of the region knocks as the same allowed principal.
"""

from __future__ import annotations

from databricks.sdk.errors.platform import NotFound

from s3private.errors import Conflict, NotYet
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, State
from s3private.provision.steps.base import AccountStep, AwsStep
from s3private.provision.steps.endpoint import raise_unsuccessful
from s3private.provision.steps.endpoint_service import AcceptedConnection, EndpointService
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig, PrivateEndpointRule

_ACCEPTED = ("pending", "available")


class OwnConnection(AwsStep[AcceptedConnection]):
    """True once the rule says ESTABLISHED: AWS's `available` comes minutes before it."""

    kind = AcceptedConnection
    title = "accepted connection"
    # Rejected first, the rule would say DISCONNECTED, which a run in between would take for a person's no.
    removed_after = PrivateEndpointRule
    wait_seconds = 1800.0
    refusals = (*AwsStep.refusals, *AccountStep.refusals)

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self.account = clients.account

    def _rule_word(self, found: Found, rule: PrivateEndpointRule) -> str:
        """The rule's state now: it was last read before the connection was accepted. Raises NotYet."""
        if rule.word == "ESTABLISHED":
            return rule.word
        ncc = found[NetworkConnectivityConfig].id
        try:
            state = self.account.network_connectivity.get_private_endpoint_rule(ncc, rule.id).connection_state
        except NotFound as error:
            raise NotYet(
                f"private endpoint rule {rule.id} was deleted while this run waited, by another run or by hand: "
                "run the same command again to go on"
            ) from error
        return state.value if state else "in a state this SDK does not know"

    def _seen(self, service: str) -> dict[str, tuple[str, str]]:
        """Endpoint id -> AWS's word and the account that owns it. Every customer of the region may have asked, so there
        may be many pages."""
        pages = self.ec2.get_paginator("describe_vpc_endpoint_connections").paginate(
            Filters=[{"Name": "service-id", "Values": [service]}]
        )
        return {
            c["VpcEndpointId"]: (c["VpcEndpointState"], c["VpcEndpointOwner"])
            for page in pages
            for c in page["VpcEndpointConnections"]
        }

    def _states(self, service: str) -> dict[str, str]:
        return {endpoint: word for endpoint, (word, _) in self._seen(service).items()}

    def absence(self, found: Found) -> str:
        """Which one is accepted, and whose it is: it is seen before it is done."""
        endpoint = found[PrivateEndpointRule].vpc_endpoint_id
        word, owner = self._seen(found[EndpointService].id).get(endpoint, ("", ""))
        return f"{endpoint} of account {owner} is {word}: accepted" if word else "not there"

    def find(self, found: Found) -> AcceptedConnection | None:
        service, rule = found[EndpointService].id, found[PrivateEndpointRule]
        if not rule.vpc_endpoint_id:
            return None
        seen = self._seen(service)
        states = {endpoint: word for endpoint, (word, _) in seen.items()}
        strangers = tuple(
            f"endpoint service {service}: {stranger} is {word} and is not this path's: left as it is"
            for stranger, word in sorted(states.items())
            if stranger != rule.vpc_endpoint_id and word.lower() in ("pendingacceptance", "available")
        )
        own, owner = seen.get(rule.vpc_endpoint_id, ("", ""))
        word, principal = own.lower(), self.config.allowed_principal.split(":")[4]
        if owner and owner != principal:
            raise Conflict(
                f"{rule.vpc_endpoint_id} at endpoint service {service} is of account {owner}, not of {principal}, "
                "whose role is the allowed principal: it is not accepted"
            )
        if word == "pendingacceptance":
            return None
        rule_word = self._rule_word(found, rule) if word in ("", "available") else rule.word
        if word == "available" and rule_word == "ESTABLISHED":
            state = State.READY
        elif word in ("", "pending", "available"):
            state = State.PENDING
        else:
            state = State.FAILED
        return AcceptedConnection(
            id=rule.vpc_endpoint_id,
            state=state,
            detail=f"{own or 'not at the service yet'}, rule {rule_word}",
            notes=strangers,
        )

    def create(self, found: Found) -> None:
        answer = self.ec2.accept_vpc_endpoint_connections(
            ServiceId=found[EndpointService].id, VpcEndpointIds=[found[PrivateEndpointRule].vpc_endpoint_id]
        )
        raise_unsuccessful(answer.get("Unsuccessful", []), "AcceptVpcEndpointConnections")

    def leftover(self, found: Found) -> AcceptedConnection | None:
        """The connections of the path's own rules, deactivated ones too, that would hold the endpoint service back.

        That of a rule nobody has accepted yet goes with the rule, at once; rejected first, the rule would linger.
        """
        service = found[EndpointService]
        states = self._states(service.id)
        rules = self.account.network_connectivity.list_private_endpoint_rules(found[NetworkConnectivityConfig].id)
        holding, own = {}, []
        for rule in rules:
            if rule.endpoint_service != service.name:
                continue
            endpoint = rule.vpc_endpoint_id or ""
            word = states.get(endpoint, "").lower()
            holds = word in _ACCEPTED or (rule.deactivated and word == "pendingacceptance")
            own.append(endpoint)
            if holds:
                holding[endpoint] = states[endpoint]
        ids, words = ", ".join(sorted(holding)), ", ".join(sorted(set(holding.values())))
        return AcceptedConnection(id=ids, detail=words, own=tuple(own))

    def gone(self, resource: AcceptedConnection | None) -> bool:
        return resource is None or not resource.id

    def delete(self, resource: AcceptedConnection, found: Found) -> None:
        answer = self.ec2.reject_vpc_endpoint_connections(
            ServiceId=found[EndpointService].id, VpcEndpointIds=resource.id.split(", ")
        )
        raise_unsuccessful(answer.get("Unsuccessful", []), "RejectVpcEndpointConnections")

"""Where two owners meet: each side writes what the other needs, and takes what the other gave as found.

Neither side needs the other's credentials. What a side is given is not its own: it changes and deletes none of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from s3private.errors import Conflict
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, R, Resource, State, Step
from s3private.provision.handover import AwsPart, DatabricksPart, Handover
from s3private.provision.steps.base import AccountStep, AwsStep
from s3private.provision.steps.connection import OwnConnection
from s3private.provision.steps.endpoint import InterfaceEndpoint
from s3private.provision.steps.endpoint_service import AcceptedConnection, EndpointService
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig, PrivateEndpointRule

if TYPE_CHECKING:
    from types_boto3_ec2.type_defs import FilterTypeDef


@dataclass(frozen=True, kw_only=True)
class HandoverFile(Resource):
    part: AwsPart | DatabricksPart


class WrittenHandover(Step[HandoverFile]):
    """Its own part; the other side's is kept. Destroy leaves the file: the other side needs it to take down its own."""

    kind = HandoverFile
    title = "handover"

    def __init__(self, config: PathConfig, file: Path, owner: str) -> None:
        self.config = config
        self.file = file
        self.owner = owner

    def wanted(self, found: Found) -> AwsPart | DatabricksPart:
        if self.owner == "aws":
            service, endpoint = found[EndpointService], found[InterfaceEndpoint]
            return AwsPart.of(
                self.config,
                service_name=service.name,
                service_id=service.id,
                endpoint_id=endpoint.id,
                endpoint_dns_name=endpoint.dns_name,
            )
        rule = found[PrivateEndpointRule]
        return DatabricksPart(
            service_name=found[EndpointService].name,
            vpc_endpoint_id=rule.vpc_endpoint_id,
            ncc_id=found[NetworkConnectivityConfig].id,
            rule_id=rule.id,
        )

    def find(self, found: Found) -> HandoverFile | None:
        handover = Handover.load(self.file, self.config)
        part = handover.aws if self.owner == "aws" else handover.databricks
        if part is None:
            return None
        told = ", ".join(f"{name} {value}" for name, value in asdict(part).items())
        note = f"{self.file} tells the {_OTHER[self.owner]} side: {told}"
        return HandoverFile(id=str(self.file), ours=False, part=part, notes=(note,))

    def create(self, found: Found) -> None:
        handover = Handover.load(self.file, self.config)
        handover.with_part(self.wanted(found)).save(self.file)

    def drift(self, resource: HandoverFile, found: Found) -> str | None:
        return None if resource.part == self.wanted(found) else "does not tell what is there now"

    def update(self, resource: HandoverFile, found: Found) -> None:
        self.create(found)

    def delete(self, resource: HandoverFile, found: Found) -> None:
        raise Conflict("the handover is both sides': it is left")


_OTHER = {"aws": "Databricks", "databricks": "AWS"}


class _Given(Step[R]):
    """Told by the other side, which alone can make it or delete it."""

    def create(self, found: Found) -> None:
        raise Conflict(f"{self.title}: is the other side's to make")

    def delete(self, resource: R, found: Found) -> None:
        raise Conflict(f"{self.title}: is the other side's to delete")


class HandedEndpoint(_Given[InterfaceEndpoint]):
    kind = InterfaceEndpoint
    title = "interface endpoint"

    def __init__(self, part: AwsPart) -> None:
        self.part = part

    def find(self, found: Found) -> InterfaceEndpoint:
        return InterfaceEndpoint(
            id=self.part.endpoint_id,
            detail="as handed over",
            ours=False,
            dns_name=self.part.endpoint_dns_name,
            policy="",
            subnet_ids=(),
            group_ids=(),
            private_dns=False,
        )


class HandedService(_Given[EndpointService]):
    kind = EndpointService
    title = "endpoint service"

    def __init__(self, part: AwsPart) -> None:
        self.part = part

    def find(self, found: Found) -> EndpointService:
        return EndpointService(
            id=self.part.service_id,
            detail="as handed over",
            ours=False,
            name=self.part.service_name,
            acceptance_required=True,
            load_balancers=(),
        )


class HandedRule(_Given[PrivateEndpointRule]):
    kind = PrivateEndpointRule
    title = "private endpoint rule"

    def __init__(self, part: DatabricksPart | None, missing: str) -> None:
        self.part = part
        self.missing = missing

    def find(self, found: Found) -> PrivateEndpointRule:
        part = self.part
        if part is not None and part.service_name != found[EndpointService].name:
            part = None
        return PrivateEndpointRule(
            id=part.rule_id if part else "",
            state=State.READY if part else State.ELSEWHERE,
            detail="as handed over" if part else self.missing,
            ours=False,
            vpc_endpoint_id=part.vpc_endpoint_id if part else "",
            domain_names=(),
            word="",
        )


@dataclass(frozen=True, kw_only=True)
class AcceptanceMark(Resource):
    """Its id is the endpoint's that was accepted."""


ACCEPTED_TAG = "s3private:accepted"


class MarkedConnection(AwsStep[AcceptanceMark]):
    """Written on the endpoint service before the connection is accepted: what destroy may reject. The handover alone
    does not say so, for it may have been changed since, and others may be connected."""

    kind = AcceptanceMark
    title = "acceptance mark"

    def find(self, found: Found) -> AcceptanceMark | None:
        service, endpoint = found[EndpointService].id, found[PrivateEndpointRule].vpc_endpoint_id
        if endpoint in self.marked(found):
            return AcceptanceMark(id=endpoint, ours=False)
        answer = self.ec2.describe_vpc_endpoint_connections(
            Filters=[{"Name": "service-id", "Values": [service]}, {"Name": "vpc-endpoint-id", "Values": [endpoint]}]
        )
        words = [c["VpcEndpointState"] for c in answer["VpcEndpointConnections"] if c["VpcEndpointId"] == endpoint]
        if words and words[0].lower() not in ("pendingacceptance", "rejected"):
            raise Conflict(
                f"{endpoint} is {words[0]} at {service} already, and this path has not accepted it: the handover names "
                "somebody else's connection, or a person accepted it by hand"
            )
        return None

    def marked(self, found: Found) -> list[str]:
        """The endpoints that this path has accepted, the latest last."""
        on_service: list[FilterTypeDef] = [
            {"Name": "resource-id", "Values": [found[EndpointService].id]},
            {"Name": "key", "Values": [ACCEPTED_TAG]},
        ]
        tags = self.ec2.describe_tags(Filters=on_service)["Tags"]
        return [one for tag in tags for one in tag["Value"].split()]

    def create(self, found: Found) -> None:
        # As many as a tag's value holds; the earliest are gone long since.
        kept = [*self.marked(found), found[PrivateEndpointRule].vpc_endpoint_id][-10:]
        self.ec2.create_tags(
            Resources=[found[EndpointService].id], Tags=[{"Key": ACCEPTED_TAG, "Value": " ".join(kept)}]
        )

    def delete(self, resource: AcceptanceMark, found: Found) -> None:
        raise Conflict("the mark goes with the endpoint service")


class HandedConnection(OwnConnection):
    """Accepted by the AWS side; that the rule says ESTABLISHED then is seen by the Databricks side."""

    refusals = AwsStep.refusals

    def __init__(self, config: PathConfig, clients: Clients, file: Path) -> None:
        AwsStep.__init__(self, config, clients)
        self._file = file
        self._mark = MarkedConnection(config, clients)

    def _rule_word(self, found: Found, rule: PrivateEndpointRule) -> str:
        return "ESTABLISHED"

    def find(self, found: Found) -> AcceptedConnection | None:
        """What only the other side can go on with is not waited for: a rule that expired, or was deleted, is made anew
        there, with another endpoint, and the file is then of yesterday."""
        seen = super().find(found)
        if seen is None:
            return None
        word = seen.detail.partition(",")[0]
        service = found[EndpointService].id
        if word.lower() == "rejected":
            # AWS documents acceptance of what is pending:
            # https://docs.aws.amazon.com/vpc/latest/privatelink/accept-reject-endpoint-requests.html
            raise Conflict(
                f"{seen.id} was rejected at endpoint service {service}, by hand or by a destroy, and is not accepted a "
                f"second time: let the Databricks side delete its rule {found[PrivateEndpointRule].id} (databricks "
                "account network-connectivity delete-private-endpoint-rule) and run provision again, and run this with "
                "the file that comes back"
            )
        if word.lower() not in ("pending", "available"):
            stale = (
                f"{seen.id} is {word} at endpoint service {service}: {self._file} is out of date, or came before the "
                "endpoint; let the Databricks side run provision again, and run this with the file that comes back"
            )
            return replace(seen, state=State.ELSEWHERE, detail=stale)
        return replace(seen, detail=word)

    def leftover(self, found: Found) -> AcceptedConnection | None:
        """The other side's rules cannot be asked for: what this side has accepted is its to reject, and no more."""
        states = self._states(found[EndpointService].id)
        own = self._mark.marked(found)
        holding = {one: states.get(one, "") for one in own}
        holding = {one: w for one, w in holding.items() if w.lower() in ("pendingacceptance", "pending", "available")}
        words = ", ".join(sorted(set(holding.values())))
        return AcceptedConnection(id=", ".join(sorted(holding)), detail=words, own=tuple(own))


class EstablishedRule(AccountStep[AcceptedConnection]):
    """The Databricks side's view of the acceptance.

    The file that this run has written is sent first, so nothing is waited for. Where it was told before this run, the
    AWS side has had its turn, and the platform takes minutes from its acceptance on.
    """

    kind = AcceptedConnection
    title = "accepted connection"
    wait_seconds = 600.0

    def __init__(self, config: PathConfig, clients: Clients, file: Path, told: DatabricksPart | None) -> None:
        super().__init__(config, clients)
        self._file = file
        self._told = told

    def find(self, found: Found) -> AcceptedConnection | None:
        rule, ncc = found[PrivateEndpointRule], found[NetworkConnectivityConfig].id
        word = rule.word
        if word != "ESTABLISHED":
            seen = self.account.network_connectivity.get_private_endpoint_rule(ncc, rule.id).connection_state
            word = seen.value if seen else "in a state this SDK does not know"
        state, detail = State.READY, f"rule {word}"
        if word != "ESTABLISHED":
            detail = f"rule {word}: the AWS side accepts {rule.vpc_endpoint_id}"
            told = self._told is not None and self._told.vpc_endpoint_id == rule.vpc_endpoint_id
            state = State.PENDING if told and word in ("CREATING", "PENDING") else State.ELSEWHERE
        if state is State.ELSEWHERE:
            detail += f": give it {self._file}, which is ready, and run this again once that side has run"
        return AcceptedConnection(id=rule.vpc_endpoint_id, state=state, detail=detail, ours=False)

    def create(self, found: Found) -> None:
        raise Conflict("the connection is the AWS side's to accept")

    def delete(self, resource: AcceptedConnection, found: Found) -> None:
        raise Conflict("the connection is the AWS side's to reject")

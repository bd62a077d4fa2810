"""AWS PrivateLink: the one thing that both clouds see. A consumer knocks at an endpoint service; its owner answers.

The Databricks account knocks (`knock`) when a private endpoint rule is made; EC2's connection calls accept and reject.
Neither side knows the other: both hold this object.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from s3private_emulator.delays import Delays, Takes, Transition


class ConnectionState(StrEnum):
    """As EC2 spells them.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpointConnection.html"""

    PENDING_ACCEPTANCE = "pendingAcceptance"
    PENDING = "pending"
    AVAILABLE = "available"
    REJECTED = "rejected"
    EXPIRED = "expired"
    DELETING = "deleting"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class ServiceView:
    """What PrivateLink needs to know of an endpoint service; EC2's side hands it out."""

    service_id: str
    service_name: str
    account: str
    region: str
    available: bool
    acceptance_required: bool
    principals: frozenset[str]


@dataclass
class Connection:
    """A consumer's endpoint, seen from the service. `vpc_endpoint_id` lives in the consumer's account."""

    vpc_endpoint_id: str
    vpc_endpoint_owner: str
    service_id: str
    service_name: str
    created: float
    """Emulator clock, seconds."""
    state: ConnectionState = ConnectionState.PENDING_ACCEPTANCE
    opening: Transition | None = field(default=None, repr=False)
    """Between acceptance and `available`."""
    gone_at: float | None = None
    """When its consumer's endpoint goes, emulator clock, seconds."""


class NoSuchService(LookupError):
    """There is no endpoint service of that name in the region, or it is not available."""


class NotAllowed(PermissionError):
    """The service's allowed principals do not hold the one that knocks."""


class WrongState(ValueError):
    """The connection cannot be accepted or rejected in the state it is in."""


ServiceLookup = Callable[[str], ServiceView | None]
"""service name -> the service, or None"""

EXPIRY_SECONDS = 14 * 24 * 3600
"""A connection nobody accepted expires.
https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules"""


class PrivateLink:
    def __init__(self, delays: Delays, expiry_seconds: float = EXPIRY_SECONDS) -> None:
        self._delays = delays
        self._lookup: ServiceLookup = lambda _name: None
        self._lock = threading.RLock()
        self._connections: dict[str, Connection] = {}
        self.expiry_seconds = expiry_seconds

    def contents(self) -> dict[str, Connection]:
        """Every connection, to be kept and given to `recall`."""
        return dict(self._connections)

    def recall(self, contents: dict[str, Connection]) -> None:
        self._connections = contents

    def serve(self, lookup: ServiceLookup) -> None:
        """EC2's side tells how endpoint services are looked up."""
        self._lookup = lookup

    def knock(self, *, vpc_endpoint_id: str, owner: str, principal: str, service_name: str) -> Connection:
        """A consumer's new endpoint asks in. Raises NoSuchService, NotAllowed."""
        service = self._lookup(service_name)
        if service is None or not service.available:
            raise NoSuchService(service_name)
        account_root = f"arn:aws:iam::{owner}:root"
        if not {principal, account_root, "*"} & service.principals:
            raise NotAllowed(principal)
        with self._lock:
            connection = Connection(
                vpc_endpoint_id=vpc_endpoint_id,
                vpc_endpoint_owner=owner,
                service_id=service.service_id,
                service_name=service_name,
                created=self._delays.clock.now(),
            )
            if not service.acceptance_required:
                self._open(connection)
            self._connections[vpc_endpoint_id] = connection
            return connection

    def connection(self, vpc_endpoint_id: str, *, read: bool = False) -> Connection | None:
        """The connection as it stands now. `read=True` counts as a client's read of its state."""
        with self._lock:
            self._drop_gone()
            found = self._connections.get(vpc_endpoint_id)
            if found is not None:
                self._settle(found, read=read)
            return found

    def connections_of(self, service_id: str, *, read: bool = False) -> list[Connection]:
        with self._lock:
            self._drop_gone()
            found = [c for c in self._connections.values() if c.service_id == service_id]
            for connection in found:
                self._settle(connection, read=read)
            return found

    def holds(self, service_id: str) -> bool:
        """Whether an endpoint is connected to the service, or awaits it."""
        held = (ConnectionState.PENDING_ACCEPTANCE, ConnectionState.PENDING, ConnectionState.AVAILABLE)
        return any(connection.state in held for connection in self.connections_of(service_id))

    def accept(self, service_id: str, vpc_endpoint_id: str) -> None:
        """Raises LookupError when the service has no such connection, WrongState when it cannot be accepted now."""
        with self._lock:
            connection = self._of(service_id, vpc_endpoint_id)
            if connection.state is not ConnectionState.PENDING_ACCEPTANCE:
                raise WrongState(connection.state)
            self._open(connection)

    def reject(self, service_id: str, vpc_endpoint_id: str) -> None:
        """Raises LookupError, WrongState."""
        with self._lock:
            connection = self._of(service_id, vpc_endpoint_id)
            if connection.state not in (
                ConnectionState.PENDING_ACCEPTANCE,
                ConnectionState.PENDING,
                ConnectionState.AVAILABLE,
            ):
                raise WrongState(connection.state)
            connection.state = ConnectionState.REJECTED

    def end(self, vpc_endpoint_id: str, state: ConnectionState) -> None:
        """What became of the connection by no call of this account, such as somebody's rejection in the console."""
        with self._lock:
            connection = self._connections.get(vpc_endpoint_id)
            if connection is not None:
                connection.state = state

    def delete(self, vpc_endpoint_id: str, *, after_seconds: float = 0.0) -> None:
        """The consumer deletes its endpoint: the connection goes from the service, at once or later."""
        with self._lock:
            connection = self._connections.get(vpc_endpoint_id)
            if connection is not None:
                connection.gone_at = self._delays.clock.now() + after_seconds
                self._drop_gone()

    def _drop_gone(self) -> None:
        now = self._delays.clock.now()
        self._connections = {name: c for name, c in self._connections.items() if c.gone_at is None or now < c.gone_at}

    def _of(self, service_id: str, vpc_endpoint_id: str) -> Connection:
        self._drop_gone()
        connection = self._connections.get(vpc_endpoint_id)
        if connection is None or connection.service_id != service_id:
            raise LookupError(vpc_endpoint_id)
        self._settle(connection, read=False)
        return connection

    def _open(self, connection: Connection) -> None:
        connection.state = ConnectionState.PENDING
        connection.opening = self._delays.begin(Takes.CONNECTION_AVAILABLE)

    def _settle(self, connection: Connection, *, read: bool) -> None:
        if connection.state is ConnectionState.PENDING and connection.opening is not None:
            if connection.opening.reached() if read else connection.opening.passed():
                connection.state = ConnectionState.AVAILABLE
        elif connection.state is ConnectionState.PENDING_ACCEPTANCE:
            age = self._delays.clock.now() - connection.created
            if age >= self.expiry_seconds:
                connection.state = ConnectionState.EXPIRED

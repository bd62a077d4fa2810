"""A private endpoint rule and the course of its connection state, as the other side of PrivateLink drives it.

CREATING, then PENDING with its `vpc_endpoint_id` or CREATE_FAILED; ESTABLISHED some time after the owner accepted;
REJECTED or, once established, DISCONNECTED when the owner rejects; EXPIRED after 14 days in PENDING, REJECTED or
DISCONNECTED.
https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md
https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from s3private_emulator import privatelink
from s3private_emulator.delays import Delays, Ending, Takes, Transition
from s3private_emulator.privatelink import PrivateLink


class ConnectionState(StrEnum):
    CREATING = "CREATING"
    PENDING = "PENDING"
    ESTABLISHED = "ESTABLISHED"
    REJECTED = "REJECTED"
    DISCONNECTED = "DISCONNECTED"
    EXPIRED = "EXPIRED"
    CREATE_FAILED = "CREATE_FAILED"


@dataclass(kw_only=True)
class Rule:
    """Times are of the emulator clock, in seconds."""

    serial: int
    id: str
    ncc_id: str
    region: str
    endpoint_service: str
    first_party: bool
    """To S3 itself, not to a customer's endpoint service."""
    domain_names: tuple[str, ...] = ()
    resource_names: tuple[str, ...] = ()
    enabled: bool = False
    created: float
    updated: float
    deactivated_at: float | None = None
    gone_at: float | None = None
    forced: str = ""
    """Shown instead of the true state; any word."""
    forced_message: str = ""
    endpoint: str = field(repr=False)
    """The endpoint's id, from the first moment; `vpc_endpoint_id` is what the API tells."""
    failure: str = field(default="", repr=False)
    creating: Transition = field(repr=False)
    establishing: Transition | None = field(default=None, repr=False)
    ended: float | None = field(default=None, repr=False)
    course: ConnectionState = field(default=ConnectionState.CREATING, repr=False)

    @property
    def state(self) -> str:
        """The `connection_state` that the API tells."""
        return self.forced or self.course.value

    @property
    def vpc_endpoint_id(self) -> str | None:
        return None if self.state in (ConnectionState.CREATING, ConnectionState.CREATE_FAILED) else self.endpoint

    @property
    def error_message(self) -> str:
        return self.forced_message or (self.failure if self.state == ConnectionState.CREATE_FAILED else "")

    @property
    def deactivated(self) -> bool:
        return self.deactivated_at is not None

    @property
    def carries(self) -> bool:
        """Effective only if the connection state is ESTABLISHED, and not once it is deactivated.
        https://docs.databricks.com/api/networking/v1/delete-ncc-private-endpoint-rule.md"""
        return self.state == ConnectionState.ESTABLISHED and not self.deactivated


def settle(rule: Rule, link: PrivateLink, delays: Delays, *, read: bool) -> None:
    """Bring the rule to where it stands now. `read`: a client reads it, a poll of it and its connection."""
    if rule.course is ConnectionState.CREATING:
        if not _passed(rule.creating, read):
            return
        rule.course = ConnectionState.CREATE_FAILED if rule.failure else ConnectionState.PENDING
        if rule.creating.ending is not None:
            _end_badly(rule, rule.creating.ending, link)
    if rule.course in (ConnectionState.CREATE_FAILED, ConnectionState.EXPIRED):
        return
    seen = _seen(rule, link, read)
    now = delays.clock.now()
    if rule.ended is not None:
        if now - rule.ended >= link.expiry_seconds:
            rule.course = ConnectionState.EXPIRED
    elif seen is privatelink.ConnectionState.EXPIRED:
        rule.course = ConnectionState.EXPIRED
    elif seen in (None, privatelink.ConnectionState.REJECTED):
        established = rule.course is ConnectionState.ESTABLISHED
        rule.course = ConnectionState.DISCONNECTED if established else ConnectionState.REJECTED
        rule.ended = now
    elif seen is privatelink.ConnectionState.AVAILABLE and rule.course is ConnectionState.PENDING:
        if rule.establishing is None:
            rule.establishing = delays.begin(Takes.RULE_ESTABLISHED)
        if _passed(rule.establishing, read):
            rule.course = ConnectionState.ESTABLISHED
            if rule.establishing.ending is not None:
                _end_badly(rule, rule.establishing.ending, link)


def _end_badly(rule: Rule, ending: Ending, link: PrivateLink) -> None:
    """The rule goes by what becomes of its connection, but for one that was never made."""
    if ending.state == ConnectionState.CREATE_FAILED:
        rule.course, rule.failure = (
            ConnectionState.CREATE_FAILED,
            ending.message or "The endpoint could not be created.",
        )
        return
    expired = ending.state == ConnectionState.EXPIRED
    link.end(rule.endpoint, privatelink.ConnectionState.EXPIRED if expired else privatelink.ConnectionState.REJECTED)


def _seen(rule: Rule, link: PrivateLink, read: bool) -> privatelink.ConnectionState | None:
    if rule.first_party:
        return privatelink.ConnectionState.AVAILABLE
    connection = link.connection(rule.endpoint, read=read)
    return connection.state if connection else None


def _passed(transition: Transition, read: bool) -> bool:
    return transition.reached() if read else transition.passed()

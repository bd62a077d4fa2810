"""Private endpoint rules: each knocks at an endpoint service, and follows what the service's owner does.

Creating one is not idempotent: a second identical POST makes a second rule and a second knock, as in the field
(github.com/databricks/terraform-provider-databricks issues 4559, 4138, 5292).
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass, field
from typing import Any

from s3private_emulator.account.refusal import Refusal, bad_request, not_found, quota
from s3private_emulator.delays import Delays, Takes, Transition
from s3private_emulator.privatelink import ConnectionState, NoSuchService, NotAllowed, PrivateLink
from s3private_emulator.world import DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT

MAX_PER_REGION = 30
MAX_DOMAIN_NAMES = 10
LINGER_SECONDS = 24 * 3600
"""A deactivated rule is removed after one day (the SDK's word; the documentation says seven)."""
_KINDS = ("domain_names", "resource_names", "group_id")
_MUTABLE = ("domain_names", "resource_names", "enabled")


@dataclass
class Rule:
    id: str
    ncc_id: str
    region: str
    account: str
    endpoint_service: str
    domain_names: list[str]
    resource_names: list[str]
    created: float
    creating: Transition = field(repr=False)
    vpc_endpoint_id: str = ""
    state: str = "CREATING"
    error_message: str = ""
    deactivated_at: float | None = None
    was_established: bool = False
    establishing: Transition | None = field(default=None, repr=False)
    forced: str | None = None

    def as_dict(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "rule_id": self.id,
            "network_connectivity_config_id": self.ncc_id,
            "account_id": self.account,
            "endpoint_service": self.endpoint_service,
            "connection_state": self.forced or self.state,
            "creation_time": int(self.created * 1000),
            "updated_time": int(self.created * 1000),
            "deactivated": self.deactivated_at is not None,
            "enabled": False,
        }
        if self.domain_names:
            document["domain_names"] = list(self.domain_names)
        if self.resource_names:
            document["resource_names"] = list(self.resource_names)
        if self.vpc_endpoint_id:
            document["vpc_endpoint_id"] = self.vpc_endpoint_id
        if self.error_message:
            document["error_message"] = self.error_message
        if self.deactivated_at is not None:
            document["deactivated_at"] = int(self.deactivated_at * 1000)
        return document


class Rules:
    def __init__(self, account: str, delays: Delays, privatelink: PrivateLink) -> None:
        self._account = account
        self._delays = delays
        self._privatelink = privatelink
        self.by_id: dict[str, Rule] = {}

    def of(self, ncc_id: str, *, read: bool = False) -> list[Rule]:
        """The NCC's rules as they stand. `read=True` counts as a client's read of their state."""
        for rule in list(self.by_id.values()):
            if rule.ncc_id == ncc_id:
                self._settle(rule, read=read)
        return [rule for rule in self.by_id.values() if rule.ncc_id == ncc_id]

    def get(self, ncc_id: str, rule_id: str, *, read: bool = False) -> Rule:
        rule = self.by_id.get(rule_id)
        if rule is not None and rule.ncc_id == ncc_id:
            self._settle(rule, read=read)
        if rule is None or rule.ncc_id != ncc_id or rule_id not in self.by_id:
            raise not_found(f"Private endpoint rule {rule_id}")
        return rule

    def create(self, ncc_id: str, region: str, body: dict[str, Any]) -> Rule:
        service = body.get("endpoint_service")
        if not isinstance(service, str) or not service:
            raise bad_request("endpoint_service is required.")
        given = [kind for kind in _KINDS if body.get(kind)]
        if len(given) != 1:
            raise bad_request("Exactly one of domain_names, resource_names, group_id must be specified.")
        if given == ["group_id"]:
            raise bad_request("group_id is not supported on AWS.")
        names = _names(body.get("domain_names") or [])
        if f".{region}." not in service and not service.startswith(f"com.amazonaws.{region}."):
            raise bad_request(f"Endpoint service {service} is not in the region {region} of the NCC.")
        # Deactivated rules are counted: they may hold their place until they are removed.
        if sum(r.region == region for r in self.by_id.values()) >= MAX_PER_REGION:
            raise quota(f"The account has {MAX_PER_REGION} private endpoints in {region}, the most allowed.")
        rule = Rule(
            id=str(uuid.uuid4()),
            ncc_id=ncc_id,
            region=region,
            account=self._account,
            endpoint_service=service,
            domain_names=names,
            resource_names=list(body.get("resource_names") or []),
            created=self._delays.clock.now(),
            creating=self._delays.begin(Takes.RULE_ENDPOINT_ID),
        )
        self.by_id[rule.id] = rule
        return rule

    def update(self, ncc_id: str, rule_id: str, mask: str, body: dict[str, Any]) -> Rule:
        if not mask:
            raise bad_request("Update mask must be specified.")
        rule = self.get(ncc_id, rule_id)
        for name in mask.split(","):
            if name not in _MUTABLE:
                raise bad_request(f"Field {name} of a private endpoint rule cannot be updated.")
        if rule.deactivated_at is not None:
            raise bad_request(f"Private endpoint rule {rule_id} is deactivated.")
        if "domain_names" in mask.split(","):
            names = _names(body.get("domain_names") or [])
            if not names:
                raise bad_request("domain_names must not be empty.")
            rule.domain_names = names
        return rule

    def delete(self, ncc_id: str, rule_id: str) -> Rule:
        rule = self.get(ncc_id, rule_id)
        if rule.deactivated_at is not None:
            raise Refusal(400, "INVALID_STATE", f"Private endpoint rule {rule_id} is already deactivated.")
        if rule.state in ("PENDING", "EXPIRED", "CREATE_FAILED", "CREATING"):
            self._remove(rule)
        else:
            rule.deactivated_at = self._delays.clock.now()
        return rule

    def _remove(self, rule: Rule) -> None:
        del self.by_id[rule.id]
        if rule.vpc_endpoint_id:
            self._privatelink.delete(rule.vpc_endpoint_id)

    def _settle(self, rule: Rule, *, read: bool) -> None:
        if rule.deactivated_at is not None:
            if self._delays.clock.now() - rule.deactivated_at >= LINGER_SECONDS:
                self._remove(rule)
            return
        if rule.state == "CREATING" and (rule.creating.reached() if read else rule.creating.passed()):
            self._knock(rule)
        if rule.vpc_endpoint_id and rule.state in ("PENDING", "ESTABLISHED"):
            self._follow(rule, read=read)

    def _knock(self, rule: Rule) -> None:
        endpoint = f"vpce-{secrets.token_hex(8)}{secrets.token_hex(1)[:1]}"
        role = f"private-connectivity-role-{rule.region}"
        try:
            self._privatelink.knock(
                vpc_endpoint_id=endpoint,
                owner=DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT,
                principal=f"arn:aws:iam::{DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT}:role/{role}",
                service_name=rule.endpoint_service,
            )
        except (NoSuchService, NotAllowed):
            rule.state = "CREATE_FAILED"
            rule.error_message = (
                f"The VPC endpoint service {rule.endpoint_service} does not exist, or does not allow {role}."
            )
            return
        rule.vpc_endpoint_id = endpoint
        rule.state = "PENDING"

    def _follow(self, rule: Rule, *, read: bool) -> None:
        connection = self._privatelink.connection(rule.vpc_endpoint_id)
        state = connection.state if connection else ConnectionState.DELETED
        if state is ConnectionState.AVAILABLE:
            if rule.establishing is None:
                rule.establishing = self._delays.begin(Takes.RULE_ESTABLISHED)
            if rule.establishing.reached() if read else rule.establishing.passed():
                rule.state, rule.was_established = "ESTABLISHED", True
        elif state is ConnectionState.EXPIRED:
            rule.state = "EXPIRED"
        elif state in (ConnectionState.REJECTED, ConnectionState.DELETED, ConnectionState.DELETING):
            rule.state = "DISCONNECTED" if rule.was_established else "REJECTED"


def _names(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise bad_request("domain_names must be a list of names.")
    if len(names) > MAX_DOMAIN_NAMES:
        raise bad_request(f"At most {MAX_DOMAIN_NAMES} domain names are allowed in a private endpoint rule.")
    return list(names)

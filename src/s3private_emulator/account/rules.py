"""Private endpoint rules: made, changed and taken away; each knocks at its endpoint service over PrivateLink.

Creation is not idempotent and has no client token: a second identical POST makes a second rule and a second endpoint.
https://github.com/databricks/terraform-provider-databricks/issues/5292
https://docs.databricks.com/api/networking/v1/create-ncc-private-endpoint-rule.md
"""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any

from s3private_emulator.account.masks import EVERYTHING, masked_fields
from s3private_emulator.account.nccs import NetworkConnectivityConfig
from s3private_emulator.account.quotas import admit_domain_names, admit_rule
from s3private_emulator.account.refusals import does_not_exist, invalid, invalid_state
from s3private_emulator.account.rule import ConnectionState, Rule, settle
from s3private_emulator.account.service_names import parse_service_name
from s3private_emulator.account.wall_clock import WallClock
from s3private_emulator.delays import Delays, Takes
from s3private_emulator.privatelink import NoSuchService, NotAllowed, PrivateLink
from s3private_emulator.serials import Serials
from s3private_emulator.world import DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT

DEACTIVATED_SECONDS = 24 * 3600.0
"""https://docs.databricks.com/api/networking/v1/delete-ncc-private-endpoint-rule.md"""
_TARGETS = ("domain_names", "resource_names", "group_id")


class Rules:
    """`deactivated_seconds`: how long a rule lingers after its deletion. The API's page says one day, the account
    console's page up to seven."""

    def __init__(self, account_id: str, delays: Delays, link: PrivateLink, wall: WallClock) -> None:
        self.deactivated_seconds = DEACTIVATED_SECONDS
        self._account_id = account_id
        self._delays = delays
        self._link = link
        self._wall = wall
        self._serials = Serials()
        self._rules: dict[str, Rule] = {}

    def every(self) -> list[Rule]:
        """As they stand now, without counting a read."""
        self._drop_dead()
        for rule in self._rules.values():
            settle(rule, self._link, self._delays, read=False)
        return list(self._rules.values())

    def of(self, ncc_id: str) -> list[Rule]:
        return [rule for rule in self.every() if rule.ncc_id == ncc_id]

    def get(self, ncc_id: str, rule_id: str) -> Rule:
        self._drop_dead()
        rule = self._rules.get(rule_id)
        if rule is None or rule.ncc_id != ncc_id:
            raise does_not_exist("Private endpoint rule", rule_id)
        settle(rule, self._link, self._delays, read=False)
        return rule

    def read(self, rule: Rule) -> dict[str, Any]:
        """What a client that reads it is told; counts as a poll."""
        settle(rule, self._link, self._delays, read=True)
        return self.as_dict(rule)

    def create(self, ncc: NetworkConnectivityConfig, body: dict[str, Any]) -> Rule:
        """`enabled` is not heard at creation.
        https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules"""
        name = str(body.get("endpoint_service") or "")
        if not name:
            raise invalid("endpoint_service is required.")
        service = parse_service_name(name)
        if service.region != ncc.region:
            raise invalid(
                f"Endpoint service {name} is in {service.region}, the network connectivity config in {ncc.region}."
            )
        target = self._target(body, first_party=service.first_party)
        names = _names(body[target])
        if target == "domain_names":
            admit_domain_names(len(names))
            _check_domains(names)
        admit_rule(ncc.region, sum(rule.region == ncc.region for rule in self.every()))
        now = self._wall.clock.now()
        rule = Rule(
            serial=next(self._serials),
            id=str(uuid.uuid4()),
            ncc_id=ncc.id,
            region=ncc.region,
            endpoint_service=name,
            first_party=service.first_party,
            domain_names=names if target == "domain_names" else (),
            resource_names=names if target == "resource_names" else (),
            created=now,
            updated=now,
            endpoint=f"vpce-0{secrets.token_hex(8)}",
            creating=self._delays.begin(Takes.RULE_ENDPOINT_ID),
        )
        if not rule.first_party:
            self._knock(rule)
        self._rules[rule.id] = rule
        return rule

    @staticmethod
    def _target(body: dict[str, Any], *, first_party: bool) -> str:
        """Exactly one, and the one for the kind of service: `domain_names` only for customer-managed endpoint services,
        `resource_names` only for S3, `group_id` for neither (it is Azure's).
        https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md"""
        given = [target for target in _TARGETS if body.get(target)]
        if len(given) != 1:
            raise invalid(f"Exactly one of {', '.join(_TARGETS)} must be specified, got {', '.join(given) or 'none'}.")
        wanted = "resource_names" if first_party else "domain_names"
        if given != [wanted]:
            raise invalid(f"{given[0]} is not for this endpoint_service, which takes {wanted}.")
        return wanted

    def _knock(self, rule: Rule) -> None:
        """Not allowed and not there look alike to the one who knocks.
        https://docs.aws.amazon.com/vpc/latest/privatelink/configure-endpoint-service.html#add-remove-permissions"""
        owner = DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT
        try:
            self._link.knock(
                vpc_endpoint_id=rule.endpoint,
                owner=owner,
                principal=f"arn:aws:iam::{owner}:role/private-connectivity-role-{rule.region}",
                service_name=rule.endpoint_service,
            )
        except (NoSuchService, NotAllowed):
            rule.failure = (
                f"The Vpc Endpoint Service '{rule.endpoint_service}' does not exist "
                "(Service: Ec2, Status Code: 400, Error Code: InvalidServiceName)"
            )

    def update(self, rule: Rule, mask: str | None, body: dict[str, Any]) -> None:
        """Lists are replaced whole; `endpoint_service` stays what it is.
        https://docs.databricks.com/api/networking/v1/update-ncc-private-endpoint-rule.md"""
        updatable = ("resource_names", "enabled") if rule.first_party else ("domain_names",)
        fields = masked_fields(mask)
        if fields == [EVERYTHING]:
            fields = list(updatable)
        unsupported = [name for name in fields if name not in updatable]
        if unsupported:
            # The words: https://github.com/databricks/terraform-provider-databricks/issues/5306
            raise invalid(
                f"Updating fields {','.join(unsupported)} for AWS private endpoint rule {rule.id} is not supported. "
                "No updates were attempted."
            )
        if "enabled" in fields and rule.state != ConnectionState.ESTABLISHED:
            # https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules
            raise invalid_state("Field enabled can only be updated when connection_state is ESTABLISHED.")
        lists = {name: _names(body.get(name)) for name in fields if name != "enabled"}
        admit_domain_names(len(lists.get("domain_names", ())))
        _check_domains(lists.get("domain_names", ()))
        rule.domain_names = lists.get("domain_names", rule.domain_names)
        rule.resource_names = lists.get("resource_names", rule.resource_names)
        if "enabled" in fields:
            rule.enabled = bool(body.get("enabled"))
        rule.updated = self._wall.clock.now()

    def delete(self, rule: Rule) -> None:
        """PENDING and EXPIRED go at once; any other is deactivated, and its endpoint stays on the endpoint service.
        https://docs.databricks.com/api/networking/v1/delete-ncc-private-endpoint-rule.md"""
        if rule.deactivated:
            return
        if rule.state in (ConnectionState.PENDING, ConnectionState.EXPIRED):
            del self._rules[rule.id]
            self._link.delete(rule.endpoint)
            return
        rule.deactivated_at = rule.updated = self._wall.clock.now()
        rule.gone_at = rule.deactivated_at + self.deactivated_seconds
        self._link.delete(rule.endpoint, after_seconds=self.deactivated_seconds)

    def _drop_dead(self) -> None:
        now = self._wall.clock.now()
        for rule in list(self._rules.values()):
            if rule.gone_at is not None and now >= rule.gone_at:
                del self._rules[rule.id]

    def as_dict(self, rule: Rule) -> dict[str, Any]:
        told: dict[str, Any] = {
            "rule_id": rule.id,
            "network_connectivity_config_id": rule.ncc_id,
            "account_id": self._account_id,
            "endpoint_service": rule.endpoint_service,
            "connection_state": rule.state,
            "vpc_endpoint_id": rule.vpc_endpoint_id,
            "enabled": rule.enabled,
            "creation_time": self._wall.milliseconds(rule.created),
            "updated_time": self._wall.milliseconds(rule.updated),
            "deactivated": rule.deactivated,
        }
        if rule.domain_names:
            told["domain_names"] = list(rule.domain_names)
        if rule.resource_names:
            told["resource_names"] = list(rule.resource_names)
        if rule.error_message:
            told["error_message"] = rule.error_message
        if rule.deactivated_at is not None:
            told["deactivated_at"] = self._wall.milliseconds(rule.deactivated_at)
        return told


_LABEL = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?:[*][.])?(?:{_LABEL}[.])+[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)


def _check_domains(names: tuple[str, ...]) -> None:
    """Fully qualified names: no URL, no address, nothing without a dot, nothing longer than DNS takes.
    https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md"""
    for name in names:
        if len(name) > 253 or not _DOMAIN.fullmatch(name):
            raise invalid(f"Domain name {name[:300]!r} is not a fully qualified domain name.")


def _names(given: object) -> tuple[str, ...]:
    """An update must give the full list, so an empty one is refused.
    https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md"""
    if not isinstance(given, list) or not given or not all(isinstance(name, str) and name for name in given):
        raise invalid(f"A list of names is expected, with at least one, got {given!r}.")
    return tuple(given)

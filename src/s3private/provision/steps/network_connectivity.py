"""The NCC and its private endpoint rule, on the Databricks account's side.

A workspace has exactly one NCC, and binding another silently replaces it: where a workspace has one, that one is used.
An NCC is this path's by its name, which holds the owner mark; a rule by the service that it leads to. Neither object
has a client token, so each create sends one request; a lost reply is answered by finding. Two runs at
once may still make two: each then finds both, keeps the same one, and deletes the other while nothing hangs on it.
https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from databricks.sdk.errors.platform import BadRequest, NotFound, ResourceConflict
from databricks.sdk.service.provisioning import Workspace
from databricks.sdk.service.settings import (
    CreateNetworkConnectivityConfiguration,
    CreatePrivateEndpointRule,
    NccPrivateEndpointRule,
    NetworkConnectivityConfiguration,
    UpdatePrivateEndpointRule,
)
from databricks.sdk.service.settings import (
    CustomerFacingNetworkConnectivityConfigAwsPrivateEndpointRule as AwsPrivateEndpointRule,
)

from s3private.errors import Conflict
from s3private.provision.engine import Found, Remains, Resource, State, Unsure
from s3private.provision.steps.base import AccountStep
from s3private.provision.steps.endpoint import InterfaceEndpoint
from s3private.provision.steps.endpoint_service import EndpointService
from s3private.provision.steps.ownership import AT_ONCE

_MADE_LATE_SECONDS = 180.0
"""How long what a lost reply may have made is looked for: asked again sooner, there might be two.
https://github.com/databricks/terraform-provider-databricks/issues/4559"""


@dataclass(frozen=True, kw_only=True)
class Workspaces(Resource):
    nccs: Mapping[int, str]
    """Of each workspace that is there, the NCC it is attached to; empty for none."""
    regions: Mapping[int, str]
    statuses: Mapping[int, str]
    """The platform's word; empty for one that the SDK does not know."""


def status_word(workspace: Workspace) -> str:
    return workspace.workspace_status.value if workspace.workspace_status else ""


class GivenWorkspaces(AccountStep[Workspaces]):
    """Given, never made: which NCC they have decides which NCC the path uses."""

    kind = Workspaces
    title = "workspaces"
    given = True

    def find(self, found: Found) -> Workspaces:
        seen = [w for number in self.config.workspace_ids if (w := self._workspace(number)) is not None]
        return Workspaces(
            id=", ".join(str(number) for number in self.config.workspace_ids) or "none",
            ours=False,
            nccs={w.workspace_id or 0: w.network_connectivity_config_id or "" for w in seen},
            regions={w.workspace_id or 0: w.aws_region or "" for w in seen},
            statuses={w.workspace_id or 0: status_word(w) for w in seen},
        )

    def _workspace(self, number: int) -> Workspace | None:
        """None where there is none: its attachment says so, and destroy goes on past it."""
        try:
            return self.account.workspaces.get(number)
        except NotFound:
            return None

    def create(self, found: Found) -> None:
        raise Conflict("databricks.workspace_ids: workspaces are given, not made")

    def delete(self, resource: Workspaces, found: Found) -> None:
        raise Conflict("databricks.workspace_ids: workspaces are given, not deleted")


@dataclass(frozen=True, kw_only=True)
class NetworkConnectivityConfig(Resource):
    unseen_codes = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")

    name: str


class OneNcc(AccountStep[NetworkConnectivityConfig]):
    """The given one, else the one the workspaces have, else the one of the path's own name."""

    kind = NetworkConnectivityConfig
    title = "network connectivity config"
    lost_seconds = _MADE_LATE_SECONDS
    _full: tuple[str, ...] = ()
    """What the last look has found to be at its limit."""

    def find(self, found: Found) -> NetworkConnectivityConfig | None:
        self._check_names(found)
        every = list(self.account.network_connectivity.list_network_connectivity_configurations())
        seen = self._seen(found, every)
        self._full = self._at_a_limit([n for n in every if n.region == self.config.region], seen, found)
        if seen is None:
            return None
        listed = next((n for n in every if n.network_connectivity_config_id == seen.id), None)
        return replace(seen, notes=(*self._notes(seen, _rules(listed) if listed else [], found), *self._full))

    def absence(self, found: Found) -> str:
        return "; ".join(("not there", *self._full))

    def _at_a_limit(
        self,
        in_region: Sequence[NetworkConnectivityConfiguration],
        seen: NetworkConnectivityConfig | None,
        found: Found,
    ) -> tuple[str, ...]:
        """Where the account stands at Databricks' default limit, to the one. Nothing tells whether Databricks has
        raised it for this account, unless there are more."""
        region, service = self.config.region, found.get(EndpointService)
        full = []
        if seen is None and len(in_region) == _NCCS_PER_REGION:
            full.append(
                f"the account has {_NCCS_PER_REGION} NCCs in {region}, Databricks' default limit: one more is refused "
                "in the middle of provision, unless Databricks has raised it: delete one that nothing uses, or "
                "name one in databricks.ncc_id"
            )
        rules = [rule for ncc in in_region for rule in _rules(ncc)]
        has_one = service is not None and any(r.endpoint_service == service.name and not r.deactivated for r in rules)
        if not has_one and len(rules) == _RULES_PER_REGION:
            full.append(
                f"the account has {_RULES_PER_REGION} private endpoint rules in {region}, deactivated ones included, "
                "Databricks' default limit: one more is refused in the middle of provision, unless Databricks has "
                "raised it: delete one that nothing uses, or ask Databricks for more"
            )
        return tuple(full)

    def _notes(
        self, seen: NetworkConnectivityConfig, rules: Sequence[AwsPrivateEndpointRule], found: Found
    ) -> tuple[str, ...]:
        service, endpoint = found.get(EndpointService), found.get(InterfaceEndpoint)
        live = [rule for rule in rules if not rule.deactivated]
        others = [rule for rule in live if service is None or rule.endpoint_service != service.name]
        notes = []
        if not seen.ours and len(others) == len(live):
            notes.append(
                f"NCC {seen.id} ({seen.name}) was not made by this path: the rule is added to it; tell whoever keeps "
                "it, by Terraform for example, not to take the rule out"
            )
        host = endpoint.bucket_host if endpoint is not None and endpoint.dns_name else ""
        wanted = self.config.domain_names or (host or self._any_host(),)
        called = ", ".join(wanted) if host or self.config.domain_names else "the name of this path"
        for rule in others:
            both = [name for name in rule.domain_names or [] if any(_takes_in(name, mine) for mine in wanted)]
            if both:
                notes.append(
                    f"rule {rule.rule_id} of NCC {seen.id} carries {', '.join(both)} to {rule.endpoint_service}, which "
                    f"overlaps with {called}: two rules then lead to two services"
                )
        return tuple(notes)

    def _any_host(self) -> str:
        """As an endpoint's that is not made yet will be: what takes it in takes in that one."""
        china = ".cn" if self.config.partition == "aws-cn" else ""
        return f"bucket.vpce-0.s3.{self.config.region}.vpce.amazonaws.com{china}"

    def _check_names(self, found: Found) -> None:
        """Raises Conflict where the Route would go by a name that the rule does not carry."""
        endpoint, names = found.get(InterfaceEndpoint), self.config.domain_names
        known = endpoint.bucket_host if endpoint is not None and endpoint.dns_name else ""
        host = known or self._any_host()
        if names and host not in names and not any(_takes_in(name, host) for name in names):
            called = known or "bucket.<endpoint DNS name>, which is known once the endpoint is made"
            raise Conflict(
                f"s3.domain_names: none of {', '.join(names)} takes in {called}, and the Route goes by it: add "
                f"{known or '*' + host.partition('.vpce-0')[2]}, or leave s3.domain_names out"
            )

    def _seen(
        self, found: Found, every: Sequence[NetworkConnectivityConfiguration]
    ) -> NetworkConnectivityConfig | None:
        bound = {ncc: number for number, ncc in found[Workspaces].nccs.items() if ncc}
        given = self.config.ncc_id
        for ncc_id, number in bound.items():
            if given and ncc_id != given:
                raise Conflict(
                    f"workspace {number} is attached to NCC {ncc_id}, not databricks.ncc_id {given}: "
                    "attaching another would silently cut what uses it; name that NCC, or leave databricks.ncc_id out"
                )
        if len(bound) > 1:
            pairs = ", ".join(f"{number}: {ncc}" for ncc, number in bound.items())
            raise Conflict(f"the workspaces are attached to different NCCs ({pairs}): make one path for each NCC")
        wanted = given or next(iter(bound), None)
        seen, doubles = (self._get(given), ()) if given else self._ours(every, wanted)
        if seen is None:
            return None
        if seen.region != self.config.region:
            raise Conflict(f"NCC {seen.network_connectivity_config_id} is in {seen.region}, not {self.config.region}")
        return self._read(seen, doubles)

    def leftover(self, found: Found) -> NetworkConnectivityConfig | None:
        """The NCC that holds the path's rule, else the one of its name, whatever NCC the workspaces have by now."""
        service = found.get(EndpointService)
        every = list(self.account.network_connectivity.list_network_connectivity_configurations())
        if self.config.ncc_id:
            return self._seen(found, every)
        for ncc in every:
            if service is not None and any(rule.endpoint_service == service.name for rule in _rules(ncc)):
                return self._read(ncc, ())
        named = [n for n in every if n.name == self.config.ncc_name and n.region == self.config.region]
        if named:
            return self._read(named[0], tuple(str(n.network_connectivity_config_id) for n in named[1:]))
        return self._seen(found, every)

    def _read(self, seen: NetworkConnectivityConfiguration, doubles: tuple[str, ...]) -> NetworkConnectivityConfig:
        name = seen.name or ""
        return NetworkConnectivityConfig(
            id=seen.network_connectivity_config_id or "",
            detail=name,
            name=name,
            ours=not self.config.ncc_id and name == self.config.ncc_name,
            doubles=doubles,
        )

    def _get(self, ncc_id: str) -> NetworkConnectivityConfiguration:
        try:
            return self.account.network_connectivity.get_network_connectivity_configuration(ncc_id)
        except NotFound as error:
            raise Conflict(f"databricks.ncc_id: there is no NCC {ncc_id} in the account") from error

    def _ours(
        self, every: Sequence[NetworkConnectivityConfiguration], bound: str | None
    ) -> tuple[NetworkConnectivityConfiguration | None, tuple[str, ...]]:
        """The NCC that the workspaces have, else the one of the path's name; and what of that name is double and empty.

        Of two, the one with rules is kept, else the older: every run that sees both chooses alike.
        """
        named = sorted(
            (n for n in every if n.name == self.config.ncc_name and n.region == self.config.region),
            key=lambda ncc: (not _rules(ncc), ncc.creation_time or 0, ncc.network_connectivity_config_id or ""),
        )
        if bound:
            kept = next((n for n in every if n.network_connectivity_config_id == bound), None) or self._get(bound)
            if kept.name != self.config.ncc_name:
                return kept, ()
        elif named:
            kept = named[0]
        else:
            return None, ()
        others = [n for n in named if n.network_connectivity_config_id != kept.network_connectivity_config_id]
        milliseconds = AT_ONCE.total_seconds() * 1000
        at_once = [n for n in others if abs((n.creation_time or 0) - (kept.creation_time or 0)) <= milliseconds]
        if in_use := [str(n.network_connectivity_config_id) for n in others if _rules(n)]:
            raise Conflict(
                f"several NCCs are named {self.config.ncc_name} and have rules: "
                f"{kept.network_connectivity_config_id}, {', '.join(in_use)}; name one in databricks.ncc_id"
            )
        return kept, tuple(str(n.network_connectivity_config_id) for n in at_once)

    def create(self, found: Found) -> None:
        if self.config.ncc_id:
            raise Conflict(f"databricks.ncc_id: there is no NCC {self.config.ncc_id} in the account")
        wanted = CreateNetworkConnectivityConfiguration(name=self.config.ncc_name, region=self.config.region)
        self.account_once.network_connectivity.create_network_connectivity_configuration(wanted)

    def drift(self, resource: NetworkConnectivityConfig, found: Found) -> str | None:
        if not resource.doubles:
            return None
        return f"{', '.join(resource.doubles)} of the same name: made by another run at once, and empty: deleted"

    def update(self, resource: NetworkConnectivityConfig, found: Found) -> None:
        """Databricks refuses to delete one that a rule or a workspace hangs on, whatever was seen before."""
        self._delete(resource.doubles[0])

    def delete(self, resource: NetworkConnectivityConfig, found: Found) -> None:
        try:
            for ncc_id in (*resource.doubles, resource.id):
                self._delete(ncc_id)
        except (BadRequest, ResourceConflict) as error:
            raise Remains(
                f"Databricks keeps it: {error}",
                "no workspace is attached to it (attach them to another NCC) and its deactivated rules are gone",
            ) from error

    def _delete(self, ncc_id: str) -> None:
        try:
            self.account.network_connectivity.delete_network_connectivity_configuration(ncc_id)
        except NotFound:
            return


_NCCS_PER_REGION = 10
_RULES_PER_REGION = 30
"""https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""


def _takes_in(one: str, other: str) -> bool:
    """Whether two different names, wildcards or not, have a host in common."""
    if one == other:
        return False
    return any(wide.startswith("*.") and narrow.endswith(wide[1:]) for wide, narrow in ((one, other), (other, one)))


def _rules(ncc: NetworkConnectivityConfiguration) -> list[AwsPrivateEndpointRule]:
    """Deactivated ones too."""
    targets = ncc.egress_config.target_rules if ncc.egress_config else None
    return list((targets and targets.aws_private_endpoint_rules) or [])


_NEVER_LIVED = ("CREATE_FAILED", "EXPIRED")
"""Rules in these states never carried traffic: they are deleted and made anew."""
_ALIVE = ("PENDING", "ESTABLISHED")


@dataclass(frozen=True, kw_only=True)
class PrivateEndpointRule(Resource):
    unseen_codes = ("InvalidVpcEndpointId.NotFound",)

    vpc_endpoint_id: str
    domain_names: tuple[str, ...]
    word: str
    """CREATING, PENDING, ESTABLISHED, REJECTED, DISCONNECTED, EXPIRED, CREATE_FAILED; empty for one the SDK lacks."""


def _word(rule: NccPrivateEndpointRule) -> str:
    return rule.connection_state.value if rule.connection_state else ""


def _preference(rule: NccPrivateEndpointRule) -> tuple[bool, bool, int, str]:
    """Which of several rules to one service is kept: what carries traffic, then what may yet, then the oldest. Every
    run that sees the same rules chooses alike."""
    word = _word(rule)
    return word != "ESTABLISHED", word not in ("", "CREATING", *_ALIVE), rule.creation_time or 0, rule.rule_id or ""


def _kept_until(deactivated: Sequence[NccPrivateEndpointRule]) -> str:
    """One day by the API's page, up to seven by the account console's.
    https://docs.databricks.com/api/networking/v1/delete-ncc-private-endpoint-rule.md"""
    at = max((rule.deactivated_at or 0 for rule in deactivated), default=0)
    if not at:
        return "one to seven days from now"
    gone = datetime.fromtimestamp(at / 1000, UTC)
    first, last = (f"{gone + timedelta(days=days):%Y-%m-%d}" for days in (1, 7))
    return f"between {first} and {last}"


class RuleToService(AccountStep[PrivateEndpointRule]):
    kind = PrivateEndpointRule
    title = "private endpoint rule"
    arrives_late = True
    wait_seconds = 1800.0
    lost_seconds = _MADE_LATE_SECONDS

    def rules(self, found: Found) -> list[NccPrivateEndpointRule]:
        ncc = found[NetworkConnectivityConfig].id
        return list(self.account.network_connectivity.list_private_endpoint_rules(ncc))

    def find(self, found: Found) -> PrivateEndpointRule | None:
        made = found.get(EndpointService)
        if found.get(NetworkConnectivityConfig) is None:
            made = found[EndpointService]  # of two that are missing, the plan names the first
        live = [r for r in self.rules(found) if not r.deactivated]
        # Before the service is there, too: what carries the name already does not wait for it.
        named = self.config.domain_names or found.get(InterfaceEndpoint)
        wanted = set(self.wanted_names(found)) if named else set()
        for other in live:
            if (made is None or other.endpoint_service != made.name) and (
                both := wanted & set(other.domain_names or [])
            ):
                raise Conflict(
                    f"rule {other.rule_id} of the same NCC already carries {', '.join(sorted(both))} "
                    f"to {other.endpoint_service}: delete it, or choose other s3.domain_names"
                )
        service = found[EndpointService].name
        ours = [r for r in live if r.endpoint_service == service]
        if not ours:
            return None
        kept, *others = sorted(ours, key=_preference)
        if carrying := [str(r.rule_id) for r in others if _word(r) == "ESTABLISHED"]:
            raise Conflict(
                f"several rules of the NCC are ESTABLISHED to {service}: {kept.rule_id}, {', '.join(carrying)}; "
                "delete all but one"
            )
        rule = self._read(kept, doubles=tuple(str(r.rule_id) for r in others if _word(r) != "CREATING"))
        if any(_word(r) == "CREATING" for r in others):
            # Deleted now it would linger for days; once it is PENDING it goes at once.
            return replace(rule, state=State.PENDING, detail="another run's rule to the same service is being created")
        return rule

    def leftover(self, found: Found) -> PrivateEndpointRule | None:
        """Without what makes a rule unusable: it is to go."""
        seen, endpoint = found.get(EndpointService), found.get(InterfaceEndpoint)
        names = {endpoint.bucket_host} if endpoint is not None and endpoint.dns_name else set()
        live = [r for r in self.rules(found) if not r.deactivated]
        # Without the service, by the endpoint's own name, which nobody else's rule carries.
        ours = [
            r
            for r in live
            if (r.endpoint_service == seen.name if seen is not None else names & set(r.domain_names or []))
        ]
        if seen is None and not ours:
            ours = self._of_a_service_that_is_gone(live, found)
        wanted = set(self.config.domain_names) or names
        for rule in ours if seen is not None and not seen.ours else ():
            if not wanted & set(rule.domain_names or []):
                raise Unsure(
                    f"rule {rule.rule_id} leads to the endpoint service that was handed over, and carries "
                    f"{', '.join(rule.domain_names or [])}, which is not this path's name: the rule, or the "
                    "handover, is another path's"
                )
        if not ours:
            return None
        kept, *others = sorted(ours, key=_preference)
        return self._read(kept, doubles=tuple(str(r.rule_id) for r in others))

    def _of_a_service_that_is_gone(
        self, live: Sequence[NccPrivateEndpointRule], found: Found
    ) -> list[NccPrivateEndpointRule]:
        """By the path file's names: this path's for sure in its own NCC. Raises Conflict elsewhere, where another
        path's rule may carry them."""
        wanted, ncc = set(self.config.domain_names), found[NetworkConnectivityConfig]
        carrying = [r for r in live if wanted & set(r.domain_names or [])]
        if carrying and not ncc.ours:
            theirs = "; ".join(
                f"rule {r.rule_id} carries {', '.join(r.domain_names or [])} to {r.endpoint_service} (databricks "
                f"account network-connectivity delete-private-endpoint-rule {ncc.id} {r.rule_id})"
                for r in carrying
            )
            raise Conflict(
                f"NCC {ncc.id} was not made by this path, and its endpoint service is not there any more: {theirs}: "
                "delete it where it was this path's"
            )
        return [r for r in carrying if set(r.domain_names or []) == wanted]

    def _read(self, rule: NccPrivateEndpointRule, doubles: tuple[str, ...]) -> PrivateEndpointRule:
        word = _word(rule)
        endpoint = rule.vpc_endpoint_id or ""
        if word in _ALIVE and endpoint:
            state = State.READY
        elif word in ("", "CREATING", *_ALIVE):
            state = State.PENDING
        else:
            state = State.FAILED
        detail = word or "a state this SDK does not know"
        if word in _ALIVE and not endpoint:
            detail = f"{word}, without its VPC endpoint id yet"
        if rule.error_message:
            detail = f"{detail}: {rule.error_message}"
        return PrivateEndpointRule(
            id=rule.rule_id or "",
            state=state,
            detail=detail,
            vpc_endpoint_id=endpoint,
            domain_names=tuple(rule.domain_names or []),
            doubles=doubles,
            word=word,
        )

    def wanted_names(self, found: Found) -> tuple[str, ...]:
        return self.config.domain_names or (found[InterfaceEndpoint].bucket_host,)

    def create(self, found: Found) -> None:
        wanted = CreatePrivateEndpointRule(
            endpoint_service=found[EndpointService].name, domain_names=list(self.wanted_names(found))
        )
        ncc = found[NetworkConnectivityConfig].id
        self.account_once.network_connectivity.create_private_endpoint_rule(ncc, wanted)

    def drift(self, resource: PrivateEndpointRule, found: Found) -> str | None:
        if resource.doubles:
            return f"{', '.join(resource.doubles)} to the same service: made by another run at once: deleted"
        if resource.word in _NEVER_LIVED:
            return f"{resource.detail}; it never carried traffic: deleted and made anew"
        if resource.state is State.FAILED:
            return None
        if not self.config.domain_names and found.get(InterfaceEndpoint) is None:
            return (
                f"carries {', '.join(resource.domain_names) or 'no name'}, and the interface endpoint is made anew, "
                "with another name: who reads is cut off until the new name has reached serverless, within ten "
                "minutes, and the new Route is loaded; running sessions until they are restarted"
            )
        names = self.wanted_names(found)
        if set(resource.domain_names) != set(names):
            return (
                f"carries {', '.join(resource.domain_names) or 'no name'} instead of {', '.join(names)}: who reads by "
                "one that goes is cut off until it has the new Route and the new name, which reaches serverless within "
                "ten minutes, and running sessions when they are restarted"
            )
        return None

    def update(self, resource: PrivateEndpointRule, found: Found) -> None:
        if resource.doubles:
            self._delete(resource.doubles[0], found)
            return
        if resource.word in _NEVER_LIVED:
            self._delete(resource.id, found)
            return
        self.account_once.network_connectivity.update_private_endpoint_rule(
            found[NetworkConnectivityConfig].id,
            resource.id,
            UpdatePrivateEndpointRule(domain_names=list(self.wanted_names(found))),
            update_mask="domain_names",
        )

    def delete(self, resource: PrivateEndpointRule, found: Found) -> None:
        answers = [self._delete(rule_id, found) for rule_id in (*resource.doubles, resource.id)]
        kept = [answer for answer in answers if answer is not None and answer.deactivated]
        if kept:
            raise Remains(
                "Databricks has deactivated it and removes it later; it carries nothing any more", _kept_until(kept)
            )

    def _delete(self, rule_id: str, found: Found) -> NccPrivateEndpointRule | None:
        ncc = found[NetworkConnectivityConfig].id
        try:
            return self.account.network_connectivity.delete_private_endpoint_rule(ncc, rule_id)
        except NotFound:
            return None

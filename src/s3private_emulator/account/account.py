"""The emulated account as the rest of the emulator and its tests hold it; programs under test meet only `app`."""

from __future__ import annotations

import threading
from typing import Any
from wsgiref.types import WSGIApplication

from s3private_emulator.account.app import build_app
from s3private_emulator.account.estate import Estate
from s3private_emulator.account.faulty import dialect_of
from s3private_emulator.account.nccs import NetworkConnectivityConfig
from s3private_emulator.account.oauth import ServicePrincipal
from s3private_emulator.account.rule import Rule
from s3private_emulator.account.workspaces import AttachedWorkspace
from s3private_emulator.delays import Delays
from s3private_emulator.fault_gate import FaultGate
from s3private_emulator.faults import Faults
from s3private_emulator.log import RequestLog
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.world import World


class Account:
    """app: the REST API of the account console's host, on any host name.

    What the methods hand out is the emulator's own, as it stands now: to be read, not written. They count no polls and
    log no requests. `kept`: the `contents` of an earlier one, instead of an account with nothing in it.
    """

    def __init__(
        self,
        world: World,
        delays: Delays,
        privatelink: PrivateLink,
        log: RequestLog,
        faults: Faults | None = None,
        kept: dict[str, Any] | None = None,
    ) -> None:
        self._estate = Estate(world, delays, privatelink)
        if kept:
            self._estate.recall(kept)
        app = build_app(self._estate, log)
        self.app: WSGIApplication = FaultGate(
            app, faults=faults or Faults(), log=log, dialect=dialect_of(app), expire=self.expire_tokens
        )

    @property
    def lock(self) -> threading.RLock:
        return self._estate.lock

    def contents(self) -> dict[str, Any]:
        """What it knows, to be kept and given to another as `kept`; while `lock` is held."""
        return self._estate.contents()

    def carried_names(self, workspace_id: int) -> dict[str, str]:
        """Domain name, or `*.` pattern, -> endpoint service name, for what the workspace's serverless compute goes by.

        Counts as a look by it: an attachment that takes n polls is in force after n looks. KeyError: no such workspace.
        """
        with self._estate.lock:
            ncc_id = self._estate.workspaces.ncc_in_force(workspace_id)
            rules = self._estate.rules.of(ncc_id) if ncc_id else []
            return {name: rule.endpoint_service for rule in rules if rule.carries for name in rule.domain_names}

    def nccs(self) -> list[NetworkConnectivityConfig]:
        with self._estate.lock:
            return self._estate.nccs.every()

    def rules(self) -> list[Rule]:
        """Deactivated ones too, until they are gone."""
        with self._estate.lock:
            return self._estate.rules.every()

    def workspaces(self) -> list[AttachedWorkspace]:
        with self._estate.lock:
            return self._estate.workspaces.every()

    def force_rule_state(self, rule_id: str, state: str, error_message: str = "") -> None:
        """Show this `connection_state`, known to the SDK or not, until forced again; empty: the true one again.
        KeyError: no such rule."""
        with self._estate.lock:
            rule = {rule.id: rule for rule in self._estate.rules.every()}[rule_id]
            rule.forced, rule.forced_message = state, error_message

    def force_workspace_status(self, workspace_id: int, status: str, message: str = "") -> None:
        """Show this `workspace_status`, such as FAILED or BANNED, until forced again; empty: the true one again.
        KeyError: no such workspace."""
        with self._estate.lock:
            workspace = {workspace.id: workspace for workspace in self._estate.workspaces.every()}[workspace_id]
            workspace.forced_status, workspace.forced_message = status, message

    def client_id_of(self, authorization: str | None) -> str:
        """Of the service principal whose token the header carries, account admin or not. Raises Refusal."""
        with self._estate.lock:
            return self._estate.tokens.bearer(authorization).client_id

    def add_service_principal(self, client_id: str, client_secret: str, *, account_admin: bool) -> None:
        with self._estate.lock:
            self._estate.tokens.add(ServicePrincipal(client_id, client_secret, account_admin))

    def set_page_size(self, items: int) -> None:
        with self._estate.lock:
            self._estate.page_size = items

    def set_token_seconds(self, seconds: float) -> None:
        """How long tokens issued from now on are valid, in real time; 3600 unless set."""
        with self._estate.lock:
            self._estate.tokens.token_seconds = seconds

    def expire_tokens(self) -> None:
        """Every token issued until now is refused from now on."""
        with self._estate.lock:
            self._estate.tokens.revoke_all()

    def set_deactivated_seconds(self, seconds: float) -> None:
        """How long rules deleted from now on linger; a day unless set."""
        with self._estate.lock:
            self._estate.rules.deactivated_seconds = seconds

"""Attaches a workspace to the NCC, and never replaces the NCC that a workspace has.

The platform would replace it without a word, and there is no way to detach: every other rule of the old NCC would be
cut from that workspace at once.
"""

from __future__ import annotations

from dataclasses import dataclass

from databricks.sdk.service.provisioning import Workspace, WorkspaceStatus

from s3private.errors import Conflict
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, Remains, Resource, State
from s3private.provision.steps.base import AccountStep
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig, Workspaces, status_word

_MASK = "network_connectivity_config_id"
_BUSY = WorkspaceStatus.PROVISIONING.value
_OUT = "or take it out of databricks.workspace_ids, then run again"
_ADVICE = {
    "PROVISIONING": "it is being made or changed: run the same command again once it is RUNNING",
    "NOT_PROVISIONED": "it is not there yet: run the same command again once it is RUNNING",
    "FAILED": f"the account console says why, and lets it be mended; do so, {_OUT}",
    "BANNED": f"Databricks has locked it: ask Databricks' support, {_OUT}",
    "CANCELLING": f"it is being deleted: wait until it is gone, {_OUT}",
}


@dataclass(frozen=True, kw_only=True)
class Attachment(Resource):
    """Its id is that of the NCC."""


class WorkspaceAttachment(AccountStep[Attachment]):
    kind = Attachment
    arrives_late = True

    def __init__(self, config: PathConfig, clients: Clients, workspace_id: int) -> None:
        super().__init__(config, clients)
        self.workspace_id = workspace_id
        self.title = f"attachment of workspace {workspace_id}"

    def find(self, found: Found) -> Attachment | None:
        seen = found[Workspaces]
        self._check_place(seen)
        if not seen.nccs[self.workspace_id]:
            # Known before anything is made, whether or not there is an NCC yet.
            self._check_status(seen.statuses[self.workspace_id], attached=False)
        bound, word = self._bound(found)
        if not bound and word == _BUSY:
            return Attachment(id="", state=State.PENDING, detail=f"{word}: attached once it is RUNNING", ours=False)
        self._check_status(word, attached=bool(bound))
        if not bound:
            return None
        return Attachment(
            id=bound,
            state=State.READY if word == WorkspaceStatus.RUNNING.value else State.PENDING,
            detail=word or "a status this SDK does not know",
            ours=found[NetworkConnectivityConfig].ours,
        )

    def leftover(self, found: Found) -> Attachment | None:
        """Whatever state the workspace is in."""
        self._check_place(found[Workspaces])
        bound, word = self._bound(found)
        return Attachment(id=bound, detail=word, ours=found[NetworkConnectivityConfig].ours) if bound else None

    def _check_place(self, seen: Workspaces) -> None:
        region = seen.regions.get(self.workspace_id)
        if region is None:
            raise Conflict(
                f"databricks.workspace_ids: no workspace {self.workspace_id} in account "
                f"{self.config.databricks_account_id}"
            )
        if region and region != self.config.region:
            raise Conflict(f"workspace {self.workspace_id} is in {region}, the path in {self.config.region}")

    def _bound(self, found: Found) -> tuple[str, str]:
        """The NCC that it has now, and its status."""
        ncc = found[NetworkConnectivityConfig]
        workspace = self.account.workspaces.get(self.workspace_id)
        bound = workspace.network_connectivity_config_id or ""
        if bound and bound != ncc.id:
            raise Conflict(
                f"workspace {self.workspace_id} is attached to NCC {bound}: another would silently cut it off; "
                "leave databricks.ncc_id out, and the rule is added to that NCC"
            )
        return bound, status_word(workspace)

    def _check_status(self, word: str, *, attached: bool) -> None:
        """Raises Conflict: it cannot be attached, or serves nobody. One that is being changed is waited for once it is
        attached: the platform says so of each that was attached just now."""
        if word == WorkspaceStatus.RUNNING.value or (attached and word in ("", _BUSY)):
            return
        advice = _ADVICE.get(word, "only a RUNNING workspace is attached: look at it in the account console")
        raise Conflict(f"workspace {self.workspace_id} is {word or 'in a status this SDK does not know'}: {advice}")

    def create(self, found: Found) -> None:
        # Sent again unseen, it would take the workspace from an NCC that it was given meanwhile.
        self.account_once.workspaces.update(
            self.workspace_id,
            Workspace(network_connectivity_config_id=found[NetworkConnectivityConfig].id),
            update_mask=_MASK,
        )

    def delete(self, resource: Attachment, found: Found) -> None:
        raise Remains(
            "the platform cannot detach a workspace from its NCC",
            "the workspace is attached to another NCC or deleted",
        )

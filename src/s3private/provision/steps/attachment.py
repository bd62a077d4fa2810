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
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig, Workspaces

_MASK = "network_connectivity_config_id"


@dataclass(frozen=True, kw_only=True)
class Attachment(Resource):
    """Its id is that of the NCC."""


class WorkspaceAttachment(AccountStep[Attachment]):
    kind = Attachment

    def __init__(self, config: PathConfig, clients: Clients, workspace_id: int) -> None:
        super().__init__(config, clients)
        self.workspace_id = workspace_id
        self.title = f"attachment of workspace {workspace_id}"

    def find(self, found: Found) -> Attachment | None:
        region = found[Workspaces].regions.get(self.workspace_id)
        if region is None:
            raise Conflict(
                f"databricks.workspace_ids: no workspace {self.workspace_id} in account "
                f"{self.config.databricks_account_id}"
            )
        if region and region != self.config.region:
            raise Conflict(f"workspace {self.workspace_id} is in {region}, the path in {self.config.region}")
        ncc = found[NetworkConnectivityConfig]
        workspace = self.account.workspaces.get(self.workspace_id)
        bound = workspace.network_connectivity_config_id
        if not bound:
            return None
        if bound != ncc.id:
            raise Conflict(
                f"workspace {self.workspace_id} is attached to NCC {bound}: another would silently cut it off; "
                "leave databricks.ncc_id out, and the rule is added to that NCC"
            )
        status = workspace.workspace_status
        state = {
            WorkspaceStatus.RUNNING: State.READY,
            WorkspaceStatus.FAILED: State.FAILED,
            WorkspaceStatus.BANNED: State.FAILED,
        }.get(status or WorkspaceStatus.PROVISIONING, State.PENDING)
        return Attachment(
            id=bound,
            state=state,
            detail=status.value if status else "a status this SDK does not know",
            ours=ncc.ours,
        )

    def create(self, found: Found) -> None:
        self.account.workspaces.update(
            self.workspace_id,
            Workspace(network_connectivity_config_id=found[NetworkConnectivityConfig].id),
            update_mask=_MASK,
        )

    def delete(self, resource: Attachment, found: Found) -> None:
        raise Remains(
            "the platform cannot detach a workspace from its NCC",
            "the workspace is attached to another NCC or deleted",
        )

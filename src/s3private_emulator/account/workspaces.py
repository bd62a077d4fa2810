"""Workspaces, each with at most one NCC: attaching another replaces it without a word, and nothing detaches.

github.com/databricks/terraform-provider-databricks issues 5399 and 3741.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from s3private_emulator.account.nccs import Nccs
from s3private_emulator.account.refusal import bad_request, not_found, quota
from s3private_emulator.delays import Delays, Takes, Transition
from s3private_emulator.world import World

MAX_PER_NCC = 50


@dataclass
class AccountWorkspace:
    id: int
    name: str
    deployment_name: str
    region: str
    account: str
    ncc_id: str = ""
    starting: Transition | None = field(default=None, repr=False)
    in_force: Transition | None = field(default=None, repr=False)
    forced: str | None = None

    def status(self, *, read: bool) -> str:
        if self.forced:
            return self.forced
        if self.starting is None:
            return "RUNNING"
        return "RUNNING" if (self.starting.reached() if read else self.starting.passed()) else "PROVISIONING"

    def as_dict(self, *, read: bool = True) -> dict[str, Any]:
        document: dict[str, Any] = {
            "workspace_id": self.id,
            "workspace_name": self.name,
            "deployment_name": self.deployment_name,
            "aws_region": self.region,
            "account_id": self.account,
            "workspace_status": self.status(read=read),
        }
        if self.ncc_id:
            document["network_connectivity_config_id"] = self.ncc_id
        return document


class Workspaces:
    def __init__(self, world: World, delays: Delays, nccs: Nccs) -> None:
        self._delays = delays
        self._nccs = nccs
        self.by_id = {
            w.id: AccountWorkspace(
                id=w.id,
                name=w.name,
                deployment_name=w.deployment_name,
                region=w.region or world.region,
                account=world.databricks_account,
            )
            for w in world.workspaces
        }

    def get(self, workspace_id: int) -> AccountWorkspace:
        if workspace_id not in self.by_id:
            raise not_found(f"Workspace {workspace_id}")
        return self.by_id[workspace_id]

    def attached_to(self, ncc_id: str) -> list[AccountWorkspace]:
        return [w for w in self.by_id.values() if w.ncc_id == ncc_id]

    def update(self, workspace_id: int, mask: str, body: dict[str, Any]) -> AccountWorkspace:
        workspace = self.get(workspace_id)
        if mask != "network_connectivity_config_id":
            raise bad_request(f"Update mask {mask!r} is not supported here: network_connectivity_config_id is.")
        ncc_id = body.get("network_connectivity_config_id")
        if not ncc_id:
            raise bad_request("network_connectivity_config_id must be specified: it cannot be removed.")
        ncc = self._nccs.get(str(ncc_id))
        if ncc.region != workspace.region:
            raise bad_request(f"The NCC is in {ncc.region}, the workspace in {workspace.region}.")
        if len(self.attached_to(ncc.id)) >= MAX_PER_NCC and workspace.ncc_id != ncc.id:
            raise quota(f"The NCC has {MAX_PER_NCC} workspaces, the most allowed.")
        workspace.ncc_id = ncc.id
        workspace.starting = self._delays.begin(Takes.WORKSPACE_RUNNING)
        workspace.in_force = self._delays.begin(Takes.ATTACHMENT_IN_FORCE)
        return workspace

"""Workspaces as the account sees them: each has one NCC or none, which can be switched and never removed.

Switching is silent: whatever the old NCC carried is gone from the workspace.
https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md
https://github.com/databricks/terraform-provider-databricks/issues/5399
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from s3private_emulator.account.masks import EVERYTHING, masked_fields
from s3private_emulator.account.nccs import Nccs
from s3private_emulator.account.quotas import admit_workspace
from s3private_emulator.account.refusals import does_not_exist, invalid, invalid_state
from s3private_emulator.account.wall_clock import WallClock
from s3private_emulator.delays import Delays, Takes, Transition
from s3private_emulator.world import World

NCC = "network_connectivity_config_id"
SETTINGS = (
    "credentials_id",
    "network_id",
    "managed_services_customer_managed_key_id",
    "storage_customer_managed_key_id",
    "private_access_settings_id",
    "custom_tags",
)
"""What else a PATCH may change.
https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md"""


@dataclass(kw_only=True)
class AttachedWorkspace:
    id: int
    name: str
    deployment_name: str
    region: str
    settings: dict[str, Any]
    ncc_id: str | None = None
    """What the API tells."""
    ncc_in_force: str | None = None
    """What serverless compute goes by: it follows `ncc_id` after a while."""
    forced_status: str = ""
    forced_message: str = ""
    running: Transition | None = field(default=None, repr=False)
    coming: Transition | None = field(default=None, repr=False)

    def follow(self, *, read: bool) -> None:
        """Let serverless compute notice a new attachment. `read`: a program on it looks, which counts as a poll."""
        if self.coming is not None and (self.coming.reached() if read else self.coming.passed()):
            self.ncc_in_force = self.ncc_id
            self.coming = None


class Workspaces:
    def __init__(self, world: World, delays: Delays, wall: WallClock, nccs: Nccs) -> None:
        self._account_id = world.databricks_account
        self._delays = delays
        self._wall = wall
        self._nccs = nccs
        self._created = wall.clock.now()
        self._workspaces = {
            seeded.id: AttachedWorkspace(
                id=seeded.id,
                name=seeded.name,
                deployment_name=seeded.deployment_name,
                region=seeded.region or world.region,
                settings={"custom_tags": {"team": seeded.name}, "private_access_settings_id": f"pas-{seeded.name}"},
            )
            for seeded in world.workspaces
        }

    def every(self) -> list[AttachedWorkspace]:
        return list(self._workspaces.values())

    def get(self, workspace_id: int) -> AttachedWorkspace:
        if workspace_id not in self._workspaces:
            raise does_not_exist("Workspace", workspace_id)
        return self._workspaces[workspace_id]

    def attached_to(self, ncc_id: str) -> list[int]:
        return [workspace.id for workspace in self.every() if workspace.ncc_id == ncc_id]

    def ncc_in_force(self, workspace_id: int) -> str | None:
        """KeyError: no such workspace. Counts as a look by its serverless compute."""
        workspace = self._workspaces[workspace_id]
        workspace.follow(read=True)
        return workspace.ncc_in_force

    def update(self, workspace: AttachedWorkspace, mask: str | None, body: dict[str, Any]) -> dict[str, Any]:
        """The answer says PROVISIONING. Without a mask, the fields of the body are the mask."""
        updatable = (NCC, *SETTINGS)
        fields = [name for name in updatable if name in body] if mask is None else masked_fields(mask)
        replaces_all = fields == [EVERYTHING]
        if replaces_all:
            fields = list(updatable)
        unsupported = [name for name in fields if name not in updatable]
        if unsupported:
            raise invalid(f"Fields {','.join(unsupported)} of workspace {workspace.id} cannot be updated.")
        self._admit_change(workspace)
        if NCC in fields and not (replaces_all and workspace.ncc_id is None and not body.get(NCC)):
            self._attach(workspace, str(body.get(NCC) or ""))
        for name in fields:
            if name in SETTINGS:
                self._set(workspace, name, body.get(name), replaces_all=replaces_all)
        workspace.running = self._delays.begin(Takes.WORKSPACE_RUNNING)
        return self._as_dict(workspace)

    def _admit_change(self, workspace: AttachedWorkspace) -> None:
        """A running workspace, or one whose deployment failed, can be changed.
        https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md"""
        busy = workspace.running is not None and not workspace.running.passed()
        status = workspace.forced_status or ("PROVISIONING" if busy else "RUNNING")
        if status not in ("RUNNING", "FAILED"):
            raise invalid_state(f"Workspace {workspace.id} is {status} and cannot be updated now.")

    def _attach(self, workspace: AttachedWorkspace, ncc_id: str) -> None:
        if not ncc_id:
            # https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md
            raise invalid(f"{NCC} of workspace {workspace.id} can be switched but not removed.")
        ncc = self._nccs.get(ncc_id)
        if ncc.region != workspace.region:
            # https://docs.databricks.com/api/networking/v1/update-network-connectivity-config.md (region)
            raise invalid(
                f"Network Connectivity Config {ncc.id} is in {ncc.region}, the workspace in {workspace.region}."
            )
        if ncc.id == workspace.ncc_id:
            return
        admit_workspace(ncc.id, len(self.attached_to(ncc.id)))
        workspace.follow(read=False)
        workspace.ncc_id = ncc.id
        workspace.coming = self._delays.begin(Takes.ATTACHMENT_IN_FORCE)

    @staticmethod
    def _set(workspace: AttachedWorkspace, name: str, value: object, *, replaces_all: bool) -> None:
        """Empty custom tags by name are no update; under `*` whatever is left out is cleared.
        https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md"""
        if value:
            workspace.settings[name] = value
        elif replaces_all or name != "custom_tags":
            workspace.settings.pop(name, None)

    def read(self, workspace: AttachedWorkspace) -> dict[str, Any]:
        """What a client that reads it is told; counts as a poll of its status."""
        if workspace.running is not None and workspace.running.reached():
            workspace.running = None
        return self._as_dict(workspace)

    def _as_dict(self, workspace: AttachedWorkspace) -> dict[str, Any]:
        busy = workspace.running is not None
        status = workspace.forced_status or ("PROVISIONING" if busy else "RUNNING")
        told: dict[str, Any] = {
            "workspace_id": workspace.id,
            "workspace_name": workspace.name,
            "deployment_name": workspace.deployment_name,
            "account_id": self._account_id,
            "aws_region": workspace.region,
            "pricing_tier": "ENTERPRISE",
            "creation_time": self._wall.milliseconds(self._created),
            "workspace_status": status,
            "workspace_status_message": workspace.forced_message or f"Workspace is {status.lower()}.",
            **workspace.settings,
        }
        if workspace.ncc_id is not None:
            told[NCC] = workspace.ncc_id
        return told

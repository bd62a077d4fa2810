"""Network connectivity configs (NCCs): a region's private endpoint rules, shared by the workspaces attached.

Creation has no client token, and no refusal of a name taken is documented: a second POST makes a second NCC.
https://docs.databricks.com/api/networking/v1/private-endpoint-rule.md
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from botocore.loaders import Loader

from s3private_emulator.account.quotas import admit_ncc
from s3private_emulator.account.refusals import does_not_exist, invalid, invalid_state
from s3private_emulator.account.wall_clock import WallClock
from s3private_emulator.serials import Serials

NAME = re.compile(r"[0-9a-zA-Z-_]{3,30}")
"""https://docs.databricks.com/api/networking/v1/update-network-connectivity-config.md"""
STABLE_IPS = ["192.0.2.0/28"]
"""From the range reserved for documentation (RFC 5737): a label, nothing is sent from it."""


@cache
def _regions() -> frozenset[str]:
    """AWS's, by botocore's tables."""
    return frozenset(
        region for partition in Loader().load_data("endpoints")["partitions"] for region in partition["regions"]
    )


@dataclass(frozen=True, kw_only=True)
class NetworkConnectivityConfig:
    serial: int
    id: str
    name: str
    region: str
    created: float
    """Emulator clock, seconds."""


class Nccs:
    def __init__(self, account_id: str, wall: WallClock) -> None:
        self._account_id = account_id
        self._wall = wall
        self._serials = Serials()
        self._nccs: dict[str, NetworkConnectivityConfig] = {}

    def every(self) -> list[NetworkConnectivityConfig]:
        return list(self._nccs.values())

    def get(self, ncc_id: str) -> NetworkConnectivityConfig:
        if ncc_id not in self._nccs:
            raise does_not_exist("Network Connectivity Config", ncc_id)
        return self._nccs[ncc_id]

    def create(self, body: dict[str, Any]) -> NetworkConnectivityConfig:
        name, region = str(body.get("name") or ""), str(body.get("region") or "")
        if not NAME.fullmatch(name):
            raise invalid(f"Network connectivity config name {name!r} does not match ^{NAME.pattern}$.")
        if not region:
            raise invalid("region is required.")
        if region not in _regions():
            raise invalid(f"region {region} is not a region.")
        admit_ncc(region, sum(ncc.region == region for ncc in self._nccs.values()))
        ncc = NetworkConnectivityConfig(
            serial=next(self._serials),
            id=str(uuid.uuid4()),
            name=name,
            region=region,
            created=self._wall.clock.now(),
        )
        self._nccs[ncc.id] = ncc
        return ncc

    def delete(self, ncc_id: str, *, rules: int, workspaces: Collection[int]) -> None:
        """Refused while rules, deactivated ones too, or workspaces remain: in these words, by
        https://github.com/databricks/terraform-provider-databricks/issues/5292"""
        ncc = self.get(ncc_id)
        refused = f"Network Connectivity Config {ncc.id} is unable to be deleted because it"
        if workspaces:
            listed = ", ".join(str(workspace) for workspace in workspaces)
            raise invalid_state(f"{refused} is attached to one or more workspaces: {listed}")
        if rules:
            raise invalid_state(f"{refused} has one or more private endpoint rules.")
        del self._nccs[ncc.id]

    def as_dict(self, ncc: NetworkConnectivityConfig, rules: list[dict[str, Any]]) -> dict[str, Any]:
        """Its rules show as target rules, too.
        https://github.com/databricks/terraform-provider-databricks/issues/4894"""
        egress: dict[str, Any] = {"default_rules": {"aws_stable_ip_rule": {"cidr_blocks": STABLE_IPS}}}
        if rules:
            egress["target_rules"] = {"aws_private_endpoint_rules": rules}
        return {
            "network_connectivity_config_id": ncc.id,
            "account_id": self._account_id,
            "name": ncc.name,
            "region": ncc.region,
            "creation_time": self._wall.milliseconds(ncc.created),
            "updated_time": self._wall.milliseconds(ncc.created),
            "egress_config": egress,
        }

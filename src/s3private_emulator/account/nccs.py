"""Network connectivity configurations: at most ten a region, and none deleted while something hangs on it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from s3private_emulator.account.refusal import bad_request, conflict, not_found, quota

MAX_PER_REGION = 10
_NAME = re.compile(r"[0-9a-zA-Z\-_]{3,30}")


@dataclass
class Ncc:
    id: str
    name: str
    region: str
    account: str
    created: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "network_connectivity_config_id": self.id,
            "account_id": self.account,
            "name": self.name,
            "region": self.region,
            "creation_time": self.created,
            "updated_time": self.created,
            "egress_config": {"default_rules": {}},
        }


class Nccs:
    def __init__(self, account: str, now_ms: Callable[[], int]) -> None:
        self._account = account
        self._now_ms = now_ms
        self.by_id: dict[str, Ncc] = {}

    def create(self, body: dict[str, Any]) -> Ncc:
        name, region = body.get("name"), body.get("region")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise bad_request(f"Network connectivity config name {name!r} must match ^[0-9a-zA-Z-_]{{3,30}}$.")
        if not isinstance(region, str) or not region:
            raise bad_request("region is required.")
        there = [n for n in self.by_id.values() if n.region == region]
        if any(n.name == name for n in there):
            raise conflict(f"Network connectivity config {name} already exists in {region}.")
        if len(there) >= MAX_PER_REGION:
            raise quota(f"The account has {MAX_PER_REGION} network connectivity configs in {region}, the most allowed.")
        ncc = Ncc(id=str(uuid.uuid4()), name=name, region=region, account=self._account, created=self._now_ms())
        self.by_id[ncc.id] = ncc
        return ncc

    def get(self, ncc_id: str) -> Ncc:
        if ncc_id not in self.by_id:
            raise not_found(f"Network connectivity config {ncc_id}")
        return self.by_id[ncc_id]

    def delete(self, ncc_id: str, *, attached: int, rules: int) -> None:
        self.get(ncc_id)
        if attached:
            raise bad_request(f"Network connectivity config {ncc_id} is attached to {attached} workspace(s).")
        if rules:
            raise bad_request(f"Network connectivity config {ncc_id} still has {rules} private endpoint rule(s).")
        del self.by_id[ncc_id]

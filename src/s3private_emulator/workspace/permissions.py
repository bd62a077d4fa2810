"""Permissions on jobs, folders and the like: kept and given back; a job has exactly one owner.

https://docs.databricks.com/api/workspace/permissions
"""

from __future__ import annotations

from typing import Any

from s3private_emulator.workspace.refusals import invalid
from s3private_emulator.workspace.routing import Answer, Call, Router
from s3private_emulator.workspace.store import Store

KINDS = {"jobs": "job", "directories": "directory", "notebooks": "notebook", "files": "file"}
PRINCIPALS = ("user_name", "group_name", "service_principal_name")
INHERITED = {
    "group_name": "admins",
    "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/jobs/"]}],
}


class Permissions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_routes(self, router: Router) -> None:
        router.add("GET", "permissions/<kind>/<object_id>", self._get)
        router.add("PUT", "permissions/<kind>/<object_id>", self._set)
        router.add("PATCH", "permissions/<kind>/<object_id>", self._update)

    def own(self, job_id: int, owner: str) -> None:
        """Who makes a job owns it."""
        self._put("jobs", str(job_id), [_entry_of(owner, "IS_OWNER")])

    def _get(self, _call: Call, kind: str, object_id: str) -> Answer:
        return self._told(kind, object_id)

    def _set(self, call: Call, kind: str, object_id: str) -> Answer:
        entries = call.body.get("access_control_list", [])
        owners = [entry for entry in entries if entry.get("permission_level") == "IS_OWNER"]
        if kind == "jobs" and len(owners) != 1:
            raise invalid("The job must have exactly one owner.")
        self._put(kind, object_id, entries)
        return self._told(kind, object_id)

    def _update(self, call: Call, kind: str, object_id: str) -> Answer:
        entries = {_principal(entry): entry for entry in self._held(kind, object_id)}
        entries |= {_principal(entry): entry for entry in call.body.get("access_control_list", [])}
        self._put(kind, object_id, list(entries.values()))
        return self._told(kind, object_id)

    def _held(self, kind: str, object_id: str) -> list[dict[str, Any]]:
        return list(self._store.table("permissions").get(f"{kind}/{object_id}", {}).get("entries", []))

    def _put(self, kind: str, object_id: str, entries: list[dict[str, Any]]) -> None:
        self._kind(kind)
        for entry in entries:
            if sum(name in entry for name in PRINCIPALS) != 1:
                raise invalid(f"Exactly one of {', '.join(PRINCIPALS)} must be given.")
        self._store.table("permissions")[f"{kind}/{object_id}"] = {"entries": entries}

    @staticmethod
    def _kind(kind: str) -> str:
        if kind not in KINDS:
            raise invalid(f"Unsupported object type for permissions: {kind}")
        return KINDS[kind]

    def _told(self, kind: str, object_id: str) -> dict[str, Any]:
        told = [
            {
                **{name: entry[name] for name in PRINCIPALS if name in entry},
                "all_permissions": [{"permission_level": entry["permission_level"], "inherited": False}],
            }
            for entry in self._held(kind, object_id)
        ]
        return {
            "object_id": f"/{kind}/{object_id}",
            "object_type": self._kind(kind),
            "access_control_list": [*told, *([INHERITED] if kind == "jobs" else [])],
        }


def _principal(entry: dict[str, Any]) -> str:
    return next((f"{name}:{entry[name]}" for name in PRINCIPALS if name in entry), "")


def _entry_of(name: str, level: str) -> dict[str, Any]:
    return {"user_name" if "@" in name else "service_principal_name": name, "permission_level": level}

"""Permissions on jobs, folders, notebooks and files: who may do what, kept, given back, and asked by whoever acts.

A level comprises those below it. Workspace admins have every level on everything; a folder's levels hold for all below
it; a person's own folder is theirs, and /Shared is everybody's.
https://docs.databricks.com/api/workspace/permissions
https://docs.databricks.com/aws/en/security/auth/access-control/
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from s3private_emulator.workspace.identity import Directory, Principal
from s3private_emulator.workspace.refusals import Refusal, invalid, missing, permission_denied
from s3private_emulator.workspace.routing import Answer, Call, Router
from s3private_emulator.workspace.store import Record, Store

KINDS = {"jobs": "job", "directories": "directory", "notebooks": "notebook", "files": "file"}
KIND_OF_TYPE = {"DIRECTORY": "directories", "NOTEBOOK": "notebooks", "FILE": "files"}
PRINCIPALS = ("user_name", "group_name", "service_principal_name")
JOB_LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "IS_OWNER", "CAN_MANAGE")
"""From least to most."""
TREE_LEVELS = ("CAN_READ", "CAN_RUN", "CAN_EDIT", "CAN_MANAGE")
JOB_WORDS = {"CAN_VIEW": "View", "CAN_MANAGE_RUN": "Manage Run", "IS_OWNER": "Owner", "CAN_MANAGE": "Admin"}
TREE_WORDS = {"CAN_READ": "View", "CAN_RUN": "Run", "CAN_EDIT": "Edit", "CAN_MANAGE": "Manage"}
INHERITED = {
    "group_name": "admins",
    "all_permissions": [{"permission_level": "CAN_MANAGE", "inherited": True, "inherited_from_object": ["/jobs/"]}],
}


class Permissions:
    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    def add_routes(self, router: Router) -> None:
        router.add("GET", "permissions/<kind>/<object_id>", self._get)
        router.add("PUT", "permissions/<kind>/<object_id>", self._set)
        router.add("PATCH", "permissions/<kind>/<object_id>", self._update)

    def own(self, job_id: int, owner: str) -> None:
        """Who makes a job owns it."""
        self._store.table("permissions")[f"jobs/{job_id}"] = {"entries": [_entry_of(owner, "IS_OWNER")]}

    def has_on_job(self, principal: Principal, job_id: object, level: str) -> bool:
        return _at_least(JOB_LEVELS, level, self._levels(principal, "jobs", job_id))

    def need_on_job(self, principal: Principal, job_id: object, level: str) -> None:
        """Raises Refusal."""
        if not self.has_on_job(principal, job_id, level):
            words = sorted(JOB_WORDS[one] for one in JOB_LEVELS[JOB_LEVELS.index(level) :])
            raise permission_denied(
                f"User {principal.name} does not have {' or '.join(words)} permissions on job {job_id}"
            )

    def has_on_path(self, principal: Principal, key: str, level: str) -> bool:
        """`key`: the object's path without /Workspace, of what is there or is to be. Folders that only lead somewhere
        (`/`, `/Users`) are seen by everybody."""
        if level == "CAN_READ" and key in ("/", "/Users", "/Shared"):
            return True
        held = {"CAN_MANAGE"} if principal.is_admin else set()
        objects = self._store.table("objects")
        for place in (PurePosixPath(key), *PurePosixPath(key).parents):
            if str(place) in ("/Shared", f"/Users/{principal.name}"):
                held.add("CAN_MANAGE")
            found = objects.get(str(place))
            if found is not None:
                held |= self._levels(principal, KIND_OF_TYPE[found["object_type"]], found["object_id"])
        return _at_least(TREE_LEVELS, level, held)

    def need_on_path(self, principal: Principal, key: str, level: str) -> None:
        """Raises Refusal."""
        if not self.has_on_path(principal, key, level):
            raise permission_denied(f"{principal.name} does not have {TREE_WORDS[level]} permissions on {key}.")

    def _levels(self, principal: Principal, kind: str, object_id: object) -> set[str]:
        held = {"CAN_MANAGE"} if principal.is_admin else set()
        for entry in self._held(kind, str(object_id)):
            if entry[_field(entry)] in principal.names:
                held.add(str(entry["permission_level"]))
        return held

    def _get(self, call: Call, kind: str, object_id: str) -> Answer:
        self._need(call.principal, kind, object_id, manage=False)
        return self._told(kind, object_id)

    def _set(self, call: Call, kind: str, object_id: str) -> Answer:
        entries = call.body.get("access_control_list", [])
        self._put(call, kind, object_id, entries)
        return self._told(kind, object_id)

    def _update(self, call: Call, kind: str, object_id: str) -> Answer:
        entries = {_principal(entry): entry for entry in self._held(kind, object_id)}
        entries |= {_principal(entry): entry for entry in call.body.get("access_control_list", [])}
        self._put(call, kind, object_id, list(entries.values()))
        return self._told(kind, object_id)

    def _need(self, principal: Principal, kind: str, object_id: str, *, manage: bool) -> None:
        """Whether the object is there, and may be looked at or managed. Raises Refusal."""
        if _kind(kind) == "job":
            if object_id not in self._store.table("jobs"):
                raise missing(f"Job {object_id} does not exist.")
            # An owner manages too.
            self.need_on_job(principal, object_id, "IS_OWNER" if manage else "CAN_VIEW")
            return
        found = self._object(kind, object_id)
        self.need_on_path(principal, found["key"], "CAN_MANAGE" if manage else "CAN_READ")

    def _object(self, kind: str, object_id: str) -> Record:
        for found in self._store.table("objects").values():
            if str(found["object_id"]) == object_id and KIND_OF_TYPE[found["object_type"]] == kind:
                return found
        raise missing(f"{_kind(kind).capitalize()} {object_id} does not exist.")

    def _held(self, kind: str, object_id: str) -> list[dict[str, Any]]:
        return list(self._store.table("permissions").get(f"{kind}/{object_id}", {}).get("entries", []))

    def _put(self, call: Call, kind: str, object_id: str, entries: list[dict[str, Any]]) -> None:
        self._need(call.principal, kind, object_id, manage=True)
        levels = JOB_LEVELS if kind == "jobs" else TREE_LEVELS
        for entry in entries:
            if sum(name in entry for name in PRINCIPALS) != 1:
                raise invalid(f"Exactly one of {', '.join(PRINCIPALS)} must be given.")
            self._known(entry)
            if entry.get("permission_level") not in levels:
                raise invalid(f"Invalid permission level {entry.get('permission_level')} for {_kind(kind)}.")
        if kind == "jobs":
            self._check_owner(call.principal, object_id, entries)
        self._store.table("permissions")[f"{kind}/{object_id}"] = {"entries": entries}

    def _check_owner(self, principal: Principal, job_id: str, entries: list[dict[str, Any]]) -> None:
        """One owner, no group, and changed by an admin alone."""
        owners = [entry for entry in entries if entry["permission_level"] == "IS_OWNER"]
        if len(owners) != 1:
            raise invalid("The job must have exactly one owner.")
        if "group_name" in owners[0]:
            raise invalid("Groups can not be owners of jobs.")
        before = {_principal(entry) for entry in self._held("jobs", job_id) if entry["permission_level"] == "IS_OWNER"}
        if before != {_principal(owners[0])} and not principal.is_admin:
            raise permission_denied(f"User {principal.name} does not have Admin permissions to change job ownership")

    def _known(self, entry: dict[str, Any]) -> None:
        """Whether the principal that it names is there. Raises Refusal."""
        field = _field(entry)
        there = {
            "user_name": self._directory.users,
            "group_name": self._directory.workspace_groups,
            "service_principal_name": self._directory.service_principals,
        }[field]
        if entry[field] not in there:
            kind = "".join(word.capitalize() for word in field.split("_"))
            raise Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"Principal: {kind}({entry[field]}) does not exist")

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
            "object_type": _kind(kind),
            "access_control_list": [*told, *([INHERITED] if kind == "jobs" else [])],
        }


def _kind(kind: str) -> str:
    if kind not in KINDS:
        raise invalid(f"Unsupported object type for permissions: {kind}")
    return KINDS[kind]


def _at_least(levels: tuple[str, ...], wanted: str, held: set[str]) -> bool:
    return any(level in held for level in levels[levels.index(wanted) :])


def _field(entry: dict[str, Any]) -> str:
    return next(name for name in PRINCIPALS if name in entry)


def _principal(entry: dict[str, Any]) -> str:
    return next((f"{name}:{entry[name]}" for name in PRINCIPALS if name in entry), "")


def _entry_of(name: str, level: str) -> dict[str, Any]:
    return {"user_name" if "@" in name else "service_principal_name": name, "permission_level": level}

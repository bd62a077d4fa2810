"""The workspace's folders, files and notebooks: real files below one folder, and their ids and types in the store.

`/Users/…` and `/Workspace/Users/…` name the same object.
https://docs.databricks.com/api/workspace/workspace
"""

from __future__ import annotations

import base64
import binascii
import shutil
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from flask import Response

from s3private_emulator.workspace.identity import Principal
from s3private_emulator.workspace.permissions import Permissions
from s3private_emulator.workspace.refusals import Refusal, already_exists, invalid, missing
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.store import Record, Store

NOTEBOOK_HEADER = b"# Databricks notebook source"
PREFIX = "/Workspace"
SEEDED = ("/Users", "/Shared")


class Tree:
    """`root`: the folder that tasks see as /Workspace."""

    def __init__(self, store: Store, root: Path, homes: Iterable[str], permissions: Permissions) -> None:
        self._store = store
        self._permissions = permissions
        self.root = root
        for folder in (*SEEDED, *(f"/Users/{name}" for name in homes)):
            self._make(folder)

    def add_routes(self, router: Router) -> None:
        router.add("GET", "workspace/get-status", self._get_status)
        router.add("GET", "workspace/list", self._list)
        router.add("POST", "workspace/mkdirs", self._mkdirs)
        router.add("POST", "workspace/delete", self._delete)
        router.add("GET", "workspace/export", self._export)
        router.add("POST", "workspace/import", self._import)
        router.add("POST", "workspace-files/import-file/<path:path>", self._import_file)
        router.add("GET", "workspace-files/<path:path>", self._export_file)

    def seen(self, path: str, principal: Principal) -> str | None:
        """The path under /Workspace of a file or notebook that `principal` may view; None where there is none."""
        key = _key(path)
        found = self._objects().get(key)
        if found is None or found["object_type"] == "DIRECTORY":
            return None
        return PREFIX + key if self._permissions.has_on_path(principal, key, "CAN_READ") else None

    def hidden(self, principal: Principal) -> list[str]:
        """The paths under /Workspace that `principal` sees nothing of: the topmost ones."""
        if principal.is_admin:
            return []
        seen: set[str] = set()
        for key in self._objects():
            if self._permissions.has_on_path(principal, key, "CAN_READ"):
                seen.update((key, *map(str, PurePosixPath(key).parents)))
        return [PREFIX + key for key in self._objects() if key not in seen and str(PurePosixPath(key).parent) in seen]

    def _objects(self) -> dict[str, Record]:
        return self._store.table("objects")

    def _known(self, path: str) -> Record:
        found = self._objects().get(_key(path))
        if found is None:
            raise missing(f"Path ({path}) doesn't exist.")
        return found

    def _viewed(self, call: Call, path: str) -> Record:
        """The object, for a principal that may view it. Raises Refusal."""
        found = self._known(path)
        self._permissions.need_on_path(call.principal, found["key"], "CAN_READ")
        return found

    def _content(self, call: Call, path: str) -> bytes:
        return self._on_disk(self._viewed(call, path)["key"]).read_bytes()

    def _on_disk(self, key: str) -> Path:
        return self.root / key.removeprefix("/")

    def _make(self, key: str) -> None:
        """The folder, and those above it."""
        for folder in [*PurePosixPath(key).parents, PurePosixPath(key)][::-1]:
            name = str(folder)
            if name == "/":
                continue
            found = self._objects().get(name)
            if found is not None and found["object_type"] != "DIRECTORY":
                raise already_exists(f"Path ({name}) is not a directory.")
            if found is None:
                self._remember(name, "DIRECTORY")
        self._on_disk(key).mkdir(parents=True, exist_ok=True)

    def _remember(self, key: str, object_type: str, **more: object) -> None:
        before = self._objects().get(key)
        now = int(time.time() * 1000)
        self._objects()[key] = {
            "key": key,
            "object_type": object_type,
            "object_id": before["object_id"] if before else self._store.next_id(),
            "created_at": before["created_at"] if before else now,
            "modified_at": now,
            **more,
        }

    def _told(self, found: Record, asked: str) -> Record:
        """The path as it was asked for, with the mount's name or without."""
        prefix = PREFIX if asked == PREFIX or asked.startswith(f"{PREFIX}/") else ""
        told = {name: value for name, value in found.items() if name != "key"}
        return {**told, "path": prefix + found["key"], "resource_id": str(found["object_id"])}

    def _get_status(self, call: Call) -> Answer:
        path = call.need("path")
        return self._told(self._viewed(call, path), path)

    def _list(self, call: Call) -> Answer:
        path = call.need("path")
        key = _key(path)
        if key != "/":
            self._viewed(call, path)
        inside = [o for o in self._objects().values() if str(PurePosixPath(o["key"]).parent) == key and o["key"] != "/"]
        seen = [o for o in inside if self._permissions.has_on_path(call.principal, o["key"], "CAN_READ")]
        return {"objects": [self._told(found, path) for found in sorted(seen, key=lambda o: str(o["key"]))]}

    def _mkdirs(self, call: Call) -> Answer:
        key = _key(str(need(call.body, "path")))
        # What is there already is made by nobody.
        self._permissions.need_on_path(call.principal, key, "CAN_READ" if key in self._objects() else "CAN_MANAGE")
        self._make(key)
        return {}

    def _delete(self, call: Call) -> Answer:
        path = str(need(call.body, "path"))
        key = _key(path)
        self._known(path)
        self._permissions.need_on_path(call.principal, key, "CAN_MANAGE")
        below = [other for other in self._objects() if other.startswith(f"{key}/")]
        if below and not call.body.get("recursive"):
            # https://docs.databricks.com/api/workspace/workspace/delete
            raise Refusal(400, "DIRECTORY_NOT_EMPTY", f"Folder ({path}) is not empty.")
        for name in (key, *below):
            del self._objects()[name]
        place = self._on_disk(key)
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        return {}

    def _export(self, call: Call) -> Answer:
        content = self._content(call, call.need("path"))
        if call.is_true("direct_download"):
            return Response(content, content_type="application/octet-stream")
        return {"content": base64.b64encode(content).decode(), "file_type": "py"}

    def _export_file(self, call: Call, path: str) -> Answer:
        return Response(self._content(call, f"/{path}"), content_type="application/octet-stream")

    def _import(self, call: Call) -> Answer:
        """JSON with base64 content, or a form with the content as a file, as the command sends it from 1.21 on.
        https://docs.databricks.com/api/workspace/workspace/import"""
        body = call.form if call.is_form else call.body
        content = body.get("content", b"")
        if not isinstance(content, bytes):
            content = _decoded(str(content))
        overwrite = str(body.get("overwrite", False)).lower() == "true"
        path = str(need(body, "path"))
        if body.get("format", "SOURCE") == "SOURCE":
            language = str(body.get("language", "PYTHON"))
            self._put(call, _key(path), content, overwrite=overwrite, language=language)
        else:
            self._put_file(call, _key(path), content, overwrite=overwrite)
        return {}

    def _import_file(self, call: Call, path: str) -> Answer:
        self._put_file(call, _key(f"/{path}"), call.bytes, overwrite=call.is_true("overwrite"))
        return {}

    def _put_file(self, call: Call, key: str, content: bytes, *, overwrite: bool) -> None:
        """A `.py` file with the notebook's first line becomes a notebook, without its extension.
        https://docs.databricks.com/aws/en/notebooks/notebook-format"""
        if key.endswith(".py") and content.startswith(NOTEBOOK_HEADER):
            self._put(call, key.removesuffix(".py"), content, overwrite=overwrite, language="PYTHON")
        else:
            self._put(call, key, content, overwrite=overwrite, language=None)

    def _put(self, call: Call, key: str, content: bytes, *, overwrite: bool, language: str | None) -> None:
        self._permissions.need_on_path(call.principal, key, "CAN_EDIT" if key in self._objects() else "CAN_MANAGE")
        parent = str(PurePosixPath(key).parent)
        if parent != "/" and parent not in self._objects():
            raise missing(f"The parent folder ({parent}) does not exist.")
        found = self._objects().get(key)
        object_type = "FILE" if language is None else "NOTEBOOK"
        if found is not None and (not overwrite or found["object_type"] != object_type):
            raise already_exists(f"Path ({key}) already exists.", status=409)
        place = self._on_disk(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        self._remember(key, object_type, **({"language": language} if language else {}), size=len(content))


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise invalid("content must be base64.") from error


def _key(path: str) -> str:
    """One spelling of a path, and none that climbs out of the tree."""
    if not path.startswith("/"):
        raise invalid(f"Path ({path}) must start with '/'.")
    parts = [part for part in path.split("/") if part and part != "."]
    if ".." in parts:
        raise invalid(f"Path ({path}) is not valid.")
    if parts[:1] == [PREFIX.removeprefix("/")]:
        parts = parts[1:]
    return "/" + "/".join(parts)

"""The Files API over the volumes' folder.

https://docs.databricks.com/api/workspace/files
"""

from __future__ import annotations

import os
import shutil
from email.utils import formatdate
from pathlib import Path
from typing import Any

from flask import Response

from s3private_emulator.workspace.catalog import Catalog
from s3private_emulator.workspace.privileges import Privileges
from s3private_emulator.workspace.refusals import Refusal, already_exists, invalid, missing
from s3private_emulator.workspace.routing import Answer, Call, Router

PRESIGNED = ("create-download-url", "create-upload-url", "create-upload-part-urls", "create-resumable-upload-url")


class PresignedUrlsDisabled(Refusal):
    """A workspace may have presigned URLs switched off: databricks-sdk then goes by the Files API alone, as here.
    https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/mixins/files.py"""

    def __init__(self) -> None:
        super().__init__(403, "PERMISSION_DENIED", "Presigned URLs API is not enabled")

    def as_dict(self) -> dict[str, Any]:
        told = super().as_dict()
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "FILES_API_API_IS_NOT_ENABLED"}
        return {**told, "details": [*told["details"], {**reason, "domain": "filesystem.databricks.com"}]}


class FilesApi:
    def __init__(self, catalog: Catalog, privileges: Privileges) -> None:
        self._catalog = catalog
        self._privileges = privileges

    def add_routes(self, router: Router) -> None:
        for method, view in (
            ("GET", self._download),
            ("HEAD", self._file_metadata),
            ("PUT", self._upload),
            ("DELETE", self._delete_file),
        ):
            router.add(method, "fs/files/<path:path>", view)
        for method, view in (
            ("GET", self._list_directory),
            ("HEAD", self._directory_metadata),
            ("PUT", self._create_directory),
            ("DELETE", self._delete_directory),
        ):
            router.add(method, "fs/directories/<path:path>", view)
        for name in PRESIGNED:
            router.add("POST", f"fs/{name}", self._presigned)

    def _place(self, call: Call, path: str, *, writes: bool = False) -> Path:
        """Raises Refusal for a path that is in no volume, or in one that may not be read, or written."""
        parts = [part for part in path.split("/") if part]
        if parts[:1] != ["Volumes"] or ".." in parts or len(parts) < 4:
            raise invalid(f"Invalid path: /{path}. It must be /Volumes/<catalog>/<schema>/<volume>/...")
        if not self._catalog.has_volume(*parts[1:4]):
            raise missing(f"Volume '{'.'.join(parts[1:4])}' does not exist.")
        for privilege in ("READ_VOLUME", *(("WRITE_VOLUME",) if writes else ())):
            self._privileges.need(call.principal, "volume", ".".join(parts[1:4]), privilege)
        return self._catalog.volumes.joinpath(*parts[1:])

    def _file(self, call: Call, path: str, *, writes: bool = False) -> Path:
        place = self._place(call, path, writes=writes)
        if not place.is_file():
            raise Refusal(404, "NOT_FOUND", f"The file being accessed is not found: /{path}")
        return place

    def _directory(self, call: Call, path: str, *, writes: bool = False) -> Path:
        place = self._place(call, path, writes=writes)
        if not place.is_dir():
            raise Refusal(404, "NOT_FOUND", f"The directory being accessed is not found: /{path}")
        return place

    def _presigned(self, _call: Call) -> Answer:
        raise PresignedUrlsDisabled

    def _download(self, call: Call, path: str) -> Answer:
        place = self._file(call, path)
        return Response(place.read_bytes(), content_type="application/octet-stream", headers=_headers(place))

    def _file_metadata(self, call: Call, path: str) -> Answer:
        place = self._file(call, path)
        response = Response(content_type="application/octet-stream", headers=_headers(place))
        response.content_length = place.stat().st_size
        return response

    def _upload(self, call: Call, path: str) -> Answer:
        place = self._place(call, path, writes=True)
        if place.is_dir():
            raise already_exists(f"The given path points to an existing directory: /{path}", status=409)
        if place.exists() and not call.is_true("overwrite"):
            raise already_exists(f"The file being created already exists: /{path}", status=409)
        if not place.parent.is_dir():
            raise Refusal(404, "NOT_FOUND", f"The parent directory of the file is not found: /{path}")
        new = place.with_name(f".{place.name}.uploading")
        new.write_bytes(call.bytes)
        os.replace(new, place)
        return Response(status=204)

    def _delete_file(self, call: Call, path: str) -> Answer:
        self._file(call, path, writes=True).unlink()
        return Response(status=204)

    def _list_directory(self, call: Call, path: str) -> Answer:
        contents = []
        for entry in sorted(self._directory(call, path).iterdir()):
            told = {"name": entry.name, "path": f"/{path.strip('/')}/{entry.name}", "is_directory": entry.is_dir()}
            told["last_modified"] = int(entry.stat().st_mtime * 1000)
            if entry.is_file():
                told["file_size"] = entry.stat().st_size
            contents.append(told)
        return {"contents": contents}

    def _directory_metadata(self, call: Call, path: str) -> Answer:
        self._directory(call, path)
        return Response(status=200)

    def _create_directory(self, call: Call, path: str) -> Answer:
        place = self._place(call, path, writes=True)
        if place.is_file():
            raise already_exists(f"The given path points to an existing file: /{path}", status=409)
        place.mkdir(parents=True, exist_ok=True)
        return Response(status=204)

    def _delete_directory(self, call: Call, path: str) -> Answer:
        place = self._directory(call, path, writes=True)
        if any(place.iterdir()):
            raise Refusal(400, "DIRECTORY_NOT_EMPTY", f"The directory is not empty: /{path}")
        shutil.rmtree(place)
        return Response(status=204)


def _headers(place: Path) -> dict[str, str]:
    return {"Last-Modified": formatdate(place.stat().st_mtime, usegmt=True)}

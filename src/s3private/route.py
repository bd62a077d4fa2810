"""A Route is all a notebook needs to know to use a private path. Provisioning writes it once; `connect` reads it.

It is a small JSON file with a schema version, on a volume or a disk, and holds nothing secret.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from s3private.errors import RouteError
from s3private.whole_file import write_whole

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Route:
    """One private path, as its users see it.

    path: the path's name. region: the buckets' AWS region, which requests are signed for.
    endpoint_url: `https://bucket.vpce-….s3.<region>.vpce.amazonaws.com`, the only host that a client may talk to.
    vpc_endpoint_id: the S3 interface endpoint, which is the `aws:SourceVpce` that S3 sees.
    buckets: those that the endpoint's policy lets through.
    idle_timeout_seconds: after which the load balancer drops an idle connection.
    service_credential: the Unity Catalog service credential to read with, or None for the environment's own.
    """

    path: str
    region: str
    endpoint_url: str
    vpc_endpoint_id: str
    buckets: tuple[str, ...]
    idle_timeout_seconds: int = 350
    service_credential: str | None = None

    def __post_init__(self) -> None:
        parts = urlsplit(self.endpoint_url)
        if parts.scheme != "https" or not parts.hostname or parts.path not in ("", "/"):
            raise RouteError(f"route {self.path}: endpoint_url must be https://<host>, got {self.endpoint_url!r}")

    @property
    def host(self) -> str:
        """The one host, without a port."""
        return urlsplit(self.endpoint_url).hostname or ""

    def to_json(self) -> str:
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=2) + "\n"

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the Route whole or not at all. Raises RouteError."""
        try:
            write_whole(Path(file), self.to_json())
        except OSError as error:
            raise RouteError(f"cannot write the route to {file}: {error.strerror or error}") from error

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Route:
        """Read a Route that `save` wrote. Raises RouteError with the file's name and what is wrong with it."""
        try:
            text = Path(file).read_text(encoding="utf-8")
        except OSError as error:
            raise RouteError(
                f"cannot read the route {file}: {error.strerror or error}. `s3private provision` writes it: "
                "the file's place is route.file in the path file"
            ) from error
        try:
            document = json.loads(text)
        except ValueError as error:
            raise RouteError(f"{file} is not a route: {error}") from error
        return cls._from_document(document, str(file))

    @classmethod
    def _from_document(cls, document: Any, where: str) -> Route:
        if not isinstance(document, dict):
            raise RouteError(f"{where} is not a route: a JSON object is expected")
        version = document.pop("schema_version", None)
        if version != SCHEMA_VERSION:
            raise RouteError(
                f"{where}: schema_version {version!r} is not {SCHEMA_VERSION}: "
                "use the s3private that wrote it, or provision again"
            )
        known = {f.name for f in fields(cls)}
        required = {"path", "region", "endpoint_url", "vpc_endpoint_id", "buckets"}
        if unknown := sorted(set(document) - known):
            raise RouteError(f"{where}: unknown key {unknown[0]!r}")
        if missing := sorted(required - set(document)):
            raise RouteError(f"{where}: key {missing[0]!r} is missing")
        document["buckets"] = tuple(document["buckets"])
        return cls(**document)

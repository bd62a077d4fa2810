"""Writes the Route at the end of the path, so that it exists only when the path does. Destroy takes it away first."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from s3private.errors import Conflict, RouteError
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, Resource, Step, Unsure
from s3private.provision.steps.endpoint import InterfaceEndpoint
from s3private.route import Route

_VOLUMES = Path("/Volumes")
_VOLUME_PARTS = 5
"""/, Volumes, catalog, schema, volume."""


@dataclass(frozen=True, kw_only=True)
class RouteFile(Resource):
    route: Route


class WrittenRoute(Step[RouteFile]):
    kind = RouteFile
    title = "route"
    arrives_late = True
    refusals = (OSError,)

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        self.config = config
        self.file = Path(config.route_file)

    def wanted(self, found: Found) -> Route:
        endpoint = found[InterfaceEndpoint]
        return Route(
            path=self.config.name,
            region=self.config.region,
            endpoint_url=f"https://{endpoint.bucket_host}",
            vpc_endpoint_id=endpoint.id,
            buckets=self.config.buckets,
            idle_timeout_seconds=self.config.idle_timeout_seconds,
            service_credential=self.config.route_service_credential,
            aws_account_id=self.config.aws_account_id,
        )

    def find(self, found: Found) -> RouteFile | None:
        self._check_volume()
        if self._unwritable():
            raise Conflict(f"route.file: {self.file} cannot be written: choose another place")
        if self.file.is_symlink():
            raise Conflict(f"route.file: {self.file} is a link: name the file itself")
        if not self.file.exists():
            return None
        try:
            route = Route.load(self.file)
        except RouteError as error:
            raise Conflict(f"route.file: {error}. It is left as it is: choose another file, or move it away") from error
        self._check_ours(route, found)
        return RouteFile(id=str(self.file), detail=route.endpoint_url, route=route)

    def _check_volume(self) -> None:
        """Raises Unsure: the Route cannot be written there, and one that is there cannot be seen. Where a volume was
        dropped, its files are gone, but so it looks to whoever may not see it, too."""
        if _VOLUMES not in self.file.parents:
            return
        volume, below = Path(*self.file.parts[:_VOLUME_PARTS]), self.file.parts[_VOLUME_PARTS:]
        if not _VOLUMES.is_dir():
            raise Unsure(
                f"route.file: {self.file} is in a volume, and volumes are mounted on Databricks compute only: "
                "run this as a job, or name a local file"
            )
        if not below:
            raise Unsure(f"route.file: {self.file} is no file in a volume: /Volumes/<catalog>/<schema>/<volume>/<file>")
        if not volume.is_dir():
            raise Unsure(
                f"route.file: there is no volume {volume}, or who runs this may not see it: create it, or grant READ "
                "VOLUME and WRITE VOLUME on it; where it was dropped, with the Route in it, name a local file"
            )

    def _check_ours(self, route: Route, found: Found) -> None:
        """Another path's Route is others' only way: it is neither overwritten nor deleted. Raises Conflict, and Unsure
        where it is of this path's name in another region."""
        if route.path != self.config.name:
            raise Conflict(f"route.file: {self.file} holds the route of path {route.path}: choose another file")
        if route.region != self.config.region:
            raise Unsure(
                f"route.file: {self.file} is of the path {route.path} in {route.region}, path.region is "
                f"{self.config.region}: the path was built there. Destroy it with the old path file first, or choose "
                "another file"
            )
        if route.aws_account_id != self.config.aws_account_id:
            raise Conflict(
                f"route.file: {self.file} is of a path {route.path} in account {route.aws_account_id or 'unknown'}, "
                f"not {self.config.aws_account_id}: choose another file, or move it away where it is out of date"
            )

    def _unwritable(self) -> bool:
        """Known now rather than after all the rest was made. A volume's own answer is not to be relied on."""
        if _VOLUMES in self.file.parents:
            return False
        directory = next(parent for parent in self.file.absolute().parents if parent.exists())
        return self.file.is_dir() or not directory.is_dir() or not os.access(directory, os.W_OK)

    def create(self, found: Found) -> None:
        self.wanted(found).save(self.file)

    def drift(self, resource: RouteFile, found: Found) -> str | None:
        return None if resource.route == self.wanted(found) else "does not describe the path as it is"

    def update(self, resource: RouteFile, found: Found) -> None:
        self.create(found)

    def delete(self, resource: RouteFile, found: Found) -> None:
        self.file.unlink(missing_ok=True)

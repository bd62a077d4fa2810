"""One emulated workspace, as the rest of the emulator holds it; programs under test meet only its `app`s."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from wsgiref.types import WSGIApplication

from s3private_emulator.faults import Faults
from s3private_emulator.log import RequestLog
from s3private_emulator.workspace.app import build_app
from s3private_emulator.workspace.attempt import Compute
from s3private_emulator.workspace.catalog import Catalog
from s3private_emulator.workspace.credentials import Credentials, Vend
from s3private_emulator.workspace.environments import Environments
from s3private_emulator.workspace.files_api import FilesApi
from s3private_emulator.workspace.folders import Folders, namespaces_allowed
from s3private_emulator.workspace.identity import Directory, ServicePrincipals, Tokens
from s3private_emulator.workspace.jobs import Jobs
from s3private_emulator.workspace.one_host import OneHost
from s3private_emulator.workspace.permissions import Permissions
from s3private_emulator.workspace.privileges import Privileges
from s3private_emulator.workspace.routing import Router
from s3private_emulator.workspace.runs import Runs
from s3private_emulator.workspace.secrets import Secrets
from s3private_emulator.workspace.sight import Sight
from s3private_emulator.workspace.store import Store
from s3private_emulator.workspace.tree import Tree
from s3private_emulator.workspace.who import add_who_routes
from s3private_emulator.world import Workspace as Seed

METASTORE_ID = "5a3d3f6e-0000-4000-8000-0000000e7a57"


class Workspace:
    """`folder`: where it keeps what it knows. `account`: the account's application, for sign-in.
    `private_roots`: how tasks see /Volumes, see `folders`; None: as this machine allows.

    own_host: the application of its own public host, where no account API is. one_host: of an address that is the
    workspace's and the account's.
    """

    def __init__(
        self,
        seed: Seed,
        *,
        region: str,
        account_id: str,
        directory: Directory,
        folder: Path,
        environments: Environments,
        private_roots: bool | None,
        log: RequestLog,
        faults: Faults,
        vend: Vend,
        account: WSGIApplication,
        service_principals: ServicePrincipals,
        control_url: Callable[[], str],
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        private = namespaces_allowed() if private_roots is None else private_roots
        self._folders = folders = Folders(folder / "volumes", folder / "tree", private)
        store = Store(folder / "workspace.json")
        self.host = host_of(seed)
        self.tokens = Tokens(directory, service_principals)
        permissions, privileges = Permissions(store, directory), Privileges(store, directory)
        self.catalog = Catalog(store, folders.volumes, METASTORE_ID, seed.region or region, privileges)
        homes = sorted(directory.users | directory.service_principals)
        self.tree = Tree(store, folders.tree, homes, permissions)
        self.credentials = Credentials(store, vend, privileges)
        compute = Compute(
            workspace_id=seed.id,
            host=f"https://{self.host}",
            control_url=control_url,
            environments=environments,
            folders=folders,
            runs=folder / "runs",
        )
        jobs = Jobs(store, permissions)
        self._store = store
        self._sight = Sight(self.tree, self.catalog, privileges)
        self._runs = Runs(store, jobs, permissions, self.tokens, self._sight, compute)
        parts = (self.catalog, self.tree, self.credentials, permissions, jobs, self._runs, Secrets(store))

        def add(router: Router) -> None:
            add_who_routes(router, seed.id)
            for part in (*parts, FilesApi(self.catalog, privileges)):
                part.add_routes(router)

        app = build_app(
            workspace_id=seed.id,
            account_id=account_id,
            store=store,
            tokens=self.tokens,
            log=log,
            faults=faults,
            add=add,
        )
        self.own_host: WSGIApplication = OneHost(app, account, self.tokens, account_api=False)
        self.one_host: WSGIApplication = OneHost(app, account, self.tokens, account_api=True)
        store.save()

    def session(self, token: str) -> dict[str, str]:
        """The environment in which a program of whoever the token is has /Volumes and /Workspace, as far as they may.
        Raises Refusal."""
        principal = self.tokens.bearer(f"Bearer {token}")
        with self._store.lock:
            denied = self._sight.denied(principal)
        return replace(self._folders, private_root=False).environment(denied)

    def close(self) -> None:
        """End the runs that are under way."""
        self._runs.close()


def host_of(seed: Seed) -> str:
    return f"{seed.deployment_name}.cloud.databricks.com"

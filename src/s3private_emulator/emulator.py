"""The clouds and the network between them, wired together and served on loopback, for as long as the `with` lasts."""

from __future__ import annotations

import contextlib
import secrets
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self
from wsgiref.types import WSGIApplication

from s3private_emulator.account import Account
from s3private_emulator.aws import Aws
from s3private_emulator.certificates import Authority, internet_names
from s3private_emulator.clock import Clock, RealClock
from s3private_emulator.control import Control
from s3private_emulator.delays import Delay, Delays, Takes
from s3private_emulator.faults import Faults
from s3private_emulator.http_server import HttpServer
from s3private_emulator.internet import Internet
from s3private_emulator.log import Request, RequestLog
from s3private_emulator.memory import Contents, Memory
from s3private_emulator.network import Clouds, Network
from s3private_emulator.ports import Ports
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.serverless import CONTROL_VARIABLE
from s3private_emulator.vpc import endpoint_views
from s3private_emulator.wire import Wire
from s3private_emulator.workspace import Workspace
from s3private_emulator.workspace.environments import BuiltEnvironments, Environments
from s3private_emulator.workspace.identity import TOKEN, Directory
from s3private_emulator.world import DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT, World
from s3private_emulator.world import Workspace as Seed

ACCOUNTS_HOST = "accounts.cloud.databricks.com"


class Emulator:
    """A context manager: everything listens on 127.0.0.1 while inside, and nothing is left afterwards.

    `delays`: those not named are immediate. `wildcards`: see `Network`. `state`: a folder in which the clouds and
    the workspaces keep what they know, and the ports, so that another emulator goes on with it; None: all is forgotten.
    `environments`: where tasks of jobs get their Python from; None: each is built, and kept in `state`.
    `private_roots`: whether tasks see /Volumes in a root of their own or by Python alone; None: as this machine allows.
    """

    def __init__(
        self,
        world: World | None = None,
        delays: Mapping[Takes, Delay] | None = None,
        clock: Clock | None = None,
        *,
        wildcards: bool = True,
        state: Path | None = None,
        environments: Environments | None = None,
        private_roots: bool | None = None,
    ) -> None:
        self.world = world or World()
        self.clock = clock or RealClock()
        self.delays = Delays(self.clock, delays)
        self.log = RequestLog()
        self.faults = Faults()
        self.privatelink = PrivateLink(self.delays)
        self.internet = Internet(self.log)
        self._wildcards = wildcards
        # Whole, for tasks are mounted into it from elsewhere.
        self._state = state.resolve() if state is not None else None
        self._environments = environments
        self._private_roots = private_roots
        self._running = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as running:
            self._running = running
            directory = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="s3private-emulator-")))
            self.home = directory / "home"
            """An empty home directory for programs run in the emulated network: no AWS or Databricks profiles."""
            self.home.mkdir()
            authority = Authority(directory)
            self.ca_file = authority.ca_file

            live = {"clock": self.clock, "delays": self.delays, "privatelink": self.privatelink, "world": self.world}
            self._memory = Memory(self._state, live, self.world) if self._state is not None else None
            kept = (self._memory.recall() if self._memory else None) or {}
            self.privatelink.recall(kept.get("connections", {}))
            self.aws = Aws(self.world, self.delays, self.privatelink, self.log, self.faults, kept.get("aws"))
            self.account = Account(
                self.world, self.delays, self.privatelink, self.log, self.faults, kept.get("account")
            )
            self._account_app = self._keeping(self.account.app)
            self._wire = Wire()
            running.callback(self._wire.close)
            self._ports = Ports(self._state)
            self.aws_url = self.serve(self._keeping(self.aws.app), "amazonaws.com", "*.amazonaws.com")
            self.account_url = self.serve(self._account_app, ACCOUNTS_HOST)
            folder = self._state or directory
            built = self._environments or BuiltEnvironments(folder / "environments")
            self.workspaces = {seed.id: self._workspace(seed, folder, built) for seed in self.world.workspaces}
            self.workspace_urls = {number: self._serve_workspace(number) for number in self.workspaces}
            self.network = Network(
                wire=self._wire,
                clock=self.clock,
                authority=authority,
                clouds=Clouds(
                    region=self.world.region,
                    hop=self.aws.hop,
                    endpoint_views=lambda: endpoint_views(self.aws.cloud),
                    endpoint_app=lambda vpc_endpoint_id: self._keeping(self.aws.endpoint_app(vpc_endpoint_id)),
                    carried_names=self._carried_names,
                ),
                internet_port=self._listen(self.internet, authority.server(internet_names(self.world.region))).port,
                crash=self._crash,
                wildcards=self._wildcards,
            )
            running.callback(self.network.close)
            control = Control(
                world=self.describe,
                log=self.log,
                delays=self.delays,
                faults=self.faults,
                network=self.network,
                stranger=self.stranger,
                session=lambda workspace_id, token: self.workspaces[workspace_id].session(token),
            )
            self.control_url = self.serve(control)
            for workspace in self.workspaces.values():
                running.callback(workspace.close)
            self._ports.remember()
            running.callback(self.faults.released.set)
            self._running = running.pop_all()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._running.close()

    def serve(self, app: WSGIApplication, *hosts: str) -> str:
        """While running: put an application on a port of its own, and on the internet under these host names.
        Returns its plain http address."""
        for host in hosts:
            self.internet.serve(host, app)
        return self._listen(app, None).url

    def _keeping(self, app: WSGIApplication) -> WSGIApplication:
        return self._memory.keeping(app, self._moment) if self._memory else app

    @contextlib.contextmanager
    def _moment(self) -> Iterator[Contents]:
        """What both clouds know at one moment: the account's lock first, as its requests take them."""
        with self.account.lock, self.aws.cloud.lock:
            yield {
                "connections": self.privatelink.contents(),
                "aws": self.aws.contents(),
                "account": self.account.contents(),
            }

    def _serve_workspace(self, number: int) -> str:
        """On its own public host for serverless, and on a port that answers for the account too."""
        workspace = self.workspaces[number]
        self.internet.serve(workspace.host, workspace.own_host)
        return self._listen(workspace.one_host, None).url

    def _listen(self, app: WSGIApplication, tls: ssl.SSLContext | None) -> HttpServer:
        server = HttpServer(self._wire, app, tls=tls, crash=self._crash, port=self._ports.next())
        self._ports.used(server.port)
        self._running.callback(server.close)
        return server

    def exports(self) -> dict[str, str]:
        """The environment in which boto3, databricks-sdk and their commands talk to this emulator."""
        return {
            "AWS_ENDPOINT_URL": self.aws_url,
            "AWS_ACCESS_KEY_ID": self.world.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.world.secret_access_key,
            "AWS_DEFAULT_REGION": self.world.region,
            "DATABRICKS_HOST": self.account_url,
            "DATABRICKS_ACCOUNT_ID": self.world.databricks_account,
            "DATABRICKS_CLIENT_ID": self.world.client_id,
            "DATABRICKS_CLIENT_SECRET": self.world.client_secret,
            CONTROL_VARIABLE: self.control_url,
        }

    def workspace_exports(self, workspace_id: int | None = None) -> dict[str, str]:
        """What the `databricks` command needs besides, to talk to a workspace here; default: the first one.

        DATABRICKS_HOST then answers for the workspace and for the account, so that `s3private` works with the same
        exports. The command asks for updates and sends telemetry unless told not to: nothing may leave this machine.
        """
        number = self.world.workspaces[0].id if workspace_id is None else workspace_id
        return {
            "DATABRICKS_HOST": self.workspace_urls[number],
            "DATABRICKS_TOKEN": TOKEN,
            # Both kinds of credentials are exported: the token for the workspace, the client id for the account.
            "DATABRICKS_AUTH_TYPE": "pat",
            "DATABRICKS_CLI_DISABLE_UPDATE_CHECK": "1",
            "DATABRICKS_CLI_DISABLE_TELEMETRY": "1",
            "DATABRICKS_CACHE_ENABLED": "false",
            # What a bundle's variables must say here and cannot know; those of the `prod` target are service principal
            # and group.
            "BUNDLE_VAR_catalog": "main",
            "BUNDLE_VAR_run_as_service_principal": self.world.client_id,
            "BUNDLE_VAR_readers_group": "analysts",
            "BUNDLE_VAR_operators_group": "operators",
            "BUNDLE_VAR_destroyers_group": "destroyers",
        }

    def describe(self) -> dict[str, Any]:
        """What is in the world, without secrets, and where the certificate authority's file lies."""
        world = self.world
        return {
            "region": world.region,
            "base_account": world.base_account,
            "data_account": world.data_account,
            "role_arn": world.role_arn,
            "external_id": world.external_id,
            "vpc": asdict(world.vpc),
            "buckets": {name: sorted(objects) for name, objects in world.buckets.items()},
            "databricks_account": world.databricks_account,
            "workspaces": [
                {
                    **asdict(workspace),
                    "host": f"https://{self.workspaces[workspace.id].host}",
                }
                for workspace in world.workspaces
            ],
            "ca_file": str(self.ca_file),
            "home": str(self.home),
        }

    def reader_keys(self) -> dict[str, str]:
        """Of the reader's role, as Unity Catalog vends them, in the environment variables of boto3."""
        made = self.aws.session(self.world.reader_role_arn, "notebook")
        return {
            "AWS_ACCESS_KEY_ID": made.access_key_id,
            "AWS_SECRET_ACCESS_KEY": made.secret_access_key,
            "AWS_SESSION_TOKEN": made.session_token or "",
        }

    def stranger(self, service_name: str) -> str:
        """Another Databricks customer's rule knocks at the endpoint service, by the role that serves every customer of
        the region. Returns the stranger's VPC endpoint id. Raises NoSuchService, NotAllowed.
        https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""
        owner = DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT
        connection = self.privatelink.knock(
            vpc_endpoint_id=f"vpce-0{secrets.token_hex(8)}",
            owner=owner,
            principal=f"arn:aws:iam::{owner}:role/private-connectivity-role-{self.world.region}",
            service_name=service_name,
        )
        return connection.vpc_endpoint_id

    def _workspace(self, seed: Seed, folder: Path, environments: Environments) -> Workspace:
        world = self.world
        workspace = Workspace(
            seed,
            region=world.region,
            account_id=world.databricks_account,
            directory=Directory(world.people, (world.client_id,), world.groups),
            folder=folder / f"workspace-{seed.id}",
            environments=environments,
            private_roots=self._private_roots,
            log=self.log,
            faults=self.faults,
            vend=self.aws.session,
            account=self._account_app,
            service_principals=self.account.client_id_of,
            control_url=lambda: self.control_url,
        )
        workspace.credentials.seed(world.base_service_credential, world.base_role_arn, (world.client_id,))
        workspace.credentials.seed(world.reader_service_credential, world.reader_role_arn, (world.client_id,))
        return workspace

    def _carried_names(self, workspace_id: int) -> Mapping[str, str]:
        if workspace_id not in {workspace.id for workspace in self.world.workspaces}:
            raise KeyError(workspace_id)
        return self.account.carried_names(workspace_id)

    def _crash(self, method: str, path: str, error: Exception) -> None:
        self.log.add(
            Request(
                service="emulator",
                operation=f"{type(error).__name__} at {method} {path}: {error}",
                method=method,
                path=path,
                status=500,
                writes=False,
                known=False,
            )
        )

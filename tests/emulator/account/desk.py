"""An emulated account on a loopback port, the real SDK before it, and an endpoint service made by hand behind it."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from dataclasses import replace

from databricks.sdk import AccountClient
from databricks.sdk.clock import Clock as SdkClock
from databricks.sdk.config import Config
from databricks.sdk.service.provisioning import Workspace
from databricks.sdk.service.settings import (
    CreateNetworkConnectivityConfiguration,
    CreatePrivateEndpointRule,
    NccPrivateEndpointRule,
)
from werkzeug.serving import WSGIRequestHandler, make_server

from s3private_emulator.account import Account
from s3private_emulator.clock import HandClock
from s3private_emulator.delays import Delay, Delays, Takes
from s3private_emulator.faults import Faults
from s3private_emulator.log import RequestLog
from s3private_emulator.privatelink import PrivateLink, ServiceView
from s3private_emulator.world import World

REGION = World().region
ROLE = f"arn:aws:iam::565502421330:role/private-connectivity-role-{REGION}"
SERVICE = f"com.amazonaws.vpce.{REGION}.vpce-svc-0a1b2c3d4e5f60001"
NAME = f"bucket.vpce-0a1b-xyz.s3.{REGION}.vpce.amazonaws.com"
DAY = 24 * 3600.0
ANALYTICS, RESEARCH = (workspace.id for workspace in World().workspaces)


class NoWaiting(SdkClock):
    """The SDK's clock: its pauses between retries pass at once."""

    def __init__(self) -> None:
        self._now = 0.0

    def time(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += seconds


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        return


class Desk:
    """`service`: what stands behind SERVICE; None, and there is none. `client`: an account admin's."""

    def __init__(self, world: World, delays: dict[Takes, Delay]) -> None:
        self.world = world
        self.clock = HandClock()
        self.delays = Delays(self.clock, delays)
        self.log = RequestLog()
        self.link = PrivateLink(self.delays)
        self.service: ServiceView | None = ServiceView(
            service_id="vpce-svc-0a1b2c3d4e5f60001",
            service_name=SERVICE,
            account=world.data_account,
            region=world.region,
            available=True,
            acceptance_required=True,
            principals=frozenset({ROLE}),
        )
        self.link.serve(lambda name: self.service if name == SERVICE else None)
        self.faults = Faults()
        self.account = Account(world, self.delays, self.link, self.log, self.faults)
        self.host = ""

    def sign_in(
        self, *, client_id: str = "", client_secret: str = "", account_id: str = "", retry_seconds: int = 300
    ) -> AccountClient:
        return AccountClient(
            config=Config(
                host=self.host,
                account_id=account_id or self.world.databricks_account,
                client_id=client_id or self.world.client_id,
                client_secret=client_secret or self.world.client_secret,
                auth_type="oauth-m2m",
                retry_timeout_seconds=retry_seconds,
                clock=NoWaiting(),
            )
        )

    @functools.cached_property
    def client(self) -> AccountClient:
        return self.sign_in()

    def make_ncc(self, name: str = "s3private-demo", region: str = REGION) -> str:
        wanted = CreateNetworkConnectivityConfiguration(name=name, region=region)
        made = self.client.network_connectivity.create_network_connectivity_configuration(wanted)
        assert made.network_connectivity_config_id
        return made.network_connectivity_config_id

    def make_rule(self, ncc_id: str, names: tuple[str, ...] = (NAME,), service: str = SERVICE) -> str:
        """The rule's id."""
        wanted = CreatePrivateEndpointRule(endpoint_service=service, domain_names=list(names))
        made = self.client.network_connectivity.create_private_endpoint_rule(ncc_id, wanted)
        assert made.rule_id
        return made.rule_id

    def read(self, ncc_id: str, rule_id: str) -> NccPrivateEndpointRule:
        return self.client.network_connectivity.get_private_endpoint_rule(ncc_id, rule_id)

    def state(self, ncc_id: str, rule_id: str) -> str:
        """One read of the rule: its state in the platform's word, as the SDK knows it."""
        state = self.read(ncc_id, rule_id).connection_state
        return state.value if state else "unknown to the SDK"

    def rules(self, ncc_id: str) -> list[NccPrivateEndpointRule]:
        return list(self.client.network_connectivity.list_private_endpoint_rules(ncc_id))

    def delete_rule(self, ncc_id: str, rule_id: str) -> NccPrivateEndpointRule:
        return self.client.network_connectivity.delete_private_endpoint_rule(ncc_id, rule_id)

    def accept(self, ncc_id: str, rule_id: str) -> None:
        """The owner of the endpoint service accepts the rule's connection."""
        self.link.accept(self._service_id, self._endpoint(ncc_id, rule_id))

    def reject(self, ncc_id: str, rule_id: str) -> None:
        self.link.reject(self._service_id, self._endpoint(ncc_id, rule_id))

    def establish(self, ncc_id: str, names: tuple[str, ...] = (NAME,)) -> str:
        """A rule made and accepted; its id. With nothing taking time it is ESTABLISHED at the next read."""
        rule_id = self.make_rule(ncc_id, names)
        self.accept(ncc_id, rule_id)
        return rule_id

    def connections(self) -> list[str]:
        """The endpoints at the service."""
        return [connection.vpc_endpoint_id for connection in self.link.connections_of(self._service_id)]

    def attach(self, workspace_id: int, ncc_id: str) -> None:
        self.client.workspaces.update(
            workspace_id,
            Workspace(network_connectivity_config_id=ncc_id),
            update_mask="network_connectivity_config_id",
        )

    def allow(self, *principals: str) -> None:
        """Make these the service's allowed principals."""
        assert self.service
        self.service = replace(self.service, principals=frozenset(principals))

    def require_no_acceptance(self) -> None:
        assert self.service
        self.service = replace(self.service, acceptance_required=False)

    @property
    def _service_id(self) -> str:
        assert self.service
        return self.service.service_id

    def _endpoint(self, ncc_id: str, rule_id: str) -> str:
        endpoint = self.read(ncc_id, rule_id).vpc_endpoint_id
        assert endpoint, f"rule {rule_id} has no endpoint"
        return endpoint


@contextlib.contextmanager
def opened(world: World | None = None, **delays: Delay) -> Iterator[Desk]:
    """`delays` by the names of Takes, in small letters."""
    desk = Desk(world or World(), {Takes[name.upper()]: delay for name, delay in delays.items()})
    server = make_server("127.0.0.1", 0, desk.account.app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    desk.host = f"http://127.0.0.1:{server.server_port}"
    try:
        yield desk
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

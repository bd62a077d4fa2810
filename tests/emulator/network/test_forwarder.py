"""The load balancer's stand-in: what happens to bytes, and to connections already open."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator

import pytest

from emulator.network.ground import BUCKET_NAME, ENDPOINT, SERVICE, Ground
from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.network import EndpointView
from s3private_emulator.place import serverless

MEGABYTE = 1024 * 1024


class Client(http.client.HTTPSConnection):
    """HTTP over TLS to the service's forwarder, by the bucket name."""

    def __init__(self, ground: Ground, timeout: float = 5.0) -> None:
        self._tls = ssl.create_default_context(cafile=str(ground.authority.ca_file))
        super().__init__(BUCKET_NAME, timeout=timeout, context=self._tls)
        self._port = ground.network.reach(serverless(1), f"service:{SERVICE}", 443).port
        self._seconds = timeout

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=self._seconds)
        self.sock = self._tls.wrap_socket(plain, server_hostname=BUCKET_NAME)

    def ask(self, body: bytes = b"") -> dict[str, object]:
        self.request("PUT", "/key", body=body)
        answer: dict[str, object] = json.load(self.getresponse())
        return answer


@pytest.fixture
def client(ground: Ground) -> Iterator[Client]:
    client = Client(ground)
    yield client
    client.close()


def test_many_requests_go_over_one_connection(client: Client) -> None:
    client.ask()
    first = client.sock
    for _ in range(5):
        assert client.ask()["who"] == ENDPOINT
    assert client.sock is first


def test_large_bodies_pass_whole(client: Client) -> None:
    assert client.ask(b"x" * (8 * MEGABYTE + 1))["bytes"] == 8 * MEGABYTE + 1


@pytest.mark.parametrize(("passage", "error"), [(Passage.TIMEOUT, TimeoutError), (Passage.RESET, ConnectionResetError)])
def test_a_connection_already_open_is_cut_when_the_way_breaks(
    ground: Ground, passage: Passage, error: type[Exception]
) -> None:
    client = Client(ground, timeout=0.5)
    client.ask()
    ground.hops[SERVICE] = Hop(passage=passage, reason="the targets are gone")
    with pytest.raises(error):
        client.ask()
    client.close()


def test_a_connection_already_open_outlives_what_only_new_ones_meet(ground: Ground, client: Client) -> None:
    client.ask()
    first = client.sock
    ground.hops[SERVICE] = Hop(passage=Passage.TIMEOUT, reason="an attribute was changed", spares_open=True)
    assert client.ask()["who"] == ENDPOINT
    assert client.sock is first


def test_an_idle_connection_is_cut_too(ground: Ground) -> None:
    port = ground.network.reach(serverless(1), f"service:{SERVICE}", 443).port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as idle:
        idle.settimeout(0.3)
        with pytest.raises(TimeoutError):
            idle.recv(1)
        ground.hops[SERVICE] = Hop(passage=Passage.RESET, reason="the targets are gone")
        idle.settimeout(5)
        with pytest.raises(ConnectionResetError):
            idle.recv(1)


def test_a_connection_is_reset_when_the_targets_become_another_endpoints(ground: Ground, client: Client) -> None:
    client.ask()
    ground.views.append(EndpointView(vpc_endpoint_id="vpce-2", dns_names=(), available=True, admits_vpc=True))
    ground.hops[SERVICE] = Hop(passage=Passage.OPEN, reason="", vpc_endpoint_id="vpce-2")
    with pytest.raises(ConnectionResetError):
        client.ask()


def test_idle_beyond_the_listeners_timeout_the_next_request_hangs(ground: Ground) -> None:
    client = Client(ground, timeout=0.5)
    client.ask()
    for _ in range(2):
        ground.clock.advance(349)
        client.ask()
    ground.clock.advance(351)
    with pytest.raises(TimeoutError):
        client.ask()
    client.close()


def test_the_listeners_own_idle_timeout_is_honoured(ground: Ground) -> None:
    ground.hops[SERVICE] = Hop(passage=Passage.OPEN, reason="", vpc_endpoint_id=ENDPOINT, idle_timeout_seconds=6000)
    client = Client(ground)
    client.ask()
    ground.clock.advance(5999)
    assert client.ask()["who"] == ENDPOINT
    client.close()


def test_a_new_connection_passes_once_the_way_is_mended(ground: Ground) -> None:
    whole = ground.hops[SERVICE]
    ground.hops[SERVICE] = Hop(passage=Passage.RESET, reason="the targets are gone")
    broken = Client(ground)
    with pytest.raises(OSError, match=r"reset|EOF|closed"):
        broken.ask()
    broken.close()
    ground.hops[SERVICE] = whole
    mended = Client(ground)
    assert mended.ask()["who"] == ENDPOINT
    mended.close()

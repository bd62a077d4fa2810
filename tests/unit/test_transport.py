"""What the transport owes its users when a server, an address, a key or a connection is not as it should be.

Nothing here takes time: clocks are turned by hand, and what must wait waits for an event.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from origin.authority import Authority
from origin.server import Fault, Origin, Request
from s3private import ReadError, S3PrivateError, connect, list_objects, read_object, read_ranges, stream_object
from s3private.asking import Wanted, fetch
from s3private.client import counters_of, wire_of
from s3private.exchange import Exchange
from s3private.places import Guard
from s3private.wire import KEYS_SECONDS, Answer, Broken, Wire, object_get


class Clock:
    """Turned by hand."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


def made(origin: Origin, *, lean: bool = True, read_timeout: float = 20.0) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
    return connect(origin.route(), session=session, lean=lean, read_timeout=read_timeout)


def wire_to(origin: Origin, clock: Callable[[], float] | None = None, **options: Any) -> Wire:
    wire = wire_of(made(origin, **options))
    assert wire is not None
    if clock is not None:
        wire.now = clock
    return wire


def get(wire: Wire, key: str = "k") -> Answer | Broken:
    with Exchange(wire, sockets=1) as exchange:
        exchange.ask(0, object_get("b", key))
        [(_, outcome)] = exchange.answered()
    assert isinstance(outcome, Answer | Broken)
    return outcome


# Who answers


@pytest.mark.parametrize("lean", [True, False], ids=["own GETs", "boto3"])
def test_a_certificate_for_another_name_is_refused_and_nothing_sent(
    origin: Origin, authority: Authority, lean: bool
) -> None:
    """By an authority that is trusted, and at the address that the name leads to: only the name is wrong."""
    origin.put("b", "k", b"body")
    origin.server_context = authority.for_names("elsewhere.test", "127.0.0.2")
    s3 = made(origin, lean=lean)
    with pytest.raises(ReadError, match=r"(?i)hostname mismatch|doesn't match|not valid for"):
        read_object(s3, "s3://b/k")
    assert origin.addresses
    assert origin.requests == []
    if lean:
        assert "Hostname mismatch" in str(get(wire_to(origin)))
        assert origin.requests == []
    origin.server_context = authority.server_context
    assert read_object(s3, "s3://b/k").body == b"body"


# Who asks


@pytest.mark.parametrize("status", [400, 401, 403])
def test_keys_that_were_refused_are_not_used_again(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """However young they are: the very next request has the new ones, though no second has passed."""
    origin.put("b", "k", b"body")
    origin.tokens, origin.wrong_token = {"new"}, (status, "ExpiredToken")
    clock, keys = Clock(), SimpleNamespace(access_key="A", secret_key="S", token="old")
    wire = wire_to(origin, clock)
    monkeypatch.setattr(wire._session, "get_credentials", lambda: SimpleNamespace(get_frozen_credentials=lambda: keys))
    assert get(wire) == Broken(f"status {status}", request_id="0A1B2C3D")
    keys = SimpleNamespace(access_key="A", secret_key="S", token="new")
    assert isinstance(get(wire), Answer)
    keys = SimpleNamespace(access_key="A", secret_key="S", token="newer")
    # Asked for once a second, where nothing was refused.
    assert isinstance(get(wire), Answer)
    clock.time += KEYS_SECONDS
    assert isinstance(get(wire), Broken)
    assert [request.fields["x-amz-security-token"] for request in origin.requests] == ["old", "new", "new", "newer"]


# When nobody listens


def test_a_caller_that_was_busy_elsewhere_is_not_the_servers_silence(
    origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.put("b", "k", b"body")
    clock = Clock()
    wire = wire_to(origin, clock, read_timeout=0.4)
    look = Exchange._time_out

    def look_once(exchange: Exchange, now: float) -> None:
        look(exchange, now)
        # Only now does the server answer: by its own clock at once.
        origin.let_go.set()

    assert isinstance(get(wire), Answer)
    origin.before = lambda request: origin.let_go.wait(30)
    with Exchange(wire, sockets=1) as exchange:
        exchange.ask(0, object_get("b", "k"))
        exchange.send()
        assert len(exchange._open) == 1
        clock.time += 1000
        monkeypatch.setattr(Exchange, "_time_out", look_once)
        [(_, outcome)] = exchange.answered()
    assert isinstance(outcome, Answer), outcome
    assert origin.let_go.is_set()
    # Nor was it asked again: the connection is still there.
    assert [request.connection for request in origin.requests] == [0, 0]


# Connections


@pytest.mark.parametrize("said", ["close", "Close", "keep-alive, close", "upgrade"])
def test_a_connection_that_is_to_be_closed_is_not_used_again(origin: Origin, said: str) -> None:
    origin.put("b", "k", b"body", connection=said)
    wire = wire_to(origin)
    with Exchange(wire, sockets=1) as exchange:
        for _ in range(3):
            exchange.ask(0, object_get("b", "k"))
            assert all(isinstance(outcome, Answer) for _, outcome in exchange.answered())
    assert isinstance(get(wire), Answer)
    assert [request.connection for request in origin.requests] == [0, 1, 2, 3]


@pytest.mark.parametrize("kept_by", ["the exchange", "the wire"])
def test_where_one_idle_connection_was_dead_the_others_are_not_tried(origin: Origin, kept_by: str) -> None:
    """What forgot one, a load balancer, has forgotten them all: each would cost a request that waits for nothing."""
    origin.put("b", "k", b"body")
    wire, all_there = wire_to(origin), threading.Barrier(4)
    origin.before = lambda request: all_there.wait(30) if request.number < 4 else None
    origin.fault = lambda request: Fault("gone") if request.number == 4 else None
    with ExitStack() as stack:
        exchange = stack.enter_context(Exchange(wire, sockets=4))
        for number in range(4):
            exchange.ask(number, object_get("b", "k"))
        while len(exchange):
            assert all(isinstance(outcome, Answer) for _, outcome in exchange.answered())
        if kept_by == "the wire":
            stack.close()
            exchange = stack.enter_context(Exchange(wire, sockets=4))
        exchange.ask("asked again", object_get("b", "k"))
        [(_, outcome)] = exchange.answered()
        assert isinstance(outcome, Answer)
        assert len(exchange._open) == 1
    used = [request.connection for request in origin.requests]
    assert sorted(used[:4]) == [0, 1, 2, 3]
    assert used[4] in range(4)
    assert used[5] == 4
    assert isinstance(get(wire), Answer)
    assert origin.requests[-1].connection == 4


# Objects without an ETag

LONG = 9 << 20


def without_etag(origin: Origin, size: int) -> bytes:
    body = bytes(range(256)) * (size // 256)
    origin.objects["b", "k", None] = replace(origin.put("b", "k", body), etag="")
    return body


@pytest.mark.parametrize("lean", [True, False], ids=["own GETs", "boto3"])
def test_parts_of_an_object_without_an_etag_are_refused(origin: Origin, lean: bool) -> None:
    """They could be of two objects, and nobody would notice."""
    without_etag(origin, LONG)
    s3 = made(origin, lean=lean)
    with pytest.raises(ReadError, match=r"s3://b/k: .*no ETag"):
        read_object(s3, "s3://b/k")
    with pytest.raises(ReadError, match=r"s3://b/k: .*no ETag"):
        list(stream_object(s3, "s3://b/k"))
    with pytest.raises(ReadError, match=r"s3://b/k: .*no ETag"):
        read_ranges(s3, "s3://b/k", [(0, 5), (1000, 5)])
    assert {request.fields.get("range") for request in origin.requests} <= {None, "bytes=0-4", "bytes=1000-1004"}


@pytest.mark.parametrize("lean", [True, False], ids=["own GETs", "boto3"])
def test_an_object_without_an_etag_is_read_with_one_request(origin: Origin, lean: bool) -> None:
    body = without_etag(origin, 4096)
    s3 = made(origin, lean=lean)
    assert read_object(s3, "s3://b/k").body == body
    assert read_ranges(s3, "s3://b/k", [(10, 5)]) == [body[10:15]]
    assert len(origin.requests) == 2


def test_a_body_without_an_etag_that_broke_off_is_begun_again(origin: Origin) -> None:
    """What is missing might be another object's: nothing is put together."""
    without_etag(origin, 4096)
    origin.fault = lambda request: Fault("truncate", 1000) if request.number < 2 else None

    def replace_it(request: Request) -> None:
        if request.number == 2:
            origin.objects["b", "k", None] = replace(origin.put("b", "k", bytes(4096)), etag="")

    origin.before = replace_it
    s3 = made(origin)
    assert read_object(s3, "s3://b/k").body == bytes(4096)
    assert {request.fields.get("range") for request in origin.requests} <= {None, "bytes=0-4095"}
    assert len(origin.requests) == 3


def test_a_body_without_an_etag_that_always_breaks_off_ends(origin: Origin) -> None:
    without_etag(origin, 4096)
    origin.fault = lambda request: Fault("truncate", 1000)
    with pytest.raises(ReadError, match="broke off"):
        fetch(made(origin), Wanted("b", "k", None, {}, ()), Guard())
    assert len(origin.requests) < 12


# The host's addresses


@contextmanager
def serving_at(authority: Authority, *addresses: str) -> Iterator[Origin]:
    origin = Origin(authority)
    for address in addresses:
        origin.listen(address)
    origin.put("b", "k", b"body")
    with origin.serving():
        yield origin


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def found(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        assert host == "localhost"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


@pytest.fixture
def trusting(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    return authority


def test_all_the_hosts_addresses_are_used_in_turn(trusting: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer has one in each zone, and each carries its share."""
    with serving_at(trusting, "127.0.0.2", "127.0.0.3") as origin:
        resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2", "127.0.0.3")
        wire = wire_to(origin)
        for _ in range(6):
            assert isinstance(get(wire), Answer)
            wire.close()
        assert origin.addresses[:3] == origin.addresses[3:]
        assert sorted(origin.addresses[:3]) == ["127.0.0.1", "127.0.0.2", "127.0.0.3"]


def test_a_zone_that_refuses_does_not_stop_the_others(trusting: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_at(trusting, "127.0.0.3") as origin:
        resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2", "127.0.0.3")
        s3 = made(origin)
        wire = wire_of(s3)
        assert wire is not None
        for _ in range(6):
            assert read_object(s3, "s3://b/k").body == b"body"
            wire.close()
        assert not [request for request in origin.requests if request.by_boto3]
        assert set(origin.addresses) == {"127.0.0.1", "127.0.0.3"}
        # Nor are there fewer connections because of it.
        all_there = threading.Barrier(4)
        origin.before = lambda request: all_there.wait(30)
        wire = wire_to(origin)
        with Exchange(wire, sockets=4) as exchange:
            for number in range(4):
                exchange.ask(number, object_get("b", "k"))
            while len(exchange):
                assert all(isinstance(outcome, Answer) for _, outcome in exchange.answered())
        assert all_there.n_waiting == 0


def test_a_zone_that_swallows_everything_is_left_alone_until_its_time_has_come(
    trusting: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, swallowed = Clock(), []

    def swallow(listening: socket.socket) -> None:
        while True:
            try:
                swallowed.append(listening.accept()[0])
                swallowed[-1].recv(1)
            except OSError:
                return
            # It has heard something, and says nothing for longer than a connection may take.
            clock.time += 11

    with (
        serving_at(trusting) as origin,
        socket.create_server(("127.0.0.2", origin.port)) as listening,
    ):
        threading.Thread(target=swallow, args=(listening,), daemon=True).start()
        resolve_to(monkeypatch, "127.0.0.1", "127.0.0.2")
        wire = wire_to(origin, clock)
        for _ in range(4):
            assert isinstance(get(wire), Answer)
            wire.close()
        assert len(swallowed) == 1
        clock.time += 61
        for _ in range(4):
            assert isinstance(get(wire), Answer)
            wire.close()
        assert len(swallowed) == 2
        assert origin.addresses == ["127.0.0.1"] * 8
        listening.shutdown(socket.SHUT_RDWR)
    for each in swallowed:
        each.close()


def test_where_no_address_answers_boto3_says_so(trusting: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving_at(trusting) as origin:
        resolve_to(monkeypatch, "127.0.0.2", "127.0.0.3")
        s3 = made(origin)
        with pytest.raises(S3PrivateError, match=r"s3://b/k"):
            read_object(s3, "s3://b/k")
        assert counters_of(s3).as_dict()["again"] == {"cannot connect": 1}
        resolve_to(monkeypatch, "127.0.0.1")
        wire = wire_of(s3)
        assert wire is not None
        wire._addresses = (-1000.0, [])
        assert isinstance(get(wire), Answer)


# Lists in chunks


def test_a_list_in_chunks_is_read_by_our_own_gets(origin: Origin) -> None:
    """S3 sends all its lists so."""
    for number in range(5):
        origin.put("bucket", f"k{number}", b"x")

    def chunked(request: Request) -> list[bytes] | None:
        if request.key or request.by_boto3:
            return None
        page = (
            b'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            b"<Name>bucket</Name><Prefix></Prefix><KeyCount>1</KeyCount><MaxKeys>1000</MaxKeys>"
            b"<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated><Contents><Key>only</Key>"
            b"<LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size>"
            b"<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>"
        )
        pieces = [page[at : at + 100] for at in range(0, len(page), 100)]
        return [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\ncontent-type: application/xml\r\n\r\n",
            *(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces),
            b"0\r\n\r\n",
        ]

    origin.raw = chunked
    s3 = made(origin)
    for _ in range(2):
        assert [entry.key for entry in list_objects(s3, "s3://bucket/")] == ["only"]
    assert not [request for request in origin.requests if request.by_boto3]
    assert {request.connection for request in origin.requests} == {0}

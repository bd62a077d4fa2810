"""The servers under the network: HTTP as clients speak it, the black hole, and nothing left behind."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from emulator.network.ground import Ground, laid
from s3private_emulator.black_hole import BlackHole
from s3private_emulator.http_server import HttpServer
from s3private_emulator.place import VPC
from s3private_emulator.wire import Wire, listen, port_of

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

Serve = Callable[["WSGIApplication"], http.client.HTTPConnection]


class Crashes(list[str]):
    def add(self, method: str, path: str, error: Exception) -> None:
        self.append(f"{method} {path} {type(error).__name__}")


@pytest.fixture
def crashes() -> Crashes:
    return Crashes()


@pytest.fixture
def serve(crashes: Crashes) -> Iterator[Serve]:
    wire = Wire()
    closing: list[Callable[[], None]] = []

    def start(app: WSGIApplication) -> http.client.HTTPConnection:
        server = HttpServer(wire, app, crash=crashes.add)
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)
        closing.extend([client.close, server.close])
        return client

    yield start
    for close in closing:
        close()
    wire.close()


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield environ["wsgi.input"].read()


def test_an_answer_of_unknown_length_is_chunked_and_the_connection_kept(serve: Serve) -> None:
    client = serve(echo)
    for body in (b"one", b"two"):
        client.request("POST", "/", body=body)
        answer = client.getresponse()
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert answer.read() == body


def test_a_chunked_body_arrives_whole(serve: Serve) -> None:
    client = serve(echo)
    client.request("PUT", "/", body=iter([b"a" * 70000, b"b"]), encode_chunked=True)
    assert client.getresponse().read() == b"a" * 70000 + b"b"


def test_a_body_the_application_left_unread_does_not_spoil_the_next_request(serve: Serve) -> None:
    def deaf(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    client = serve(deaf)
    for _ in range(2):
        client.request("PUT", "/", body=b"GET /smuggled HTTP/1.1\r\n\r\n" * 10000)
        assert client.getresponse().read() == b"ok"


def test_a_client_that_waits_for_100_continue_gets_it_once(serve: Serve) -> None:
    client = serve(echo)
    client.connect()
    client.sock.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.sock.recv(1000).startswith(b"HTTP/1.1 100")
    client.sock.sendall(b"hi")
    text = b""
    while not text.endswith(b"0\r\n\r\n"):
        text += client.sock.recv(1000)
    assert text.startswith(b"HTTP/1.1 200")
    assert text.count(b"HTTP/1.1") == 1


def test_a_head_answer_keeps_its_length_and_has_no_body(serve: Serve) -> None:
    def head(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1000")])
        return [b"x" * 1000]

    client = serve(head)
    for _ in range(2):
        client.request("HEAD", "/")
        answer = client.getresponse()
        assert (answer.headers["Content-Length"], answer.read()) == ("1000", b"")


def test_the_path_arrives_raw_and_unquoted(serve: Serve) -> None:
    def path(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return [f"{environ['RAW_URI']} {environ['PATH_INFO']} {environ['QUERY_STRING']}".encode()]

    client = serve(path)
    client.request("GET", "/a%2Fb%20c?d=%2F")
    assert client.getresponse().read() == b"/a%2Fb%20c?d=%2F /a/b c d=%2F"


def test_an_application_that_raises_is_told_and_answered_500(
    serve: Serve, crashes: Crashes, caplog: pytest.LogCaptureFixture
) -> None:
    def wrong(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        raise LookupError("nothing here")

    client = serve(wrong)
    client.request("GET", "/where")
    answer = client.getresponse()
    assert (answer.status, answer.read()) == (500, b"the emulator failed: LookupError: nothing here\n")
    assert crashes == ["GET /where LookupError"]
    assert "nothing here" in caplog.text


def test_an_application_can_break_its_answer_off(serve: Serve, crashes: Crashes) -> None:
    def torn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "10")])
        yield b"half"
        raise ConnectionAbortedError

    client = serve(torn)
    client.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead) as raised:
        client.getresponse().read()
    assert raised.value.partial == b"half"
    assert crashes == []


def test_a_client_that_only_connects_holds_nobody_up(ground: Ground) -> None:
    port = ground.network.reach(VPC, "internet", 443).port
    with socket.create_connection(("127.0.0.1", port)):
        assert "internet" in ground.python(
            VPC, "import urllib.request as u; print(u.urlopen('https://sts.amazonaws.com/', timeout=3).read())"
        )


def test_the_black_hole_hangs_every_connection_attempt() -> None:
    hole = BlackHole()
    try:
        for _ in range(3):
            with socket.socket() as client:
                client.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    client.connect(("127.0.0.1", hole.port))
    finally:
        hole.close()


def test_the_network_starts_and_stops_and_leaves_no_thread() -> None:
    before = threading.active_count()
    for _ in range(5):
        with laid() as ground:
            port = ground.network.reach(VPC, "internet", 443).port
            idle = socket.create_connection(("127.0.0.1", port))
        idle.close()
    assert threading.active_count() == before


def test_a_port_whose_connections_are_still_closing_is_free_for_another_start() -> None:
    listener = listen()
    port = port_of(listener)
    with socket.create_connection(("127.0.0.1", port)):  # its end stays open: ours waits for it
        listener.setblocking(True)
        listener.accept()[0].close()
        listener.close()
        listen(port=port).close()

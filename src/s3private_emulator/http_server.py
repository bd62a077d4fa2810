"""A WSGI application over HTTP/1.1 with keep-alive, with or without TLS: a thread per connection, h11 for the protocol.

The TLS handshake runs in the connection's own thread, so a client that only opens a TCP connection holds nobody up.
"""

from __future__ import annotations

import io
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import h11

from s3private_emulator.wire import LOOPBACK, STOP_SECONDS, Wire, listen, port_of

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

CHUNK = 256 * 1024
Crash = Callable[[str, str, Exception], None]
"""Told of an application that raised: method, path, error."""

_logger = logging.getLogger(__name__)


class HttpServer:
    """Serves from construction until `close`.

    An application that raises is told to `crash` and answered 500, but one that raises ConnectionError breaks its
    answer off.
    """

    def __init__(
        self, wire: Wire, app: WSGIApplication, *, tls: ssl.SSLContext | None = None, crash: Crash, port: int = 0
    ) -> None:
        self._wire = wire
        self._app = app
        self._tls = tls
        self._crash = crash
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._listener = listen(port=port)
        self.port = port_of(self._listener)
        wire.watch(self._listener, self._accept)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{LOOPBACK}:{self.port}"

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._serve, args=(connection,), name=f"http-{self.port}", daemon=True)
        with self._lock:
            self._open[connection] = thread
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # The plain socket stays ours: closing it is how `close` ends a thread that waits for its client.
            with connection.dup() as own, self._secured(own) as stream:
                _Conversation(stream, self._app, self._crash, self.port, secure=self._tls is not None).hold()
        except (_Gone, OSError, h11.ProtocolError) as error:
            _logger.debug("connection to port %d ended: %s", self.port, error)
        finally:
            with self._lock:
                self._open.pop(connection, None)
            connection.close()

    def _secured(self, plain: socket.socket) -> socket.socket:
        return self._tls.wrap_socket(plain, server_side=True) if self._tls else plain

    def close(self) -> None:
        self._wire.unwatch(self._listener)
        self._listener.close()
        with self._lock:
            threads = list(self._open.values())
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # its client has gone already
        for thread in threads:
            thread.join(STOP_SECONDS)


class _Gone(Exception):
    """The client went away."""


class _Conversation:
    """One connection: request after request until either side closes."""

    def __init__(self, stream: socket.socket, app: WSGIApplication, crash: Crash, port: int, *, secure: bool) -> None:
        self._stream = stream
        self._app = app
        self._crash = crash
        self._port = port
        self._scheme = "https" if secure else "http"
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=256 * 1024)
        self._refused_body = False

    def hold(self) -> None:
        while True:
            event = self.next_event()
            if not isinstance(event, h11.Request):
                return
            body = io.BufferedReader(_Body(self))
            self._answer(event, body)
            if self._refused_body:
                return
            while body.read(CHUNK):
                pass  # what the application left unread, before the next request
            if self._protocol.our_state is not h11.DONE or self._protocol.their_state is not h11.DONE:
                return
            self._protocol.start_next_cycle()

    def next_event(self) -> h11.Event | type[h11.PAUSED]:
        while True:
            event = self._protocol.next_event()
            if event is not h11.NEED_DATA:
                assert not isinstance(event, type) or event is h11.PAUSED
                return event
            if self._protocol.they_are_waiting_for_100_continue:
                self.send(h11.InformationalResponse(status_code=100, headers=[]))
            try:
                self._protocol.receive_data(self._stream.recv(CHUNK))
            except OSError as error:
                raise _Gone from error

    def send(self, event: h11.Event) -> None:
        if isinstance(event, h11.Response) and self._protocol.they_are_waiting_for_100_continue:
            self._refused_body = True  # whether its body still comes cannot be known: this connection is done
        data = self._protocol.send(event)
        if data:
            try:
                self._stream.sendall(data)
            except OSError as error:
                raise _Gone from error

    def _answer(self, request: h11.Request, body: io.BufferedReader[Any]) -> None:
        environ = self._environ(request, body)
        response = _Response(self, bodiless=request.method == b"HEAD")
        try:
            chunks = self._app(environ, response.start)
            try:
                for chunk in chunks:
                    response.write(chunk)
                response.end()
            finally:
                if close := getattr(chunks, "close", None):
                    close()
        except (_Gone, ConnectionError, h11.RemoteProtocolError):
            raise  # an application raises ConnectionError to break its answer off
        except Exception as error:
            _logger.exception("%s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            self._crash(environ["REQUEST_METHOD"], environ["PATH_INFO"], error)
            response.fail(f"the emulator failed: {type(error).__name__}: {error}\n".encode())

    def _environ(self, request: h11.Request, body: io.BufferedReader[Any]) -> WSGIEnvironment:
        target = request.target.decode("latin-1")
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method.decode("ascii"),
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": LOOPBACK,
            "SERVER_PORT": str(self._port),
            "SERVER_PROTOCOL": f"HTTP/{request.http_version.decode('ascii')}",
            "REMOTE_ADDR": LOOPBACK,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self._scheme,
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for raw_name, raw_value in request.headers:
            name = raw_name.decode("latin-1").upper().replace("-", "_")
            value = raw_value.decode("latin-1")
            key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ


class _Body(io.RawIOBase):
    """A request's body, read off the connection as the application asks for it."""

    def __init__(self, conversation: _Conversation) -> None:
        self._conversation = conversation
        self._left = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left and not self._ended:
            event = self._conversation.next_event()
            if isinstance(event, h11.Data):
                self._left = bytes(event.data)
            else:
                self._ended = True
        part = self._left[: len(buffer)]
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)


ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class _Response:
    def __init__(self, conversation: _Conversation, *, bodiless: bool) -> None:
        self._conversation = conversation
        self._bodiless = bodiless
        self._head: h11.Response | None = None
        self._sent = False

    def start(
        self, status: str, headers: Iterable[tuple[str, str]], exc_info: ExcInfo | None = None, /
    ) -> Callable[[bytes], object]:
        code, _, reason = status.partition(" ")
        if exc_info is not None and self._sent and exc_info[1] is not None:
            raise exc_info[1]
        # The connection is h11's to keep or to close, not the application's.
        kept = [(name, value) for name, value in headers if name.lower() != "connection"]
        self._head = h11.Response(
            status_code=int(code),
            reason=reason.encode("latin-1"),
            headers=[(name.encode("latin-1"), value.encode("latin-1")) for name, value in kept],
        )
        return self.write

    def write(self, chunk: bytes) -> None:
        self._send_head()
        if chunk and not self._bodiless:
            self._conversation.send(h11.Data(data=chunk))

    def end(self) -> None:
        self._send_head()
        self._conversation.send(h11.EndOfMessage())

    def fail(self, text: bytes) -> None:
        if self._sent:
            raise ConnectionAbortedError("the application failed in the middle of its answer")
        self.start("500 Internal Server Error", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        self.write(text)
        self.end()

    def _send_head(self) -> None:
        if self._sent:
            return
        if self._head is None:
            raise RuntimeError("the application answered before start_response")
        self._conversation.send(self._head)
        self._sent = True

"""A TCP proxy that breaks connections at a byte of its choice; it passes TLS through, and cannot look into it."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple


class Break(NamedTuple):
    """How a connection ends. kind: `reset`, `close`, `stall`. at: the byte from the server after which it does."""

    kind: str
    at: int


class FaultProxy:
    """In front of the server at `target`. plan: says for each connection, counted from 0, how it breaks, or not at all.

    black_hole: seconds of silence after which a connection swallows everything without a word; None: never.
    """

    def __init__(
        self, target: int, plan: Callable[[int], Break | None] = lambda number: None, black_hole: float | None = None
    ) -> None:
        self.plan = plan
        self.black_hole = black_hole
        self.swallowed = 0
        self._target = target
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listening.getsockname()[1]
        self.connections = 0

    @contextmanager
    def passing(self) -> Iterator[FaultProxy]:
        accepting = threading.Thread(target=self._accept, daemon=True)
        accepting.start()
        try:
            yield self
        finally:
            self._ended.set()
            _end(self._listening)
            for each in list(self._open):
                _end(each)
            accepting.join(5)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            number, self.connections = self.connections, self.connections + 1
            _Passing(self, client, server, self.plan(number)).start()


class _Passing:
    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket, broken: Break | None) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._break = broken
        self._last = time.monotonic()
        self._hole = False

    def start(self) -> None:
        for each in (self._client, self._server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._proxy._open.add(each)
        threading.Thread(target=self._pass, args=(self._client, self._server, None), daemon=True).start()
        threading.Thread(target=self._pass, args=(self._server, self._client, self._break), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, broken: Break | None) -> None:
        passed = 0
        try:
            while piece := source.recv(65536):
                now, limit = time.monotonic(), self._proxy.black_hole
                if self._hole or (limit is not None and now - self._last > limit):
                    self._hole = True
                    self._proxy.swallowed += 1
                    continue
                self._last = now
                if broken is not None and passed + len(piece) >= broken.at:
                    target.sendall(piece[: broken.at - passed])
                    self._break_off(target, broken.kind)
                    return
                target.sendall(piece)
                passed += len(piece)
        except OSError:
            pass
        if not self._hole:
            _end(source)
            _end(target)

    def _break_off(self, target: socket.socket, kind: str) -> None:
        if kind == "stall":
            self._proxy._ended.wait(30)
        if kind == "reset":
            with suppress(OSError):
                target.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                target.close()
        _end(self._client)
        _end(self._server)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

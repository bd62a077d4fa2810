"""One socket to the host, and how the answer that comes in on it is received."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from s3private.http1 import Chunks, Head
from s3private.places import Place, Room, Sink
from s3private.wire import Get

CONNECTING, SHAKING, IDLE, SENDING, HEAD, CHUNKS, SMALL_BODY, BODY, PARKED, GIVEN = range(10)
"""What a connection is at. PARKED: its body waits for room. GIVEN: a second thread receives its body."""

_READS_IN_A_TURN = 64
_NOWHERE = memoryview(b"")


class Asked:
    __slots__ = ("again", "get", "into", "tag")

    def __init__(self, tag: Any, get: Get, into: Place | None) -> None:
        self.tag = tag
        self.get = get
        self.into = into
        self.again = False


class Scratch:
    """Where pieces are received that go on to a Sink; made when the first one comes: most calls need none."""

    SIZE = 1 << 20

    def __init__(self) -> None:
        self._view: memoryview | None = None

    def view(self) -> memoryview:
        if self._view is None:
            self._view = memoryview(bytearray(self.SIZE))
        return self._view


class Connection:
    """One socket to the host, and the answer that is coming in on it."""

    __slots__ = (
        "answer",
        "asked",
        "body",
        "chunks",
        "early",
        "fd",
        "filled",
        "pieces",
        "raw",
        "room",
        "served",
        "since",
        "sock",
        "state",
        "unsent",
        "watched",
    )

    def __init__(self, raw: socket.socket, now: float) -> None:
        self.raw = raw
        self.sock: ssl.SSLSocket | None = None
        self.fd = raw.fileno()
        self.state = CONNECTING
        self.since = now
        self.served = 0
        self.watched = 0
        self.forget()

    def forget(self) -> None:
        """Nothing is asked on it."""
        self.asked: Asked | None = None
        self.unsent = b""
        self.early = b""
        self.answer: Head | None = None
        self.chunks: Chunks | None = None
        self.body: bytes = b""
        self.room: Room = _NOWHERE
        self.pieces: list[bytes] = []
        self.filled = 0

    def receive_body(self, scratch: Scratch) -> bool:
        """Receive into the room; True when it is full. scratch: for pieces on their way to a Sink.

        Raises OSError, Unwritable, and SSLWantReadError when no more is there.
        """
        sock, room = self.sock, self.room
        assert sock is not None
        if not isinstance(room, memoryview):
            return self._pour(sock, room, scratch.view())
        turns = _READS_IN_A_TURN
        while turns > 0 or sock.pending():
            turns -= 1
            # How many is said: finding it out takes recv_into longer than the slice.
            count = sock.recv_into(room[self.filled :], len(room) - self.filled)
            if not count:
                raise ConnectionError("the connection was closed")
            self.filled += count
            if self.filled == len(room):
                return True
        return False

    def _pour(self, sock: ssl.SSLSocket, sink: Sink, scratch: memoryview) -> bool:
        missing, held, turns = len(sink) - self.filled, 0, _READS_IN_A_TURN
        try:
            while turns > 0 or sock.pending():
                turns -= 1
                count = sock.recv_into(scratch[held:], min(len(scratch) - held, missing - held))
                if not count:
                    raise ConnectionError("the connection was closed")
                held += count
                if held == len(scratch) or held == missing:
                    full, held = scratch[:held], 0
                    sink.write(self.filled, full)
                    self.filled += len(full)
                    missing -= len(full)
                    if not missing:
                        return True
            return False
        finally:
            if held:
                # However it ended, what came is kept.
                sink.write(self.filled, scratch[:held])
                self.filled += held

    def receive_pieces(self, length: int) -> None:
        """Receive the rest of a small body. Raises OSError, and SSLWantReadError when no more is there."""
        sock = self.sock
        assert sock is not None
        while self.filled < length:
            piece = sock.recv(length - self.filled)
            if not piece:
                raise ConnectionError("the connection was closed")
            self.pieces.append(piece)
            self.filled += len(piece)

    @property
    def open(self) -> bool:
        """Not so where the garbage collector ends a reading: it may close the sockets first."""
        return (self.sock or self.raw).fileno() >= 0

    def close(self) -> None:
        (self.sock or self.raw).close()

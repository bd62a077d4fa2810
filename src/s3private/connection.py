"""One socket to the host, and how the answer that comes in on it is received."""

from __future__ import annotations

import socket
import ssl
from typing import Any

from s3private.http1 import Chunks, Head
from s3private.places import Place, Room, Sink
from s3private.wire import Address, Get

CONNECTING, SHAKING, IDLE, SENDING, HEAD, CHUNKS, SMALL_BODY, BODY, PARKED, GIVEN = range(10)
"""What a connection is at. PARKED: its body waits for room. GIVEN: a second thread receives its body."""

_READS_IN_A_TURN = 64
_NOWHERE = memoryview(b"")


class Asked:
    __slots__ = ("again", "get", "into", "most", "ranged", "tag")

    def __init__(self, tag: Any, get: Get, into: Place | None, most: int | None) -> None:
        self.tag = tag
        self.get = get
        self.into = into
        self.most = most
        self.ranged = any(name == "range" for name, _ in get.headers)
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
        "address",
        "answer",
        "asked",
        "body",
        "chunks",
        "early",
        "fd",
        "filled",
        "mark",
        "marked",
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

    def __init__(self, raw: socket.socket, now: float, address: Address) -> None:
        self.raw = raw
        self.address = address
        self.sock: ssl.SSLSocket | None = None
        self.fd = raw.fileno()
        self.state = CONNECTING
        self.begin(now)
        self.served = 0
        self.watched = 0
        self.forget()

    def begin(self, now: float) -> None:
        """Something new is waited for. since: when something came. mark: since when `marked` bytes were there."""
        self.since = self.mark = now
        self.marked = 0

    @property
    def came(self) -> int:
        """How many bytes of the body."""
        if self.chunks is not None:
            return self.chunks.came
        return self.filled

    def quiet(self) -> bool:
        """Nothing has come on it, nor its end: what comes next answers what is sent next."""
        sock = self.sock
        assert sock is not None
        if sock.pending():
            return False
        try:
            socket.socket.recv(sock, 1, socket.MSG_PEEK)
            # The end, or a record: a session ticket, perhaps.
            sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

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
        """Not so where the garbage collector ended a reading: it closes the sockets, too, before or after that."""
        return (self.sock or self.raw).fileno() >= 0

    def close(self) -> None:
        (self.sock or self.raw).close()

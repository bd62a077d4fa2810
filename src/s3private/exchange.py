"""Many GETs at once over many sockets, all driven by the thread that asks: no thread each, no copy, no waiting in line.

Python spends its time on the processor, not on the network: one thread with many sockets beats many threads.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self

from s3private.beside import Beside
from s3private.connection import (
    BODY,
    CHUNKS,
    CONNECTING,
    GIVEN,
    HEAD,
    IDLE,
    PARKED,
    SENDING,
    SHAKING,
    SMALL_BODY,
    Asked,
    Connection,
    Scratch,
)
from s3private.endings import to_the_end
from s3private.forks import Here, closed_in_child
from s3private.fresh import filled, fresh_bytes
from s3private.http1 import BadAnswer, Chunks, Head, parse_head
from s3private.places import Guard, Place, put
from s3private.receiver import Receiver
from s3private.wire import SOCKETS, Answer, Broken, Get, Wire

LONGEST_HEAD = 65536
_RECORD = 1 << 14
"""The most that one TLS record holds, and so one call receives. https://www.rfc-editor.org/rfc/rfc8446#section-5.1"""
_SMALL = 1 << 15
"""A body up to this size is put together from what the records held: cheaper than making room for it first."""
_LONG = 1 << 20
"""A body of which so much is still to come is worth a second thread, where another such body keeps this one busy."""
Outcome = Answer | Broken | Future[Any]


class Exchange:
    """A context manager for one thread: `ask`, then take what `answered`.

    sockets: at most so many are open. They are opened only as long as there is nothing else to do, so a near server
    gets few and a far one many. memory: bytes that bodies may take which `released` has not been told of; None: any.
    The body of `first`, and one when there is no other, is received in any case: at most memory + the largest body.
    Without a wire every outcome is Broken, at once: the caller's way through boto3, `beside`, is then the only one.
    """

    _left = True
    """There is nothing to leave: not made yet, or closed."""

    def __init__(self, wire: Wire | None, *, sockets: int = SOCKETS, memory: int | None = None) -> None:
        self._lean = wire
        self._now = wire.now if wire is not None else time.monotonic
        self._limit = self._most = sockets
        self._answers = 0
        self._memory = memory
        self._held = 0
        self.first: Any = None
        self._selector = selectors.DefaultSelector()
        closed_in_child(self._selector)
        self._here = Here()
        self._scratch = Scratch()
        self._queue: deque[Asked] = deque()
        self._open: set[Connection] = set()
        self._idle: list[Connection] = []
        self._opening = 0
        self._parked: list[Connection] = []
        self._done: list[tuple[Any, Outcome]] = []
        self._beside = Beside(self._selector)
        self._receiver: Receiver | None = None
        self._pace = min(1.0, wire.connect_timeout / 4, wire.read_timeout / 4) if wire is not None else 1.0
        self._looked = self._busy_since = self._now()
        self._left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        to_the_end(self._close)

    def __del__(self) -> None:
        # Where leaving was interrupted before it had begun.
        if not self._left:
            to_the_end(self._close)

    def _close(self) -> None:
        """From then on no thread writes to what is the caller's. Called again, it goes on where it was."""
        if sys.is_finalizing():
            # The threads stand still for good, and what they hold with them.
            return
        if self._here.gone:
            # All of it is the parent's.
            self._left = True
            return
        self._beside.close()
        if self._receiver is not None:
            self._receiver.close()
        while self._open:
            # Never to be found here again: given twice, it would be two readers'.
            connection = self._open.pop()
            if connection.state == IDLE and connection.open:
                connection.watched = 0
                self._wire.give(connection)
            else:
                connection.close()
        self._selector.close()
        self._left = True

    def __len__(self) -> int:
        """How many outcomes are still to come."""
        return len(self._queue) + self._busy + len(self._parked) + len(self._beside) + len(self._done)

    @property
    def guard(self) -> Guard:
        """To be held by what runs beside while it writes to what is the caller's."""
        return self._beside.guard

    @property
    def _busy(self) -> int:
        """How many connections the server is to say something on."""
        return len(self._open) - len(self._idle) - self._opening - len(self._parked)

    def ask(self, tag: Any, get: Get, into: Place | None = None) -> None:
        """Ask `get`; its outcome comes out of `answered` with `tag`. into: see Place; None: bytes of its own."""
        self._here.check()
        if self._lean is None:
            self._done.append((tag, Broken("everything goes through boto3")))
        else:
            self._queue.append(Asked(tag, get, into))

    def beside(self, tag: Any, call: Callable[[], Any]) -> None:
        """Run `call` in a thread beside the sockets; its Future, done, comes out of `answered` with `tag`."""
        self._here.check()
        self._beside.run(tag, call)

    def released(self, size: int) -> None:
        """`size` bytes of bodies were handed on and do not count as this exchange's memory any more."""
        self._held -= size

    def answered(self) -> list[tuple[Any, Outcome]]:
        """Wait until there is an outcome, and take all there are; empty only when nothing is asked."""
        self._here.check()
        now = self._now()
        if now - self._busy_since > self._pace:
            # While the caller was busy elsewhere nobody listened: that is not the server's silence.
            for connection in self._open:
                connection.since += now - self._busy_since
        while True:
            self._start()
            self._unpark()
            if self._done or not len(self):
                break
            events = self._selector.select(0)
            if not events and not self._grow():
                events = self._selector.select(self._pace)
            now = self._now()
            for key, _ in events:
                if isinstance(key.data, Connection):
                    self._advance(key.data, now)
                elif isinstance(key.data, Receiver):
                    self._collect(key.data)
                else:
                    self._done += self._beside.finished()
            if now - self._looked > self._pace:
                self._looked = now
                self._time_out(now)
        self._busy_since = self._now()
        done, self._done = self._done, []
        return done

    def send(self) -> None:
        """Send what is asked for as far as sockets are free, without waiting: server and caller then both work."""
        self._here.check()
        self._start()

    @property
    def _wire(self) -> Wire:
        assert self._lean is not None
        return self._lean

    # Sockets

    def _start(self) -> None:
        while self._queue:
            if self._idle and self._busy < self._limit:
                self._send(self._idle.pop())
            elif len(self._open) < self._limit and (taken := self._wire.take()) is not None:
                self._open.add(taken)
                self._watch(taken, selectors.EVENT_READ)
                self._send(taken)
            else:
                if not self._open:
                    self._grow()
                return

    def _grow(self) -> bool:
        """Open as many again as there are, where requests wait, nothing else is to be done, and none is opening."""
        room = self._limit - len(self._open)
        if room <= 0 and not self._busy:
            # What is parked may wait for one that is still to be asked.
            room = 1
        wanted = min(max(1, len(self._open)), room, len(self._queue))
        if self._opening or wanted <= 0:
            return False
        for _ in range(wanted):
            try:
                connection = Connection(self._wire.open(), self._now())
            except OSError as error:
                self._give_up(error)
                return True
            self._open.add(connection)
            self._opening += 1
            self._watch(connection, selectors.EVENT_WRITE)
        return True

    def _give_up(self, error: Exception) -> None:
        """One could not be opened: make do with those that are; with none, nothing more is asked here."""
        self._limit = self._most = max(1, len(self._open))
        if not self._open:
            self._done += [(asked.tag, Broken(_said(error))) for asked in self._queue]
            self._queue.clear()

    def _watch(self, connection: Connection, events: int) -> None:
        if events == connection.watched:
            return
        if not events:
            self._selector.unregister(connection.fd)
        elif not connection.watched:
            self._selector.register(connection.fd, events, connection)
        else:
            self._selector.modify(connection.fd, events, connection)
        connection.watched = events

    def _advance(self, connection: Connection, now: float) -> None:
        connection.since = now
        try:
            if connection.state >= HEAD:
                self._receive(connection)
            elif connection.state == SENDING:
                self._push(connection)
            elif connection.state == IDLE:
                # A session ticket, or the end.
                assert connection.sock is not None
                connection.sock.recv(_RECORD)
                self._drop(connection)
            else:
                self._shake(connection)
        except ssl.SSLWantReadError:
            self._watch(connection, selectors.EVENT_READ)
        except ssl.SSLWantWriteError:
            self._watch(connection, selectors.EVENT_WRITE)
        except (OSError, BadAnswer) as error:
            self._fail(connection, error)

    def _shake(self, connection: Connection) -> None:
        if connection.state == CONNECTING:
            if code := connection.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                raise OSError(code, "cannot connect")
            connection.sock = self._wire.secure(connection.raw)
            connection.state = SHAKING
        assert connection.sock is not None
        connection.sock.do_handshake()
        self._opening -= 1
        connection.state = IDLE
        self._watch(connection, selectors.EVENT_READ)
        if self._queue and self._busy <= self._limit:
            self._send(connection)
        else:
            self._idle.append(connection)

    def _send(self, connection: Connection) -> None:
        asked = self._queue.popleft()
        signed = self._wire.signed(asked.get)
        if signed is None:
            self._done.append((asked.tag, Broken("no credentials to sign with")))
            self._idle.append(connection)
            return
        connection.asked = asked
        connection.unsent = signed
        connection.state = SENDING
        connection.since = self._now()
        try:
            self._push(connection)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLWantWriteError:
            self._watch(connection, selectors.EVENT_WRITE)
        except OSError as error:
            self._fail(connection, error)

    def _push(self, connection: Connection) -> None:
        assert connection.sock is not None
        while connection.unsent:
            connection.unsent = connection.unsent[connection.sock.send(connection.unsent) :]
        connection.state = HEAD
        self._watch(connection, selectors.EVENT_READ)

    # Answers

    def _receive(self, connection: Connection) -> None:
        sock = connection.sock
        assert sock is not None
        while connection.state < SMALL_BODY:
            data = sock.recv(_RECORD)
            if not data:
                raise BadAnswer("the connection was closed")
            if self._take(connection, data):
                return
        if connection.state == SMALL_BODY:
            assert connection.answer is not None
            connection.receive_pieces(connection.answer.length or 0)
            self._finish(connection)
        elif connection.receive_body(self._scratch):
            self._finish(connection)

    def _take(self, connection: Connection, data: bytes) -> bool:
        """Take in what came that is not all body. True when there is nothing more to receive on it for now."""
        if connection.chunks is not None:
            return connection.chunks.feed(data) and self._finish(connection)
        raw = connection.early + data if connection.early else data
        end = raw.find(b"\r\n\r\n")
        if end < 0:
            if len(raw) > LONGEST_HEAD:
                raise BadAnswer("a head without end")
            connection.early = raw
            return False
        head = parse_head(raw[:end])
        early = connection.early = raw[end + 4 :]
        self._understand(head)
        connection.answer = head
        assert connection.asked is not None
        if head.length is None:
            if connection.asked.into is not None:
                raise BadAnswer("a body of unknown length")
            connection.chunks = Chunks()
            connection.state = CHUNKS
            return bool(early) and connection.chunks.feed(early) and self._finish(connection)
        if connection.asked.into is None and not self._room(connection):
            connection.state = PARKED
            self._parked.append(connection)
            self._watch(connection, 0)
            return True
        return self._body(connection, head.length)

    def _understand(self, head: Head) -> None:
        if head.status in (400, 401, 403):
            self._wire.forget_keys()
        if head.status == 503:
            # As TCP does with its window: half as many at once, and one more for each round that goes well.
            self._limit = min(self._most, max(4, self._limit // 2))
            self._answers = 0
        if head.status not in (200, 206):
            raise BadAnswer(f"status {head.status}")
        if head.length is None and head.fields.get("transfer-encoding", "").lower() != "chunked":
            raise BadAnswer("neither a length nor chunks")

    def _room(self, connection: Connection) -> bool:
        assert connection.asked is not None
        assert connection.answer is not None
        length = connection.answer.length or 0
        return (
            self._memory is None
            or self._held + length <= self._memory
            or not self._held
            or connection.asked.tag == self.first
        )

    def _unpark(self) -> None:
        for connection in [parked for parked in self._parked if self._room(parked)]:
            if not self._room(connection):
                continue
            self._parked.remove(connection)
            assert connection.answer is not None
            connection.since = self._now()
            self._watch(connection, selectors.EVENT_READ)
            try:
                self._body(connection, connection.answer.length or 0)
            except (OSError, BadAnswer) as error:
                self._fail(connection, error)

    def _body(self, connection: Connection, length: int) -> bool:
        asked, answer = connection.asked, connection.answer
        assert asked is not None
        assert answer is not None
        if len(connection.early) > length:
            raise BadAnswer("more came than the body")
        if asked.into is None:
            self._held += length
            if length <= _SMALL:
                connection.pieces.append(connection.early)
                connection.filled = len(connection.early)
                connection.state = SMALL_BODY
                return connection.filled == length and self._finish(connection)
            connection.body, connection.room = fresh_bytes(length)
        elif callable(asked.into):
            # Only the room from now on: who receives it is not to hold whoever asked.
            asked.into = connection.room = asked.into(length, answer.fields)
        else:
            if len(asked.into) != length:
                raise BadAnswer(f"{length} bytes are not the {len(asked.into)} asked for")
            connection.room = asked.into
        early = connection.early[: len(connection.room)]
        put(connection.room, 0, early)
        connection.filled = len(early)
        connection.state = BODY
        if connection.filled == len(connection.room):
            return self._finish(connection)
        return len(connection.room) - connection.filled >= _LONG and self._share(connection)

    def _share(self, connection: Connection) -> bool:
        """Every second long body is received by a second thread; True when this one is."""
        long = sum(1 for each in self._open if each.state == BODY and len(each.room) - each.filled >= _LONG)
        if long < 2 or (self._receiver is not None and self._receiver.busy >= long - 1):
            return False
        if self._receiver is None:
            self._receiver = Receiver()
            self._selector.register(self._receiver.bell, selectors.EVENT_READ, self._receiver)
        connection.state = GIVEN
        self._watch(connection, 0)
        self._receiver.give(connection)
        return True

    def _collect(self, receiver: Receiver) -> None:
        for connection, error in receiver.collect():
            connection.state = BODY
            if error is None:
                self._watch(connection, selectors.EVENT_READ)
                self._finish(connection)
            elif isinstance(error, OSError):
                self._fail(connection, error)
            else:
                raise error

    def _finish(self, connection: Connection) -> bool:
        asked, answer = connection.asked, connection.answer
        assert asked is not None
        assert answer is not None
        if connection.chunks is not None:
            body = connection.chunks.body()
            length = len(body)
            self._held += length
            taken_whole = True
        else:
            length = answer.length or 0
            taken_whole = connection.filled == length
            if connection.state == SMALL_BODY:
                body = b"".join(connection.pieces)
            else:
                own = connection.room if asked.into is None else None
                body = filled(connection.body, own) if isinstance(own, memoryview) else b""
        self._done.append((asked.tag, Answer(answer.status, answer.fields, body, length)))
        self._widen()
        connection.forget()
        connection.served += 1
        if connection.served == 1 and connection.sock is not None:
            self._wire.remember(connection.sock)
        if not taken_whole or answer.fields.get("connection", "keep-alive").lower() != "keep-alive":
            self._drop(connection)
            return True
        connection.state = IDLE
        if self._queue and self._busy <= self._limit:
            self._send(connection)
        else:
            self._idle.append(connection)
        return True

    def _widen(self) -> None:
        if self._limit == self._most:
            return
        self._answers += 1
        if self._answers >= self._limit:
            self._limit += 1
            self._answers = 0

    def _fail(self, connection: Connection, error: Exception) -> None:
        asked, opening = connection.asked, connection.state in (CONNECTING, SHAKING)
        silent = connection.state in (SENDING, HEAD) and not connection.early
        answer, chunks = connection.answer, connection.chunks
        body, room, received = connection.body, connection.room, connection.filled
        if connection.state == SMALL_BODY and answer is not None:
            body, room = fresh_bytes(answer.length or 0)
            put(room, 0, b"".join(connection.pieces))
        self._drop(connection)
        if opening:
            self._opening -= 1
            self._give_up(error)
        elif asked is not None and silent and connection.served and not asked.again:
            # It was dead before we asked, and so may be the other idle ones. A GET may be asked twice.
            asked.again = True
            self._wire.close()
            for idle in self._idle[:]:
                self._drop(idle)
            self._queue.appendleft(asked)
        elif asked is not None and answer is not None and chunks is None:
            self._done.append((asked.tag, Broken(_said(error), answer.status, answer.fields, body, room, received)))
        elif asked is not None:
            self._done.append((asked.tag, Broken(_said(error))))

    def _drop(self, connection: Connection) -> None:
        self._watch(connection, 0)
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._parked:
            self._parked.remove(connection)
        connection.close()

    def _time_out(self, now: float) -> None:
        for connection in list(self._open):
            if connection.state in (IDLE, PARKED):
                continue
            opening = connection.state in (CONNECTING, SHAKING)
            limit = self._wire.connect_timeout if opening else self._wire.read_timeout
            if now - connection.since > limit and connection.state == GIVEN:
                # It is the other thread's: the socket's end is what it will see, and give back.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection.sock or connection.raw, socket.SHUT_RDWR)
            elif now - connection.since > limit:
                self._fail(connection, TimeoutError(f"no byte for {limit:g} s"))


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"

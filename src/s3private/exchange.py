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
from s3private.sockets import LEAST
from s3private.wire import SOCKETS, Address, Answer, Broken, Get, Wire

LONGEST_HEAD = 65536
_RECORD = 1 << 14
"""The most that one TLS record holds, and so one call receives. https://www.rfc-editor.org/rfc/rfc8446#section-5.1"""
_LONGEST_LIST = 32 << 20
"""Bytes of a list, and of anything in chunks, which only lists come in: a thousand keys, each byte of them encoded,
are a tenth of it."""
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
    lists: what is asked for are lists, and not objects: counted as such, and none is longer than lists are.
    Without a wire every outcome is Broken, at once: the caller's way through boto3, `ask_boto3`, is then the only one.
    """

    _left = True
    """There is nothing to leave: not made yet, or closed."""

    def __init__(
        self, wire: Wire | None, *, sockets: int = SOCKETS, memory: int | None = None, lists: bool = False
    ) -> None:
        self._lean = wire
        self._lists = lists
        # Counted here, and handed on together: a number of its own for each answer would be a lock for each.
        self._own = self._bytes = 0
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
            if connection.state == IDLE:
                connection.watched = 0
                self._wire.give(connection)
            else:
                connection.close()
        self._selector.close()
        self._count()
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

    def ask(self, tag: Any, get: Get, into: Place | None = None, most: int | None = None) -> None:
        """Ask `get`; its outcome comes out of `answered` with `tag`. into: see Place; None: bytes of its own.

        most: bytes that the body can have, where that is known: for more no memory is taken.
        """
        self._here.check()
        if self._lean is None:
            self._done.append((tag, Broken("everything goes through boto3")))
        else:
            self._queue.append(Asked(tag, get, into, _LONGEST_LIST if self._lists else most))

    def ask_boto3(self, tag: Any, call: Callable[[], Any], uri: str, outcome: Outcome, why: str = "") -> None:
        """Run `call`, which asks boto3 for what `outcome` did not bring, in a thread beside the sockets.

        Its Future, done, comes out of `answered` with `tag`. uri: of what is asked for, to be named. why: what is wrong
        with an Answer: its kind, and after a colon what was seen.
        """
        self._here.check()
        if self._lean is not None and isinstance(outcome, Answer):
            # It was counted as one of ours.
            self._own -= 1
            self._bytes -= outcome.length
            self._lean.counters.asked_again(uri, why, outcome.fields.get("x-amz-request-id", ""))
        elif self._lean is not None and isinstance(outcome, Broken):
            self._lean.counters.asked_again(uri, outcome.reason, outcome.request_id)
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
                connection.mark += now - self._busy_since
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
        self._count()
        done, self._done = self._done, []
        return done

    def _count(self) -> None:
        if self._lean is not None and (self._own or self._bytes):
            own, length, self._own, self._bytes = self._own, self._bytes, 0, 0
            if self._lists:
                self._lean.counters.add(lists=own, bytes=length)
            else:
                self._lean.counters.add(objects=own, bytes=length)

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
            address = None
            try:
                address = self._wire.address()
                connection = Connection(self._wire.open(address), self._now(), address)
            except OSError as error:
                self._give_up(error, address)
                return True
            self._open.add(connection)
            self._opening += 1
            self._watch(connection, selectors.EVENT_WRITE)
        return True

    def _give_up(self, error: Exception, address: Address | None) -> None:
        """One could not be opened: try the host's other addresses; then make do with those that are open.

        With none, nothing more is asked here.
        """
        if address is not None and self._wire.failed(address):
            return
        self._limit = self._most = max(1, len(self._open))
        if not self._open:
            reason = f"cannot connect: {type(error).__name__}: {error}"
            self._done += [(asked.tag, Broken(reason)) for asked in self._queue]
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
            connection.begin(connection.since)
        assert connection.sock is not None
        connection.sock.do_handshake()
        self._opening -= 1
        self._wire.reached(connection.address)
        self._wire.counters.add(opened=1)
        connection.state = IDLE
        self._watch(connection, selectors.EVENT_READ)
        if self._queue and self._busy <= self._limit:
            self._send(connection)
        else:
            self._idle.append(connection)

    def _send(self, connection: Connection) -> None:
        if not connection.quiet():
            # What came before anything was asked would be taken for the answer.
            self._drop(connection)
            return
        asked = self._queue.popleft()
        signed = self._wire.signed(asked.get)
        if signed is None:
            self._done.append((asked.tag, Broken("no credentials to sign with")))
            self._idle.append(connection)
            return
        connection.asked = asked
        connection.unsent = signed
        connection.state = SENDING
        connection.begin(self._now())
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
                raise ConnectionError("the connection was closed")
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
        connection.answer = head
        asked = connection.asked
        assert asked is not None
        self._understand(head, asked.ranged)
        connection.begin(connection.since)
        if head.length is None:
            if asked.into is not None:
                raise BadAnswer("a body of unknown length")
            connection.chunks = Chunks(min(asked.most or _LONGEST_LIST, _LONGEST_LIST))
            connection.state = CHUNKS
            return bool(early) and connection.chunks.feed(early) and self._finish(connection)
        if asked.most is not None and head.length > asked.most:
            raise BadAnswer(f"a longer body than asked for: {head.length} bytes, not {asked.most}")
        if asked.into is None and not self._room(connection):
            connection.state = PARKED
            self._parked.append(connection)
            self._watch(connection, 0)
            return True
        return self._body(connection, head.length)

    def _understand(self, head: Head, ranged: bool) -> None:
        if head.status in (400, 401, 403):
            self._wire.forget_keys()
        if head.status == 503:
            self._wire.counters.add(slow_down=1)
            # As TCP does with its window: half as many at once, and one more for each round that goes well.
            self._limit = min(self._most, max(4, self._limit // 2))
            self._answers = 0
        if head.status not in (200, 206):
            raise BadAnswer(f"status {head.status}")
        if head.status != (206 if ranged else 200):
            raise BadAnswer("a range for the whole" if head.status == 206 else "the whole for a range")
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
            connection.begin(self._now())
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
            try:
                connection.body, connection.room = fresh_bytes(length)
            except MemoryError:
                raise BadAnswer(f"no memory for the body: {length} bytes") from None
        elif callable(asked.into):
            # Only the room from now on: who receives it is not to hold whoever asked.
            asked.into = connection.room = asked.into(length, answer.fields)
        else:
            if len(asked.into) != length:
                raise BadAnswer(f"another length than asked for: {length} bytes, not {len(asked.into)}")
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
                try:
                    self._finish(connection)
                except BadAnswer as unusual:
                    self._fail(connection, unusual)
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
            if taken_whole and connection.sock is not None and connection.sock.pending():
                # Where its head ended is not certain, then: none of it is gone on with.
                connection.answer = None
                self._held -= length if asked.into is None else 0
                raise BadAnswer("more came than the body")
            if connection.state == SMALL_BODY:
                body = b"".join(connection.pieces)
            else:
                own = connection.room if asked.into is None else None
                body = filled(connection.body, own) if isinstance(own, memoryview) else b""
        self._own += 1
        self._bytes += length
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
        answer, chunks = connection.answer, connection.chunks
        silent = connection.state in (SENDING, HEAD) and answer is None and not connection.early
        body, room, received = connection.body, connection.room, connection.filled
        if connection.state == SMALL_BODY and answer is not None:
            body, room = fresh_bytes(answer.length or 0)
            put(room, 0, b"".join(connection.pieces))
        self._drop(connection)
        if opening:
            self._opening -= 1
            self._give_up(error, connection.address)
        elif asked is not None and silent and connection.served and not asked.again:
            # It was dead before we asked, and so may be the other idle ones. A GET may be asked twice.
            asked.again = True
            self._wire.counters.add(dead=1)
            self._wire.close()
            for idle in self._idle[:]:
                self._drop(idle)
            self._queue.appendleft(asked)
        elif asked is not None:
            request_id = answer.fields.get("x-amz-request-id", "") if answer is not None else ""
            broken = Broken(_said(error), request_id=request_id)
            if answer is not None and answer.status in (200, 206) and chunks is None:
                broken = broken._replace(
                    status=answer.status, fields=answer.fields, body=body, room=room, received=received
                )
            self._done.append((asked.tag, broken))

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
            late = ""
            if now - connection.since > limit:
                late = f"no byte for {limit:g} s"
            elif now - connection.mark > limit:
                # What comes, byte by byte, must come to something.
                came = connection.came
                if connection.state < CHUNKS:
                    late = f"not connected within {limit:g} s" if opening else f"no whole head within {limit:g} s"
                elif came - connection.marked < LEAST:
                    late = f"{came - connection.marked} bytes within {limit:g} s"
                connection.mark, connection.marked = now, came
            if late and connection.state == GIVEN:
                # It is the other thread's: the socket's end is what it will see, and give back.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(connection.sock or connection.raw, socket.SHUT_RDWR)
            elif late:
                self._fail(connection, TimeoutError(late))


def _said(error: Exception) -> str:
    """Why an answer broke off: the kind, and after a colon what was seen."""
    if isinstance(error, BadAnswer):
        return str(error)
    kind = "too slow" if isinstance(error, TimeoutError) else "connection broke off"
    return f"{kind}: {type(error).__name__}: {error}"

"""Our own transport answers what it wholly understands, and nothing else."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext, suppress
from typing import Any

import boto3
import pytest

from origin.server import Fault, Origin
from s3private import connect
from s3private.client import wire_of
from s3private.connection import Connection
from s3private.exchange import Exchange
from s3private.places import Unwritable
from s3private.receiver import Receiver
from s3private.wire import Answer, Broken, Get, Wire, object_get
from unit.interrupts import press_while_in


def get(wire: Wire, asked: Get) -> Answer | Broken:
    return get_many(wire, [asked], 1)[0]


def get_many(wire: Wire, gets: Iterable[Get], sockets: int) -> list[Answer | Broken]:
    """The outcomes, in the order of `gets`; as many are asked for at once as there are sockets."""
    waiting = enumerate(gets)
    outcomes: dict[int, Any] = {}
    with Exchange(wire, sockets=sockets) as exchange:
        for number, each in waiting:
            exchange.ask(number, each)
            if len(exchange) == sockets:
                outcomes.update(exchange.answered())
        while len(exchange):
            outcomes.update(exchange.answered())
    return [outcomes[number] for number in sorted(outcomes)]


def session() -> boto3.Session:
    return boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")


@pytest.fixture
def wire(origin: Origin, request: pytest.FixtureRequest) -> Wire:
    stalls = "stall" in request.node.name
    found = wire_of(connect(origin.route(), session=session(), read_timeout=0.5 if stalls else 20))
    assert found is not None
    return found


@pytest.mark.parametrize("size", [0, 1, 2, 5, 16_000, 16_384, 100_000, 3_000_000])
def test_a_body_arrives_whole_whatever_its_size(origin: Origin, wire: Wire, size: int) -> None:
    body = random.Random(size).randbytes(size)
    origin.put("b", "k", body)
    answer = get(wire, object_get("b", "k"))
    assert isinstance(answer, Answer)
    assert (answer.status, answer.length, answer.body) == (200, size, body)


def test_requests_one_after_the_other_share_a_connection(origin: Origin, wire: Wire) -> None:
    origin.put("b", "k", b"x")
    for _ in range(5):
        assert isinstance(get(wire, object_get("b", "k")), Answer)
    assert {request.connection for request in origin.requests} == {0}


def test_many_are_answered_each_with_its_own_body(origin: Origin, wire: Wire) -> None:
    bodies = {f"k{number}": random.Random(number).randbytes(number * 37) for number in range(300)}
    for key, body in bodies.items():
        origin.put("b", key, body)
    found: dict[Any, bytes] = {}
    for key, outcome in zip(bodies, get_many(wire, (object_get("b", key) for key in bodies), 8), strict=True):
        assert isinstance(outcome, Answer)
        found[key] = outcome.body
    assert found == bodies
    assert len({request.connection for request in origin.requests}) <= 8


@pytest.mark.parametrize("kind", ["slow down", "truncate", "cut", "reset", "stall", "head"])
def test_a_broken_answer_is_broken_and_says_why(origin: Origin, wire: Wire, kind: str) -> None:
    origin.put("b", "k", b"x" * 50_000)
    origin.fault = lambda request: Fault(kind, 20_000)
    broken = get(wire, object_get("b", "k"))
    assert isinstance(broken, Broken)
    assert broken.reason
    if kind in ("truncate", "cut", "stall"):
        assert (broken.status, broken.received, broken.body[:20_000]) == (200, 20_000, b"x" * 20_000)


def test_after_slow_down_there_are_fewer_sockets_and_then_more_again(origin: Origin, wire: Wire) -> None:
    origin.put("b", "k", b"x")
    # The server's latency, well above what a busy machine adds: where there is none, one socket is enough.
    origin.before = lambda request: time.sleep(0.02)  # the latency is what is emulated; nothing is waited for
    origin.fault = lambda request: Fault("slow down") if 40 <= request.number < 60 else None
    outcomes = get_many(wire, [object_get("b", "k")] * 600, 16)
    assert sum(isinstance(outcome, Broken) for outcome in outcomes) == 20

    def sockets(first: int, last: int) -> int:
        return len({request.connection for request in origin.requests[first:last]})

    assert sockets(10, 40) > 8
    assert sockets(70, 80) < 8
    assert sockets(500, 600) > 12


def test_what_is_not_found_is_for_boto3_to_say(wire: Wire) -> None:
    assert get(wire, object_get("b", "none")) == Broken("status 404", request_id="0A1B2C3D")


def test_connections_after_the_first_resume_its_tls_session(origin: Origin, wire: Wire) -> None:
    origin.put("b", "k", b"x")
    for _ in range(3):
        assert isinstance(get(wire, object_get("b", "k")), Answer)
        wire.close()
    assert origin.resumed == [False, True, True]


def test_long_bodies_are_received_by_two_threads_each_whole(
    origin: Origin, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []
    give = Receiver.give

    def count(receiver: Receiver, connection: Connection) -> None:
        given.append(connection)
        give(receiver, connection)

    monkeypatch.setattr(Receiver, "give", count)
    bodies = {f"k{number}": random.Random(number).randbytes(6_000_000 + number) for number in range(6)}
    for key, body in bodies.items():
        origin.put("b", key, body)
    for _ in range(20):
        found = {
            key: outcome.body
            for key, outcome in zip(bodies, get_many(wire, (object_get("b", key) for key in bodies), 6), strict=True)
            if isinstance(outcome, Answer)
        }
        assert found == bodies
        if given:
            break
    assert given


@pytest.mark.parametrize("kind", ["truncate", "cut", "reset", "stall"])
def test_a_long_body_that_breaks_off_in_the_second_thread_is_broken(origin: Origin, wire: Wire, kind: str) -> None:
    for number in range(4):
        origin.put("b", f"k{number}", bytes(6_000_000))
    origin.fault = lambda request: Fault(kind, 5_000_000)
    outcomes = get_many(wire, [object_get("b", f"k{n}") for n in range(4)], 4)
    assert len(outcomes) == 4
    assert all(isinstance(each, Broken) and each.received <= 5_000_000 for each in outcomes)


def test_what_waits_for_memory_does_not_keep_out_what_must_come_first(origin: Origin, wire: Wire) -> None:
    """The only socket is parked with a body that has no room, and the one that makes room is still to be asked for."""
    size = 1 << 20
    for key in ("held", "parked", "first"):
        origin.put("b", key, bytes(size))
    outcomes: list[str] = []

    def read() -> None:
        with Exchange(wire, sockets=1, memory=1) as exchange:
            exchange.ask("held", object_get("b", "held"))
            outcomes.extend(tag for tag, _ in exchange.answered())
            exchange.ask("parked", object_get("b", "parked"))
            exchange.send()
            exchange.ask("first", object_get("b", "first"))
            exchange.first = "first"
            outcomes.extend(tag for tag, _ in exchange.answered())

    # A thread of its own, left behind where it waits for ever.
    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(20)
    assert outcomes == ["held", "first"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", [Unwritable(OSError("full")), ZeroDivisionError()], ids=["full", "a mistake"])
@pytest.mark.parametrize("in_main", [True, False], ids=["this thread", "the second"])
def test_what_a_sink_raises_ends_it_and_nobody_waits(
    origin: Origin, wire: Wire, error: Exception, in_main: bool
) -> None:
    size = 8 << 20
    origin.put("b", "k", bytes(size))
    # All bodies have begun before one goes on: else one thread might have received them all.
    origin.fault = lambda request: Fault("hold", 1 << 16)

    class Failing:
        def __len__(self) -> int:
            return size

        def write(self, at: int, piece: memoryview) -> None:
            main = threading.current_thread() is threading.main_thread()
            if not main:
                origin.let_go.set()
            if at >= size // 4 and main == in_main:
                raise error

    with Exchange(wire, sockets=4) as exchange:
        for number in range(4):
            exchange.ask(number, object_get("b", "k"), Failing())
        with pytest.raises((type(error), RuntimeError)):
            all(exchange.answered() for _ in range(4))


class Left(Exception):
    """The reader has had enough."""


class LeftBehind:
    """A Sink: the second thread is in the middle of a write to it when the reader leaves, and stays for a while."""

    def __init__(self, origin: Origin, meanwhile: Callable[[], object]) -> None:
        self._origin = origin
        self._meanwhile = meanwhile
        self.written: list[int] = []

    def __len__(self) -> int:
        return 8 << 20

    def write(self, at: int, piece: memoryview) -> None:
        if threading.current_thread() is threading.main_thread():
            if self._origin.let_go.is_set():
                raise Left
        else:
            self._origin.let_go.set()
            self._meanwhile()
            self.written.append(at)


def until_left(origin: Origin, exchange: Exchange, sink: LeftBehind) -> None:
    origin.put("b", "k", bytes(len(sink)))
    # All bodies have begun before one goes on.
    origin.fault = lambda request: Fault("hold", 1 << 16)
    for number in range(4):
        exchange.ask(number, object_get("b", "k"), sink)
    with suppress(Left):
        while exchange.answered():
            pass


def receivers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "s3private-receive"]


@pytest.mark.parametrize("presses", [0, 1, 3])
def test_who_leaves_leaves_no_thread_behind_that_receives_however_often_ctrl_c_is_pressed(
    origin: Origin, wire: Wire, presses: int
) -> None:
    """Its sockets are closed after it: else their numbers are others' by then."""
    left = threading.Event()

    sink = LeftBehind(origin, lambda: press_while_in(Receiver.close, presses, left))
    with pytest.raises(KeyboardInterrupt) if presses else nullcontext(), Exchange(wire, sockets=4) as exchange:
        until_left(origin, exchange, sink)
    written = sink.written[:]
    left.set()
    for each in receivers():
        each.join(30)
    assert len(written) == len(sink.written) == 1


def test_the_collector_may_end_a_reading_in_the_thread_that_receives_for_it(origin: Origin, wire: Wire) -> None:
    """That thread cannot wait for itself; it writes nothing more, and ends."""
    exchange, forgotten, ended = Exchange(wire, sockets=4), threading.Event(), threading.Event()

    def meanwhile() -> None:
        forgotten.wait(30)
        exchange.__exit__(None, None, None)
        ended.set()

    sink = LeftBehind(origin, meanwhile)
    until_left(origin, exchange, sink)
    forgotten.set()
    for each in receivers():
        each.join(30)
        assert not each.is_alive()
    assert ended.is_set()
    assert len(sink.written) == 1
    assert isinstance(get(wire, object_get("b", "none")), Broken)

"""Readings that are stopped, fail or are replaced at a random moment, while boto3's answers are held back.

A program: `python -X dev -m unit.late_threads DIRECTORY FIRST COUNT` runs the cases of COUNT seeds, and ends with 1 and
the seed of the first in which a byte was written to what is another's, or is not what was said of it.
"""

from __future__ import annotations

import functools
import gc
import os
import random
import signal
import sys
import threading
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import boto3

from origin.authority import Authority
from origin.server import Fault, Origin, Request, crc32
from s3private import (
    S3PrivateError,
    asking,
    connect,
    download,
    download_prefix,
    downloading,
    exchange,
    fresh,
    open_object,
    read_object,
    read_objects,
    reading,
    stream_object,
)
from s3private.parts import parts

KIB = 1 << 10
PART = 64 * KIB
OBJECTS = 4
CANARIES = 6
"""Of each length that was received into."""
HELD = 0.25
"""Seconds after which what is held comes, where nobody has gone."""
OURS = str(Path(reading.__file__).parent)


class Stop(Exception):
    """The reader's own mistake."""


class Case:
    """One draw: what is stored, what is read, what goes wrong, and when it is stopped."""

    def __init__(self, seed: int, origin: Origin, directory: Path) -> None:
        self.chance = random.Random(seed)
        self._origin = origin
        self._directory = directory / str(seed)
        self._directory.mkdir()
        self._versions: dict[str, list[bytes]] = {}
        self._handed: list[tuple[bytes, bytes]] = []
        self._origin.objects.clear()
        self._origin.let_go.clear()
        for number in range(OBJECTS):
            size = self.chance.choice([0, 1, self.chance.randrange(40 * KIB), self.chance.randrange(400 * KIB)])
            self._store(f"p/k{number}", size)
        self._going_wrong = self.chance.choice([0.0, 0.2, 0.5, 1.0])
        self._held = self.chance.choice([0.3, 1.0])
        self._replaced = self.chance.randrange(20)
        self._first = len(origin.requests)
        self.read = self.chance.choice(
            [self._object, self._objects, self._stream, self._file, self._download, self._download_prefix]
        )
        self.stop = self.chance.choice([self._signal, self._signal, self._trace, self._trace, self._leave, self._fail])
        self._stop_at = 0
        self.ended = "whole"

    def _store(self, key: str, size: int) -> None:
        body = self.chance.randbytes(size)
        self._versions.setdefault(key, []).append(body)
        self._origin.put("b", key, body, **crc32(body))

    # What goes wrong at the server

    def _before(self, request: Request) -> None:
        with self._origin.lock:
            if request.number - self._first == self._replaced:
                self._store(self.chance.choice(list(self._versions)), self.chance.randrange(200 * KIB))

    def _fault(self, request: Request) -> Fault | None:
        chance = random.Random(f"{self._first} {request.number} {self._held}")
        at = chance.choice([0, chance.randrange(PART), chance.randrange(200 * KIB)])
        if not request.key or request.method == "HEAD":
            return None
        if request.by_boto3:
            return Fault("hold", at) if chance.random() < self._held else None
        if chance.random() < self._going_wrong:
            return Fault(chance.choice(["slow down", "slow down", "cut", "truncate", "reset", "head"]), at)
        return None

    # When it is stopped

    def _signal(self, s3: Any) -> None:
        """Ctrl-C, once or twice."""
        over, main = threading.Event(), threading.main_thread().ident or 0
        waits = [self.chance.random() ** 3 * 0.2] + [self.chance.random() * 0.002] * self.chance.randrange(2)

        def press() -> None:
            for wait in waits:
                if not over.wait(wait):
                    signal.pthread_kill(main, signal.SIGINT)

        presses = threading.Thread(target=press)
        presses.start()
        try:
            self._consume(s3)
        finally:
            for _ in waits:
                with suppress(KeyboardInterrupt):
                    over.set()
                    presses.join()

    def _trace(self, s3: Any) -> None:
        """Ctrl-C at one of the lines, or byte codes, that the reader's thread comes to."""
        left = int(10 ** (self.chance.random() * 4))
        opcodes = self.chance.random() < 0.5

        def trace(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal left
            if not frame.f_code.co_filename.startswith(OURS):
                return None
            frame.f_trace_opcodes = opcodes
            left -= 1
            if not left:
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            self._consume(s3)
        finally:
            sys.settrace(None)

    def _leave(self, s3: Any) -> None:
        """The reader takes no more, and closes, or the collector does: in a thread of its own."""
        self._stop_at = self.chance.randrange(1, 6)
        reading = self.read(s3)
        for _ in range(self._stop_at):
            if next(reading, None) is None:
                break
        if self.chance.random() < 0.5:
            reading.close()
            return
        cycle: list[Any] = [reading]
        cycle.append(cycle)
        del reading, cycle
        collects = threading.Thread(target=gc.collect)
        collects.start()
        collects.join()

    def _fail(self, s3: Any) -> None:
        """The reader has a mistake of its own; or one of the objects cannot be read."""
        if self.chance.random() < 0.5:
            del self._origin.objects["b", self._key(), None]
            self._consume(s3)
            return
        self._stop_at = self.chance.randrange(1, 6)
        self._consume(s3)

    def _consume(self, s3: Any) -> None:
        for number, _ in enumerate(self.read(s3)):
            if number == self._stop_at - 1:
                raise Stop

    # What is read: each yields now and then

    def _key(self) -> str:
        return self.chance.choice(list(self._versions))

    def _hand(self, body: bytes) -> None:
        """It is the reader's now, and never changes again."""
        self._handed.append((body, bytes(bytearray(body))))

    def _object(self, s3: Any) -> Generator[None]:
        key = self._key()
        read = read_object(s3, f"s3://b/{key}", ahead=self.chance.choice([1, 4, 16]))
        self._hand(read.body)
        assert read.body in self._versions[key]
        assert read.verified == "CRC32"
        yield

    def _objects(self, s3: Any) -> Generator[None]:
        uris = [f"s3://b/{key}" for key in self._versions]
        for read in read_objects(s3, uris, ordered=self.chance.random() < 0.5, memory=self.chance.choice([1, 1 << 28])):
            self._hand(read.body)
            assert read.body in self._versions[read.key]
            assert read.verified == "CRC32"
            yield

    def _stream(self, s3: Any) -> Generator[None]:
        key, part = self._key(), self.chance.randrange(20 * KIB, 200 * KIB)
        pieces = []
        stream = stream_object(s3, f"s3://b/{key}", part=part)
        for piece in stream:
            self._hand(piece)
            pieces.append(piece)
            yield
        assert b"".join(pieces) in self._versions[key]
        assert stream.verified == "CRC32"

    def _file(self, s3: Any) -> Generator[None]:
        key = self._key()
        with open_object(s3, f"s3://b/{key}", block=16 * KIB, ahead=self.chance.choice([0, 128 * KIB])) as file:
            pieces = []
            while piece := file.read(30 * KIB):
                self._hand(piece)
                pieces.append(piece)
                yield
            assert b"".join(pieces) in self._versions[key]
            assert file.verified == ("CRC32" if pieces else None)

    def _download(self, s3: Any) -> Generator[None]:
        key, file = self._key(), self._directory / "file"
        done = download(s3, f"s3://b/{key}", file, ahead=self.chance.choice([1, 8]), on_bytes=self._told())
        assert done.verified == "CRC32"
        assert file.read_bytes() in self._versions[key]
        yield

    def _download_prefix(self, s3: Any) -> Generator[None]:
        done = download_prefix(s3, "s3://b/p/", self._directory / "all", on_bytes=self._told())
        assert OBJECTS - 1 <= done.files <= OBJECTS
        yield

    def _told(self) -> Callable[[int], None]:
        left = self._stop_at

        def told(count: int) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Stop

        return told

    # What must hold

    def run(self, s3: Any) -> None:
        """Raises AssertionError where a byte is wrong."""
        self._origin.before, self._origin.fault = self._before, self._fault
        LENGTHS.clear()
        late = threading.Timer(HELD, self._origin.let_go.set)
        late.start()
        try:
            self.stop(s3)
        except (KeyboardInterrupt, Stop, S3PrivateError) as error:
            self.ended = "failed" if isinstance(error, S3PrivateError) else "stopped"
        finally:
            late.cancel()
            late.join()
        self._others_take_their_place()
        for handed, copy in self._handed:
            assert handed == copy, "immutable bytes changed in the reader's hand"
        for file in (each for each in self._directory.rglob("*") if each.is_file() and not each.name.startswith(".")):
            keys = [f"p/{file.name}"] if file.parent.name == "all" else list(self._versions)
            versions = [version for key in keys for version in self._versions[key]]
            assert file.read_bytes() in versions, f"{file.name} is none of what was stored"
        self._again(s3)

    def _others_take_their_place(self) -> None:
        memory = [bytes(length) for length in LENGTHS if length > 1 for _ in range(CANARIES)]
        with ExitStack() as stack:
            paths = [self._directory / f".other{number}" for number in range(20)]
            files = [stack.enter_context(path.open("w+b")) for path in paths]
            for file in files:
                file.write(b"another's")
                file.flush()
            self._origin.let_go.set()
            # Where leaving was interrupted before it had begun, the collector leaves.
            gc.collect()
            for each in threading.enumerate():
                if each.name.startswith("s3private-"):
                    each.join(20)
                    assert not each.is_alive(), f"{each.name} is still there"
            assert {path.read_bytes() for path in paths} == {b"another's"}, "another's file was written to"
            assert not any(map(any_byte, memory)), "another's memory was written to"

    def _again(self, s3: Any) -> None:
        """The next one reads what is there now, whatever the first has left behind."""
        self._origin.before = self._origin.fault = lambda request: None
        for key, versions in self._versions.items():
            if ("b", key, None) in self._origin.objects:
                done = download(s3, f"s3://b/{key}", self._directory / "file")
                assert done.path.read_bytes() == versions[-1]
                assert done.verified == "CRC32"


def any_byte(body: bytes) -> bool:
    return zlib.crc32(body) != zlib.crc32(bytes(len(body)))


LENGTHS: set[int] = set()
"""Of what was received into memory."""


def small() -> None:
    """Everything in parts, in pieces, and by the second thread, though the objects are small."""
    made = fresh.fresh_bytes

    def noted(length: int) -> tuple[bytes, memoryview]:
        LENGTHS.add(length)
        return made(length)

    for module in (asking, exchange, reading):
        vars(module)["fresh_bytes"] = noted
    vars(reading).update(PART=PART, parts=functools.partial(parts, part=PART))
    vars(downloading).update(PART=PART, SMALL=2 * PART)
    vars(exchange)["_LONG"] = 16 * KIB
    vars(asking)["_PIECE"] = 8 * KIB


def main() -> None:
    directory, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    small()
    authority = Authority(directory)
    os.environ["AWS_CA_BUNDLE"] = str(authority.file)
    stopped: dict[str, int] = {}
    with Origin(authority).serving() as origin:
        session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
        clients: list[Any] = [
            connect(origin.route(), session=session, read_timeout=5, lean=lean) for lean in (True, True, True, False)
        ]
        for seed in range(first, first + count):
            case = Case(seed, origin, directory)
            try:
                case.run(clients[seed % 4])
            except BaseException:
                print(f"seed {seed}: {case.read.__name__}, {case.stop.__name__}", file=sys.stderr)
                raise
            what = f"{case.read.__name__} {case.ended}"
            stopped[what] = stopped.get(what, 0) + 1
    print(" ".join(f"{what}: {count}," for what, count in sorted(stopped.items())))


if __name__ == "__main__":
    main()

"""At any moment of anything a process may fork, and its child has the client: right bytes, or one clear error.

A moment is its seed: it is printed, and S3PRIVATE_FORK_SEED=<seed> tries that one alone. `make test-forks` tries 200.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from forked import fork
from origin.lists import Lists
from origin.server import crc32
from s3private import (
    Refused,
    connect,
    download,
    list_objects,
    open_object,
    read_object,
    read_objects,
    read_ranges,
    stream_object,
)
from unit.bucket import Bucket

pytestmark = [
    # Python warns of every fork of a process with threads: that is what is tried here.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
    pytest.mark.timeout(1800),
]

MOMENTS = int(os.environ.get("S3PRIVATE_FORK_MOMENTS", "4"))
ONE = os.environ.get("S3PRIVATE_FORK_SEED")
SMALL = {f"p/{number:03}": f"<{number}>".encode() * (number + 1) for number in range(24)}
LARGE = random.Random(1).randbytes(3 << 20)
PIECE = 1 << 18


@pytest.fixture
def lists(authority: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    # So that a small machine, too, has several parts and a second thread that receives them.
    monkeypatch.setattr("s3private.exchange._LONG", 1 << 16)
    monkeypatch.setattr("s3private.parts.PART", PIECE)
    monkeypatch.setattr("s3private.reading.PART", PIECE)
    made = Lists(authority, Bucket([*SMALL, "large"]))
    for key, body in SMALL.items():
        made.put("b", key, body, **crc32(body))
    made.put("b", "large", LARGE, **crc32(LARGE))
    with made.serving():
        yield made


class Calls:
    """All that a client can be asked, each call held against what is stored. Raises AssertionError."""

    def __init__(self, s3: Any, directory: Path) -> None:
        self._s3 = s3
        self._directory = directory
        self.all: list[Callable[[random.Random], None]] = [
            self.lists,
            self.reads,
            self.reads_many,
            self.streams,
            self.opens,
            self.ranges,
            self.downloads,
            self.boto3,
        ]

    def lists(self, chance: random.Random) -> None:
        found = list_objects(
            self._s3, "s3://b/p/", page_size=chance.choice([3, 7, 1000]), at_once=chance.choice([1, 4])
        )
        assert [entry.key for entry in found] == list(SMALL)

    def reads(self, chance: random.Random) -> None:
        key = chance.choice(list(SMALL))
        assert read_object(self._s3, f"s3://b/{key}").body == SMALL[key]
        assert read_object(self._s3, "s3://b/large").body == LARGE

    def reads_many(self, chance: random.Random) -> None:
        keys = chance.sample(list(SMALL), 12)
        found = read_objects(self._s3, [f"s3://b/{key}" for key in keys], workers=chance.choice([1, 5]))
        assert [(each.key, each.body) for each in found] == [(key, SMALL[key]) for key in keys]

    def streams(self, chance: random.Random) -> None:
        assert b"".join(stream_object(self._s3, "s3://b/large", part=PIECE, ahead=chance.choice([1, 4]))) == LARGE

    def opens(self, chance: random.Random) -> None:
        with open_object(self._s3, "s3://b/large", block=1 << 16, ahead=1 << 19) as file:
            assert b"".join(iter(lambda: file.read(PIECE), b"")) == LARGE

    def ranges(self, chance: random.Random) -> None:
        ranges = [(chance.randrange(len(LARGE) - 1), chance.randrange(1, PIECE)) for _ in range(6)]
        found = read_ranges(self._s3, "s3://b/large", ranges)
        assert found == [LARGE[start : start + length] for start, length in ranges]

    def downloads(self, chance: random.Random) -> None:
        file = self._directory / f"{os.getpid()}-{threading.get_ident()}"
        download(self._s3, "s3://b/large", file)
        assert file.read_bytes() == LARGE

    def boto3(self, chance: random.Random) -> None:
        key = chance.choice(list(SMALL))
        assert self._s3.head_object(Bucket="b", Key=key)["ContentLength"] == len(SMALL[key])
        assert self._s3.get_object(Bucket="b", Key=key)["Body"].read() == SMALL[key]


class UnderWay:
    """What the forking thread itself has begun, and how it is to end."""

    def __init__(self, s3: Any) -> None:
        self.file = open_object(s3, "s3://b/large", block=1 << 16, ahead=1 << 19)
        self.first = self.file.read(PIECE)
        self._begun: list[tuple[Iterator[Any], list[Any], list[Any]]] = []
        for make in (
            lambda: iter(list_objects(s3, "s3://b/p/", page_size=3, at_once=2)),
            lambda: read_objects(s3, [f"s3://b/{key}" for key in SMALL], workers=3),
            lambda: stream_object(s3, "s3://b/large", part=PIECE),
        ):
            begun: Any = make()
            self._begun.append((begun, [next(begun)], list(make())))

    def goes_on(self, *, in_parent: bool) -> None:
        assert self.first + self.file.read() == LARGE
        for begun, came, expected in self._begun:
            try:
                came += begun
            except Refused:
                assert not in_parent
                assert came == expected[: len(came)]
            else:
                assert came == expected


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_a_child_of_any_moment_reads_right_and_the_parent_goes_on(lists: Lists, tmp_path: Path, lean: bool) -> None:
    first = random.randrange(2**32)
    seeds = [int(ONE)] if ONE else range(first, first + MOMENTS // 2)
    print(f"seeds {first} to {first + MOMENTS // 2 - 1}")
    s3 = connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "token"), lean=lean)
    calls = Calls(s3, tmp_path)
    over = threading.Event()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        chance = random.Random(number)
        while not over.is_set():
            # Some begin with threads of their own, and end with them.
            with _Kept(failed):
                chance.choice(calls.all)(chance)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for seed in seeds:
            try:
                _moment(s3, calls, random.Random(seed), over)
            except BaseException:
                print("seed", seed)
                raise
            assert not failed, (seed, failed)
    finally:
        over.set()
        for thread in threads:
            thread.join(60)
    assert not failed


def _moment(s3: Any, calls: Calls, chance: random.Random, over: threading.Event) -> None:
    under_way = UnderWay(s3) if chance.random() < 0.5 else None
    over.wait(chance.random() / 20)
    asked = chance.sample(calls.all, 4)
    generations = chance.choice([1, 1, 2])
    seed = chance.random()

    def child(generation: int = 1) -> None:
        if generation < generations:
            fork(lambda: child(generation + 1)).came()
        if under_way is not None:
            under_way.goes_on(in_parent=False)
        for call in asked:
            call(random.Random(seed))

    children = [fork(child) for _ in range(chance.choice([1, 2]))]
    if under_way is not None:
        under_way.goes_on(in_parent=True)
    for each in children:
        each.came()


class _Kept:
    """What is raised within is kept, for the thread that looks."""

    def __init__(self, failed: list[BaseException]) -> None:
        self._failed = failed

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is not None:
            self._failed.append(error)
        return True

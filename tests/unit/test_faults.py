"""Whatever breaks on the way: every byte is right, or there is one clear error. `make test-faults` runs 1,000 cases.

A case is its seed: it is printed, and S3PRIVATE_FAULT_SEED=<seed> runs that one alone.
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

from origin.proxy import Break, FaultProxy
from origin.server import Fault, Origin, Request
from s3private import S3PrivateError, connect, download, read_object, read_objects, read_ranges, stream_object
from s3private.client import wire_of

CASES = int(os.environ.get("S3PRIVATE_FAULT_CASES", "60"))
ONE = os.environ.get("S3PRIVATE_FAULT_SEED")
OBJECTS = 6
KIB = 1 << 10


class Case:
    """One draw: what is stored, what is done, what goes wrong."""

    def __init__(self, seed: int, origin: Origin, proxy: FaultProxy, directory: Path) -> None:
        self.chance = random.Random(seed)
        self._origin = origin
        self._directory = directory
        self.versions: dict[str, list[bytes]] = {}
        for number in range(OBJECTS):
            size = self.chance.choice([0, 1, self.chance.randrange(40 * KIB), self.chance.randrange(600 * KIB)])
            self._store(f"k{number}", self.chance.randbytes(size))
        origin.before = origin.fault = lambda request: None
        proxy.plan = lambda number: None
        origin.tokens = None
        self.breaks = self.chance.choice(
            [self._break_tcp, self._break_tls, self._fault, self._fault, self._replace, self._expire, self._nothing]
        )
        self.breaks(proxy)

    def _store(self, key: str, body: bytes) -> None:
        self.versions.setdefault(key, []).append(body)
        self._origin.put("b", key, body)

    # What goes wrong

    def _nothing(self, proxy: FaultProxy) -> None:
        """The control: with nothing wrong, nothing may fail."""

    def _break_tcp(self, proxy: FaultProxy) -> None:
        """Some of the connections end at a byte of the stream, the handshake's among them."""
        kind = self.chance.choice(["reset", "close", "close", "stall"])
        plans = {proxy.connections + n: Break(kind, self.chance.randrange(1, 300 * KIB)) for n in self._some()}
        proxy.plan = plans.get

    def _break_tls(self, proxy: FaultProxy) -> None:
        """Always at the same byte: no connection comes further than that."""
        at = self.chance.randrange(2 * KIB, 40 * KIB)
        kind = self.chance.choice(["reset", "close"])
        proxy.plan = lambda number: Break(kind, at)

    def _fault(self, proxy: FaultProxy) -> None:
        kinds = ["truncate", "truncate", "cut", "reset", "stall", "slow down", "head"]
        begin = len(self._origin.requests)
        faults = {begin + n: Fault(self.chance.choice(kinds), self.chance.randrange(200 * KIB)) for n in self._some()}
        self._origin.fault = lambda request: faults.get(request.number)

    def _replace(self, proxy: FaultProxy) -> None:
        at, lock = len(self._origin.requests) + self.chance.randrange(5), threading.Lock()
        body = self.chance.randbytes(self.chance.randrange(1, 600 * KIB))

        def replace(request: Request) -> None:
            with lock:
                if request.number == at and request.key:
                    self._store(request.key, body)

        self._origin.before = replace

    def _expire(self, proxy: FaultProxy) -> None:
        """They are not refreshed here, so that what is asked for afterwards fails: but as one clear error."""
        at = len(self._origin.requests) + self.chance.randrange(6)

        def expire(request: Request) -> None:
            if request.number == at:
                self._origin.tokens = {"new"}

        self._origin.before = expire

    def _some(self) -> list[int]:
        return [number for number in range(8) if self.chance.random() < 0.4]

    # What is done

    def run(self, s3: Any) -> None:
        """Raises AssertionError where a byte is wrong."""
        done: Callable[[Any], None] = self.chance.choice(
            [self._many, self._many, self._one, self._stream, self._ranges, self._download]
        )
        failed: S3PrivateError | None = None
        try:
            done(s3)
        except S3PrivateError as error:
            failed = error
        if failed is not None:
            assert "s3://b/k" in str(failed)
            assert self.breaks != self._nothing, failed

    def _key(self) -> str:
        return self.chance.choice(list(self.versions))

    def _many(self, s3: Any) -> None:
        keys = list(self.versions)
        found = {each.key: each.body for each in read_objects(s3, [f"s3://b/{key}" for key in keys], ordered=False)}
        assert set(found) == set(keys)
        assert all(found[key] in self.versions[key] for key in keys)

    def _one(self, s3: Any) -> None:
        key = self._key()
        assert read_object(s3, f"s3://b/{key}").body in self.versions[key]

    def _stream(self, s3: Any) -> None:
        key = self._key()
        whole = b"".join(stream_object(s3, f"s3://b/{key}", part=self.chance.randrange(20 * KIB, 200 * KIB)))
        assert whole in self.versions[key]

    def _ranges(self, s3: Any) -> None:
        key = max(self.versions, key=lambda each: len(self.versions[each][0]))
        size = max(2, len(self.versions[key][0]))
        ranges = [(self.chance.randrange(size - 1), self.chance.randrange(1, 30 * KIB)) for _ in range(12)]
        found = read_ranges(s3, f"s3://b/{key}", ranges)
        assert any(found == [body[a : a + n] for a, n in ranges] for body in self.versions[key])

    def _download(self, s3: Any) -> None:
        key, file = self._key(), self._directory / "file"
        file.unlink(missing_ok=True)
        try:
            download(s3, f"s3://b/{key}", file)
        except S3PrivateError:
            assert not file.exists()
            raise
        assert file.read_bytes() in self.versions[key]


@pytest.fixture
def proxy(origin: Origin) -> Iterator[FaultProxy]:
    with FaultProxy(origin.port).passing() as proxy:
        yield proxy


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_every_byte_is_right_or_there_is_one_clear_error(
    origin: Origin, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lean: bool
) -> None:
    # So that bodies of the size that is drawn here are received by the second thread too.
    monkeypatch.setattr("s3private.exchange._LONG", 64 * KIB)
    # boto3 alone waits for a second or so before each retry of its own.
    cases = CASES if lean else CASES // 10
    first = random.randrange(2**32)
    seeds = [int(ONE)] if ONE else range(first, first + cases)
    print(f"seeds {first} to {first + cases - 1}")
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "token")
    s3: Any = connect(origin.route(proxy.port), session=session, read_timeout=0.6, lean=lean)
    for seed in seeds:
        case = Case(seed, origin, proxy, tmp_path)
        try:
            case.run(s3)
        except BaseException:
            print("seed", seed)
            raise
        # The next begins with new connections, which the proxy can break.
        s3.close()
        if (wire := wire_of(s3)) is not None:
            wire.close()

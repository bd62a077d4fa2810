"""The work: what is asked, of which port, and how the answer is compared with what the server holds."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from bench.serving import same_as_stored

BUCKET = "bench"
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


class Wrong(Exception):
    """The client's answer is not what the server holds."""


@dataclass(frozen=True)
class Workload:
    """name: as in the table. port: the server's latency. bucket: what is listed, or BUCKET.
    method: of a client, asked with `asked`; a client without it has `instead`, or sits this out.
    check: raises Wrong. It is given the client's answer, the block, and the file's name where one was written.
    goal: the most that s3private may take, in times of the best peer. against_boto3: how many times faster than boto3
    in threads (in a loop where threads are no use) it should be."""

    name: str
    title: str
    port: str
    method: str
    asked: tuple[Any, ...]
    check: Callable[[Any, bytes, str], None]
    bucket: str = BUCKET
    instead: str = ""
    goal: float | None = None
    against_boto3: float | None = None

    def ask(self, client: Any, file: str) -> Any:
        method = getattr(client, self.method, None) or getattr(client, self.instead)
        return method(*self.asked, file) if self.method == "to_file" else method(*self.asked)

    def suits(self, client: Any) -> bool:
        return hasattr(client, self.method) or (bool(self.instead) and hasattr(client, self.instead))


def _whole(name: str, size: int, method: str = "whole") -> Workload:
    key = f"one/{size}.bin"

    def check(answer: Any, block: bytes, file: str) -> None:
        if method == "to_file":
            with open(file, "rb") as stored:
                answer = stored.read()
        if len(answer) != size or not same_as_stored(answer, key, block):
            raise Wrong(f"{key}: other bytes than were stored")

    where = "to memory" if method == "whole" else "to a file"
    return Workload(name, f"one object of {_bytes(size)} {where}", "0ms", method, (key, size), check)


def _many(name: str, count: int, size: int, port: str) -> Workload:
    keys = [f"many/{number:06d}-{size}.bin" for number in range(count)]

    def check(answer: Any, block: bytes, file: str) -> None:
        if len(answer) != count:
            raise Wrong(f"{len(answer)} objects of {count}")
        for key, body in zip(keys, answer, strict=True):
            if len(body) != size or not same_as_stored(body, key, block):
                raise Wrong(f"{key}: other bytes than were stored")

    return Workload(name, f"{count:,} objects of {_bytes(size)}", port, "many", (keys, size), check)


def _ranges(name: str, count: int, length: int, port: str) -> Workload:
    size = 1 * GIB
    key = f"one/{size}.bin"
    chance = random.Random(count)
    starts = [chance.randrange(size - length) for _ in range(count)]
    wanted = [(first, first + length) for first in starts]

    def check(answer: Any, block: bytes, file: str) -> None:
        if len(answer) != count:
            raise Wrong(f"{len(answer)} ranges of {count}")
        for (first, _), body in zip(wanted, answer, strict=True):
            if len(body) != length or not same_as_stored(body, key, block, first):
                raise Wrong(f"{key} from {first}: other bytes than were stored")

    title = f"{count:,} random ranges of {_bytes(length)} of one object"
    return Workload(name, title, port, "ranges", (key, wanted), check)


def keys_of(bucket: str) -> Iterable[str]:
    """What the server lists in a bucket of this name, in S3's order."""
    shape, count, *prefixes = bucket.split("-")
    if shape == "flat":
        return (f"flat/part-{number:09d}-16384.bin" for number in range(int(count)))
    each = -(-int(count) // int(prefixes[0]))
    return (f"tree/day={n // each:04d}/part-{n % each:09d}-16384.bin" for n in range(int(count)))


def _listing(name: str, bucket: str, port: str) -> Workload:
    shape, count, *prefixes = bucket.split("-")

    def check(answer: Any, block: bytes, file: str) -> None:
        found = [key for each in answer for key in ([each] if isinstance(each, str) else each["path"].to_pylist())]
        if len(found) != int(count):
            raise Wrong(f"{len(found)} keys of {count}")
        if _digest(sorted(found)) != _digest(keys_of(bucket)):
            raise Wrong("other keys than are there")

    title = f"list {int(count):,} keys under " + (f"{prefixes[0]} prefixes" if prefixes else "one flat prefix")
    if shape == "flat":
        return Workload(name, title, port, "list_keys", ("flat/",), check, bucket)
    return Workload(name, title, port, "list_tree", ("tree/",), check, bucket, instead="list_keys")


def _digest(keys: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for key in keys:
        digest.update(key.encode() + b"\n")
    return digest.hexdigest()


def _bytes(count: int) -> str:
    for unit, size in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if count >= size:
            return f"{count / size:g} {unit}"
    return f"{count} bytes"


_GOALS = {
    "a": (1.0, 2),
    "a, file": (1.0, 2),
    "b": (1.1, 1.5),
    "b, 10 ms": (1.1, 1.5),
    "c": (0.6, 25),
    "c, 10 ms": (1.0, 6),
    "d": (0.35, 35),
    "d, 20 ms": (0.35, 12),
    "e": (0.9, 35),
    "e, 20 ms": (0.9, 35),
    "f": (0.8, 10),
    "f, 10 ms": (0.95, 10),
}


def full() -> list[Workload]:
    """The work of which the goals speak."""
    return _with_goals(
        _whole("a", GIB),
        _whole("a, file", GIB, "to_file"),
        _many("b", 64, 16 * MIB, "0ms"),
        _many("b, 10 ms", 64, 16 * MIB, "10ms"),
        _many("c", 5000, 16 * KIB, "0ms"),
        _many("c, 10 ms", 5000, 16 * KIB, "10ms"),
        _listing("d", "flat-200000", "0ms"),
        _listing("d, 20 ms", "flat-200000", "20ms"),
        _listing("e", "tree-200000-200", "0ms"),
        _listing("e, 20 ms", "tree-200000-200", "20ms"),
        _ranges("f", 2000, 64 * KIB, "0ms"),
        _ranges("f, 10 ms", 2000, 64 * KIB, "10ms"),
    )


def quick() -> list[Workload]:
    """The same at a quarter of the size: what it costs to begin weighs more here."""
    return _with_goals(
        _whole("a", GIB // 4),
        _many("b", 16, 16 * MIB, "0ms"),
        _many("c", 1250, 16 * KIB, "0ms"),
        _many("c, 10 ms", 1250, 16 * KIB, "10ms"),
        _listing("d", "flat-50000", "0ms"),
        _listing("d, 20 ms", "flat-50000", "20ms"),
        _listing("e, 20 ms", "tree-50000-50", "20ms"),
        _ranges("f", 500, 64 * KIB, "0ms"),
        _ranges("f, 10 ms", 500, 64 * KIB, "10ms"),
    )


def _with_goals(*all_of_them: Workload) -> list[Workload]:
    return [replace(each, goal=_GOALS[each.name][0], against_boto3=_GOALS[each.name][1]) for each in all_of_them]

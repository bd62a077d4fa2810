"""`make bench-memory`: listings of 1,000,000 keys and reads of 10 GiB, each in a fresh process, against their bounds.

The bound of each is the formula of its docstring. Every byte and every key is compared with what the server holds.
The peaks go to docs/performance.md. Ends with 1 when one was over its bound.
"""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import report
from bench.__main__ import environment
from bench.serving import WORK, Place, block, same_as_stored, serving
from bench.workloads import GIB, MIB, keys_of

KEYS = 1_000_000
SIZE = 10 * GIB
FLAT, TREE = f"flat-{KEYS}", f"tree-{KEYS}-200"


@dataclass(frozen=True)
class Case:
    """call: as it is made. bound: MiB above what the process had, by the docstring of what is called."""

    call: str
    bound: float
    why: str


_LISTING = 30
CASES = {
    "list flat": Case(f"list_objects of {KEYS:,} keys under one flat prefix", _LISTING, "the goal: 30 MiB"),
    "list tree": Case(f"list_objects of {KEYS:,} keys under 200 prefixes", _LISTING, "the goal: 30 MiB"),
    "list unordered": Case(f"list_objects of {KEYS:,} keys, ordered=False", _LISTING, "the goal: 30 MiB"),
    "stream": Case("stream_object of 10 GiB", 64, "(ahead + 1) * part = 40 MiB; the goal: 64 MiB"),
    "open": Case("open_object of 10 GiB, read(1 MiB) to its end", 48, "cache + 3 * ahead + two reads = 42 MiB"),
    "download": Case("download of 1 GiB", 4, "two pieces of 1 MiB; threads and sockets: 2"),
    "many": Case(
        "read_objects of 640 objects of 16 MiB, memory=64 MiB",
        120,
        "memory + the largest + two freed ones that the C library keeps = 112 MiB; sockets and comparing: 8",
    ),
}


def _compare(key: str, pieces: Iterable[bytes], size: int, stored: bytes) -> None:
    seen = 0
    for piece in pieces:
        if not same_as_stored(piece, key, stored, seen):
            sys.exit(f"{key}: other bytes from {seen} on")
        seen += len(piece)
    if seen != size:
        sys.exit(f"{key}: {seen} bytes of {size}")


def _once(case: str, place: Place) -> None:
    from bench.once import forget_peak, keys_are_given, memory

    keys_are_given()
    from bench.peers.private import Client
    from s3private import download, list_objects, open_object, read_objects, stream_object

    bucket = {"list flat": FLAT, "list tree": TREE, "list unordered": FLAT}.get(case, "bench")
    s3 = Client(place, bucket).s3
    stored = block()
    key = f"one/{SIZE}.bin"
    forget_peak()
    before, peak = memory("VmRSS"), 0
    if case in ("list flat", "list tree"):
        for entry, key in zip(list_objects(s3, f"s3://{bucket}/"), keys_of(bucket), strict=True):
            if entry.key != key:
                sys.exit(f"{entry.key} came, {key} was expected")
    elif case == "list unordered":
        # A sum over the keys: a set of them would be what is measured.
        total = sum(hash(entry.key) for entry in list_objects(s3, f"s3://{bucket}/", ordered=False))
        if total != sum(hash(key) for key in keys_of(bucket)):
            sys.exit("other keys than are there")
    elif case == "stream":
        _compare(key, stream_object(s3, f"s3://bench/{key}"), SIZE, stored)
    elif case == "open":
        with open_object(s3, f"s3://bench/{key}") as file:
            _compare(key, iter(lambda: file.read(MIB), b""), SIZE, stored)
    elif case == "download":
        key = f"one/{GIB}.bin"
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            path = download(s3, f"s3://bench/{key}", folder).path
            peak = memory("VmHWM")
            with path.open("rb") as file:
                _compare(key, iter(lambda: file.read(MIB), b""), GIB, stored)
    else:
        keys = [f"many/{number:06d}-{16 * MIB}.bin" for number in range(SIZE // (16 * MIB))]
        reading = read_objects(s3, [f"s3://bench/{key}" for key in keys], memory=64 * MIB)
        for key, read in zip(keys, reading, strict=True):
            if len(read.body) != 16 * MIB or not same_as_stored(read.body, key, stored):
                sys.exit(f"{key}: other bytes than were stored")
    print(json.dumps(((peak or memory("VmHWM")) - before) / 1024))
    sys.stdout.flush()


def main() -> int:
    if len(sys.argv) == 4:
        _once(sys.argv[1], Place(url=sys.argv[2], ca=sys.argv[3]))
        return 0
    rows, over = [], False
    with serving(["0ms"]) as (place,):
        for name, case in CASES.items():
            command = [str(WORK / "peers/bin/python"), "-m", "bench.memory", name, place.url, place.ca]
            done = subprocess.run(command, env=environment(), stdout=subprocess.PIPE, text=True)
            peak: Any = json.loads(done.stdout) if done.returncode == 0 else None
            over = over or peak is None or peak > case.bound
            verdict = "wrong" if peak is None else "within" if peak <= case.bound else "**over**"
            figure = "—" if peak is None else f"{peak:.0f}"
            rows.append(f"| {case.call} | {figure} | {case.bound:.0f} | {case.why} | {verdict} |")
            print(rows[-1], file=sys.stderr, flush=True)
    text = "\n".join(
        [
            f"Measured on {datetime.date.today():%Y-%m-%d}: {report.machine()}. Every byte and key was compared.",
            "",
            "| | peak MiB | bound | | |",
            "|---|--:|--:|---|---|",
            *rows,
        ]
    )
    report.write(text + "\n", report.MEMORY)
    return int(over)


if __name__ == "__main__":
    sys.exit(main())

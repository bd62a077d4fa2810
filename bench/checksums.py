"""`make bench-checksums`: what the stored checksums cost: each alone on buffers, and in readings, in fresh processes.

Alone: processor time, the least of many. In readings: medians of runs that take turns, the clock as in `bench.once`.
The figures go to docs/performance.md. Every CRC is compared with awscrt's, every body with what the server holds.
"""

from __future__ import annotations

import datetime
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from typing import Any

from bench import report
from bench.__main__ import environment
from bench.serving import WORK, Place, block, same_as_stored, serving
from bench.workloads import GIB, MIB

SIZES = {"16 KiB": 16 << 10, "64 KiB": 64 << 10, "1 MiB": MIB, "8 MiB": 8 * MIB, "1 GiB": GIB}
ENDINGS = {
    "none": "none",
    "CRC32": "bin",
    "CRC32C, numpy": "iscsi",
    "CRC64NVME, numpy": "nvme",
    "CRC64NVME, awscrt": "nvme",
}
READINGS = {"one of 1 GiB": (1, GIB), "64 of 16 MiB": (64, 16 * MIB), "5,000 of 16 KiB": (5_000, 16 << 10)}
RUNS = 5
SECONDS = 1.0
"""For each algorithm on each size; three runs at least."""


def _without_awscrt() -> None:
    """As on serverless compute, for this process."""
    modules: dict[str, Any] = sys.modules
    modules["awscrt.checksums"] = None


def _gigabytes_a_second(compute: Any, piece: memoryview) -> float:
    least, until, runs = float("inf"), time.monotonic() + SECONDS, 0
    while runs < 3 or time.monotonic() < until:
        began = time.process_time()
        compute(piece, 0)
        least, runs = min(least, time.process_time() - began), runs + 1
    return len(piece) / least / 1e9


def _alone() -> None:
    import zlib

    from awscrt import checksums as crt

    _without_awscrt()
    from s3private.checksums import stored_checksum

    def ours(name: str) -> Any:
        found = stored_checksum({f"x-amz-checksum-{name.lower()}": "unknown"})
        return found.step if found is not None else None

    whole = memoryview(block() * (GIB // len(block()) + 1))
    print("| GB/s | " + " | ".join(SIZES) + " |\n|---|" + "--:|" * len(SIZES))
    rows = [
        ("CRC64NVME, numpy", ours("CRC64NVME"), crt.crc64nvme),
        ("CRC32C, numpy", ours("CRC32C"), crt.crc32c),
        ("CRC64NVME, awscrt", crt.crc64nvme, None),
        ("CRC32C, awscrt", crt.crc32c, None),
        ("CRC32, zlib", zlib.crc32, None),
    ]
    for label, compute, right in rows:
        cells = []
        for size in SIZES.values():
            piece = whole[:size]
            if right is not None and compute(piece, 0) != right(piece, 0):
                sys.exit(f"{label}: another CRC than awscrt's of {size} bytes")
            cells.append(f"{_gigabytes_a_second(compute, piece):.2f}")
        print(f"| {label} | " + " | ".join(cells) + " |", flush=True)


def _once(reading: str, checksum: str, place: Place) -> None:
    import os

    from bench.once import keys_are_given

    keys_are_given()
    from bench.peers.private import Client
    from s3private import read_object, read_objects

    s3 = Client(place, "bench").s3
    if checksum.endswith("numpy"):
        # Only now: botocore is not made for half an awscrt.
        _without_awscrt()
    count, size = READINGS[reading]
    keys = [f"sums/{number}-{size}.{ENDINGS[checksum]}" for number in range(count)]
    uris = [f"s3://bench/{key}" for key in keys]
    # The server computes what it stores when it is first asked, and the tables are made once in a process.
    read_object(s3, uris[0])
    used, began = os.times(), time.perf_counter()
    found = [read_object(s3, uris[0])] if count == 1 else list(read_objects(s3, uris))
    seconds, after = time.perf_counter() - began, os.times()
    expected = None if checksum == "none" else checksum.partition(",")[0]
    stored = block()
    for key, each in zip(keys, found, strict=True):
        if each.verified != expected or len(each.body) != size or not same_as_stored(each.body, key, stored):
            sys.exit(f"{key}: other bytes, or verified with {each.verified} instead of {expected}")
    print(json.dumps({"seconds": seconds, "cpu_seconds": sum(after[:4]) - sum(used[:4])}))


def _readings() -> str:
    runs: dict[tuple[str, str], list[dict[str, float]]] = defaultdict(list)
    with serving(["0ms"]) as (place,):
        for turn in range(RUNS + 1):
            for reading in READINGS:
                for checksum in ENDINGS:
                    done = _child("once", reading, checksum, place.url, place.ca)
                    if turn:  # in the first the server computes its checksums
                        runs[reading, checksum].append(json.loads(done))
            print(f"turn {turn} of {RUNS}", file=sys.stderr, flush=True)
    lines = [
        "| seconds, of the processor's | " + " | ".join(ENDINGS) + " |",
        "|---|" + "--:|" * len(ENDINGS),
    ]
    for reading in READINGS:
        cells = []
        for checksum in ENDINGS:
            wall, used = (
                statistics.median(run[figure] for run in runs[reading, checksum])
                for figure in ("seconds", "cpu_seconds")
            )
            cells.append(f"{wall:.2f}, {used:.2f}")
        lines.append(f"| {reading} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _child(*arguments: str) -> str:
    python = WORK / "peers/bin/python"
    done = subprocess.run(
        [str(python), "-m", "bench.checksums", *arguments], env=environment(), stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout


def main() -> None:
    match sys.argv[1:]:
        case ["alone"]:
            _alone()
        case ["once", reading, checksum, url, ca]:
            _once(reading, checksum, Place(url, ca))
        case _:
            alone = _child("alone")
            text = (
                f"Measured on {datetime.date.today()}: {report.machine()}.\n\n"
                f"One processor, without reading:\n\n{alone}\n"
                f"Readings over loopback and TLS, the clock's seconds and the processors':\n\n{_readings()}\n"
            )
            print(text)
            report.write(text, report.CHECKSUMS)


if __name__ == "__main__":
    main()

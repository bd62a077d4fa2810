"""`make bench`: every client on every workload, each run in a fresh process, the clients taking turns.

The medians go to docs/performance.md, between its two marks; `--quick` prints them only. Ends with 1 when an answer of
s3private was wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

from bench import report, workloads
from bench.clients import BEFORE, CONTENDERS, before
from bench.serving import WORK, Place, serving

RUN_SECONDS = 300.0
SLOW_SECONDS = {"full": 10.0, "quick": 3.0}
"""A client that needs longer runs once: it is no match, and five runs of it would be most of the time."""

Runs = dict[str, dict[str, list[dict[str, Any]]]]  # by workload, by client


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONPATH": str(WORK.parent),
    }


def _run(client: str, scale: str, number: int, place: Place) -> dict[str, Any]:
    python = WORK / CONTENDERS[client].environment / "bin/python"
    asked = "s3private" if client == BEFORE else client
    command = [str(python), "-m", "bench.once", asked, scale, str(number), place.url, place.ca]
    try:
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=RUN_SECONDS)
        found: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return {"wrong": f"took more than {RUN_SECONDS:.0f} s"}
    except ValueError:
        print(f"{client}:\n{done.stderr[-2000:]}", file=sys.stderr)
        return {"wrong": done.stderr.strip().rpartition("\n")[2]}
    return found


def _make_lists(places: dict[str, Place], buckets: set[str]) -> None:
    """The server makes its keys when they are first asked for: not in anybody's time."""
    context = ssl.create_default_context(cafile=places["0ms"].ca)
    for bucket in buckets:
        asked = urllib.request.Request(
            f"{places['0ms'].url}/{bucket}?list-type=2&max-keys=1",
            headers={"Authorization": "AWS4-HMAC-SHA256 Credential=bench"},
        )
        urllib.request.urlopen(asked, context=context, timeout=60).close()


def measure(names: list[str], only: list[str], scale: str, runs: int) -> Runs:
    results: Runs = defaultdict(lambda: defaultdict(list))
    chosen = workloads.quick() if scale == "quick" else workloads.full()
    ports = sorted({each.port for each in chosen})
    with serving(ports) as opened:
        places = dict(zip(ports, opened, strict=True))
        _make_lists(places, {each.bucket for each in chosen})
        for number, workload in enumerate(chosen):
            if only and workload.name.partition(",")[0] not in only and workload.name not in only:
                continue
            taking_part = [name for name in names if workload.name[0] in CONTENDERS[name].work]
            for turn in range(runs):
                shift = turn % max(1, len(taking_part))
                for client in taking_part[shift:] + taking_part[:shift]:
                    found = _run(client, scale, number, places[workload.port])
                    if "absent" in found:
                        taking_part.remove(client)
                        continue
                    results[workload.name][client].append(found)
                    if found.get("seconds", RUN_SECONDS) >= SLOW_SECONDS[scale] and client != "s3private":
                        taking_part.remove(client)
            print(report.line(workload, results[workload.name]), file=sys.stderr, flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a quarter of the work, fewer clients, nothing written")
    parser.add_argument("--runs", type=int, help="of each client on each workload (default 5; quick: 3)")
    parser.add_argument("--only", default="", metavar="a,b", help="these workloads: letters, or names as in the table")
    parser.add_argument("--clients", default="", metavar="NAME,NAME", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument(
        "--beside", metavar="DIR", help="another checkout with a .bench: its s3private takes part, nothing is written"
    )
    arguments = parser.parse_args()
    names = [name for name in arguments.clients.split(",") if name] or [
        name for name, each in CONTENDERS.items() if each.quick or not arguments.quick
    ]
    if arguments.beside:
        other = Path(arguments.beside).resolve() / ".bench/peers"
        if not (other / "bin/python").exists():
            parser.error(f"--beside: no environment in {other}: run `make bench-quick` there first")
        CONTENDERS[BEFORE] = before(str(other))
        names.append(BEFORE)
    if unknown := sorted(set(names) - set(CONTENDERS)):
        parser.error(f"no such client: {unknown[0]}")
    only = [name.strip() for name in arguments.only.split("/" if "/" in arguments.only else ",") if name.strip()]
    began = time.monotonic()
    scale = "quick" if arguments.quick else "full"
    results = measure(names, only, scale, arguments.runs or (3 if arguments.quick else 5))
    chosen = workloads.quick() if arguments.quick else workloads.full()
    text = report.document(chosen, results, time.monotonic() - began, SLOW_SECONDS[scale])
    print(text)
    if not (arguments.quick or only or arguments.clients or arguments.beside):
        report.write(text, report.TIMES)
    return int(any("wrong" in run for each in results.values() for run in each.get("s3private", [])))


if __name__ == "__main__":
    sys.exit(main())

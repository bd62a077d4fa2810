"""What was measured, as Markdown: medians beside the goals, and the machine they were measured on."""

from __future__ import annotations

import datetime
import platform
import ssl
import statistics
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from version import content_version

from bench.clients import BEFORE, CONTENDERS
from bench.serving import HERE, WORK
from bench.workloads import Workload

DOCUMENT = HERE.parent / "docs/performance.md"
TIMES = "make bench"
MEMORY = "make bench-memory"
CHECKSUMS = "make bench-checksums"

Row = Mapping[str, list[dict[str, Any]]]  # runs by client
OURS, CEILING = "s3private", "raw"


def median(runs: list[dict[str, Any]], figure: str = "seconds") -> float | None:
    """None when a run was wrong, or there was none: a client that is wrong once has no time."""
    if not runs or any("wrong" in run for run in runs):
        return None
    return float(statistics.median(run[figure] for run in runs))


def best_peer(row: Row) -> float | None:
    peers = [client for client in row if not client.startswith(OURS) and client not in (CEILING, BEFORE)]
    found = [median(row[client]) for client in peers]
    return min((seconds for seconds in found if seconds is not None), default=None)


def ours(row: Row) -> float | None:
    """s3private's median, of the shape of answer that is faster where there are two (rows and Arrow)."""
    found = [median(runs) for client, runs in row.items() if client.startswith(OURS)]
    return min((seconds for seconds in found if seconds is not None), default=None)


def boto3(row: Row) -> float | None:
    threads = median(row.get("boto3-threads", []))
    return threads if threads is not None else median(row.get("boto3-loop", []))


def ratio(row: Row) -> float | None:
    own, best = ours(row), best_peer(row)
    return own / best if own is not None and best is not None else None


def times_faster(row: Row) -> float | None:
    own, plain = ours(row), boto3(row)
    return plain / own if own is not None and plain is not None else None


def of_before(row: Row) -> float | None:
    """The median of s3private's rows in times of what another checkout's needs."""
    own, other = median(row.get(OURS, [])), median(row.get(BEFORE, []))
    return own / other if own is not None and other is not None else None


def _seconds(seconds: float | None) -> str:
    return "wrong" if seconds is None else f"{seconds:.2f}"


def line(workload: Workload, row: Row) -> str:
    """One workload as it is finished, for the terminal."""
    cells = [f"{client} {_seconds(median(runs))}" for client, runs in row.items()]
    found = ratio(row)
    against = "" if found is None else f"  ({found:.2f} of the best peer, goal {workload.goal})"
    if (changed := of_before(row)) is not None:
        against += f"  ({changed:.2f} of before)"
    return f"{workload.name:10}" + " · ".join(cells) + against


def document(chosen: list[Workload], results: Mapping[str, Row], took: float, slow: float) -> str:
    measured = [each for each in chosen if each.name in results]
    clients = [client for client in CONTENDERS if any(client in results[each.name] for each in measured)]
    counted = max((len(runs) for row in results.values() for runs in row.values()), default=0)
    out = [
        f"Measured on {datetime.date.today():%Y-%m-%d} in {took / 60:.0f} minutes: {machine()}.",
        f"Loopback, TLS, every run in a fresh process, the clients taking turns; medians of {counted} runs, of one for "
        f"a client that took more than {slow:.0f} s. Every answer was compared with what the server holds, byte by "
        "byte and key by key.",
        "Versions: " + "; ".join(versions(clients)) + ".",
        "",
        "Seconds, lower is better; —: the client has no such call.",
        "",
    ]
    heads = [CONTENDERS[client].title for client in clients]
    out.append("| | work | first byte after | " + " | ".join(heads) + " |")
    out.append("|---|---|--:|" + "--:|" * len(clients))
    for each in measured:
        row = results[each.name]
        cells = [_seconds(median(row[client])) if client in row else "—" for client in clients]
        out.append(f"| {each.name.partition(',')[0]} | {each.title} | {each.port} | " + " | ".join(cells) + " |")
    out += ["", "s3private beside its goals:", ""]
    out.append("| | of the best peer | goal | | faster than boto3 | goal | |")
    out.append("|---|--:|--:|---|--:|--:|---|")
    for each in measured:
        row = results[each.name]
        out.append(
            f"| {each.name} | "
            + _beside(ratio(row), each.goal, False)
            + _beside(times_faster(row), each.against_boto3, True)
        )
    out += ["", "Seconds of processor time that the client took, child processes counted:", ""]
    out += _table(measured, results, clients, "cpu_seconds", "{:.2f}")
    out += ["", "Memory at its most above what it was when the work began, MiB, child processes not counted:", ""]
    out += _table(measured, results, clients, "peak_mib", "{:.0f}")
    return "\n".join(out) + "\n"


def _table(
    measured: list[Workload], results: Mapping[str, Row], clients: list[str], figure: str, form: str
) -> list[str]:
    out = ["| | " + " | ".join(CONTENDERS[client].title for client in clients) + " |", "|---|" + "--:|" * len(clients)]
    for each in measured:
        found = [median(results[each.name].get(client, []), figure) for client in clients]
        out.append(f"| {each.name} | " + " | ".join("—" if one is None else form.format(one) for one in found) + " |")
    return out


def _beside(found: float | None, goal: float | None, more_is_better: bool) -> str:
    if found is None or goal is None:
        return "— | | | "
    met = found >= goal if more_is_better else found <= goal
    figures = f"{found:.1f} × | ≥ {goal:g} ×" if more_is_better else f"{found:.2f} | ≤ {goal:g}"
    return f"{figures} | {'met' if met else '**missed**'} | "


def machine() -> str:
    processors = Path("/proc/cpuinfo").read_text()
    models = [text.partition(":")[2].strip() for text in processors.splitlines() if text.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models)} × {model}, {platform.system()} {platform.release().partition('-')[0]}"


def versions(clients: list[str]) -> list[str]:
    """`name version` of what took part, each asked of the environment it ran in."""
    found = [f"Python {platform.python_version()}", ssl.OPENSSL_VERSION]
    asked = sorted({(CONTENDERS[client].environment, CONTENDERS[client].package) for client in clients})
    for environment, package in asked:
        if package == "s3private":
            # It runs from the source as it is now; the metadata are of when it was installed.
            found.append(f"s3private {content_version(WORK.parent)}")
            continue
        said = subprocess.run(
            [
                str(WORK / environment / "bin/python"),
                "-c",
                f"from importlib.metadata import version as v; print(v({package!r}))",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(f"{package} {said.stdout.strip()}")
    return found


def write(text: str, by: str) -> None:
    """Into the document between the marks of `by` (TIMES, MEMORY, CHECKSUMS); what people wrote around them stays."""
    begin, end = f"<!-- measured: written by {by} -->", f"<!-- end of what {by} wrote -->"
    before, _, rest = DOCUMENT.read_text().partition(begin)
    _, _, after = rest.partition(end)
    DOCUMENT.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")

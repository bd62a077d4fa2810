"""One client, one workload, one process: prints a JSON object with the time and the memory, when the answer was right.

The clock runs from the first call to the last byte: importing and making the client are not in it, connecting is.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import workloads
from bench.clients import CONTENDERS
from bench.serving import Place, block


def memory(field: str) -> int:
    """KiB, from the kernel: `VmRSS` now, or `VmHWM` at the most since the peak was last forgotten."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def keys_are_given() -> None:
    """Without keys the clients search for them, at last at the instance's metadata address, which is another machine's.

    Ends the process with 2 where that could happen. `python -m bench` gives keys that only its own server takes.
    """
    missing = [name for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if not os.environ.get(name)]
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
        missing.append("AWS_EC2_METADATA_DISABLED=true")
    if missing:
        print(
            f"bench: not run: {', '.join(missing)} must be set, or a client may ask elsewhere for keys. "
            "`python -m bench` and `python -m bench.serve` say with what",
            file=sys.stderr,
        )
        sys.exit(2)


def main() -> None:
    keys_are_given()
    name, scale, number, url, ca = sys.argv[1:]
    workload = (workloads.quick() if scale == "quick" else workloads.full())[int(number)]
    module: Any = importlib.import_module(CONTENDERS[name].module)
    if not workload.suits(module.Client):
        print(json.dumps({"absent": True}))
        return
    report: dict[str, Any] = {}
    # In memory where that can be had: the clients are compared, not the disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        file = str(Path(folder) / "file")
        client = module.Client(Place(url=url, ca=ca), workload.bucket)
        forget_peak()
        before, used, began = memory("VmRSS"), os.times(), time.perf_counter()
        answer = workload.ask(client, file)
        report["seconds"] = time.perf_counter() - began
        after = os.times()
        report["cpu_seconds"] = sum(after[:4]) - sum(used[:4])
        report["peak_mib"] = (memory("VmHWM") - before) / 1024
        workload.check(answer, block(), file)
    print(json.dumps(report))
    sys.stdout.flush()
    os._exit(0)  # some peers' threads outlive them


if __name__ == "__main__":
    main()

"""`python -m bench.imports`: what the names that a notebook begins with cost beyond boto3, one by one more.

Milliseconds of processor time, the least of several fresh processes; the first compiles. Ends with 1 above the goal.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from bench.__main__ import environment

NAMES = ("connect", "list_objects", "read_objects", "read_parquet", "download")
GOAL = 50.0
RUNS = 15
CODE = """
import time
import boto3
began = time.process_time()
import s3private
{}
print(time.process_time() - began)
"""


def _milliseconds(names: tuple[str, ...], compiled: str) -> float:
    code = CODE.format("\n".join(f"s3private.{name}" for name in names))
    given = environment() | {"PYTHONPYCACHEPREFIX": compiled, "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, env=given, capture_output=True, text=True, check=True) for _ in range(RUNS)]
    return 1000 * min(float(run.stdout) for run in runs)


def main() -> int:
    cost = 0.0
    with tempfile.TemporaryDirectory() as compiled:
        for count in range(len(NAMES) + 1):
            cost = _milliseconds(NAMES[:count], compiled)
            print(f"{cost:6.1f} ms  s3private{''.join(f', {name}' for name in NAMES[:count])}", flush=True)
    print(f"the goal: {GOAL:g} ms")
    return int(cost > GOAL)


if __name__ == "__main__":
    sys.exit(main())

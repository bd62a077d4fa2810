"""No client of the benchmarks can go looking for keys: what is asked without them is not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from bench.clients import CONTENDERS

ROOT = Path(__file__).parents[2]
GIVEN = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_EC2_METADATA_DISABLED": "true"}

# It says so before a client is as much as imported: no peer's package is needed here.
ONCE = ["bench.once", next(iter(CONTENDERS)), "quick", "0", "https://127.0.0.1:1", os.devnull]
MEMORY = ["bench.memory", "stream", "https://127.0.0.1:1", os.devnull]


@pytest.mark.parametrize("command", [ONCE, MEMORY], ids=["once", "memory"])
@pytest.mark.parametrize(
    "absent", [["AWS_ACCESS_KEY_ID"], ["AWS_SECRET_ACCESS_KEY"], ["AWS_EC2_METADATA_DISABLED"], [*GIVEN]]
)
def test_a_client_without_keys_is_not_run(command: list[str], absent: list[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    kept |= {name: value for name, value in GIVEN.items() if name not in absent}
    ended = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=kept, capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert all(name in ended.stderr for name in absent)

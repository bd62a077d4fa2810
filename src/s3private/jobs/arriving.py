"""Whether this run changed what reaches compute late: `provision` writes it beside the Route, and `verify` reads it.

Both are tasks of one run, on computes of their own, and the volume that carries the Route is what they have in common.
A run that changed nothing has nothing to wait for: where it cannot connect, the path is broken.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from s3private.whole_file import write_whole

_ENDING = ".changed"
_LATE_SECONDS = 3600.0
"""Serverless compute takes a new or changed rule after about ten minutes.
https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""
_LONGEST = 1000
_RUN = re.compile(r"[0-9]{1,20}")


def note_change(route: Path, run: str) -> None:
    """`run` changed the path just now. run: the job run's id; where it is none, nothing is written. Raises OSError."""
    if _RUN.fullmatch(run):
        write_whole(_beside(route), json.dumps({"run": run, "changed": time.time()}) + "\n")


def changed_by(run: str, route: Path) -> bool:
    """Whether `run` changed the path within the last hour; not, where the file cannot be read or says anything else."""
    try:
        with _beside(route).open(encoding="utf-8") as file:
            said = json.loads(file.read(_LONGEST))
    except (OSError, ValueError, RecursionError):
        return False
    if not _RUN.fullmatch(run) or not isinstance(said, dict) or said.get("run") != run:
        return False
    changed = said.get("changed")
    return isinstance(changed, float) and abs(time.time() - changed) <= _LATE_SECONDS


def forget_change(route: Path) -> None:
    """With the path its last change is gone. Raises OSError."""
    _beside(route).unlink(missing_ok=True)


def _beside(route: Path) -> Path:
    return route.with_name(route.name + _ENDING)

"""One run at a time writes to one place of results.

The rows are read back from their file for the table, so that two runs with one `output` would give each other's rows. A
volume has no locks: the first run leaves a file beside the rows that says whose they are, and the second stops there.
https://docs.databricks.com/aws/en/volumes/volume-files
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from s3private.errors import Refused
from s3private.whole_file import write_whole

T = TypeVar("T")
LONGEST_RUN_SECONDS = 14_400
"""The jobs' own `timeout_seconds`: a run that began earlier was killed."""
_LONGEST = 1000
_RUN = re.compile(r"[0-9]{1,20}")


class Claim:
    """This run's, on one file of rows."""

    def __init__(self, rows: Path, run: str) -> None:
        self._rows = rows
        self._run = run if _RUN.fullmatch(run) else ""
        self._token = os.urandom(16).hex()
        self.file = rows.with_name(f".{rows.name}.run")

    def take(self) -> None:
        """Raises Refused where another run writes there; OSError."""
        words = json.dumps({"run": self._run, "token": self._token, "since": time.time()}) + "\n"
        self.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.file.open("x", encoding="utf-8") as out:
                out.write(words)
        except FileExistsError:
            if not self._dead(self._said()):
                raise self._others() from None
            write_whole(self.file, words)
        self.check()

    def check(self) -> None:
        """Raises Refused where another run has taken it meanwhile."""
        if self._said().get("token") != self._token:
            raise self._others()

    def let_go(self) -> None:
        if self._said().get("token") == self._token:
            self.file.unlink(missing_ok=True)

    def guarding(self, rows: Iterable[T]) -> Iterator[T]:
        """`rows`, and a look after the last one: before they take the place of what was there."""
        yield from rows
        self.check()

    def _dead(self, said: dict[str, Any]) -> bool:
        """An earlier attempt of this run, or one that began before any run that can still be under way."""
        if self._run and said.get("run") == self._run:
            return True
        since = said.get("since")
        return isinstance(since, float) and time.time() - since > LONGEST_RUN_SECONDS

    def _others(self) -> Refused:
        said = self._said()
        run, since = str(said.get("run", "")), said.get("since")
        whose = f"run {run}" if _RUN.fullmatch(run) else "another run"
        with contextlib.suppress(ValueError, OverflowError, OSError):
            whose += (
                f", since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC" if isinstance(since, float) else ""
            )
        return Refused(
            f"output: {self._rows} is being written by {whose}: give this run another output, or wait; where that run "
            f"was killed, remove {self.file}"
        )

    def _said(self) -> dict[str, Any]:
        try:
            with self.file.open(encoding="utf-8") as file:
                said = json.loads(file.read(_LONGEST))
        except (OSError, ValueError, RecursionError):
            return {}
        return said if isinstance(said, dict) else {}


@contextlib.contextmanager
def claimed(rows: Path, run: str) -> Iterator[Claim]:
    """This run alone writes `rows`, and what goes with it, within the block. run: the job run's id, or empty.

    Raises Refused where another run does, before anything is written; OSError.
    """
    claim = Claim(rows, run)
    claim.take()
    try:
        yield claim
    finally:
        with contextlib.suppress(OSError):
            claim.let_go()

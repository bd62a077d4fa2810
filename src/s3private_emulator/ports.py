"""The ports of an emulator with a state folder: the same at every start, so that exports printed once stay right."""

from __future__ import annotations

import json
from pathlib import Path

FILE = "ports.json"


class Ports:
    """Servers come up in the same order every time: the n-th gets the n-th port that is remembered."""

    def __init__(self, state: Path | None) -> None:
        self._file = state / FILE if state is not None else None
        self._used: list[int] = []
        known = self._file is not None and self._file.exists()
        self._known: list[int] = json.loads(self._file.read_text(encoding="utf-8")) if self._file and known else []

    def next(self) -> int:
        """0: any free one."""
        return self._known[len(self._used)] if len(self._used) < len(self._known) else 0

    def used(self, port: int) -> None:
        self._used.append(port)

    def remember(self) -> None:
        """What was used until now."""
        if self._file is not None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._used), encoding="utf-8")

"""What the workspace knows, as tables of JSON in one file.

The file is written whole and swapped in: a killed emulator leaves the old or the new, never half of one.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

Record = dict[str, Any]
Table = dict[str, Record]

FIRST_ID = 100_000_000_000_001


class Store:
    """`lock` guards everything read or written here, and is held through each request."""

    def __init__(self, file: Path) -> None:
        self.lock = threading.RLock()
        self._file = file
        self._tables: dict[str, Table] = {}
        if file.exists():
            self._tables = json.loads(file.read_text(encoding="utf-8"))

    def table(self, name: str) -> Table:
        """Records by their key; change them in place, then `save`."""
        return self._tables.setdefault(name, {})

    def next_id(self) -> int:
        """Rises, and is never given twice in this store's life."""
        counter = self.table("counter").setdefault("id", {"next": FIRST_ID})
        number = int(counter["next"])
        counter["next"] = number + 1
        return number

    def save(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._tables), encoding="utf-8")
        os.replace(new, self._file)

"""Rows on standard output as they come, as a table, JSON, JSON lines or CSV; and how far it is, on a terminal only."""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from s3private.output import aside

OUTPUTS = ("table", "json", "jsonl", "csv")
_BETWEEN_LOOKS = 0.1


def nice_size(size: float) -> str:
    """`0 B`, `999 B`, `1.5 KiB`, `12 MiB`: three digits at most before the point, or one after it."""
    units = iter(("B", "KiB", "MiB", "GiB", "TiB", "PiB"))
    unit = next(units)
    while size >= 999.5:
        size, unit = size / 1024, next(units)
    return f"{size:.0f} {unit}" if unit == "B" or size >= 9.95 else f"{size:.1f} {unit}"


def counted(number: int, noun: str) -> str:
    """`1 object`, `2,000 objects`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def nice_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


class Rows:
    """Prints rows of `columns` one by one; `totals` end them. A table's cells are given to `row` ready to be shown."""

    def __init__(self, output: str, columns: Sequence[str], widths: Sequence[int], out: TextIO | None = None) -> None:
        self._output = output
        self._columns = columns
        self._widths = widths
        self._out = out or sys.stdout
        self._any = False
        self._csv = csv.writer(self._out, lineterminator="\n")

    def row(self, values: Sequence[Any], cells: Sequence[str]) -> None:
        """values: as data, times in ISO 8601. cells: as a table shows them, in its own columns."""
        first, self._any = not self._any, True
        if self._output == "table":
            print(self._line(cells), file=self._out)
        elif self._output == "csv":
            if first:
                self._csv.writerow(self._columns)
            self._csv.writerow(values)
        else:
            text = json.dumps(dict(zip(self._columns, values, strict=True)))
            if self._output == "json":
                self._out.write('{"objects": [\n' if first else ",\n")
            self._out.write(text if self._output == "json" else text + "\n")

    def totals(self, totals: dict[str, Any], said: str) -> None:
        """End. totals: the last keys of the JSON document. said: the same for a person, on standard error."""
        if self._output == "json":
            start = "\n], " if self._any else '{"objects": [], '
            self._out.write(start + json.dumps(totals)[1:] + "\n")
        elif self._output == "csv" and not self._any:
            self._csv.writerow(self._columns)
        self._out.flush()
        if self._output == "table":
            aside(said)

    def _line(self, cells: Sequence[str]) -> str:
        # Sizes to the right, all else to the left, and the last as long as it is.
        padded = [
            cell.rjust(width) if width > 0 else cell.ljust(-width)
            for cell, width in zip(cells, self._widths, strict=True)
        ]
        return "  ".join(padded).rstrip()


class Progress:
    """One line on a terminal's standard error, written over and over; nothing at all anywhere else."""

    def __init__(self, wanted: bool, total: int | None = None) -> None:
        self._wanted = wanted and sys.stderr.isatty()
        self._total = total
        self._began = self._looked = time.monotonic()
        self._written = 0

    def at(self, objects: int, size: int, verb: str) -> None:
        now = time.monotonic()
        if not self._wanted or now - self._looked < _BETWEEN_LOOKS:
            return
        self._looked = now
        line = f"{verb} {counted(objects, 'object')}, {nice_size(size)}, {nice_size(size / (now - self._began))}/s"
        if self._total:
            done = min(1.0, size / self._total)
            line = f"[{'#' * int(24 * done):24}] {done:4.0%}  {line}"
        aside(f"\r{line:<{self._written}}", end="")
        self._written = len(line)

    def end(self) -> None:
        """Wipe the line, so that what is printed next stands alone."""
        if self._written:
            aside(f"\r{'':<{self._written}}\r", end="")
            self._written = 0

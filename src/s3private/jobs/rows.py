"""Rows of a result: a file in the volume, written as they come, and a Unity Catalog table where one is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3private.errors import ReadError
from s3private.printable import shown
from s3private.whole_file import writing_whole

SHOWN_ROWS = 100
"""Rows that are printed; all of them are in the file."""


@dataclass
class Rows:
    """What was written. size: the sum of the rows' `size`, in bytes. first: at most SHOWN_ROWS of them."""

    file: Path
    count: int = 0
    size: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)

    def as_table(self, columns: dict[str, str]) -> str:
        """The first rows under a header, and how many more there are. columns: heading -> key of the row."""
        cells = [list(columns), *([shown(str(row[key])) for key in columns.values()] for row in self.first)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
        lines = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells]
        if self.count > len(self.first):
            lines.append(f"… and {self.count - len(self.first)} more")
        return "\n".join(lines)


def write_rows(file: Path, rows: Iterable[dict[str, Any]]) -> Rows:
    """One JSON object a line, written from front to back, which is all that a volume allows. Raises OSError.

    The file is replaced when the last row is there, by the rows of one run alone, however many write it at once; where
    one fails, what was there before stays.
    Memory: one row, and the first SHOWN_ROWS. https://docs.databricks.com/aws/en/files/files-recommendations
    """
    written = Rows(file)
    with writing_whole(file) as out:
        for row in rows:
            out.write((json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
            written.count += 1
            written.size += row["size"]
            if written.count <= SHOWN_ROWS:
                written.first.append(row)
    return written


def write_table(table: str, rows: Rows, schema: str) -> None:
    """Replace `table` by the rows, which Spark reads from their file: they need not fit into this machine's memory.

    schema: Spark's DDL, so that nothing is guessed. Raises ReadError.
    """
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    try:
        frame = SparkSession.builder.getOrCreate().read.schema(schema).json(str(rows.file))
        frame.write.mode("overwrite").option("overwriteSchema", "true").saveAsTable(table)
    except PySparkException as error:
        raise ReadError(f"cannot write table {table}: {str(error).splitlines()[0]}") from error

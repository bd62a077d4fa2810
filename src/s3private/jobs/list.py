"""Job `list`: the objects under a prefix, over the private path."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from s3private.entries import ObjectEntry
from s3private.jobs.claim import claimed
from s3private.jobs.ending import Ending, run_job
from s3private.jobs.place import table_in
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import place_of_results, select, selecting

_SCHEMA = "bucket string, key string, size bigint, last_modified timestamp, etag string, storage_class string"
_SHOWN = {"KEY": "key", "SIZE": "size", "LAST MODIFIED": "last_modified"}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_list, selecting("list"), argv)


def _list(arguments: argparse.Namespace) -> Ending:
    file, table = place_of_results(arguments), table_in(arguments.schema, arguments.table)
    _, entries = select(arguments)
    with claimed(file, arguments.run) as claim:
        rows = write_rows(file, claim.guarding(map(_row, entries)))
        if table:
            write_table(table, rows, _SCHEMA)
    said = f"{rows.as_table(_SHOWN)}\n\n{rows.count} objects, {rows.size} bytes; all of them in {rows.file}"
    result = {"outcome": "listed", "objects": rows.count, "bytes": rows.size}
    return Ending(table=said, result={**result, "output": str(rows.file), "table": table})


def _row(entry: ObjectEntry) -> dict[str, Any]:
    return {**entry._asdict(), "last_modified": entry.last_modified.isoformat()}

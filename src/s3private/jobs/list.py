"""Job `list`: the objects under a prefix, over the private path."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from s3private.jobs.ending import Ending, columns, run_job
from s3private.jobs.place import in_volume
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import select, selecting

_SCHEMA = "bucket string, key string, size bigint, last_modified string, etag string, storage_class string"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_list, selecting("list"), argv)


def _list(arguments: argparse.Namespace) -> Ending:
    _, entries = select(arguments)
    rows = [
        {
            "bucket": entry.bucket,
            "key": entry.key,
            "size": entry.size,
            "last_modified": entry.last_modified.isoformat(),
            "etag": entry.etag,
            "storage_class": entry.storage_class,
        }
        for entry in entries
    ]
    file = in_volume(arguments.volume, arguments.output)
    write_rows(file, rows)
    if arguments.table:
        write_table(arguments.table, rows, _SCHEMA)
    size = sum(int(str(row["size"])) for row in rows)
    shown = columns(("KEY", "SIZE", "LAST MODIFIED"), [(r["key"], r["size"], r["last_modified"]) for r in rows])
    result = {"outcome": "listed", "objects": len(rows), "bytes": size, "output": str(file), "table": arguments.table}
    return Ending(table=f"{shown}\n\n{len(rows)} objects, {size} bytes; all of them in {file}", result=result)

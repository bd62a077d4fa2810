"""Job `read`: the bytes of the objects under a prefix, over the private path, into the volume, with their checksums."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from s3private.errors import ReadError, Refused
from s3private.jobs.ending import Ending, columns, run_job
from s3private.jobs.place import in_volume
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import select, selecting
from s3private.reading import ObjectBody, read_objects

_SCHEMA = "bucket string, key string, size bigint, sha256 string, file string"
_MANIFEST = "objects.jsonl"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_read, selecting("read"), argv)


def _read(arguments: argparse.Namespace) -> Ending:
    s3, entries = select(arguments)
    directory = in_volume(arguments.volume, arguments.output)
    rows = [_written(read, directory) for read in read_objects(s3, entries)]
    write_rows(directory / _MANIFEST, rows)
    if arguments.table:
        write_table(arguments.table, rows, _SCHEMA)
    size = sum(row["size"] for row in rows)
    shown = columns(("KEY", "SIZE", "SHA256"), [(r["key"], r["size"], r["sha256"]) for r in rows])
    result = {
        "outcome": "read",
        "objects": len(rows),
        "bytes": size,
        "output": str(directory),
        "table": arguments.table,
    }
    return Ending(table=f"{shown}\n\n{len(rows)} objects, {size} bytes, into {directory}", result=result)


def _written(read: ObjectBody, directory: Path) -> dict[str, Any]:
    file = _file(directory, read.bucket, read.key)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(read.body)
    except OSError as error:
        raise ReadError(f"cannot write {file}: {error.strerror or error}") from error
    return {
        "bucket": read.bucket,
        "key": read.key,
        "size": len(read.body),
        "sha256": hashlib.sha256(read.body).hexdigest(),
        "file": str(file),
    }


def _file(directory: Path, bucket: str, key: str) -> Path:
    """A key is any text to S3: one that would leave the folder, or that no file can have, is refused."""
    parts = PurePosixPath(key).parts
    if not parts or ".." in parts or key.startswith("/") or key.endswith("/") or "//" in key:
        raise Refused(f"s3://{bucket}/{key}: cannot be a file under {directory}; leave it out by prefix or glob")
    return directory.joinpath(bucket, *parts)

"""Job `read`: the bytes of the objects under a prefix, over the private path, into the volume, with their checksums."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from s3private.downloading import SMALL, download
from s3private.entries import ObjectEntry
from s3private.errors import Refused
from s3private.jobs.ending import Ending, columns, run_job
from s3private.jobs.place import in_volume
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import select, selecting
from s3private.reading import read_objects

_SCHEMA = "bucket string, key string, size bigint, sha256 string, file string"
_MANIFEST = "objects.jsonl"


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_read, selecting("read"), argv)


def _read(arguments: argparse.Namespace) -> Ending:
    s3, chosen = select(arguments)
    # A key that ends in a slash marks a folder, and has no bytes.
    entries = [entry for entry in chosen if entry.size or not entry.key.endswith("/")]
    directory = in_volume(arguments.volume, arguments.output)
    files = {entry.key: file_of(directory, entry) for entry in entries}
    small = [entry for entry in entries if entry.size <= SMALL]
    for read in read_objects(s3, small):
        files[read.key].parent.mkdir(parents=True, exist_ok=True)
        files[read.key].write_bytes(read.body)
    for entry in entries:
        if entry.size > SMALL:
            download(s3, entry, files[entry.key])
    rows = [_row(entry, files[entry.key]) for entry in entries]
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


def _row(entry: ObjectEntry, file: Path) -> dict[str, Any]:
    """The checksum is that of the file as it lies there."""
    with file.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return {"bucket": entry.bucket, "key": entry.key, "size": entry.size, "sha256": sha256, "file": str(file)}


def file_of(directory: Path, entry: ObjectEntry) -> Path:
    """A key is any text to S3: one that would leave the folder, or that no file can have, is refused."""
    parts = PurePosixPath(entry.key).parts
    if not parts or ".." in parts or entry.key.startswith("/") or entry.key.endswith("/") or "//" in entry.key:
        raise Refused(f"{entry.uri}: cannot be a file under {directory}; leave it out by prefix or glob")
    return directory.joinpath(entry.bucket, *parts)

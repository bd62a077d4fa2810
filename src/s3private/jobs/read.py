"""Job `read`: the bytes of the objects under a prefix, over the private path, into the volume, with their checksums."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from s3private.downloading import SMALL, download
from s3private.entries import ObjectEntry
from s3private.errors import Refused
from s3private.jobs.ending import Ending, run_job
from s3private.jobs.place import in_volume
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import select, selecting
from s3private.reading import read_objects

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_SCHEMA = "bucket string, key string, size bigint, sha256 string, file string"
_MANIFEST = "objects.jsonl"
_SHOWN = {"KEY": "key", "SIZE": "size", "SHA256": "sha256"}
_AT_A_TIME = 1000


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point. Raises JobFailed."""
    run_job(_read, selecting("read"), argv)


def _read(arguments: argparse.Namespace) -> Ending:
    s3, chosen = select(arguments)
    directory = in_volume(arguments.volume, arguments.output)
    rows = write_rows(directory / _MANIFEST, _written(s3, chosen, directory))
    if arguments.table:
        write_table(arguments.table, rows, _SCHEMA)
    said = f"{rows.as_table(_SHOWN)}\n\n{rows.count} objects, {rows.size} bytes, into {directory}"
    result = {"outcome": "read", "objects": rows.count, "bytes": rows.size}
    return Ending(table=said, result={**result, "output": str(directory), "table": arguments.table})


def _written(s3: S3Client, chosen: Iterator[ObjectEntry], directory: Path) -> Iterator[dict[str, Any]]:
    """Small objects many at once, large ones each in parts; so many at a time, however many there are."""
    while entries := list(islice(chosen, _AT_A_TIME)):
        # A key that ends in a slash marks a folder, and has no bytes.
        files = {e.key: file_of(directory, e) for e in entries if e.size or not e.key.endswith("/")}
        here = [entry for entry in entries if entry.key in files]
        for read in read_objects(s3, [entry for entry in here if entry.size <= SMALL]):
            files[read.key].parent.mkdir(parents=True, exist_ok=True)
            files[read.key].write_bytes(read.body)
        for entry in here:
            if entry.size > SMALL:
                download(s3, entry, files[entry.key])
        yield from (_row(entry, files[entry.key]) for entry in here)


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

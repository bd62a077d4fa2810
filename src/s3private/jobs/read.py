"""Job `read`: the bytes of the objects under a prefix, over the private path, into the volume, with their checksums."""

from __future__ import annotations

import argparse
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3private.downloading import SMALL, download
from s3private.entries import ObjectEntry
from s3private.errors import Refused
from s3private.jobs.claim import claimed
from s3private.jobs.ending import Ending, run_job
from s3private.jobs.place import table_in
from s3private.jobs.rows import write_rows, write_table
from s3private.jobs.selection import place_of_results, select, selecting
from s3private.key_files import KeyFiles, as_refused, file_below
from s3private.printable import plain
from s3private.reading import read_objects
from s3private.whole_file import write_bytes_whole

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
    directory, table = place_of_results(arguments), table_in(arguments.schema, arguments.table)
    s3, chosen = select(arguments)
    left_out: list[Refused] = []
    with claimed(directory / _MANIFEST, arguments.run) as claim:
        rows = write_rows(directory / _MANIFEST, claim.guarding(_written(s3, chosen, directory, left_out)))
        if table:
            write_table(table, rows, _SCHEMA)
    said = f"{rows.as_table(_SHOWN)}\n\n{rows.count} objects, {rows.size} bytes, into {directory}"
    result = {"outcome": "read", "objects": rows.count, "bytes": rows.size, "left_out": len(left_out)}
    reason = ""
    if left_out:
        result["outcome"] = "failed"
        reason = f"left out {len(left_out)} of the objects, and read all others: {plain(str(left_out[0]))}"
    return Ending(table=said, result={**result, "output": str(directory), "table": table}, reason=reason)


def _written(
    s3: S3Client, chosen: Iterable[ObjectEntry], directory: Path, left_out: list[Refused]
) -> Iterator[dict[str, Any]]:
    """Small objects many at once, large ones each in parts; so many at a time, however many there are.

    left_out: gets what is wrong with each object that cannot be a file.
    """
    names = KeyFiles(directory)
    # Once: a listing that has ended refuses to be gone through again.
    left = iter(chosen)
    while entries := list(islice(left, _AT_A_TIME)):
        files: dict[str, tuple[ObjectEntry, Path]] = {}
        for entry in entries:
            # An empty object whose key ends in a slash marks a folder.
            if entry.size or not entry.key.endswith("/"):
                try:
                    files[entry.key] = entry, file_of(directory, entry)
                    names.tell_apart(entry)
                    names.refuse_links(files[entry.key][1], entry.uri)
                except Refused as error:
                    files.pop(entry.key, None)
                    left_out.append(error)
        for entry, file, why in _unwritten(s3, list(files.values())):
            if (refused := as_refused(why, entry.uri, file.parent)) is None:
                raise why
            left_out.append(refused)
            del files[entry.key]
        yield from (_row(entry, file) for entry, file in files.values())


def _unwritten(s3: S3Client, files: list[tuple[ObjectEntry, Path]]) -> Iterator[tuple[ObjectEntry, Path, OSError]]:
    """Write them; those that could not be, and why."""
    small = {entry.key: (entry, file) for entry, file in files if entry.size <= SMALL}
    for read in read_objects(s3, [entry for entry, _ in small.values()]):
        try:
            write_bytes_whole(small[read.key][1], read.body)
        except OSError as error:
            yield (*small[read.key], error)
    for entry, file in files:
        if entry.size > SMALL:
            try:
                if file.is_dir():
                    # Into which it would go under its own name.
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
                download(s3, entry, file)
            except OSError as error:
                yield entry, file, error


def _row(entry: ObjectEntry, file: Path) -> dict[str, Any]:
    """The checksum is that of the file as it lies there."""
    with file.open("rb") as written:
        sha256 = hashlib.file_digest(written, "sha256").hexdigest()
    return {"bucket": entry.bucket, "key": entry.key, "size": entry.size, "sha256": sha256, "file": str(file)}


def file_of(directory: Path, entry: ObjectEntry) -> Path:
    """In a folder of the bucket's name. Raises Refused."""
    return file_below(file_below(directory, entry.bucket, entry.uri), entry.key, entry.uri)

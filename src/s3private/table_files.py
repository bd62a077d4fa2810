"""Which objects a prefix or a glob of a table stands for: by Spark's and pyarrow's rule for names that are no data.

A directory of a Delta, Hudi or Iceberg table holds files that are the table's no more. Read as plain files they would
be rows that were deleted or rewritten, so that is said, or refused where the log shows it.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from s3private.asking import Item
from s3private.entries import ObjectEntry, ObjectVersion, split_uri
from s3private.errors import ReadError, Refused
from s3private.filters import fixed_part, glob_pattern, has_wildcards
from s3private.listing import list_objects
from s3private.opening import described
from s3private.reading import read_objects

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

Objects = Item | Iterable[Item]
"""A URI of one object, of a prefix (ending in `/`) or with wildcards; an entry of a listing; or many of them."""

_COMMITS = 1000
"""So many commits of a Delta table are looked at, the last ones: each is one request."""

_COMMIT = re.compile(r"[0-9]{20}\.json")


class TableFile(NamedTuple):
    """directories: those of its key in whose names partition columns are looked for, from `/` to `/`, or ""."""

    entry: ObjectEntry | ObjectVersion
    directories: str = ""


def table_files(s3: S3Client, objects: Objects, extra_args: Mapping[str, Any] | None) -> list[TableFile]:
    """The files, in key order where they are listed. Objects and entries that are named one by one are what they are.

    Below a prefix, and where a glob's wildcards match, a name or a directory that begins with `.` or `_` is no data;
    a directory `_name=value` is. https://spark.apache.org/docs/latest/sql-data-sources-parquet.html
    Warns of a table that has a log; raises Refused for a Delta table whose log says that files here were removed.
    """
    notes: dict[str, None] = {}
    found = list(_files(s3, objects, extra_args, False, notes))
    for note in notes:
        # Where the reader was called: over this function, and the two that all readers share.
        warnings.warn(note, stacklevel=5)
    return found


def _files(
    s3: S3Client, objects: Objects, extra_args: Mapping[str, Any] | None, many: bool, notes: dict[str, None]
) -> Iterator[TableFile]:
    if isinstance(objects, str) and (objects.endswith("/") or has_wildcards(objects)):
        yield from _listed(s3, objects, extra_args, many, notes)
    elif isinstance(objects, str | ObjectEntry | ObjectVersion):
        entry = described(s3, objects, extra_args)
        yield TableFile(entry, entry.key.rpartition("/")[0] if many else "")
    else:
        for each in objects:
            yield from _files(s3, each, extra_args, True, notes)


def _listed(
    s3: S3Client, uri: str, extra_args: Mapping[str, Any] | None, many: bool, notes: dict[str, None]
) -> Iterator[TableFile]:
    bucket, key = split_uri(uri)
    prefix = key
    matches: Callable[[str], object] | None = None
    named: tuple[re.Pattern[str], ...] = ()
    if has_wildcards(key):
        prefix, matches = fixed_part(key), glob_pattern(key).fullmatch
        # As in a shell: what begins with a dot is meant where the glob says so.
        named = tuple(
            glob_pattern(part) for part in key[len(_directory(prefix)) :].split("/") if part[:1] in ("_", ".")
        )
    base = _directory(prefix)
    files: list[ObjectEntry] = []
    logs: list[ObjectEntry] = []
    for entry in list_objects(s3, f"s3://{bucket}/{prefix}", glob=False, ordered=True):
        *directories, name = entry.key[len(base) :].split("/")
        if _format_of(directories, name):
            logs.append(entry)
        if not name or (matches is None and not entry.size) or (matches is not None and not matches(entry.key)):
            continue
        hidden = [part for part in directories if _is_hidden(part, "=" in part)]
        if _is_hidden(name, False):
            hidden.append(name)
        if all(any(pattern.fullmatch(part) for pattern in named) for part in hidden):
            files.append(entry)
    logs += _logs_above(s3, bucket, base, prefix)
    _look_at(s3, files, logs, extra_args, notes)
    for entry in files:
        yield TableFile(entry, (entry.key if many else entry.key[len(base) :]).rpartition("/")[0])


def _is_hidden(name: str, is_partition: bool) -> bool:
    return name.startswith(".") or (name.startswith("_") and not is_partition) or name.endswith("._COPYING_")


def _directory(key: str) -> str:
    """With its slash, or ""."""
    return key[: key.rfind("/") + 1]


def _format_of(directories: Sequence[str], name: str) -> str:
    """The kind of table that keeps a log in an object of that name; "": none."""
    if "_delta_log" in directories:
        return "Delta"
    if ".hoodie" in directories or name == ".hoodie_partition_metadata":
        return "Hudi"
    return "Iceberg" if directories[-1:] == ["metadata"] and name.endswith(".metadata.json") else ""


def _root_of(key: str) -> str:
    """The directory of the table that has `key` in its log."""
    directories = key.split("/")[:-1]
    for log in ("_delta_log", ".hoodie", "metadata"):
        if log in directories:
            return "".join(f"{each}/" for each in directories[: directories.index(log)])
    return _directory(key)


def _logs_above(s3: S3Client, bucket: str, base: str, prefix: str) -> list[ObjectEntry]:
    """Of a table of which a part is read: its log is not below `prefix`. That it may not be listed is no reason."""
    root = base
    while "=" in (last := root.rstrip("/").rpartition("/")[2]):
        root = root[: -len(last) - 1]
    places = [] if root == base == prefix else [f"{root}_delta_log/"]
    if f"/{root}".endswith("/data/"):
        places.append(f"{_directory(root[:-1])}metadata/")
    found: list[ObjectEntry] = []
    for place in places:
        with suppress(ReadError):
            limit = None if place.endswith("_delta_log/") else 1000
            found += list_objects(s3, f"s3://{bucket}/{place}", glob=False, limit=limit)
    return [entry for entry in found if _format_of(entry.key.split("/")[:-1], entry.key)]


def _look_at(
    s3: S3Client,
    files: Sequence[ObjectEntry],
    logs: Sequence[ObjectEntry],
    extra_args: Mapping[str, Any] | None,
    notes: dict[str, None],
) -> None:
    tables: dict[str, list[ObjectEntry]] = {}
    for log in logs:
        tables.setdefault(_root_of(log.key), []).append(log)
    for root, entries in tables.items():
        its_log = {entry.key for entry in entries}
        own = {file.key for file in files if file.key.startswith(root)} - its_log
        if not own:
            continue
        uri = f"s3://{entries[0].bucket}/{root}"
        *directories, name = entries[0].key.split("/")
        kind = _format_of(directories, name)
        how = "give the list of the files that it has now"
        if kind == "Delta":
            how += " (deltalake's DeltaTable.file_uris(), or inputFiles() of Spark's DataFrame)"
            if gone := own.intersection(_removed(s3, root, entries, extra_args)):
                raise Refused(
                    f"{uri} is a Delta table, and its log says that {len(gone)} of the {len(own)} files here hold rows "
                    f"that are deleted or rewritten ({min(gone).removeprefix(root)} is one): {how}"
                )
        notes[
            f"{uri} is {'an' if kind == 'Iceberg' else 'a'} {kind} table, which is read here as plain files: files "
            f"that the table has no more may be among them. To be sure, {how}"
        ] = None


def _removed(
    s3: S3Client, root: str, log: Sequence[ObjectEntry], extra_args: Mapping[str, Any] | None
) -> Iterator[str]:
    """The keys of files that a Delta table's last commits removed, or in which they deleted rows.

    https://github.com/delta-io/delta/blob/master/PROTOCOL.md#actions
    """
    commits = [entry for entry in log if _COMMIT.fullmatch(entry.key.rpartition("/")[2])]
    gone: dict[str, None] = {}
    asked = sorted(commits, key=lambda entry: entry.key)[-_COMMITS:]
    bodies = read_objects(s3, asked, memory=64 << 20, extra_args=extra_args, on_error=lambda uri, error: None)
    for commit in bodies:
        for line in commit.body.splitlines():
            if b'"remove"' not in line and b'"add"' not in line:
                continue
            try:
                action = json.loads(line)
            except (ValueError, RecursionError):
                continue
            for what in ("remove", "add"):
                file = action.get(what) if isinstance(action, dict) else None
                if isinstance(file, dict) and isinstance(path := file.get("path"), str):
                    key = root + unquote(path)
                    gone.pop(key, None)
                    if what == "remove" or file.get("deletionVector"):
                        gone[key] = None
    yield from gone

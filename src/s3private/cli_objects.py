"""`s3private list` and `s3private read`: the notebook half on the command line; databricks-sdk is not needed.

Results go to standard output, totals and progress to standard error. A reader that goes away, such as `head`, ends it.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from s3private.cli_rows import OUTPUTS, Progress, Rows, counted, nice_size, nice_time
from s3private.entries import ObjectEntry, ObjectVersion, split_uri
from s3private.errors import Refused, RouteError, S3PrivateError
from s3private.filters import glob_pattern, has_wildcards
from s3private.output import aside, nothing_more
from s3private.printable import plain, shown

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

VERBS = ("list", "read")

_AGES = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZES = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}


def size(text: str) -> int:
    """`1500`, `10K`, `1.5M`, `2GiB` in bytes, by powers of 1024; for argparse."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text, re.IGNORECASE | re.ASCII)
    if not match:
        raise argparse.ArgumentTypeError(f"not a size: {text!r} (write 1500, 10K, 1.5M or 2GiB)")
    return int(float(match[1]) * 1024 ** _SIZES[match[2].upper()])


def moment(text: str) -> datetime:
    """`90m`, `12h`, `7d` before now, or `2026-01-31`, `2026-01-31T12:00` in UTC unless it says otherwise."""
    if match := re.fullmatch(r"(\d+)([smhdw])", text, re.ASCII):
        return datetime.now(UTC) - timedelta(**{_AGES[match[2]]: int(match[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"not a time: {text!r} (write 90m, 12h or 7d ago, 2026-01-31 or 2026-01-31T12:00)"
        raise argparse.ArgumentTypeError(message) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def count(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"not a number of objects: {text!r}")
    return int(text)


_OUTPUT = "a table for people, or rows for programs; default table"


def add_verbs(verbs: Any) -> None:
    """Add `list` and `read` to the parser's commands."""
    listing = verbs.add_parser("list", help="list objects over the path")
    reading = verbs.add_parser("read", help="read objects over the path, into files or to standard output")
    for verb in (listing, reading):
        verb.add_argument("route", help="the Route's file, or the path's name where S3PRIVATE_ROUTES is set")
        verb.add_argument("uri", help="s3://bucket/prefix, or with wildcards s3://bucket/2026/*/orders-*.csv")
        verb.add_argument("--glob", metavar="PATTERN", help="what follows the prefix: * and ? stop at /, ** does not")
        verb.add_argument("--suffix", action="append", help="how keys end, such as .csv; may be given again")
        verb.add_argument("--regex", help="found anywhere in the key")
        # The names of `list_objects`, and those that this command had before.
        for option, before, help_ in (
            (
                "--modified-after",
                "--newer-than",
                "changed since: 7d or 12h ago, or 2026-01-31 (also --newer-than)",
            ),
            (
                "--modified-before",
                "--older-than",
                "last changed before: 7d or 12h ago, or 2026-01-31 (also --older-than)",
            ),
        ):
            verb.add_argument(option, before, type=moment, metavar="TIME", help=help_)
        verb.add_argument("--min-size", type=size, metavar="SIZE", help="at least so large: 1500, 10K, 2GiB")
        verb.add_argument("--max-size", type=size, metavar="SIZE", help="at most so large: 1500, 10K, 2GiB")
        verb.add_argument("--storage-class", action="append", metavar="CLASS", help="may be given again")
        verb.add_argument("--limit", type=count, metavar="N", help="at most so many objects")
        verb.add_argument("--requester-pays", action="store_true", help="you pay for the requests")
        add_signing(verb)
    listing.add_argument("--versions", action="store_true", help="all versions and delete markers")
    listing.add_argument("--summary", action="store_true", help="only how many, how large, how old")
    listing.add_argument("-o", "--output", choices=OUTPUTS, default="table", help=_OUTPUT)
    reading.add_argument("--to", metavar="DIR|-", help="write files into DIR, or the bytes to standard output")
    reading.add_argument("-o", "--output", choices=OUTPUTS, default="table", help=_OUTPUT)


def add_signing(verb: argparse.ArgumentParser) -> None:
    """Add the options that say whose credentials sign, in the words of `connect`."""
    verb.add_argument(
        "--service-credential",
        type=_named,
        metavar="NAME",
        help="a Unity Catalog service credential; default: the Route's",
    )
    verb.add_argument("--role-arn", type=_named, metavar="ARN", help="a role to assume with those credentials")
    verb.add_argument("--external-id", type=_named, metavar="ID", help="what that role's trust policy asks for")
    verb.add_argument("--profile", type=_named, metavar="NAME", help="an AWS profile, not the service credential")


def signing(arguments: argparse.Namespace) -> dict[str, Any]:
    """Those options as arguments of `connect` and `verify`. Raises RouteError."""
    from boto3 import Session
    from botocore.exceptions import BotoCoreError

    asked = {name: getattr(arguments, name) for name in ("service_credential", "role_arn", "external_id")}
    if arguments.external_id and not arguments.role_arn:
        raise RouteError("--external-id is what a role's trust policy asks for: give --role-arn too")
    if arguments.profile is None:
        return asked
    if arguments.service_credential:
        raise RouteError("--profile and --service-credential: only one of them signs")
    try:
        return {**asked, "session": Session(profile_name=arguments.profile)}
    except BotoCoreError as error:
        raise RouteError(f"--profile {arguments.profile}: {' '.join(str(error).split())}") from error


def _named(text: str) -> str:
    """An empty variable of a shell would be taken for none, and somebody else would sign."""
    if not text:
        raise argparse.ArgumentTypeError("is empty")
    return text


def run(arguments: argparse.Namespace) -> int:
    """Run what the parser read; returns the exit code. Raises S3PrivateError."""
    from s3private.client import connect, route_of
    from s3private.whereabouts import refuse_elsewhere

    s3 = connect(arguments.route, **signing(arguments))
    refuse_elsewhere(route_of(s3))
    try:
        _list(s3, arguments) if arguments.verb == "list" else _read(s3, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        nothing_more(sys.stdout)
    except OSError as error:
        why = error.strerror or error
        if error.filename is None and not (arguments.verb == "read" and arguments.to not in (None, "-")):
            nothing_more(sys.stdout)
            raise S3PrivateError(f"cannot write to standard output: {why}") from error
        raise S3PrivateError(
            f"cannot write {error.filename or arguments.to}: {why}. Make room, or give a directory that can be written "
            "to; the same command then goes on where it was"
        ) from error
    return 0


# What to list


def _selection(arguments: argparse.Namespace) -> tuple[str, dict[str, Any]]:
    """The URI and the arguments of `list_objects`."""
    uri, regex = arguments.uri, arguments.regex
    bucket, prefix = split_uri(uri)
    if arguments.glob is not None:
        if has_wildcards(prefix):
            raise Refused("wildcards are in the URI and in --glob: give them in one place")
        pattern = re.sub(r"([*?[])", r"[\1]", prefix) + arguments.glob
        uri = f"s3://{bucket}/{pattern}"
        if not has_wildcards(pattern):
            if regex is not None:
                raise Refused("--glob without a wildcard is one key: there is nothing left for --regex")
            regex = rf"\A(?:{glob_pattern(pattern).pattern})\Z"
    return uri, {
        "suffix": tuple(arguments.suffix) if arguments.suffix else None,
        "regex": regex,
        "modified_after": arguments.modified_after,
        "modified_before": arguments.modified_before,
        "min_size": arguments.min_size,
        "max_size": arguments.max_size,
        "storage_class": arguments.storage_class,
        "limit": arguments.limit,
        "requester_pays": arguments.requester_pays,
    }


class _Totals:
    def __init__(self) -> None:
        self.objects = self.size = 0
        self.oldest: datetime | None = None
        self.newest: datetime | None = None
        self.classes: Counter[str] = Counter()

    def add(self, entry: ObjectEntry | ObjectVersion) -> None:
        self.objects += 1
        self.size += entry.size
        self.classes[entry.storage_class or "delete marker"] += 1
        when = entry.last_modified
        self.oldest = when if self.oldest is None or when < self.oldest else self.oldest
        self.newest = when if self.newest is None or when > self.newest else self.newest

    def as_dict(self) -> dict[str, Any]:
        return {"count": self.objects, "bytes": self.size}

    def said(self) -> str:
        return _said(self.objects, self.size)


def _said(objects: int, size: int) -> str:
    return f"{counted(objects, 'object')}, {nice_size(size)}"


def _list(s3: S3Client, arguments: argparse.Namespace) -> None:
    from s3private.listing import list_objects, list_versions

    uri, asked = _selection(arguments)
    fields = ObjectVersion._fields if arguments.versions else ObjectEntry._fields
    found: Iterator[ObjectEntry] | Iterator[ObjectVersion]
    if arguments.versions:
        found = list_versions(s3, uri, **asked)
    else:
        found = iter(list_objects(s3, uri, ordered=not arguments.summary, **asked))
    rows = Rows(arguments.output, fields, [9, -20, *([-32] if arguments.versions else []), 0])
    totals = _Totals()
    progress = Progress(arguments.summary or not sys.stdout.isatty())
    try:
        for entry in found:
            totals.add(entry)
            progress.at(totals.objects, totals.size, "listed")
            if not arguments.summary:
                rows.row(_values(entry), _cells(entry))
    finally:
        progress.end()
    if arguments.summary:
        _summary(totals, arguments.output)
    else:
        rows.totals(totals.as_dict(), totals.said())


def _values(entry: ObjectEntry | ObjectVersion) -> list[Any]:
    return [value.isoformat() if isinstance(value, datetime) else value for value in entry]


def _cells(entry: ObjectEntry | ObjectVersion) -> list[str]:
    if isinstance(entry, ObjectVersion):
        size = "deleted" if entry.is_delete_marker else nice_size(entry.size)
        return [size, nice_time(entry.last_modified), shown(entry.version_id), shown(entry.key)]
    return [nice_size(entry.size), nice_time(entry.last_modified), shown(entry.key)]


def _summary(totals: _Totals, output: str) -> None:
    import csv
    import json

    found = {
        **totals.as_dict(),
        "oldest": totals.oldest.isoformat() if totals.oldest else None,
        "newest": totals.newest.isoformat() if totals.newest else None,
        "storage_classes": dict(sorted(totals.classes.items())),
    }
    if output == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerows([list(found)[:4], list(found.values())[:4]])
    elif output != "table":
        print(json.dumps(found, indent=2 if output == "json" else None))
    else:
        print(totals.said())
        if totals.oldest and totals.newest:
            print(f"from {nice_time(totals.oldest)} to {nice_time(totals.newest)}")
        for name, number in sorted(totals.classes.items()):
            print(f"{number:>12,}  {name}")


# What to read


def _read(s3: S3Client, arguments: argparse.Namespace) -> None:
    uri, asked = _selection(arguments)
    _, key = split_uri(arguments.uri)
    one = bool(key) and not key.endswith("/") and not has_wildcards(key) and arguments.glob is None
    if one and any(value for name, value in asked.items() if name != "requester_pays"):
        raise Refused(f"{arguments.uri} is one object: filters choose among those of a prefix, which ends in a slash")
    if arguments.to == "-" and arguments.output != "table":
        raise Refused(
            f"--to - writes the objects themselves to standard output: there is no place for -o {arguments.output}"
        )
    if arguments.to and arguments.to != "-" and Path(arguments.to).exists() and not Path(arguments.to).is_dir():
        raise Refused(f"--to {arguments.to} is a file: give a directory, which is made where it is not there, or -")
    payer = {"RequestPayer": "requester"} if arguments.requester_pays else {}
    total = None
    if one:
        from s3private.opening import headed

        entry = headed(s3, uri, payer)[0]
        total, found = entry.size, iter([entry])
    else:
        from s3private.listing import list_objects

        found = iter(list_objects(s3, uri, **asked))
    if arguments.to == "-":
        _to_output(s3, found, payer, total)
    elif arguments.to:
        _to_files(s3, found, arguments, payer, total)
    else:
        _only_read(s3, found, arguments, payer, total)


class _Piece(NamedTuple):
    """Some bytes of an object. verified: the algorithm the whole was verified with, known at its last ones.

    last: whether these are they.
    """

    uri: str
    etag: str
    size: int
    body: bytes
    verified: str | None
    last: bool


def _pieces(s3: S3Client, found: Iterator[ObjectEntry], payer: dict[str, Any]) -> Iterator[_Piece]:
    """All bytes, in order: small objects whole and many at once, a large one in pieces."""
    from s3private.downloading import SMALL
    from s3private.reading import read_objects, stream_object

    for large, entries in groupby(found, lambda entry: entry.size > SMALL):
        if not large:
            for read in read_objects(s3, entries, extra_args=payer):
                yield _Piece(read.uri, read.etag, len(read.body), read.body, read.verified, True)
            continue
        for entry in entries:
            came, stream = 0, stream_object(s3, entry, extra_args=payer)
            for body in stream:
                came += len(body)
                yield _Piece(entry.uri, entry.etag, entry.size, body, stream.verified, came == entry.size)


def _to_output(s3: S3Client, found: Iterator[ObjectEntry], payer: dict[str, Any], total: int | None) -> None:
    progress, objects, size = Progress(not sys.stdout.isatty(), total), 0, 0
    try:
        for piece in _pieces(s3, found, payer):
            sys.stdout.buffer.write(piece.body)
            objects, size = objects + piece.last, size + len(piece.body)
            progress.at(objects, size, "read")
    finally:
        progress.end()
    aside(_said(objects, size))


def _only_read(
    s3: S3Client, found: Iterator[ObjectEntry], arguments: argparse.Namespace, payer: dict[str, Any], total: int | None
) -> None:
    rows = Rows(arguments.output, ("uri", "size", "etag", "verified"), [9, -10, 0])
    progress, objects, size = Progress(True, total), 0, 0
    try:
        for piece in _pieces(s3, found, payer):
            objects, size = objects + piece.last, size + len(piece.body)
            if piece.last:
                progress.end()
                cells = [nice_size(piece.size), piece.verified or "-", shown(piece.uri)]
                rows.row([piece.uri, piece.size, piece.etag, piece.verified], cells)
            progress.at(objects, size, "read")
    finally:
        progress.end()
    rows.totals({"count": objects, "bytes": size}, _said(objects, size))


def _to_files(
    s3: S3Client, found: Iterator[ObjectEntry], arguments: argparse.Namespace, payer: dict[str, Any], total: int | None
) -> None:
    from s3private.downloading import Downloaded, download_prefix

    rows = Rows(arguments.output, ("uri", "path", "size", "etag", "verified"), [9, -10, 0])
    progress, files, size = Progress(True, total), 0, 0

    def came(more: int) -> None:
        nonlocal size
        size += more
        progress.at(files, size, "read")

    def written(each: Downloaded) -> None:
        nonlocal files
        files += 1
        progress.end()
        cells = [nice_size(each.size), each.verified or "-", shown(str(each.path))]
        rows.row([each.uri, str(each.path), each.size, each.etag, each.verified], cells)

    first: S3PrivateError | None = None

    def left_out(uri: str, error: S3PrivateError) -> None:
        nonlocal first
        first = first or error
        progress.end()
        aside(f"s3private: {plain(str(error))}")

    bucket, key = split_uri(arguments.uri)
    above = re.split(r"[*?]", key)[0].rpartition("/")[0]
    prefix = f"s3://{bucket}/{above}/" if above else f"s3://{bucket}/"
    try:
        to = Path(arguments.to)
        done = download_prefix(
            s3, prefix, to, entries=found, extra_args=payer, on_file=written, on_bytes=came, on_error=left_out
        )
    finally:
        progress.end()
    there = f", {done.skipped:,} there already" if done.skipped else ""
    said = f"{counted(done.files, 'file')}, {nice_size(done.size)}{there}"
    rows.totals({"count": done.files, "bytes": done.size, "skipped": done.skipped}, said)
    if first is not None:
        raise type(first)(f"{counted(done.left_out, 'object')} left out, and all others are there")

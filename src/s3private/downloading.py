"""Objects to files: a file is there whole or not at all, and a download that was killed goes on where it was.

What can go on is believed only as far as its bytes are read again. What a place does not support, such as locks or
times, files are written without.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3private.asking import Item, Wanted, wanted
from s3private.checksums import Step, step_of, stored_checksum
from s3private.client import counters_of, refuse_other_clients
from s3private.descriptor import Descriptor
from s3private.entries import ObjectEntry, split_uri
from s3private.errors import ChecksumMismatch, ObjectChanged, Refused, S3PrivateError
from s3private.filters import fixed_part, has_wildcards
from s3private.journal import Earlier
from s3private.key_files import file_below
from s3private.listing import list_objects
from s3private.parts import Begun, parts
from s3private.places import Unwritable
from s3private.prefix_files import Downloaded, DownloadedPrefix, PrefixFiles
from s3private.staging import Staging, staged

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

__all__ = ["PART", "SMALL", "Downloaded", "DownloadedPrefix", "download", "download_prefix"]

PART = 8 << 20
AHEAD = 8
SMALL = 8 << 20
"""An object up to this size is read whole, many at once; a larger one in parts."""

# Only written from front to back: https://docs.databricks.com/aws/en/files/files-recommendations
_SEQUENTIAL = ("/Volumes/", "/Workspace/", "/dbfs/")


def download(
    s3: S3Client,
    object: Item,
    file: str | os.PathLike[str],
    *,
    ahead: int = AHEAD,
    extra_args: Mapping[str, Any] | None = None,
    on_bytes: Callable[[int], object] | None = None,
) -> Downloaded:
    """The object as `file` (or in the directory `file`, under the last part of its key), replaced at once and whole.

    Killed, it goes on where it was when called again, with the parts whose bytes are still those that were written; an
    object that was replaced since then is begun anew. It needs a place with locks, in which nobody else can write.
    On volumes, and wherever else files are only written from front to back, it is gathered in the temporary directory
    first. Where files cannot be renamed it is copied over, which is logged as a warning.
    ahead: parts of 8 MiB at once. extra_args: see `read_object`. A stored checksum is verified over the whole file.
    on_bytes: called, as boto3's Callback is, with how many bytes more are there; first with those of an earlier run,
    and with a negative number where those turn out to be of an object that was replaced.

    Memory: two pieces of 1 MiB, and while boto3 is asked again 256 KiB for each of its 8 threads.
    Raises ObjectChanged when it is replaced meanwhile, ChecksumMismatch, ReadError when S3 refuses it or another
    program changes the file meanwhile, Refused when another download of the same file is under way or the key's last
    part cannot be a file's name, OSError when the disk does.
    """
    if ahead < 1:
        raise ValueError("ahead must be 1 or more")
    refuse_other_clients(s3)
    asked = wanted(object, extra_args)
    target = Path(file)
    if target.is_dir():
        target = file_below(target, asked.key.rpartition("/")[2], asked.uri)
        if target.is_dir():
            raise Refused(f"{target} is a directory: {asked.uri} cannot be a file of that name")
    return _Download(s3, asked, ahead, on_bytes).write(target)


def download_prefix(
    s3: S3Client,
    uri: str,
    directory: str | os.PathLike[str],
    *,
    glob: bool = True,
    entries: Iterator[ObjectEntry] | None = None,
    workers: int | None = None,
    extra_args: Mapping[str, Any] | None = None,
    on_file: Callable[[Downloaded], object] | None = None,
    on_bytes: Callable[[int], object] | None = None,
    on_error: Callable[[str, S3PrivateError], object] | None = None,
) -> DownloadedPrefix:
    """Every object under `s3://bucket/prefix`, or that matches `s3://bucket/2026/*/orders-*.csv`, as a file in
    `directory`, at what follows the last slash of the prefix, or of what is before the first wildcard.

    A file of an object's size and time is taken to be it, as `aws s3 sync` does, and skipped; its bytes are not read.
    So a run that was killed goes on where it was. Where times cannot be set, a second run reads everything again.
    Empty objects whose keys end in a slash are folders' marks, and left out. Several may write into one directory.
    glob: see `list_objects`. entries: which of the objects, such as a listing with filters; default: all.
    workers: see `read_objects`. on_file: called with each file that was written. on_bytes: see `download`.
    on_error: called with the URI and the error of an object that cannot be a file in `directory` (Refused: such as
    `a/b` beside `a`) or cannot be read (ReadError), which is then left out.

    Memory: as `read_objects` and `download`, and the entries of the objects over 8 MiB; the keys, where the file
    system takes two names for one.
    Raises what `read_objects` and `download` raise. Without on_error, Refused where objects cannot be files, which
    names the first and their number, when all others are there.
    """
    bucket, prefix = split_uri(uri)
    root = Path(directory)
    if entries is None:
        entries = list_objects(s3, f"s3://{bucket}/{prefix}", glob=glob)
    above = fixed_part(prefix) if glob and has_wildcards(prefix) else prefix
    cut = len(above.rpartition("/")[0] + "/") if "/" in above else 0

    def large(entry: ObjectEntry, file: Path, modified: float) -> Downloaded:
        asked = wanted(entry, extra_args)
        return _Download(s3, asked, AHEAD, on_bytes).write(file, modified, refuse=False)

    files = PrefixFiles(s3, root, cut, large, SMALL, extra_args, on_file, on_bytes, on_error)
    return files.write(entries, workers)


class _Part:
    """A Sink: one part of the file, and the CRC of what was written to it."""

    def __init__(self, file: Descriptor, start: int, length: int, step: Step) -> None:
        self._file = file
        self._start = start
        self._length = length
        self._step = step
        self.crc = 0

    def __len__(self) -> int:
        return self._length

    def write(self, at: int, piece: memoryview) -> None:
        self.crc = self._step(piece, self.crc if at else 0)
        try:
            self._file.write(piece, self._start + at)
        except OSError as error:
            raise Unwritable(error) from error


class _Download:
    def __init__(self, s3: S3Client, asked: Wanted, ahead: int, on_bytes: Callable[[int], object] | None) -> None:
        self._s3 = s3
        self._asked = asked
        self._ahead = ahead
        self._on_bytes = on_bytes
        self._told = 0

    def write(self, target: Path, modified: float | None = None, *, refuse: bool = True) -> Downloaded:
        """modified: the file's time. refuse: where another download of the same file is under way."""
        with staged(target, sequential=_SEQUENTIAL, refuse=refuse) as staging:
            journal, earlier = staging.journal, None
            if journal is not None and not journal.fresh:
                earlier = journal.earlier(self._asked, PART, _boot(), staging.file)
            if earlier is not None:
                try:
                    return self._write(target, staging, earlier, modified)
                except ObjectChanged:
                    if self._asked.etag:
                        raise
                    # Replaced since the earlier run: what that one had is of no use.
                    self._tell(-self._told)
            return self._write(target, staging, None, modified)

    def _write(self, target: Path, staging: Staging, earlier: Earlier | None, modified: float | None) -> Downloaded:
        asked, journal = self._asked, staging.journal
        begun = earlier.begun if earlier is not None else None
        crcs = dict(earlier.done) if earlier is not None else {}
        resumed = sum(min(PART, earlier.begun.size - number * PART) for number in crcs) if earlier is not None else 0
        if earlier is not None and journal is not None:
            journal.begin(asked, earlier.begun, PART, _boot(), crcs)
        self._tell(resumed)

        def place(known: Begun, number: int, length: int) -> _Part:
            nonlocal begun
            if begun is None:
                begun = known
                # Not to its length: filling a file from its beginning costs ext4 a third of filling holes.
                staging.file.truncate(0)
                if journal is not None:
                    journal.begin(asked, known, PART, _boot(), {})
            return _Part(staging.file, number * PART, length, step_of(stored_checksum(known.fields)))

        try:
            for number, written in parts(
                self._s3, asked, place, part=PART, ahead=self._ahead, begun=begun, done=frozenset(crcs)
            ):
                crcs[number] = written.crc
                if journal is not None:
                    journal.record(number, written.crc)
                self._tell(len(written))
        except Unwritable as error:
            raise error.reason from None
        assert begun is not None
        if earlier is not None:
            # The file of an earlier run may be longer than the object.
            staging.file.truncate(begun.size)
        try:
            verified = _verified(asked, staging, begun, crcs)
        except ChecksumMismatch:
            if journal is not None:
                journal.recorded = False
            raise
        if verified is None:
            counters_of(self._s3).unverified(asked.uri, begun.fields)
        staging.move(target, begun.size, modified)
        return Downloaded(asked.uri, target, begun.size, begun.etag, resumed, verified)

    def _tell(self, count: int) -> None:
        self._told += count
        if count and self._on_bytes is not None:
            self._on_bytes(count)


def _verified(asked: Wanted, staging: Staging, begun: Begun, crcs: dict[int, int]) -> str | None:
    """Of the bytes that lie in the file: their checksums as they were written, or as they were read again."""
    stored = stored_checksum(begun.fields)
    if stored is None:
        return None
    if stored.step is not None:
        return stored.verify_parts(asked.uri, crcs, PART, begun.size)
    return stored.verify(asked.uri, staging.pieces())


def _boot() -> str:
    """Names the system's start, which nobody knows who writes to a bucket; empty where it has no name."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""

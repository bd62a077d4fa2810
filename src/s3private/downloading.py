"""Objects to files: a file is there whole or not at all, and a download that was killed goes on where it was.

The bytes lie in a hidden file until they are all there; a journal beside it says which parts are, and of which ETag.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from zlib import crc32

from s3private.asking import Item, Wanted, wanted
from s3private.checksums import stored_checksum
from s3private.client import refuse_other_clients
from s3private.descriptor import Descriptor
from s3private.entries import ObjectEntry, split_uri
from s3private.errors import ChecksumMismatch, ObjectChanged, Refused
from s3private.filters import fixed_part, has_wildcards
from s3private.listing import list_objects
from s3private.parts import Begun, parts
from s3private.places import Unwritable
from s3private.reading import read_objects

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PART = 8 << 20
AHEAD = 8
SMALL = 8 << 20
"""An object up to this size is read whole, many at once; a larger one in parts."""

# Only written from front to back: https://docs.databricks.com/aws/en/files/files-recommendations
_SEQUENTIAL = ("/Volumes/", "/Workspace/", "/dbfs/")
_DONE = re.compile(r"\d+ \d+")


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file that is there. size: bytes. resumed: how many of them were there from an earlier run already.

    verified: the algorithm of the stored checksum that the file was held against, or None (see `read_object`).
    """

    uri: str
    path: Path
    size: int
    etag: str
    resumed: int = 0
    verified: str | None = None


@dataclass(frozen=True, slots=True)
class DownloadedPrefix:
    """What `download_prefix` did. skipped: files that were there already."""

    files: int
    size: int
    skipped: int


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

    Killed, it goes on where it was when called again; an object that was replaced since then is begun anew.
    On volumes, which are only written from front to back, it is gathered in the temporary directory first.
    ahead: parts of 8 MiB at once. extra_args: see `read_object`. A stored checksum is verified over the whole file.
    on_bytes: called, as boto3's Callback is, with how many bytes more are there; first with those of an earlier run.

    Memory: two pieces of 1 MiB, and while boto3 is asked again 256 KiB for each of its 8 threads.
    Raises ObjectChanged when it is replaced meanwhile, ChecksumMismatch, ReadError when S3 refuses it, Refused when
    another download of the same file is under way, OSError when the disk does.
    """
    if ahead < 1:
        raise ValueError("ahead must be 1 or more")
    refuse_other_clients(s3)
    asked = wanted(object, extra_args)
    target = Path(file)
    if target.is_dir():
        target = target / PurePosixPath(asked.key).name
    target.parent.mkdir(parents=True, exist_ok=True)
    with _staged(target) as staging:
        found = _Journal.read(staging.journal, asked)
        if found is not None and found.done:
            try:
                return _download(s3, asked, target, staging, found, ahead, on_bytes)
            except ObjectChanged:
                if asked.etag:
                    raise
                # Replaced since the earlier run: what that one had is of no use.
        return _download(s3, asked, target, staging, None, ahead, on_bytes)


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
) -> DownloadedPrefix:
    """Every object under `s3://bucket/prefix`, or that matches `s3://bucket/2026/*/orders-*.csv`, as a file in
    `directory`, at what follows the last slash of the prefix, or of what is before the first wildcard.

    A file of an object's size and time is there already, and skipped: killed, it goes on where it was when called
    again. Keys that end in a slash are folders' marks, and left out.
    glob: see `list_objects`. entries: which of the objects, such as a listing with filters; default: all.
    workers: see `read_objects`. on_file: called with each file that was written. on_bytes: see `download`.

    Memory: as `read_objects` and `download`, and the entries of the objects over 8 MiB.
    Raises Refused for a key that would leave `directory`, and what `read_objects` and `download` raise.
    """
    bucket, prefix = split_uri(uri)
    root = Path(directory)
    if entries is None:
        entries = list_objects(s3, f"s3://{bucket}/{prefix}", glob=glob)
    above = fixed_part(prefix) if glob and has_wildcards(prefix) else prefix
    cut = len(above.rpartition("/")[0] + "/") if "/" in above else 0
    return _Prefix(s3, root, cut, extra_args, on_file, on_bytes).write(entries, workers)


class _Prefix:
    def __init__(
        self,
        s3: S3Client,
        root: Path,
        cut: int,
        extra_args: Mapping[str, Any] | None,
        on_file: Callable[[Downloaded], object] | None,
        on_bytes: Callable[[int], object] | None,
    ) -> None:
        self._s3 = s3
        self._root = root
        self._cut = cut
        self._extra_args = extra_args
        self._on_file = on_file
        self._on_bytes = on_bytes
        self._files = self._size = self._skipped = 0
        self._large: list[ObjectEntry] = []
        self._times: dict[str, float] = {}

    def write(self, entries: Iterator[ObjectEntry], workers: int | None) -> DownloadedPrefix:
        for read in read_objects(
            self._s3, self._small(entries), workers=workers, ordered=False, extra_args=self._extra_args
        ):
            path = self._path(read.key)
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, read.body)
            if self._on_bytes is not None:
                self._on_bytes(len(read.body))
            self._written(Downloaded(read.uri, path, len(read.body), read.etag, 0, read.verified))
        for entry in self._large:
            path = self._path(entry.key)
            self._written(download(self._s3, entry, path, extra_args=self._extra_args, on_bytes=self._on_bytes))
        return DownloadedPrefix(self._files, self._size, self._skipped)

    def _small(self, entries: Iterator[ObjectEntry]) -> Iterator[ObjectEntry]:
        for entry in entries:
            if entry.key.endswith("/"):
                continue
            path, when = self._path(entry.key), entry.last_modified.timestamp()
            with contextlib.suppress(FileNotFoundError):
                there = path.stat()
                if there.st_size == entry.size and there.st_mtime == when:
                    self._skipped += 1
                    continue
            self._times[entry.uri] = when
            if entry.size > SMALL:
                self._large.append(entry)
            else:
                yield entry

    def _path(self, key: str) -> Path:
        below = key[self._cut :]
        if not below or "\0" in below or any(name in ("", ".", "..") for name in below.split("/")):
            raise Refused(f"the key {key!r} is no place for a file in {self._root}: download it by itself")
        return self._root / below

    def _written(self, downloaded: Downloaded) -> None:
        when = self._times.pop(downloaded.uri)
        os.utime(downloaded.path, (when, when))
        self._files += 1
        self._size += downloaded.size
        if self._on_file is not None:
            self._on_file(downloaded)


@dataclass(frozen=True, slots=True)
class _Staging:
    file: Descriptor
    path: Path
    journal: Path


class _Part:
    """A Sink: one part of the file, and the CRC32 of what was written to it."""

    def __init__(self, file: Descriptor, start: int, length: int) -> None:
        self._file = file
        self._start = start
        self._length = length
        self.crc = 0

    def __len__(self) -> int:
        return self._length

    def write(self, at: int, piece: memoryview) -> None:
        self.crc = crc32(piece, self.crc if at else 0)
        try:
            self._file.write(piece, self._start + at)
        except OSError as error:
            raise Unwritable(error) from error


@dataclass(frozen=True, slots=True)
class _Journal:
    """What an earlier run had: of which object, and which parts, each with its CRC32."""

    begun: Begun
    done: dict[int, int]

    @classmethod
    def read(cls, file: Path, asked: Wanted) -> _Journal | None:
        """None where there is none, or it is of another object, another part size, or from before the last boot."""
        try:
            lines = file.read_text(encoding="utf-8").split("\n")
            head = json.loads(lines[0])
        except (OSError, ValueError):
            return None
        begun = Begun(head.get("size", 0), head.get("etag", ""), head.get("fields", {}))
        if head != _head(asked, begun) or (asked.etag and asked.etag != begun.etag):
            return None
        # What follows the last line's end was not written whole.
        return cls(begun, {int(line.split()[0]): int(line.split()[1]) for line in lines[1:-1] if _DONE.fullmatch(line)})


def _head(asked: Wanted, begun: Begun) -> dict[str, Any]:
    return {
        "object": asked.uri,
        "version_id": asked.arguments.get("VersionId"),
        "etag": begun.etag,
        "size": begun.size,
        "part": PART,
        "fields": dict(begun.fields),
        # Written is not yet on the disk: after a crash of the machine the journal may say more than is there.
        "boot": _boot(),
    }


def _boot() -> str:
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@contextlib.contextmanager
def _staged(target: Path) -> Iterator[_Staging]:
    """The hidden file, open and locked. It stays when the download fails, for the next to go on with."""
    directory, name = target.parent, f".{target.name}.s3private"
    if str(target.absolute()).startswith(_SEQUENTIAL):
        directory = Path(tempfile.gettempdir()) / f"s3private-{os.getuid()}"
        directory.mkdir(mode=0o700, exist_ok=True)
        name = hashlib.sha256(str(target.absolute()).encode()).hexdigest()[:32]
    path = directory / name
    file = Descriptor(path, os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The other may have ended between our opening and our locking: what we hold then is the finished file.
            free = path.exists() and file.stat().st_ino == path.stat().st_ino
        except BlockingIOError:
            free = False
        if not free:
            raise Refused(f"{target}: another download of this file is under way")
        yield _Staging(file, path, directory / f"{name}.journal")
    finally:
        file.close()


def _download(
    s3: S3Client,
    asked: Wanted,
    target: Path,
    staging: _Staging,
    found: _Journal | None,
    ahead: int,
    on_bytes: Callable[[int], object] | None,
) -> Downloaded:
    begun = found.begun if found is not None else None
    done = found.done if found is not None else {}
    resumed = sum(min(PART, found.begun.size - number * PART) for number in done) if found is not None else 0
    if resumed and on_bytes is not None:
        on_bytes(resumed)
    crcs = dict(done)
    journal = Descriptor(staging.journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        if found is None:
            journal.truncate(0)

        def place(known: Begun, number: int, length: int) -> _Part:
            nonlocal begun
            if begun is None:
                begun = known
                # Not to its length: filling a file from its beginning costs ext4 a third of filling holes.
                staging.file.truncate(0)
                journal.append(json.dumps(_head(asked, known)).encode() + b"\n")
            return _Part(staging.file, number * PART, length)

        for number, written in parts(s3, asked, place, part=PART, ahead=ahead, begun=begun, done=done):
            crcs[number] = written.crc
            journal.append(b"%d %d\n" % (number, written.crc))
            if on_bytes is not None:
                on_bytes(len(written))
        assert begun is not None
        verified = _verified(asked, staging, begun, crcs)
    except Unwritable as error:
        raise error.reason from None
    finally:
        journal.close()
    _move(staging.path, target)
    staging.journal.unlink()
    return Downloaded(asked.uri, target, begun.size, begun.etag, resumed, verified)


def _verified(asked: Wanted, staging: _Staging, begun: Begun, crcs: dict[int, int]) -> str | None:
    stored = stored_checksum(begun.fields)
    if stored is None:
        return None
    try:
        if stored.name == "CRC32":
            return stored.verify_parts(asked.uri, crcs, PART, begun.size)
        return stored.verify(asked.uri, _pieces(staging.file))
    except ChecksumMismatch:
        staging.journal.unlink()
        raise


def _pieces(file: Descriptor) -> Iterator[memoryview]:
    buffer, position = memoryview(bytearray(1 << 20)), 0
    while count := file.read_into(buffer, position):
        yield buffer[:count]
        position += count


def _move(staged: Path, target: Path) -> None:
    try:
        os.replace(staged, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = target.with_name(f".{target.name}.s3private")
        try:
            shutil.copyfile(staged, beside)
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        staged.unlink()


def _write_whole(path: Path, body: bytes) -> None:
    beside = path.with_name(f".{path.name}.s3private")
    try:
        beside.write_bytes(body)
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

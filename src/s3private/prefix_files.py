"""Many objects as files: small ones many at once, then large ones each in parts.

Not every set of keys is a tree of files: what can be one is written, what cannot is named when all else is there.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3private.entries import ObjectEntry
from s3private.errors import ReadError, Refused, S3PrivateError
from s3private.key_files import KeyFiles, as_refused
from s3private.reading import read_objects
from s3private.whole_file import write_bytes_whole

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


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
    """What `download_prefix` did. skipped: files that were there already.

    folders: empty objects whose keys end in a slash. left_out: objects that `on_error` was called with.
    """

    files: int
    size: int
    skipped: int
    folders: int = 0
    left_out: int = 0


Large = Callable[[ObjectEntry, Path, float], Downloaded]
"""Downloads a large object: its entry, its file, the file's time."""


class PrefixFiles:
    """large: how objects over `small` bytes become files. The others: see `download_prefix`."""

    def __init__(
        self,
        s3: S3Client,
        root: Path,
        cut: int,
        large: Large,
        small: int,
        extra_args: Mapping[str, Any] | None,
        on_file: Callable[[Downloaded], object] | None,
        on_bytes: Callable[[int], object] | None,
        on_error: Callable[[str, S3PrivateError], object] | None,
    ) -> None:
        self._s3 = s3
        self._root = root
        self._names = KeyFiles(root, cut)
        self._large_one = large
        self._small_size = small
        self._extra_args = extra_args
        self._on_file = on_file
        self._on_bytes = on_bytes
        self._on_error = on_error
        self._files = self._size = self._skipped = self._folders = self._left_out = 0
        self._first_refused: S3PrivateError | None = None
        self._large: list[tuple[ObjectEntry, Path]] = []
        self._waiting: dict[str, tuple[Path, float]] = {}

    def write(self, entries: Iterator[ObjectEntry], workers: int | None) -> DownloadedPrefix:
        """Raises Refused, ReadError, OSError."""
        for read in read_objects(
            self._s3,
            self._small(entries),
            workers=workers,
            ordered=False,
            extra_args=self._extra_args,
            on_error=self._unread if self._on_error is not None else None,
        ):
            path, modified = self._waiting.pop(read.uri)
            try:
                write_bytes_whole(path, read.body, modified)
            except OSError as error:
                self._no_place(read.uri, error)
                continue
            if self._on_bytes is not None:
                self._on_bytes(len(read.body))
            self._written(Downloaded(read.uri, path, len(read.body), read.etag, 0, read.verified))
        for entry, path in self._large:
            try:
                downloaded = self._large_one(entry, path, entry.last_modified.timestamp())
            except OSError as error:
                self._no_place(entry.uri, error)
            except ReadError as error:
                if self._on_error is None:
                    raise
                self._leave_out(entry.uri, error)
            else:
                self._written(downloaded)
        if self._first_refused is not None and self._on_error is None:
            objects = "1 object has" if self._left_out == 1 else f"{self._left_out} objects have"
            raise Refused(f"{objects} no place for a file, and all others are there: {self._first_refused}")
        return DownloadedPrefix(self._files, self._size, self._skipped, self._folders, self._left_out)

    def _small(self, entries: Iterator[ObjectEntry]) -> Iterator[ObjectEntry]:
        for entry in entries:
            if not entry.size and entry.key.endswith("/"):
                self._folders += 1
                continue
            try:
                path = self._names.file(entry)
            except Refused as error:
                self._leave_out(entry.uri, error)
                continue
            modified = entry.last_modified.timestamp()
            if entry.uri in self._waiting:
                # Named twice.
                continue
            if self._is_there(path, entry.size, modified):
                self._skipped += 1
            elif entry.size > self._small_size:
                self._large.append((entry, path))
            else:
                self._waiting[entry.uri] = path, modified
                yield entry

    def _is_there(self, path: Path, size: int, modified: float) -> bool:
        try:
            there = path.stat()
        except OSError:
            return False
        if there.st_size != size or there.st_mtime != modified:
            return False
        return size <= self._small_size or not _has_hole(path)

    def _no_place(self, uri: str, error: OSError) -> None:
        """The file system says so. Raises the error where it is about something else."""
        if (refused := as_refused(error, uri, self._root)) is None:
            raise error
        self._leave_out(uri, refused)

    def _unread(self, uri: str, error: S3PrivateError) -> None:
        self._waiting.pop(uri, None)
        self._leave_out(uri, error)

    def _leave_out(self, uri: str, error: S3PrivateError) -> None:
        self._left_out += 1
        if self._on_error is not None:
            self._on_error(uri, error)
        elif self._first_refused is None:
            self._first_refused = error

    def _written(self, downloaded: Downloaded) -> None:
        self._files += 1
        self._size += downloaded.size
        if self._on_file is not None:
            self._on_file(downloaded)


def _has_hole(path: Path) -> bool:
    """No file is written with holes here: one that has them is what is left of something else."""
    with contextlib.suppress(OSError, AttributeError), path.open("rb") as there:
        return os.lseek(there.fileno(), 0, os.SEEK_HOLE) < there.seek(0, os.SEEK_END)
    return False

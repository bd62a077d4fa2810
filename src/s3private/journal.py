"""What an earlier run of a download had: a record beside the bytes, and never more than the bytes themselves say.

It names the file that it speaks of, and every part that it claims is read again before it is believed. It also is what
owns the place: locked, of this user alone, and of a mode that no downloaded file has.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3private.asking import Wanted
from s3private.checksums import step_of, stored_checksum
from s3private.descriptor import Descriptor
from s3private.errors import Refused
from s3private.parts import Begun
from s3private.whole_file import NO_LINK, say_once

if sys.platform != "win32":
    import fcntl

_MODE = 0o700
"""A downloaded file is never executable: no object out of a bucket passes for a journal."""

_LONGEST_HEAD = 1 << 16
_LONGEST_LINE = 32
_LARGEST = 1 << 50
_PART_LINE = re.compile(rb"(\d{1,10}) (\d{1,20})")
_VOID = b"over"
_PIECE = 1 << 20
_TRIES = 8


class UnderWay(Refused):
    """Another download has the journal."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run left and is proven. done: parts, each with the CRC that its bytes have now."""

    begun: Begun
    done: dict[int, int]


class Journal:
    """A journal that is ours alone while it is open. fresh: it was not there before. recorded: whether it has parts."""

    def __init__(self, file: Descriptor, path: Path, fresh: bool) -> None:
        self._file = file
        self._path = path
        self.fresh = fresh
        self.recorded = False
        self._bound = 0

    @classmethod
    def claim(cls, path: Path, target: Path) -> Journal | None:
        """None where it cannot be had: it is somebody else's, or the place knows no locks. Raises UnderWay."""
        for _ in range(_TRIES):
            file, fresh = _opened(path)
            if file is None:
                return None
            claimed = False
            try:
                if not is_ours(file.stat(), _MODE) or not _locked(file, target):
                    if fresh:
                        path.unlink(missing_ok=True)
                    return None
                # The other may have ended between our opening and our locking: then it has removed it.
                if claimed := is_still(file, path):
                    return cls(file, path, fresh)
            finally:
                if not claimed:
                    file.close()
        return None

    def bind(self, file: Descriptor) -> None:
        """It speaks of that file from here on, which is new. Raises OSError."""
        line = _identity(file)
        self._file.truncate(0)
        self._file.append(line)
        self._bound = len(line)

    def speaks_of(self, file: Descriptor) -> bool:
        """Whether it is that file's. Raises OSError."""
        line = _identity(file)
        if b"".join(_pieces(self._file, 0, len(line))) != line:
            return False
        self._bound = len(line)
        return True

    def earlier(self, asked: Wanted, part: int, boot: str, file: Descriptor) -> Earlier | None:
        """None where it says nothing of this object, or nothing that the bytes bear out."""
        try:
            begun, claimed = self._read(asked, part, boot)
        # Nested too deep, JSON is a RecursionError.
        except (OSError, ValueError, RecursionError):
            return None
        done = _proven(file, claimed, part, begun)
        if len(done) == -(-begun.size // part):
            # One is asked for again: that the object still is the same is S3's to say.
            del done[max(done)]
        return Earlier(begun, done) if done else None

    def begin(self, asked: Wanted, begun: Begun, part: int, boot: str, done: Mapping[int, int]) -> None:
        """Anew, with what is there already. Raises OSError."""
        head = json.dumps(_head(asked, begun, part, boot)).encode()
        self._file.truncate(self._bound)
        self._file.append(b"\n".join([head, *(b"%d %d" % each for each in done.items()), b""]))
        self.recorded = bool(done)

    def record(self, number: int, crc: int) -> None:
        """A part that is there. Raises OSError."""
        self._file.append(b"%d %d\n" % (number, crc))
        self.recorded = True

    def void(self) -> int:
        """From here on it claims nothing, until it is revived with what this returns. Raises OSError."""
        size = self._file.stat().st_size
        self._file.append(_VOID + b"\n")
        return size

    def revive(self, size: int) -> None:
        """Raises OSError."""
        self._file.truncate(size)

    def remove(self) -> None:
        # What it spoke of is done with, whether it can be removed or not.
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        self._file.close()

    def _read(self, asked: Wanted, part: int, boot: str) -> tuple[Begun, dict[int, int]]:
        """Raises ValueError, RecursionError, OSError."""
        line, ended, _ = b"".join(_pieces(self._file, self._bound, _LONGEST_HEAD)).partition(b"\n")
        head = json.loads(line) if ended else None
        begun = _begun(head)
        if head != _head(asked, begun, part, boot) or (asked.etag and asked.etag != begun.etag):
            raise ValueError("of something else")
        count = -(-begun.size // part)
        first, last = self._bound + len(line) + 1, self._file.stat().st_size
        if last - first > count * _LONGEST_LINE:
            raise ValueError("longer than it can be")
        claimed = {}
        # What follows the last line's end was not written whole.
        lines = b"".join(_pieces(self._file, first, last)).split(b"\n")[:-1]
        if _VOID in lines:
            raise ValueError("void")
        for each in lines:
            match = _PART_LINE.fullmatch(each)
            if match and int(match[1]) < count:
                claimed[int(match[1])] = int(match[2])
        return begun, claimed


def is_ours(found: os.stat_result, mode: int | None = None) -> bool:
    """A plain file of this user, of one name, and of that mode."""
    return (
        stat.S_ISREG(found.st_mode)
        and found.st_nlink == 1
        and found.st_uid == user()
        and mode in (None, stat.S_IMODE(found.st_mode))
    )


def is_still(file: Descriptor, path: Path) -> bool:
    """Whether the open file is the one that is to be found at `path`."""
    try:
        return os.path.samestat(file.stat(), path.lstat())
    except FileNotFoundError:
        return False


def user() -> int:
    return 0 if sys.platform == "win32" else os.geteuid()


def _opened(path: Path) -> tuple[Descriptor | None, bool]:
    flags = os.O_RDWR | os.O_APPEND | NO_LINK | getattr(os, "O_NONBLOCK", 0)
    for more, fresh in ((os.O_CREAT | os.O_EXCL, True), (0, False)):
        # What is wrong with the place itself is said when the file is made.
        with contextlib.suppress(OSError):
            return Descriptor(path, flags | more, _MODE), fresh
    return None, False


def _locked(file: Descriptor, target: Path) -> bool:
    """False where the place knows no locks. Raises UnderWay."""
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UnderWay(f"{target}: another download of this file is under way") from None
    except OSError as error:
        say_once("files cannot be locked: a download that is killed begins anew", target, error)
        return False
    return True


def _identity(file: Descriptor) -> bytes:
    """Raises OSError."""
    found = file.stat()
    return b"%d %d\n" % (found.st_dev, found.st_ino)


def _head(asked: Wanted, begun: Begun, part: int, boot: str) -> dict[str, Any]:
    return {
        "object": asked.uri,
        "version_id": asked.arguments.get("VersionId"),
        "etag": begun.etag,
        "size": begun.size,
        "part": part,
        "fields": _stored(begun.fields),
        "boot": boot,
    }


def _stored(fields: Mapping[str, str]) -> dict[str, str]:
    """What is said of the object's checksum."""
    return {name: value for name, value in fields.items() if name.startswith("x-amz-checksum-")}


def _begun(head: Any) -> Begun:
    """Raises ValueError for any other shape."""
    if not isinstance(head, dict):
        raise ValueError("no object")
    size, etag, fields = head.get("size"), head.get("etag"), head.get("fields")
    if type(size) is not int or not 0 < size <= _LARGEST or not isinstance(etag, str) or not etag:
        raise ValueError("of no object")
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("no header fields")
    return Begun(size, etag, fields)


def _proven(file: Descriptor, claimed: Mapping[int, int], part: int, begun: Begun) -> dict[int, int]:
    """Those parts whose bytes lie in the file, and have the CRC that is claimed."""
    proven, step = {}, step_of(stored_checksum(begun.fields))
    for number, claim in sorted(claimed.items()):
        start, end, crc, length = number * part, min((number + 1) * part, begun.size), 0, 0
        with contextlib.suppress(OSError):
            for piece in _pieces(file, start, end):
                crc, length = step(piece, crc), length + len(piece)
        if length == end - start and crc == claim:
            proven[number] = crc
    return proven


def _pieces(file: Descriptor, start: int, end: int) -> Iterator[memoryview]:
    """Valid until the next is asked for. Raises OSError."""
    buffer = memoryview(bytearray(max(0, min(_PIECE, end - start))))
    while start < end and (count := file.read_into(buffer[: end - start], start)):
        yield buffer[:count]
        start += count

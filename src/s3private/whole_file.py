"""Files that are there whole or not at all: written under another name, then renamed; a killed run leaves the old one.

Temporary files are made here alone: beside their target, of a random name, never over or through what is there, and
with the mode of any new file.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from s3private.errors import Refused

T = TypeVar("T")

ENDING = ".s3private"
JOURNAL = ".journal"
LONGEST = 255
"""Bytes of a name, on nearly every file system."""

NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW = os.O_CREAT | os.O_EXCL | NO_LINK
_TRIES = 16
_PIECE = 1 << 20
# Such as mountpoint-s3: https://github.com/awslabs/mountpoint-s3/blob/main/doc/SEMANTICS.md
_NO_RENAME = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.EPERM}
_LOG = logging.getLogger(__name__)
_said: set[str] = set()


def write_whole(file: Path, text: str) -> None:
    """UTF-8 text; makes the directory. Raises OSError."""
    write_bytes_whole(file, text.encode())


def write_bytes_whole(file: Path, body: bytes | memoryview, modified: float | None = None) -> None:
    """Makes the directory. modified: the file's time, where times can be set. Raises OSError; Refused for a device."""
    refuse_special(file)
    number, unfinished = temporary(file, lambda path, flags: os.open(path, flags | os.O_WRONLY, 0o666))
    try:
        try:
            rest = memoryview(body)
            while rest:
                rest = rest[os.write(number, rest) :]
            set_time(unfinished, modified)
        finally:
            # Before the rename: a disk over the network says here what it could not keep.
            os.close(number)
        into_place(unfinished, file, modified)
    except BaseException as error:
        _remove(unfinished)
        name_file(error, file)
        raise


@contextlib.contextmanager
def writing_whole(file: Path, modified: float | None = None) -> Iterator[BinaryIO]:
    """A new file to be written from front to back; it takes the place of `file` when the block ends without error."""
    number, unfinished = temporary(file, lambda path, flags: os.open(path, flags | os.O_WRONLY, 0o666))
    try:
        with os.fdopen(number, "wb") as out:
            yield out
            out.flush()
            set_time(unfinished, modified)
        into_place(unfinished, file, modified)
    except BaseException as error:
        _remove(unfinished)
        name_file(error, file)
        raise


def name_file(error: BaseException, file: Path) -> None:
    """What a write to a descriptor raises names none: a full disk should say which one it is."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(file)


def temporary(target: Path, opened: Callable[[str, int], T]) -> tuple[T, Path]:
    """A new file beside `target`, by `opened(path, flags)`, with its path; makes the directory. Raises OSError."""
    directory, stem, made = target.parent, target.name, False
    for _ in range(_TRIES):
        path = os.path.join(directory, hidden_name(stem, os.urandom(8).hex()))
        try:
            return opened(path, _NEW), Path(path)
        except FileExistsError:
            continue
        except FileNotFoundError:
            if made:
                raise
            directory.mkdir(parents=True, exist_ok=True)
            made = True
        except OSError as error:
            # Encrypted home directories take fewer bytes.
            if error.errno != errno.ENAMETOOLONG or not stem:
                raise
            stem = ""
    raise FileExistsError(errno.EEXIST, "no name is free for a temporary file", str(target))


def hidden_name(stem: str, token: str) -> str:
    """`.stem.token.s3private`: with the ending of its journal no longer than a name may be."""
    room = LONGEST - len(f"..{token}{ENDING}{JOURNAL}")
    # A character is not cut in two.
    return f".{stem.encode('utf-8', 'ignore')[:room].decode('utf-8', 'ignore')}.{token}{ENDING}"


def into_place(
    unfinished: Path,
    target: Path,
    modified: float | None = None,
    pieces: Callable[[], Iterable[bytes | memoryview]] | None = None,
) -> bool:
    """Rename it; into another file system, or where files cannot be renamed, copy and remove it: False then.

    pieces: its bytes, for the copy; default: they are read from `unfinished`. Raises OSError.
    """
    try:
        os.replace(unfinished, target)
        return True
    except OSError as error:
        if error.errno != errno.EXDEV and (error.errno not in _NO_RENAME or target.is_dir()):
            raise
        reason = error
    if reason.errno == errno.EXDEV:
        with writing_whole(target, modified) as out:
            for piece in (pieces or (lambda: _pieces(unfinished)))():
                out.write(piece)
    else:
        say_once(
            "files cannot be renamed, and are copied over: one that is read meanwhile is not whole", target, reason
        )
        try:
            with target.open("wb") as out:
                for piece in (pieces or (lambda: _pieces(unfinished)))():
                    out.write(piece)
        except BaseException:
            _remove(target)
            raise
        set_time(target, modified)
    unfinished.unlink()
    return False


def refuse_special(target: Path) -> None:
    """Raises Refused for a pipe, a device or a socket: replaced by a file, it would be gone for everybody."""
    try:
        mode = target.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise Refused(f"{target} is no file but a pipe, a device or a socket: write to a file, or use stream_object")


def set_time(file: Path, modified: float | None) -> None:
    """Where times can be set; elsewhere the file is right without. None: leave it."""
    if modified is None:
        return
    try:
        os.utime(file, (modified, modified))
    except OSError as error:
        say_once(
            "times cannot be set: a second run cannot know that files are there, and reads them again", file, error
        )


def say_once(what: str, where: Path, why: OSError) -> None:
    """What a place does not support and files are written without: as a warning, once in a process."""
    if what not in _said:
        _said.add(what)
        _LOG.warning("%s: %s (%s)", where.parent, what, why.strerror or why)


def _pieces(file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()

"""Where the bytes of a download are gathered until they are all there: a hidden file beside the one that it becomes.

With a journal it stays when the download ends early, for the next to go on with. Where that cannot be had safely, the
file has a random name and nobody goes on with it. Places that are only written from front to back get a copy.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from s3private.descriptor import Descriptor
from s3private.errors import ReadError
from s3private.forks import Here
from s3private.journal import Journal, UnderWay, is_ours, is_still, user
from s3private.whole_file import (
    JOURNAL,
    NO_LINK,
    hidden_name,
    into_place,
    name_file,
    refuse_special,
    set_time,
    temporary,
)

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}
_PLACE_UNFIT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.ESPIPE}


class Staging:
    """The file, open. journal: None where nobody will go on with it."""

    def __init__(self, file: Descriptor, path: Path, journal: Journal | None) -> None:
        self.file = file
        self.path = path
        self.journal = journal
        self._here = Here()

    def pieces(self) -> Iterator[memoryview]:
        """All its bytes, in order; each valid until the next is asked for. Raises OSError."""
        buffer, position = memoryview(bytearray(1 << 20)), 0
        while count := self.file.read_into(buffer, position):
            yield buffer[:count]
            position += count

    def move(self, target: Path, size: int, modified: float | None) -> None:
        """All `size` bytes are there: it becomes `target`. Raises OSError; ReadError where it is not what it was."""
        self._here.check()
        if not is_still(self.file, self.path) or self.file.stat().st_size != size:
            raise ReadError(
                f"{target}: its hidden file {self.path} was removed or changed meanwhile; download it again"
            )
        self._flush()
        set_time(self.path, modified)
        journal = self.journal if self.file.stat().st_dev == target.parent.stat().st_dev else None
        # Before the rename: there is no moment at which it speaks of a file that is not there.
        voided = journal.void() if journal is not None else 0
        try:
            renamed = into_place(self.path, target, modified, self.pieces)
        except OSError:
            if journal is not None:
                journal.revive(voided)
            raise
        if renamed and not is_still(self.file, target) and not self._same_bytes(target):
            raise ReadError(f"{target}: replaced by another program while it was downloaded; download it again")

    def leave(self, done: bool) -> None:
        """Close it; what nobody can go on with is removed. In a forked process it is the parent's."""
        if self._here.gone:
            return
        try:
            if done or self.journal is None or not self.journal.recorded:
                if not done and is_still(self.file, self.path):
                    _remove(self.path)
                if self.journal is not None:
                    self.journal.remove()
        finally:
            self.file.close()
            if self.journal is not None:
                self.journal.close()

    def _same_bytes(self, target: Path) -> bool:
        """Whoever downloads the same object beside us may have been the last."""
        with contextlib.suppress(OSError), target.open("rb") as there:
            return all(there.read(len(piece)) == piece for piece in self.pieces()) and not there.read(1)
        return False

    def _flush(self) -> None:
        """A disk over the network says when a file is closed what it could not keep; the lock stays. Raises OSError."""
        os.close(os.dup(self.file.fileno()))


@contextlib.contextmanager
def staged(target: Path, *, sequential: tuple[str, ...], refuse: bool) -> Iterator[Staging]:
    """sequential: how the paths of places begin that are only written from front to back; others are known by trying.

    refuse: raise Refused where another download of the same file is under way, instead of going beside it.
    Raises OSError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        # Before anything is asked for: it would fail at the end.
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    refuse_special(target)
    # A link may lead to such a place.
    real = Path(os.path.realpath(target.parent)) / target.name
    unfit = str(target.absolute()).startswith(sequential) or str(real).startswith(sequential)
    with _named(target), contextlib.ExitStack() as ending:
        found = None if unfit else _gathered(target.parent, target, real, refuse)
        if found is None:
            found = _gathered(ending.enter_context(_private_directory()), target, real, refuse)
        if found is None:
            raise OSError(errno.ESPIPE, "files are only written from front to back here", tempfile.gettempdir())
        done = False
        try:
            yield found
            done = True
        finally:
            found.leave(done)


@contextlib.contextmanager
def _named(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name_file(error, target)
        raise


def _gathered(directory: Path, target: Path, real: Path, refuse: bool) -> Staging | None:
    """None where files in `directory` are only written from front to back. Raises UnderWay, OSError."""
    # The same for everybody who downloads that file, in however many ways its directory is named.
    token = hashlib.sha256(f"{user()} {real}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
    path = directory / hidden_name(target.name, token)
    try:
        found = _with_journal(path, target)
    except UnderWay:
        if refuse:
            raise
        found = None
    try:
        if found is None:
            file, path = temporary(directory / target.name, lambda at, flags: Descriptor(at, flags | os.O_RDWR))
            found = Staging(file, path, None)
    except OSError as error:
        if error.errno in _PLACE_UNFIT:
            return None
        raise
    if _takes_any_order(found):
        return found
    found.leave(done=False)
    return None


def _with_journal(path: Path, target: Path) -> Staging | None:
    """None where the names are taken by what is not ours. Raises UnderWay."""
    journal = Journal.claim(path.with_name(path.name + JOURNAL), target)
    if journal is None:
        return None
    with contextlib.suppress(OSError):
        if not journal.fresh and (there := _opened(path, 0)) is not None:
            if is_ours(there.stat()) and journal.speaks_of(there):
                return Staging(there, path, journal)
            there.close()
        elif (new := _opened(path, os.O_CREAT | os.O_EXCL)) is not None:
            journal.bind(new)
            return Staging(new, path, journal)
    if journal.fresh:
        journal.remove()
    journal.close()
    return None


def _opened(path: Path, more: int) -> Descriptor | None:
    """None where there is no such file, or there is one though it should be new."""
    with contextlib.suppress(FileNotFoundError, FileExistsError):
        return Descriptor(path, os.O_RDWR | NO_LINK | more)
    return None


def _takes_any_order(found: Staging) -> bool:
    """Known by trying, as volumes and others do not: https://docs.databricks.com/aws/en/files/files-recommendations

    Raises OSError where the disk is full or broken.
    """
    try:
        if not found.file.stat().st_size:
            found.file.write(b"\0", 1)
            tried = found.file.read_into(memoryview(bytearray(2)), 0) == 2
            found.file.truncate(0)
            return tried
    except OSError as error:
        if error.errno in _FULL:
            found.leave(done=False)
            raise
        return False
    return True


@contextlib.contextmanager
def _private_directory() -> Iterator[Path]:
    """Of this user alone, in the temporary directory; where somebody else has taken the name, another for this once."""
    path = Path(tempfile.gettempdir()) / f"s3private-{user()}"
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == user() and not stat.S_IMODE(found.st_mode) & 0o077:
        yield path
    else:
        here, another = Here(), Path(tempfile.mkdtemp(prefix="s3private-"))
        try:
            yield another
        finally:
            if not here.gone:
                shutil.rmtree(another, ignore_errors=True)


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()

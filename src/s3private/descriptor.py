"""An open file that several threads write to, and that one of them closes: once it is closed, nothing is written.

A bare number is no owner: closed, it soon is another file's, and who still has it writes there.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading

from s3private.endings import alone
from s3private.forks import Here, renewed_in_child

if sys.platform != "win32":
    import fcntl

Bytes = bytes | bytearray | memoryview


class Descriptor:
    """Owns an open file. Safe to share between threads: `close` waits for the one call that is under way.

    Each call raises OSError: what the system says, and EBADF once it is closed.
    """

    def __init__(self, path: str | os.PathLike[str], flags: int, mode: int = 0o666) -> None:
        self._number = -1
        self._here = Here()
        # Reentrant: the garbage collector may end the owner in any thread, even in one that is writing here.
        self._lock = threading.RLock()
        self._number = os.open(path, flags | os.O_CLOEXEC, mode)
        renewed_in_child(self, Descriptor._in_child)

    def write(self, piece: Bytes, at: int) -> None:
        """All of `piece`, from byte `at` of the file on."""
        rest = memoryview(piece)
        with self._lock:
            while rest:
                written = os.pwrite(self.fileno(), rest, at)
                rest, at = rest[written:], at + written

    def append(self, piece: Bytes) -> None:
        """All of `piece`, where writing goes on: at the end, with O_APPEND."""
        rest = memoryview(piece)
        with self._lock:
            while rest:
                rest = rest[os.write(self.fileno(), rest) :]

    def read_into(self, buffer: memoryview, at: int) -> int:
        """How many bytes from `at` on are in `buffer` now; 0 at the end."""
        with self._lock:
            return os.preadv(self.fileno(), [buffer], at)

    def truncate(self, size: int) -> None:
        with self._lock:
            os.ftruncate(self.fileno(), size)

    def stat(self) -> os.stat_result:
        with self._lock:
            return os.fstat(self.fileno())

    def fileno(self) -> int:
        """The number, for one call in the thread that closes it; never to be kept, nor handed to another thread."""
        if self._number < 0:
            raise OSError(errno.EBADF, "the file is closed: whoever opened it has gone on")
        return self._number

    def close(self) -> None:
        """Closed already, nothing happens."""
        if alone(self._here):
            # The lock may be a thread's that stands still for good.
            self._let_go()
            return
        with self._lock:
            self._let_go()

    def _let_go(self) -> None:
        number, self._number = self._number, -1
        if number < 0:
            return
        try:
            # A forked process that has not closed its copy yet would keep what is locked. Windows has neither.
            if sys.platform != "win32":
                with contextlib.suppress(OSError):
                    fcntl.flock(number, fcntl.LOCK_UN)
        finally:
            os.close(number)

    def _in_child(self) -> None:
        # The file is the parent's, and so may be whoever has the lock. A flock is not undone, but outlives it no more.
        self._lock = threading.RLock()
        number, self._number = self._number, -1
        if number >= 0:
            os.close(number)

    def __del__(self) -> None:
        self.close()

"""Where a body goes: into memory that is there, or piece by piece to a Sink, such as a part of a file.

Pieces are written while they are still in the processor's cache, and by the thread that received them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Protocol

from s3private.endings import alone, to_the_end
from s3private.forks import Here


class Sink(Protocol):
    """Takes a body in pieces. `len`: how many bytes it takes; no more are received."""

    def __len__(self) -> int: ...

    def write(self, at: int, piece: memoryview) -> None:
        """Take what comes after `at` bytes of the body: in order, and from 0 again where it is asked for again.

        Called by whichever thread receives, never by two at once. Raises Unwritable.
        """


class Unwritable(Exception):
    """A Sink could not take it, for that reason: not the connection's fault, so nothing is asked again."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


Room = memoryview | Sink

Place = Room | Callable[[int, Mapping[str, str]], Room]
"""Where a body goes: exactly as much room; or what is called with its length and the answer's fields and gives room,
which may be less: then only so much of the body is taken, and the connection given up."""


def put(room: Room, at: int, piece: bytes) -> None:
    """Raises Unwritable."""
    if isinstance(room, memoryview):
        room[at : at + len(piece)] = piece
    elif piece:
        room.write(at, memoryview(piece))


class Gone(Exception):
    """Who asked has gone on: nothing is written any more, and nobody hears of it."""


class Guard:
    """What a thread beside holds, as a context manager, while it writes to what is another's: until that one has gone.

    Whatever leaves, closes it first. Entering it raises Gone from then on.
    """

    def __init__(self) -> None:
        self._here = Here()
        # Reentrant: the garbage collector may end a reading in any thread, even in one that is writing for it.
        self._lock = threading.RLock()
        self._closed = False

    def __enter__(self) -> None:
        self.check()
        self._lock.acquire()
        if self._closed:
            self._lock.release()
            raise Gone

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def check(self) -> None:
        """Raises Gone: whatever comes next is for nobody."""
        if self._closed:
            raise Gone

    def close(self) -> None:
        """Nothing is written any more: the one piece that is under way is waited for, whatever comes in between."""
        self._closed = True
        if not alone(self._here):
            to_the_end(self._wait)

    def _wait(self) -> None:
        with self._lock:
            pass

"""Where a body goes: into memory that is there, or piece by piece to a Sink, such as a part of a file.

Pieces are written while they are still in the processor's cache, and by the thread that received them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


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

"""Calls that run in a few threads beside the sockets, and wake who waits for those: boto3 is asked in them.

Nobody waits for them: they may be late, for as long as the server is. What they write to is another's, so they write
under a guard, and no more once that one has gone.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from s3private.forks import closed_in_child
from s3private.places import Gone, Guard
from s3private.threads import Threads

BESIDE = 8
"""How many at once."""


class Beside:
    """Calls that run in threads, whose end wakes the selector. guard: to be held by them when they write."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self.guard = Guard()
        self._selector = selector
        self._threads = Threads(BESIDE, "s3private-boto3")
        self._bell: socket.socket | None = None
        self._ring: socket.socket | None = None
        self._running = 0
        self._ended: deque[tuple[Any, Future[Any]]] = deque()

    def __len__(self) -> int:
        return self._running

    def run(self, tag: Any, call: Callable[[], Any]) -> None:
        if self._bell is None:
            self._bell, self._ring = socket.socketpair()
            closed_in_child(self._bell)
            closed_in_child(self._ring)
            self._bell.setblocking(False)
            self._ring.setblocking(False)
            self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._running += 1
        self._threads.submit(call).add_done_callback(lambda future: self._over(tag, future))

    def finished(self) -> list[tuple[Any, Future[Any]]]:
        assert self._bell is not None
        self._bell.recv(4096)
        ended = []
        while self._ended:
            ended.append(self._ended.popleft())
        self._running -= len(ended)
        return ended

    def close(self) -> None:
        """Nothing is written any more. Called again, it goes on where it was."""
        self.guard.close()
        self._threads.close()
        for each in (self._bell, self._ring):
            if each is not None:
                each.close()

    def _over(self, tag: Any, future: Future[Any]) -> None:
        self._ended.append((tag, future))
        # A socket, too, is written to only while it is open: its number may be another's then. That it is full will do.
        with contextlib.suppress(Gone, OSError), self.guard:
            assert self._ring is not None
            self._ring.send(b".")

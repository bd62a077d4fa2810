"""Calls that run in a few threads beside the sockets, and wake who waits for those: boto3 is asked in them."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

BESIDE = 8
"""How many at once."""


class Beside:
    """Calls that run in threads, whose end wakes the selector."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._pool: ThreadPoolExecutor | None = None
        self._running = 0
        self._ended: deque[tuple[Any, Future[Any]]] = deque()

    def __len__(self) -> int:
        return self._running

    def run(self, tag: Any, call: Callable[[], Any]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(BESIDE, thread_name_prefix="s3private-boto3")
            self._bell, self._ring = socket.socketpair()
            self._bell.setblocking(False)
            self._selector.register(self._bell, selectors.EVENT_READ, None)
        self._running += 1

        def ended(future: Future[Any]) -> None:
            self._ended.append((tag, future))
            # Nobody listens any more where the reader has gone away.
            with contextlib.suppress(OSError):
                self._ring.send(b".")

        self._pool.submit(call).add_done_callback(ended)

    def finished(self) -> list[tuple[Any, Future[Any]]]:
        self._bell.recv(4096)
        ended = []
        while self._ended:
            ended.append(self._ended.popleft())
        self._running -= len(ended)
        return ended

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._bell.close()
            self._ring.close()

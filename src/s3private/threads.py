"""Threads that nobody waits for: who leaves, or is interrupted, is out at once, whatever its threads still wait for.

Those of concurrent.futures are joined when a block is left and again when the interpreter ends; beside a server that
is silent this takes minutes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Ended(Exception):
    """What a call comes to that was not done when its threads were let go of."""


class Threads:
    """At most `at_once` calls at once, in threads that do not keep the process."""

    def __init__(self, at_once: int, name: str) -> None:
        self._at_once = at_once
        self._name = name
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._turn = threading.Lock()
        self._open: set[Future[Any]] = set()
        self._threads = 0
        self._closed = False

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """What `call` comes to."""
        future: Future[T] = Future()

        def run() -> None:
            if self._closed:
                return
            with _Outcome() as outcome:
                outcome.result = call(*arguments)
            if not self._done(future):
                return
            if outcome.error is not None:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)

        with self._turn:
            if self._closed:
                raise Ended("these threads were let go of")
            more = len(self._open) >= self._threads < self._at_once
            self._open.add(future)
            if more:
                self._threads += 1
        if more:
            threading.Thread(target=_work, args=(self._calls,), name=self._name, daemon=True).start()
        self._calls.put(run)
        return future

    def close(self) -> None:
        """Begin nothing more. What is not done is Ended for those who wait for it; what it comes to is let go of."""
        with self._turn:
            self._closed = True
            ended, self._open = self._open, set()
            for _ in range(self._threads):
                self._calls.put(None)
            self._threads = 0
        for future in ended:
            future.set_exception(Ended("it was not waited for"))

    def _done(self, future: Future[Any]) -> bool:
        """Whether somebody may still wait for it."""
        with self._turn:
            if future not in self._open:
                return False
            self._open.remove(future)
            return True


class _Outcome:
    result: Any = None
    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


def _work(calls: SimpleQueue[Callable[[], None] | None]) -> None:
    # Of the queue alone: a thread that waits must not hold what it worked for.
    while (run := calls.get()) is not None:
        run()
        del run

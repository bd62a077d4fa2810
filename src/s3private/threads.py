"""Threads that nobody waits for: who leaves, or is interrupted, is out at once, whatever its threads still wait for.

Those of concurrent.futures are joined when a block is left and again when the interpreter ends; beside a server that
is silent this takes minutes.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from s3private.forks import Here

T = TypeVar("T")

_STEP = 0.25


class Ended(Exception):
    """What a call comes to that was not done when its threads were let go of."""


class Threads:
    """At most `at_once` calls at once, in threads that do not keep the process; the others wait in their order.

    A thread begins with a call and ends when none is left: none has to be ended by whoever forgets to.
    """

    def __init__(self, at_once: int, name: str) -> None:
        self._at_once = at_once
        self._name = name
        self._closed = False
        self._begin()

    def submit(self, call: Callable[..., T], *arguments: Any) -> Future[T]:
        """What `call` comes to. Raises Ended once these were let go of."""
        if self._here.gone:
            self._begin()
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
            self._open.add(future)
            self._calls.append(run)
            if sum(each.is_alive() for each in self._threads) < self._at_once:
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.add(thread)
                thread.start()
        return future

    def close(self) -> None:
        """Begin nothing more. What is not done is Ended for those who wait for it; what it comes to is let go of."""
        self._closed = True
        self._calls.clear()
        if self._here.gone:
            # What is not done is the parent's, and nobody waits for it here.
            return
        # One after the other: interrupted, and called again, it goes on where it was.
        while self._open:
            self._open.pop().set_exception(Ended("it was not waited for"))

    def _begin(self) -> None:
        # A fork's child has none of the threads, and perhaps the lock as one of them held it.
        self._here = Here()
        # Reentrant: the garbage collector may close these in any thread, in one of their own, too.
        self._turn = threading.RLock()
        self._threads: set[threading.Thread] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._open: set[Future[Any]] = set()

    def _done(self, future: Future[Any]) -> bool:
        """Whether somebody may still wait for it."""
        try:
            self._open.remove(future)
        except KeyError:
            return False
        return True

    def _work(self) -> None:
        while (run := self._next()) is not None:
            run()
            # Not to be held until the next one comes.
            del run

    def _next(self) -> Callable[[], None] | None:
        with self._turn:
            try:
                return self._calls.popleft()
            except IndexError:
                self._threads.discard(threading.current_thread())
                return None


def result_of(future: Future[T]) -> T:
    """What it comes to. Waited for in steps: a Ctrl-C that comes just before a lock is waited for is not heard else."""
    while not wait([future], _STEP).done:
        pass
    return future.result()


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

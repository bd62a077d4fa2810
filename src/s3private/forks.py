"""What a fork leaves in the child: sockets that are the parent's too, locks that nobody opens, threads that do not run.

Python tells of every fork. Before anything else runs in the child, what is the parent's is closed there, with no word
on it; what can begin anew does; and what was under way is refused from then on. The parent notices nothing.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from s3private.errors import ReadError, Refused

T = TypeVar("T")


class _Closable(Protocol):
    def close(self) -> object: ...


_closed: WeakSet[_Closable] = WeakSet()
_renewed: WeakKeyDictionary[Any, Callable[[Any], object]] = WeakKeyDictionary()
_forks = 0

_calm = threading.Condition()
_busy: Counter[int] = Counter()
"""The threads that are within `no_fork`."""

_ending: set[int] = set()
"""Threads, by their native id, that have come to Python's end of them and not yet to the system's."""

_PATIENCE = 1.0
"""Seconds that a fork waits for them at the most."""


def closed_in_child(what: _Closable) -> None:
    """A socket, selector or file that a child must not use: its copy of the descriptor is closed there."""
    _closed.add(what)


def renewed_in_child(owner: T, renew: Callable[[T], object]) -> None:
    """`renew(owner)` is called in a child, as long as the owner is there. It must not wait, ask the network or fail."""
    _renewed[owner] = renew


@contextmanager
def no_fork() -> Iterator[None]:
    """No thread forks while this one is within: for what takes locks that are out of Python's reach. Not for long."""
    me = threading.get_ident()
    with _calm:
        _busy[me] += 1
    try:
        yield
    finally:
        with _calm:
            _busy[me] -= 1
            if not _busy[me]:
                del _busy[me]
                _calm.notify_all()


def imported(module: str) -> Any:
    """Imported where it is needed first, whichever thread that is. A fork waits for it, as long as it does for others:
    a child has no thread that would open the lock of a module half imported. Raises ImportError."""
    with no_fork():
        return import_module(module)


class _Mark:
    """A thread's own: it goes when the thread does."""

    def __init__(self) -> None:
        self._thread = threading.get_native_id()
        # At the interpreter's end the module has none of its names any more.
        self._ends = _ending.add

    def __del__(self) -> None:
        self._ends(self._thread)


class _Marks(threading.local):
    mark: _Mark | None = None


_marks = _Marks()


def whole_thread() -> None:
    """No thread forks while this one ends: its end takes such locks, too, when Python has no more to say about it."""
    if _marks.mark is None:
        _marks.mark = _Mark()


class Here:
    """The process in which something was begun."""

    __slots__ = ("_forks",)

    def __init__(self) -> None:
        self._forks = _forks

    @property
    def gone(self) -> bool:
        """Whether this is a child of that process."""
        return self._forks != _forks

    def check(self) -> None:
        """Raises Refused in a child."""
        if self._forks != _forks:
            raise Refused(
                "this was begun in the process that this one was forked from, which goes on with it: its connections "
                "and threads are not there in a fork. Call it again here, with the same client"
            )


class InOneProcess(Iterator[T]):
    """`items`, to be gone through in the process that took the first of them: a child's `next` raises Refused.

    After an error or Ctrl-C `next` raises ReadError: a generator would say that it has ended, and whoever goes on, as a
    notebook's cell that is run again, would take what came for all of it.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._here: Here | None = None
        self._broken = False

    def __next__(self) -> T:
        if self._here is None:
            self._here = Here()
        else:
            self._here.check()
        if self._broken:
            raise ReadError(
                "this ended in an error, or was interrupted, and is not whole: call it again from the start"
            )
        try:
            return next(self._items)
        except StopIteration:
            raise
        except BaseException:
            self._broken = True
            raise

    def close(self) -> None:
        """End what is under way; in a child nothing is."""
        close: Any = getattr(self._items, "close", None)
        if close is not None and (self._here is None or not self._here.gone):
            close()


def abandon(held: socket.socket) -> None:
    """Close this process's descriptor of a socket that another one uses, and say nothing on it, nor read from it."""
    if hasattr(held, "_sslobj"):
        # So that a read goes to the descriptor, which is none any more, and not to what has its number next.
        held._sslobj = None
    if (descriptor := held.detach()) >= 0:
        os.close(descriptor)


def _before() -> None:
    """A thread that forks within `no_fork`, as a signal's handler may, does not wait for itself."""
    me = threading.get_ident()
    _calm.acquire()
    end = time.monotonic() + _PATIENCE
    _calm.wait_for(lambda: not _busy.keys() - {me}, _PATIENCE)
    while _ending:
        thread = _ending.pop()
        while os.path.exists(f"/proc/self/task/{thread}") and time.monotonic() < end:
            time.sleep(0.0005)  # it needs some microseconds more, and tells nobody when they are over


def _in_parent() -> None:
    _calm.release()


def _in_child() -> None:
    global _calm, _forks
    _forks += 1
    _calm = threading.Condition()
    _ending.clear()
    me = threading.get_ident()
    for thread in _busy.keys() - {me}:
        del _busy[thread]
    for each in list(_closed):
        if isinstance(each, socket.socket):
            abandon(each)
        else:
            each.close()
    _closed.clear()
    for owner, renew in list(_renewed.items()):
        renew(owner)


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)

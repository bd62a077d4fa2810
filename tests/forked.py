"""A forked process for a test: what it comes to is brought back, and a child that hangs says at which call."""

from __future__ import annotations

import faulthandler
import os
import pickle
import selectors
import signal
import tempfile
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Self

PATIENCE = 40.0
"""Seconds that a child has. On a machine that does nothing else it needs less than one."""


class Child(NamedTuple):
    process: int
    answer: int
    log: str

    def came(self) -> Any:
        """What the child's call returned. Raises what it raised; AssertionError where it hangs, and where it died."""
        said = b""
        end = time.monotonic() + PATIENCE
        with selectors.DefaultSelector() as selector:
            selector.register(self.answer, selectors.EVENT_READ)
            while selector.select(max(0.0, end - time.monotonic())):
                piece = os.read(self.answer, 1 << 20)
                if not piece:
                    break
                said += piece
            else:
                os.kill(self.process, signal.SIGABRT)
        os.close(self.answer)
        os.waitpid(self.process, 0)
        with open(self.log, encoding="utf-8", errors="replace") as log:
            trace = log.read()
        os.unlink(self.log)
        assert said, f"the child hangs, or died:\n{trace}"
        returned, raised = pickle.loads(said)
        if raised is not None:
            raise raised
        return returned


def fork(call: Callable[[], Any]) -> Child:
    """Run `call` in a forked process, which then ends at once: the test's own end is not run twice."""
    answer, says = os.pipe()
    handle, log = tempfile.mkstemp(prefix="forked-")
    process = os.fork()
    if not process:
        _child(call, says, handle)
    os.close(says)
    os.close(handle)
    return Child(process, answer, log)


def _child(call: Callable[[], Any], says: int, log: int) -> NoReturn:
    # Where the parent ends before it has asked for the answer, too.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(int(2 * PATIENCE))
    faulthandler.enable(log, all_threads=True)
    returned: Any = None
    with _Caught() as caught:
        returned = call()
    with _Caught(), os.fdopen(says, "wb") as out:
        out.write(pickle.dumps((returned, caught.error)))
    os._exit(0)


class _Caught:
    error: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self.error = error
        return True


def in_child(call: Callable[[], Any]) -> Any:
    """What `call` returns or raises in a forked process."""
    return fork(call).came()

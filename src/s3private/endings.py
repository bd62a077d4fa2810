"""Leaving in order, whatever comes in between: an interrupt, the end of the interpreter, a fork's child."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable


def to_the_end(call: Callable[[], object], tries: int = 5) -> None:
    """Call it until it comes to its end, whatever is raised in between, as by Ctrl-C; only then that is raised.

    call: goes on where it was when it is called again. tries: a mistake that is raised each time is to end, too.
    """
    try:
        call()
    except BaseException:
        if tries > 1:
            to_the_end(call, tries - 1)
        raise


def alone(process: int) -> bool:
    """Whether the threads of `process` do not run any more: there is nothing to wait for, nor a lock they let go of."""
    return sys.is_finalizing() or os.getpid() != process

"""Leaving in order, whatever comes in between: an interrupt, the end of the interpreter, a fork's child."""

from __future__ import annotations

import sys
from collections.abc import Callable

from s3private.forks import Here


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


def alone(here: Here) -> bool:
    """Whether the threads from `here` do not run any more: there is nothing to wait for, and no lock is let go."""
    return here.gone or sys.is_finalizing()

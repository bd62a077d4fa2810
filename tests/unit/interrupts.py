"""Ctrl-C, pressed while the main thread is where it is to be interrupted."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType


def press() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def main_thread_is_in(function: Callable[..., object]) -> bool:
    frame: FrameType | None = sys._current_frames()[threading.main_thread().ident or 0]
    while frame is not None and frame.f_code is not getattr(function, "__code__", None):
        frame = frame.f_back
    return frame is not None


def press_while_in(function: Callable[..., object], presses: int, left: threading.Event) -> None:
    """From another thread: presses so often while the main thread is in `function`, and waits until it has `left`,
    which is not so where it waits for this thread."""
    for _ in range(1000):
        if main_thread_is_in(function):
            if not presses:
                break
            press()
            presses -= 1
        if left.wait(0.01):
            break
    left.wait(0.2)

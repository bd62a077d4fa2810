"""What a thread beside writes to: until whoever asked has gone, and never after."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import nullcontext

import pytest

from s3private.places import Gone, Guard
from unit.interrupts import press_while_in


def entered(guard: Guard) -> bool:
    try:
        with guard:
            return True
    except Gone:
        return False


def test_nobody_writes_once_it_is_closed() -> None:
    guard = Guard()
    guard.check()
    assert entered(guard)
    guard.close()
    assert not entered(guard)
    with pytest.raises(Gone):
        guard.check()


@pytest.mark.parametrize("presses", [0, 1, 3])
def test_closing_waits_for_the_write_that_is_under_way_however_often_ctrl_c_is_pressed(presses: int) -> None:
    guard, writes, left = Guard(), threading.Event(), threading.Event()
    written: list[bool] = []

    def write() -> None:
        with guard:
            writes.set()
            press_while_in(Guard.close, presses, left)
            written.append(True)

    late = threading.Thread(target=write)
    late.start()
    assert writes.wait(30)
    with pytest.raises(KeyboardInterrupt) if presses else nullcontext():
        guard.close()
    before = written[:]
    left.set()
    late.join(30)
    assert before == [True]


def test_the_collector_may_close_it_in_the_thread_that_writes() -> None:
    guard = Guard()
    with guard:
        guard.close()
    assert not entered(guard)


def test_a_forks_child_closes_it_though_a_thread_of_the_parent_was_writing() -> None:
    guard, writes, go_on = Guard(), threading.Event(), threading.Event()

    def write() -> None:
        with guard:
            writes.set()
            go_on.wait(30)

    late = threading.Thread(target=write)
    late.start()
    assert writes.wait(30)
    child = os.fork()
    if not child:
        # Where it waits, that is how it ends.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        guard.close()
        os._exit(7 if not entered(guard) else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    go_on.set()
    late.join(30)

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import closing

import pytest

from s3private.threads import Ended, Threads


def test_calls_come_to_what_they_return_or_raise() -> None:
    with closing(Threads(2, "test")) as threads:
        futures = [threads.submit(divmod, 7, by) for by in (2, 0, 3)]
        assert futures[0].result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            futures[1].result()
        assert futures[2].result() == (2, 1)


def test_no_more_run_at_once_than_were_asked_for() -> None:
    together = threading.Barrier(3)
    running, most, turn = 0, 0, threading.Lock()

    def call(_: int) -> None:
        nonlocal running, most
        with turn:
            running += 1
            most = max(most, running)
        together.wait(10)
        with turn:
            running -= 1

    with closing(Threads(3, "test")) as threads:
        for future in [threads.submit(call, number) for number in range(9)]:
            future.result()
    assert most == 3


def test_closing_waits_for_nothing_and_ends_who_waits() -> None:
    begun, end = threading.Event(), threading.Event()
    later: list[int] = []

    def slow() -> None:
        begun.set()
        end.wait(30)

    threads = Threads(1, "test")
    running, waiting = threads.submit(slow), threads.submit(later.append, 1)
    begun.wait(10)
    (worker,) = [each for each in threading.enumerate() if each.name == "test"]
    threads.close()
    for future in (running, waiting):
        with pytest.raises(Ended):
            future.result(10)
    with pytest.raises(Ended):
        threads.submit(later.append, 2)
    end.set()
    worker.join(10)
    assert not worker.is_alive()
    assert later == []


@pytest.mark.parametrize("call", ["threading.Event().wait", "threads.submit(threading.Event().wait).result"])
def test_the_interpreter_ends_beside_a_call_that_never_does(call: str) -> None:
    program = (
        "import threading\nfrom s3private.threads import Threads\nthreads = Threads(2, 'test')\n"
        f"begun = threading.Event()\nthreads.submit(lambda: (begun.set(), {call}()))\nbegun.wait()"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=30, env=dict(os.environ), check=False)
    assert ended.returncode == 0


def test_no_thread_is_left_when_there_is_nothing_to_do() -> None:
    threads = Threads(2, "left over")
    assert threads.submit(threading.current_thread).result(10).name == "left over"
    for each in [each for each in threading.enumerate() if each.name == "left over"]:
        each.join(10)
        assert not each.is_alive()
    assert threads.submit(int, "7").result(10) == 7


def test_a_forks_child_has_threads_of_its_own() -> None:
    threads, end = Threads(1, "test"), threading.Event()
    waiting = threads.submit(end.wait, 30)
    child = os.fork()
    if not child:
        os._exit(threads.submit(int, "7").result(10))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    end.set()
    assert waiting.result(10) is True


def test_the_collector_may_close_them_in_one_of_their_own_threads() -> None:
    """With the lock in hand: that is where it does as well as anywhere."""
    threads = Threads(1, "test")
    closed = threading.Event()

    class Collected:
        def __del__(self) -> None:
            threads.close()
            closed.set()

    def call() -> None:
        with threads._turn:
            Collected()

    with pytest.raises(Ended):
        threads.submit(call).result(10)
    assert closed.wait(10)

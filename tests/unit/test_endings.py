from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from s3private.endings import alone, to_the_end
from s3private.forks import Here


@pytest.mark.parametrize("raised", [KeyboardInterrupt, TimeoutError])
def test_what_is_interrupted_is_done_all_the_same_and_then_the_interrupt_is_raised(raised: type[BaseException]) -> None:
    done: list[str] = []

    def interrupted(times: int) -> Callable[[], None]:
        left = [None] * times

        def call() -> None:
            if left:
                left.pop()
                raise raised
            done.append("done")

        return call

    to_the_end(interrupted(0))
    for times in (1, 2):
        with pytest.raises(raised):
            to_the_end(interrupted(times))
    assert done == ["done"] * 3


def test_a_mistake_that_is_made_each_time_ends() -> None:
    with pytest.raises(ZeroDivisionError):
        to_the_end(lambda: 1 // 0)


def test_a_forks_child_is_alone_and_whoever_forked_is_not() -> None:
    here = Here()
    child = os.fork()
    if not child:
        os._exit(int(alone(here)))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert not alone(here)

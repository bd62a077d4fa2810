"""Numbers that rise, and can be kept: `itertools.count` is not to be pickled any more."""

from __future__ import annotations

from typing import Self


class Serials:
    def __init__(self) -> None:
        self._last = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        self._last += 1
        return self._last

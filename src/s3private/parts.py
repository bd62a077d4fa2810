"""One object in parts, several at once: the first comes with a plain GET, which also says how large the object is.

The others are ranges of the same ETag, so that a replaced object is noticed. A small object is one request.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, TypeVar

from s3private.asking import Wanted, content_range, fetch, wrong_range
from s3private.client import wire_of
from s3private.errors import ObjectChanged, ReadError
from s3private.exchange import Exchange
from s3private.places import Room
from s3private.wire import Answer, Broken

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

R = TypeVar("R", bound=Room)

PART = 8 << 20
AHEAD = 16


@dataclass(frozen=True, slots=True)
class Begun:
    """What is known of an object once its reading has begun. size: bytes. fields: the first answer's, in lower case."""

    size: int
    etag: str
    fields: Mapping[str, str]


Places = Callable[[Begun, int, int], R]
"""Gives the room that a part is received into. Called with the part's number and length, when it is asked for."""


def parts(
    s3: S3Client,
    wanted: Wanted,
    place: Places[R],
    *,
    part: int = PART,
    ahead: int = AHEAD,
    ordered: bool = False,
    begun: Begun | None = None,
    done: Collection[int] = (),
) -> Iterator[tuple[int, R]]:
    """The parts' numbers with their room, filled: as they come, or in their order. An empty object has one, empty.

    part: bytes of each but the last. ahead: how many are under way at once; one is until the next part is
    asked for. begun: where an earlier reading left off, and then `done`: the parts that it had.
    Memory: ahead * part, where the room is memory. Raises ObjectChanged, ReadError, and Unwritable from a Sink.
    """
    return _Parts(s3, wanted, place, part, ahead, ordered, begun, done).read()


class _Parts(Generic[R]):
    def __init__(
        self,
        s3: S3Client,
        wanted: Wanted,
        place: Places[R],
        part: int,
        ahead: int,
        ordered: bool,
        begun: Begun | None,
        done: Collection[int],
    ) -> None:
        self._s3 = s3
        self._wanted = wanted
        self._place = place
        self._part = part
        self._ahead = ahead
        self._ordered = ordered
        self._begun = begun
        self._done = done
        self._exchange = Exchange(wire_of(s3), sockets=ahead)
        self._rooms: dict[int, R] = {}
        self._numbers: Iterator[int] = iter(())

    def read(self) -> Iterator[tuple[int, R]]:
        ready: set[int] = set()
        with self._exchange as exchange:
            if self._begun is None:
                exchange.ask(0, self._wanted.get(), self._first_of_many)
            else:
                self._number(self._begun, first=0)
                self._follow()
            while self._rooms or len(exchange):
                # They were asked for in their order.
                number = next(iter(self._rooms if self._ordered else ready), None)
                if number not in ready or number is None:
                    ready.update(self._arrived())
                    self._follow()
                    continue
                yield number, self._rooms[number]
                ready.discard(number)
                del self._rooms[number]
                self._follow()
                exchange.send()

    def _number(self, begun: Begun, first: int) -> None:
        count = max(1, -(-begun.size // self._part))
        self._begun = begun
        self._numbers = (number for number in range(first, count) if number not in self._done)

    def _follow(self) -> None:
        """Ask for as many parts as there may be."""
        begun = self._begun
        if begun is None:
            return
        while len(self._rooms) < self._ahead and (number := next(self._numbers, None)) is not None:
            span = self._span(begun, number)
            room = self._rooms[number] = self._place(begun, number, span[1] + 1 - span[0])
            self._exchange.ask(number, self._wanted.get(span, begun.etag), room)

    def _span(self, begun: Begun, number: int) -> tuple[int, int]:
        start = number * self._part
        return start, min(start + self._part, begun.size) - 1

    def _first(self, size: int, fields: Mapping[str, str]) -> R:
        """Where the first answer's body goes: as much of it as is the first part."""
        begun = Begun(size, fields.get("etag", ""), fields)
        if size > self._part and not begun.etag:
            raise ReadError(f"{self._wanted.uri}: S3 gave no ETag: its parts could be of different objects")
        if self._wanted.size not in (None, size):
            raise ReadError(f"{self._wanted.uri}: {size} bytes came, {self._wanted.size} were listed")
        room = self._rooms[0] = self._place(begun, 0, min(self._part, size))
        self._number(begun, first=1)
        return room

    def _first_of_many(self, size: int, fields: Mapping[str, str]) -> R:
        room = self._first(size, fields)
        # Before the first has come: the others need not wait for it.
        self._follow()
        return room

    def _arrived(self) -> Iterator[int]:
        for number, outcome in self._exchange.answered():
            if isinstance(outcome, Future):
                outcome.result()
            elif isinstance(outcome, Broken) or not self._right(number, outcome):
                self._ask_boto3(number, outcome)
                continue
            yield number

    def _right(self, number: int, answer: Answer) -> bool:
        begun = self._begun
        assert begun is not None
        if begun.fields is answer.fields:
            return True
        if answer.fields.get("etag") != begun.etag:
            raise ObjectChanged(f"{self._wanted.uri}: replaced while it was read; read it again")
        return content_range(answer.fields) == (*self._span(begun, number), begun.size)

    def _ask_boto3(self, number: int, outcome: Answer | Broken) -> None:
        broken = outcome if isinstance(outcome, Broken) else None
        if self._begun is None:
            call = partial(fetch, self._s3, self._wanted, self._exchange.guard, None, self._first)
        else:
            wanted = self._wanted._replace(etag=self._begun.etag or None)
            span = self._span(self._begun, number) if self._begun.size else None
            call = partial(fetch, self._s3, wanted, self._exchange.guard, span, self._rooms[number], broken)
        why = wrong_range(outcome.fields)
        self._exchange.ask_boto3(number, call, self._wanted.uri, outcome, why)

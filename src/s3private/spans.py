"""What of a listing is still to be asked for, as spans of keys that never overlap; half of one goes to whoever is idle.

A span is listed page by page. Where a `/` divides the names, the spans are common prefixes; elsewhere they are cut at a
guessed key. Every key belongs to exactly one span whatever was guessed, so each is listed once. Nothing is sent here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Sequence
from math import isqrt
from typing import NamedTuple

from s3private.page_checks import Way
from s3private.pages import Page, merged, page_of_rows
from s3private.splitting import Alphabet

DELIMITER = "/"
_STRIDE = 1.9
"""Pages in the part that is cut off next when order is kept: small, as it is held until its turn comes, and a little
less than whole pages, so that its last page goes a little beyond its end and no other one is needed to see it."""
_WORTH = 3
"""Pages that must be left of a span for it to be cut: each part's last page is mostly another's."""
_SAMPLE = 24
_DEEPEST = 8
"""Levels of common prefixes that are looked through one by one, a request each: what is deeper is listed as it is."""


class Ask(NamedTuple):
    """One request. token goes on where a page ended; start_after, without it, begins behind a key."""

    prefix: str
    start_after: str = ""
    token: str | None = None
    delimiter: bool = False


class Span:
    """The keys under `prefix` after `low`, up to and with `high`; then those under the prefixes `ahead`, in order."""

    def __init__(self, prefix: str, low: str = "", high: str | None = None) -> None:
        self.prefix = prefix
        self.low = self.start = low
        self.high = high
        self.token: str | None = None
        self.way = Way()
        self.asked = False
        self.done = False
        # What came so far: how many keys, the first of all under this prefix, and whether there are more.
        self.count = 0
        self.first = ""
        self.more = False
        # Whether the keys may end long before `high`; and how many there are in how much room, where it was cut off.
        self.open = True
        self.density = (0, 1)
        self.alphabet = Alphabet()
        # Every idle worker asks every span how much is left of it: measured again only when something has changed.
        self._measured: tuple[int, str, str, str | None, str] | None = None
        self._room_there = (0, 0, 1)
        # Divided by the delimiter: what comes after `prefix`, where it was found, and the prefix that `low` is under.
        self.ahead: list[str] = []
        self.root: str | None = None
        self.current = ""
        self.sweeping = False
        # Still to be looked through for common prefixes; and the last one found, which is in other hands.
        self.explore = False
        self.skip: str | None = None
        # Kept until the span's turn comes, when order is kept.
        self.pages: deque[Page] = deque()
        self.direct = Page()

    def enter(self, prefix: str, low: str) -> None:
        """Go on with the keys under `prefix`, listed one by one."""
        self.prefix = self.current = prefix
        self.low = self.start = low
        self.token, self.count, self.first, self.density = None, 0, "", (0, 1)
        self.sweeping = self.more = False
        self.alphabet = Alphabet()
        self._measured = None

    def left(self, of_parts: bool) -> int:
        """How many keys are still to come, by the density of those that came; 0 where that is not known.
        of_parts: go by the whole's density while nothing has come yet of a part."""
        if self.done or self.sweeping or self.ahead or self.explore or not self.low:
            return 0
        _, room, passed = self._room()
        if not self.more:
            keys, of = self.density
            return keys * room // of if of_parts and not self.count else 0
        return self.count * room // passed

    def cut(self, keys: int | None) -> Span | None:
        """Cut off what comes after about so many keys; None: about half. None where no key in between can be named."""
        low, room, passed = self._room()
        count, of = (self.count, passed) if self.more else self.density
        if keys is not None:
            ahead = min(room // 2, keys * of // max(1, count))
        elif self.open:
            # Where the end may be near, look for it by orders of magnitude.
            ahead = min(room // 2, isqrt(max(1, low - self._number(self.first)) * room))
        else:
            ahead = room // 2
        middle = self.prefix + self.alphabet.text(low + ahead)
        if not self.low < middle or (self.high is not None and not middle < self.high):
            return None
        part = Span(self.prefix, middle, self.high)
        part.alphabet, part.first, part.density = self.alphabet, self.first, (count, of)
        part.root, part.open = self.root, self.open
        self.high = middle
        self.share_direct(part)
        return part

    def cut_ahead(self, keep: int) -> Span:
        """Cut off the prefixes ahead but the next `keep`."""
        part = Span(self.ahead[keep])
        part.current, part.root, part.ahead = part.prefix, self.root, self.ahead[keep + 1 :]
        del self.ahead[keep:]
        self.share_direct(part)
        return part

    def learn(self, keys: Sequence[str]) -> None:
        below = len(self.prefix)
        self.alphabet.learn(key[below:] for key in keys[:: max(1, len(keys) // _SAMPLE)])

    def with_direct(self, page: Page) -> Page:
        """The page, and the direct ones whose turn it is."""
        cut = bisect_left(self.direct.keys, page.keys[-1])
        due, self.direct = self.direct.part(0, cut), self.direct.part(cut, len(self.direct.keys))
        return merged(due, page)

    def share_direct(self, part: Span) -> None:
        """Leave to `part`, which comes after, the direct ones that come after."""
        cut = bisect_left(self.direct.keys, part.low or part.prefix)
        self.direct, part.direct = self.direct.part(0, cut), self.direct.part(cut, len(self.direct.keys))

    def _number(self, key: str) -> int:
        return self.alphabet.number(key[len(self.prefix) :])

    def _room(self) -> tuple[int, int, int]:
        """Where `low` is, how far `high` is from there, and how far `start`, which is behind: at least 1."""
        of = (self.alphabet.learned, self.prefix, self.low, self.high, self.start)
        if of != self._measured:
            low = self._number(self.low)
            end = self.alphabet.size() if self.high is None else self._number(self.high)
            self._room_there = low, max(0, end - low), max(1, low - self._number(self.start))
            self._measured = of
        return self._room_there


class Spans:
    """The spans of one listing. Take `next` as long as it gives something, and tell `answer` what came.

    at_once: requests under way. Memory: the names of at most 3 pages of common prefixes; when `ordered`, also at most
    2 * at_once pages whose turn has not come.
    """

    def __init__(self, prefix: str, *, at_once: int, page_size: int, ordered: bool) -> None:
        self._at_once = at_once
        self._page_size = page_size
        self._ordered = ordered
        self._below = len(prefix)
        self._spans = [Span(prefix)]
        self._under_way = 0
        self._kept = 0
        self._pages = 0
        self._came = 0
        self._taken = 0
        self._prefixes = 0
        self._keys_in_prefixes = 0

    def __bool__(self) -> bool:
        """Whether anything is still to come."""
        return bool(self._spans)

    def next(self) -> tuple[Span, Ask] | None:
        """A request to send now, and the span to name in `answer`."""
        if self._under_way >= self._at_once or not self._spans:
            return None
        found: Span | None
        if self._ordered and self._kept + self._under_way >= 2 * self._at_once:
            found = None if self._spans[0].asked else self._spans[0]
        else:
            found = next(self._waiting(), None) or self._cut_prefixes() or self._cut_names()
        if found is None:
            return None
        found.asked = True
        self._under_way += 1
        return found, self._ask(found)

    def answer(self, span: Span, ask: Ask, page: Page) -> Iterator[Page]:
        """Take in what came for `ask`, and give the pages whose turn it is. page: nothing is `wrong` with it."""
        self._under_way -= 1
        span.asked = False
        guessed = bool(span.start) and not span.count
        if ask.delimiter:
            objects = self._explored(span, ask, page)
        elif span.sweeping:
            objects = self._swept(span, page)
        else:
            objects = self._listed(span, page)
        self._came += len(page.keys)
        self._taken += len(objects.keys) + len(span.direct.keys if page.prefixes else ())
        self._pages += bool(objects.keys or page.prefixes)
        if guessed:
            self._learn_from_guess(span, objects)
        return self._in_order(span, objects) if self._ordered else self._at_once_given(span, objects)

    def _learn_from_guess(self, span: Span, objects: Page) -> None:
        at = self._spans.index(span)
        if at and self._spans[at - 1].high == span.start:
            self._spans[at - 1].open = not objects.keys
        if objects.keys:
            return
        # Nothing here: what was guessed beyond it is doubtful, and not cut again before something came of it.
        for beyond in self._spans[at + 1 :]:
            if beyond.count or not beyond.start:
                break
            beyond.density = (0, 1)

    def _at_once_given(self, span: Span, objects: Page) -> Iterator[Page]:
        if span.done:
            self._spans.remove(span)
        return iter([objects] if objects.keys else [])

    def _in_order(self, span: Span, objects: Page) -> Iterator[Page]:
        if objects.keys:
            span.pages.append(objects)
            self._kept += 1
        given: list[Page] = []
        while self._spans:
            first = self._spans[0]
            self._kept -= len(first.pages)
            given += map(first.with_direct, first.pages)
            first.pages.clear()
            if not first.done:
                break
            if first.direct.keys:
                given.append(first.direct)
            del self._spans[0]
        return iter(given)

    def _waiting(self) -> Iterator[Span]:
        named = sum(len(span.ahead) + len(span.direct.keys) for span in self._spans)
        for span in self._spans:
            early = span.explore and named > 2 * self._page_size and self._under_way
            if not (span.asked or span.done or early):
                yield span

    def _ask(self, span: Span) -> Ask:
        if span.explore and self._small():
            # Looking through for ever smaller prefixes costs more than listing what is in them.
            span.explore, span.token = False, None
            return Ask(span.prefix, span.low)
        if span.explore:
            return Ask(span.prefix, span.low, span.token, delimiter=True)
        fresh = not (span.low or span.token or span.high)
        few = sum(1 + len(each.ahead) for each in self._spans) < 2 * self._at_once
        deep = span.prefix.count(DELIMITER, self._below) >= _DEEPEST
        if fresh and few and not deep and not span.sweeping and self._at_once > 1:
            if span.ahead:
                self._insert(span, span.cut_ahead(0))
            return Ask(span.prefix, delimiter=True)
        return Ask(span.prefix, span.low, span.token)

    # What an answer means

    def _explored(self, span: Span, ask: Ask, page: Page) -> Page:
        objects = page.objects()
        if page.token is not None and not page.keys and not page.prefixes:
            # S3 passed over deleted names alone: what comes is as unknown as before.
            span.explore, span.token = True, page.token
            return Page()
        if not page.prefixes:
            span.explore, span.token = False, None
            return self._advanced(span, objects, page.token is not None)
        if page.token:
            last = max(page.keys[-1] if page.keys else "", page.prefixes[-1])
            tail = Span(ask.prefix, last)
            tail.token, tail.explore = page.token, True
            tail.skip = last if last == page.prefixes[-1] else None
            span.share_direct(tail)
            self._insert(span, tail)
        span.explore, span.skip, span.root = False, None, ask.prefix
        span.enter(page.prefixes[0], "")
        span.ahead = list(page.prefixes[1:])
        if not self._ordered:
            return objects
        span.direct = merged(span.direct, objects)
        return Page()

    def _listed(self, span: Span, page: Page) -> Page:
        objects, more = page.objects(), page.token is not None
        span.token = page.token
        if span.skip is not None:
            objects = objects.part(_end_of(objects.keys, span.skip), len(objects.keys))
        if span.high is not None and page.keys and page.keys[-1] >= span.high:
            objects, more = objects.part(0, bisect_right(objects.keys, span.high)), False
        return self._advanced(span, objects, more)

    def _advanced(self, span: Span, objects: Page, more: bool) -> Page:
        keys = objects.keys
        span.more = more
        if keys:
            span.count += len(keys)
            span.first = span.first or keys[0]
            span.start = span.start or keys[0]
            span.low = keys[-1]
            if more:
                span.learn(keys)
        if span.root is not None:
            self._keys_in_prefixes += len(keys)
            self._prefixes += not more and span.high is None
        if more:
            return objects
        if not span.ahead:
            span.done = True
        elif span.root is not None and self._small() and len(span.ahead) > 1:
            span.low, span.prefix, span.token, span.sweeping = max(span.low, span.prefix), span.root, None, True
        else:
            span.enter(span.ahead.pop(0), "")
        return objects

    def _swept(self, span: Span, page: Page) -> Page:
        """A page across common prefixes: what is beyond the last one is in other hands, and so are direct keys."""
        end = _end_of(page.keys, span.ahead[-1] if span.ahead else span.current)
        more = page.token is not None and end == len(page.keys)
        objects = page.part(0, end)
        below = len(span.root or "")
        if not all(DELIMITER in key[below:] for key in objects.keys):
            objects = page_of_rows([row for row in objects.rows() if DELIMITER in row[0][below:]])
        if end:
            span.low = page.keys[end - 1]
        span.token = page.token
        passed = bisect_right(span.ahead, span.low)
        self._keys_in_prefixes += len(objects.keys)
        self._prefixes += passed if more else len(span.ahead)
        if passed:
            span.current = span.ahead[passed - 1]
            del span.ahead[:passed]
        if not more:
            span.done = True
        elif not span.ahead or not self._small():
            span.enter(span.current, span.low)
        return objects

    def _small(self) -> bool:
        """Whether common prefixes hold much less than a page, as far as is known."""
        return self._prefixes > 0 and self._keys_in_prefixes * 4 < self._page_size * self._prefixes

    # Giving work to the idle

    def _cut_prefixes(self) -> Span | None:
        worth, each = 0, max(1, self._keys_in_prefixes // max(1, self._prefixes))
        if self._small():
            worth = 2 * self._page_size // each
        candidates = [span for span in self._spans if len(span.ahead) > worth]
        if not candidates:
            return None
        if not self._ordered:
            victim = max(candidates, key=lambda span: len(span.ahead))
            return self._insert(victim, victim.cut_ahead(len(victim.ahead) // 2))
        victim = candidates[0]
        keep = min(len(victim.ahead) - 1, int(_STRIDE * self._page_size) // each) if self._prefixes else 0
        return self._insert(victim, victim.cut_ahead(keep))

    def _cut_names(self) -> Span | None:
        guesses = sum(1 for span in self._spans if span.asked and span.start and not span.count)
        wasteful = self._came > 2 * self._taken + 4 * self._page_size
        if wasteful or guesses >= 4 * self._pages:
            return None
        worth = _WORTH * self._page_size
        victims = [(left, span) for span in self._spans if (left := span.left(self._ordered)) >= worth]
        if not self._ordered:
            victims.sort(key=lambda each: each[0], reverse=True)
        for _, victim in victims:
            if part := victim.cut(int(_STRIDE * self._page_size) if self._ordered else None):
                return self._insert(victim, part)
        return None

    def _insert(self, before: Span, part: Span) -> Span:
        self._spans.insert(self._spans.index(before) + 1, part)
        return part


def _end_of(keys: Sequence[str], prefix: str) -> int:
    """Where in sorted `keys` those under `prefix`, and all before them, end."""
    start = bisect_left(keys, prefix)
    return bisect_left(keys, True, start, key=lambda key: not key.startswith(prefix))

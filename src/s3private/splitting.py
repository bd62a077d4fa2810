"""Where to cut a range of keys in two, guessed from the keys seen so far. A bad guess costs a request, never a key.

Keys are read as numbers, one digit for each position, over the characters that were seen there. S3 lists in UTF-8
binary order, which is the order of code points and so Python's own order of strings.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ListingKeysUsingAPIs.html
"""

from __future__ import annotations

import string
from bisect import bisect_left
from collections.abc import Iterable

_PRECISION = 1 << 128
_LONGEST = 256
_MOST = 128
_DIGITS = frozenset(string.digits)
_HEX = frozenset("0123456789abcdef")
_UPPER_HEX = frozenset("0123456789ABCDEF")
# Beyond ASCII a script's characters are too many to name all: one in so many of them will do to cut between.
_SCRIPTS = tuple(
    (first, last, frozenset(map(chr, range(first, last + 1, (last - first) // 64 + 1))))
    for first, last in (
        (0x00C0, 0x024F),  # Latin with accents
        (0x0370, 0x03FF),  # Greek
        (0x0400, 0x04FF),  # Cyrillic
        (0x0590, 0x06FF),  # Hebrew, Arabic
        (0x0900, 0x0E7F),  # Devanagari to Thai
        (0x3040, 0x30FF),  # kana
        (0x4E00, 0x9FFF),  # Han
        (0xAC00, 0xD7A3),  # Hangul
    )
)
_CLASSES = (_DIGITS, frozenset(string.ascii_lowercase), frozenset(string.ascii_uppercase))


class Alphabet:
    """The characters seen at each position after a common prefix. Memory: at most 256 sets of 128 characters."""

    def __init__(self) -> None:
        self._seen: list[set[str]] = []
        self._characters: list[str] = []
        # How many names the positions from each one on make.
        self._sizes = [1]
        self._counted = -1
        self.learned = 0
        """How often a character was new: as long as that stays, so do all numbers."""

    def learn(self, rests: Iterable[str]) -> None:
        """Take in what follows the prefix in some keys."""
        seen = self._seen
        for rest in rests:
            while len(seen) < min(len(rest), _LONGEST):
                seen.append(set())
            for characters, character in zip(seen, rest, strict=False):
                if character not in characters and len(characters) < _MOST:
                    characters.add(character)
                    self.learned += 1

    def number(self, rest: str) -> int:
        """Where among all names there may be: from 0 up to `size()`."""
        number = 0
        for position, characters in enumerate(self._digits()):
            if position >= len(rest):
                return number * self._sizes[position]
            digit = bisect_left(characters, rest[position])
            if digit == len(characters):
                # Beyond all that was seen here: the last of those that begin like this.
                return (number + 1) * self._sizes[position] - 1
            number = number * len(characters) + digit
            if characters[digit] != rest[position]:
                return number * self._sizes[position + 1]
        return number

    def text(self, number: int) -> str:
        """The shortest name at that place."""
        digits = []
        for characters in reversed(self._digits()):
            number, digit = divmod(number, len(characters))
            digits.append((digit, characters[digit]))
        while digits and digits[0][0] == 0:
            # The first character there is adds nothing: the shorter text is as good a place to cut.
            del digits[0]
        return "".join(character for _, character in reversed(digits))

    def size(self) -> int:
        self._digits()
        return self._sizes[0]

    def _digits(self) -> list[str]:
        if self._counted != self.learned:
            self._counted = self.learned
            self._characters = []
            hexadecimal = [seen for seen in self._seen if len(seen) > 1 and not seen <= _DIGITS]
            size = 1
            for seen in self._seen:
                digits = _widened(seen, hexadecimal)
                self._characters.append(digits)
                size *= len(digits)
                if size > _PRECISION:
                    break
            self._sizes = [1]
            for digits in reversed(self._characters):
                self._sizes.append(self._sizes[-1] * len(digits))
            self._sizes.reverse()
        return self._characters


def _widened(seen: set[str], varying: list[set[str]]) -> str:
    """What may stand where these were seen. A letter that never changes is a part of all names; a digit that never
    changed yet is a counter's."""
    if len(seen) == 1 and not seen <= _DIGITS:
        return "".join(seen)
    for sort in (_HEX, _UPPER_HEX):
        if seen <= sort and any(other <= sort for other in varying):
            return "".join(sorted(sort))
    wide = set(seen)
    for characters in _CLASSES:
        if seen & characters:
            wide |= characters
    for first, last, some in _SCRIPTS:
        if any(first <= ord(character) <= last for character in seen):
            wide |= some
    return "".join(sorted(wide))

"""Which objects of a listing are wanted: by name, time, size and storage class. S3 itself filters by prefix alone.

A glob's longest part without wildcards becomes the prefix that is asked for; the rest is filtered here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from numbers import Real

from s3private.entries import ObjectEntry, ObjectVersion
from s3private.errors import Refused

Test = Callable[[ObjectEntry | ObjectVersion], bool]

_WILDCARDS = re.compile(r"[*?\[]")
_NAME, _ANYTHING, _DIRECTORIES = "[^/]*", ".*", "(?:.*/)?"


def has_wildcards(name: str) -> bool:
    """Whether it is a glob: `*` or `?` is in it. A `[` alone is a part of many names."""
    return "*" in name or "?" in name


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What an object must be; what is None is not asked. See `list_objects` for what each one means."""

    glob: str | None = None
    suffix: str | Collection[str] | None = None
    regex: str | re.Pattern[str] | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    min_size: int | None = None
    max_size: int | None = None
    storage_class: str | Collection[str] | None = None

    def __post_init__(self) -> None:
        for name in ("modified_after", "modified_before"):
            moment = getattr(self, name)
            if moment is not None and (not isinstance(moment, datetime) or moment.tzinfo is None):
                raise Refused(
                    f"{name} must be a datetime and say its time zone: datetime(2026, 1, 31, tzinfo=timezone.utc), "
                    f"not {moment!r}"
                )
        for name in ("min_size", "max_size"):
            size = getattr(self, name)
            if size is not None and (not isinstance(size, Real) or size < 0):
                raise Refused(f"{name} is a number of bytes, 0 or more, not {size!r}")

    def tests(self) -> list[Test]:
        """One test for each thing that is asked, the cheap ones first."""
        tests: list[Test] = []
        if (least := self.min_size) is not None:
            tests.append(lambda entry: entry.size >= least)
        if (most := self.max_size) is not None:
            tests.append(lambda entry: entry.size <= most)
        if (classes := self.storage_class) is not None:
            among = frozenset([classes] if isinstance(classes, str) else classes)
            tests.append(lambda entry: entry.storage_class in among)
        if self.suffix is not None:
            ends = self.suffix if isinstance(self.suffix, str) else tuple(self.suffix)
            tests.append(lambda entry: entry.key.endswith(ends))
        if (after := self.modified_after) is not None:
            tests.append(lambda entry: entry.last_modified > after)
        if (before := self.modified_before) is not None:
            tests.append(lambda entry: entry.last_modified < before)
        if self.glob is not None:
            matches = glob_pattern(self.glob).fullmatch
            tests.append(lambda entry: matches(entry.key) is not None)
        if self.regex is not None:
            try:
                found = re.compile(self.regex).search
            except re.error as error:
                raise Refused(f"not a regular expression: {self.regex!r}: {error}") from error
            tests.append(lambda entry: found(entry.key) is not None)
        return tests


def fixed_part(glob: str) -> str:
    """What every match of `glob` begins with: all before the first wildcard."""
    wildcard = _WILDCARDS.search(glob)
    return glob[: wildcard.start()] if wildcard else glob


def glob_pattern(glob: str) -> re.Pattern[str]:
    """The regular expression that whole keys must match.

    `*`: any characters but `/`. `?`: one of them. `[abc]`, `[a-z]`, `[!a-z]`: one of these, or none of these, never
    `/`. `**`: any characters, `/` too; `**/`: any number of whole directories, none too. `[*]` is a literal `*`.

    However many wildcards there are, a key of n characters takes n * n steps at most. What is between two wildcards is
    taken where it first fits, and never tried again: the earlier it ends, the more is left to the next wildcard. (A `*`
    ends at the next `/`: what is behind it either lies in one directory, or has its `/` at that one place.)
    """
    # What each wildcard begins, up to the next: literal characters as patterns.
    spans: list[tuple[str, list[str]]] = [("", [])]
    at = 0
    while at < len(glob):
        character = glob[at]
        if glob.startswith("**/", at) and (at == 0 or glob[at - 1] == "/"):
            spans.append((_DIRECTORIES, []))
            at += 3
        elif glob.startswith("**", at):
            spans.append((_ANYTHING, []))
            at += 2
        elif character == "*":
            spans.append((_NAME, []))
            at += 1
        elif character == "?":
            spans[-1][1].append("[^/]")
            at += 1
        elif character == "[" and (end := glob.find("]", at + 2 + glob.startswith("[!", at))) > 0:
            spans[-1][1].append(_one_of(glob[at + 1 : end]))
            at = end + 1
        else:
            spans[-1][1].append(re.escape(character))
            at += 1
    # A wildcard that stands beside another: together they are the wider one, or anything.
    merged = spans[:1]
    for wildcard, literal in spans[1:]:
        before, nothing = merged[-1]
        if before and not nothing:
            merged[-1] = (wildcard if wildcard == before else _ANYTHING, literal)
        else:
            merged.append((wildcard, literal))
    return re.compile(_first_fit([(wildcard, "".join(literal)) for wildcard, literal in merged]), re.DOTALL)


def _first_fit(spans: list[tuple[str, str]]) -> str:
    """Each span is a wildcard and what follows it. A `*` belongs to the last other wildcard before it, which begins
    later where the `*` does not fit."""
    groups: list[tuple[str, str, list[str]]] = []
    for wildcard, literal in spans:
        if wildcard == _NAME:
            groups[-1][2].append(literal)
        else:
            groups.append((wildcard, literal, []))
    pattern = ""
    for wildcard, literal, names in groups[:-1]:
        fitting = literal + "".join(f"(?>{_NAME}?{name})" for name in names)
        lazily = {"": "", _ANYTHING: ".*?", _DIRECTORIES: "(?:.*?/)??"}[wildcard]
        pattern += f"(?>{lazily}{fitting})"
    # The last one ends where the key does, wherever it begins.
    wildcard, literal, names = groups[-1]
    pattern += wildcard + literal + "".join(f"(?>{_NAME}?{name})" for name in names[:-1])
    return pattern + "".join(f"{_NAME}{name}" for name in names[-1:])


def _one_of(inside: str) -> str:
    negated = inside.startswith("!")
    characters, pattern = inside[negated:], ""
    while characters:
        if characters[1:2] == "-" and len(characters) > 2:
            first, last, characters = characters[0], characters[2], characters[3:]
            if first > last:
                raise Refused(f"not a set of characters: [{inside}]: {first} comes after {last}")
            pattern += f"{re.escape(first)}-{re.escape(last)}"
        else:
            pattern += re.escape(characters[0])
            characters = characters[1:]
    return f"(?!/)[{'^' if negated else ''}{pattern}]"

"""EC2's `Filters`, `MaxResults` and `NextToken`, as every describe call takes them.

Filters are joined by AND, their values by OR; `*` and `?` are wildcards, a backslash takes their meaning away.
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from s3private_emulator.aws.refusals import Refusal

T = TypeVar("T")
Fields = Mapping[str, Callable[[T], str | list[str]]]


def keep(
    rows: Sequence[T],
    filters: Sequence[Mapping[str, Any]],
    fields: Fields[T],
    tags: Callable[[T], Mapping[str, str]] | None = None,
) -> list[T]:
    """The rows that pass every filter. An unknown filter name is refused: InvalidParameterValue."""
    kept = list(rows)
    for one in filters:
        name, wanted = str(one.get("Name", "")), [_pattern(v) for v in one.get("Values") or []]
        if name in fields:
            read = fields[name]
        elif tags is not None and name.startswith("tag:"):
            read = _tag(tags, name[len("tag:") :])
        elif tags is not None and name == "tag-key":
            read = _tag_keys(tags)
        else:
            raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
        kept = [row for row in kept if any(p.fullmatch(v) for p in wanted for v in _values(read(row)))]
    return kept


def page(rows: Sequence[T], max_results: int | None, next_token: str | None) -> tuple[list[T], str | None]:
    """One page of rows and the token of the next."""
    try:
        start = int(next_token or 0)
    except ValueError:
        raise Refusal("InvalidNextToken", f"The token '{next_token}' is invalid") from None
    end = start + (max_results or 1000)
    return list(rows[start:end]), str(end) if end < len(rows) else None


def _values(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def _tag(tags: Callable[[T], Mapping[str, str]], key: str) -> Callable[[T], str | list[str]]:
    def read(row: T) -> list[str]:
        held = tags(row)
        return [held[key]] if key in held else []

    return read


def _tag_keys(tags: Callable[[T], Mapping[str, str]]) -> Callable[[T], str | list[str]]:
    def read(row: T) -> list[str]:
        return list(tags(row))

    return read


def _pattern(value: str) -> re.Pattern[str]:
    out, escaped = "", False
    for letter in str(value):
        if escaped:
            out, escaped = out + re.escape(letter), False
        elif letter == "\\":
            escaped = True
        else:
            out += {"*": ".*", "?": "."}.get(letter, re.escape(letter))
    return re.compile(out, re.DOTALL)

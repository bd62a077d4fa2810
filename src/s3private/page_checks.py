"""Whether a page can be the answer to what was asked: S3's always can. Anything else would be a listing that is short,
doubled or without end.

Once for each page, not for each key: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import lt
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from s3private.pages import Page
    from s3private.spans import Ask

LONGEST_WAY = 10_000
"""Pages in a row without anything in them: S3 may pass over so many deleted names, a server that is none goes on."""


class Way:
    """From token to token. Notices one that leads nowhere."""

    def __init__(self) -> None:
        self._tokens: set[str] = set()

    def wrong(self, asked: str | None, token: str | None, came: bool) -> str | None:
        """What is wrong with the answer to the token `asked`, or None. came: whether anything new came with it."""
        if came or asked is None:
            self._tokens.clear()
        if token is None:
            return None
        if token in self._tokens:
            return f"the list leads nowhere: after pages without a key S3 says to go on at {token[:100]!r}, again"
        self._tokens.add(token)
        if len(self._tokens) > LONGEST_WAY:
            return f"the list leads nowhere: {LONGEST_WAY:,} pages in a row without a key"
        return None


def wrong_with(ask: Ask, page: Page) -> str | None:
    """Why `page` cannot be what S3 answers to `ask`; None when it can.

    S3 lists in UTF-8 binary order, which is the order of Python's strings: what lies between two keys below a prefix is
    below it, too.
    """
    if page.said and (wrong := _other_answer(ask, page)):
        return wrong
    if page.token is not None and page.token == ask.token and not page.keys and not page.prefixes:
        return f"the list leads nowhere: asked to go on at {page.token[:100]!r}, S3 says to go on there"
    keys, prefixes = page.keys, page.prefixes
    if keys and (wrong := _wrong_names(ask, keys)):
        return wrong
    if not prefixes:
        return None
    if not ask.delimiter:
        return f"common prefixes came, as {prefixes[0]!r}, and keys were asked for"
    if wrong := _wrong_names(ask, prefixes):
        return wrong
    below = len(ask.prefix)
    for name in prefixes:
        if name.find("/", below) != len(name) - 1:
            return f"{name!r} is no common prefix below {ask.prefix!r}"
    if rolled := next((key for key in keys if "/" in key[below:]), None):
        return f"{rolled!r} came as a key, and what is like it as common prefixes"
    return None


def _wrong_names(ask: Ask, names: Sequence[str]) -> str | None:
    if not (names[0].startswith(ask.prefix) and names[-1].startswith(ask.prefix)):
        wrong = names[0] if not names[0].startswith(ask.prefix) else names[-1]
        return f"{wrong!r} came, which is not below the prefix"
    if not names[0] > ask.start_after:
        return f"{names[0]!r} came, and what comes after {ask.start_after!r} was asked for"
    if not all(map(lt, names, names[1:])):
        one, other = next(pair for pair in pairwise(names) if not pair[0] < pair[1])
        return f"keys are not in order, each once: {other!r} came after {one!r}"
    return None


def _other_answer(ask: Ask, page: Page) -> str | None:
    asked = {"Prefix": ask.prefix, "Delimiter": "/" if ask.delimiter else "", "ContinuationToken": ask.token or ""}
    if ask.token is None:
        asked["StartAfter"] = ask.start_after
    return other_answer(asked, page.said)


def other_answer(asked: Mapping[str, str], said: Mapping[str, str]) -> str | None:
    """S3 repeats what it was asked: an answer that says something else is another request's."""
    for name, value in asked.items():
        words = said.get(name)
        # Some servers encode them, and some do not.
        if words and words != value and unquote_plus(words) != value:
            return f"the answer is to another request: {name} {words[:200]!r}, and {value[:200]!r} was asked"
    return None

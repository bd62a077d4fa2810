"""A bucket in memory that lists as S3 does: UTF-8 binary order, pages, prefixes, delimiter, start-after, tokens."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

from s3private.pages import Page

Element = tuple[str, bool]


class Bucket:
    """Keys, in S3's order. Sizes and times follow from the key, so that an answer can be checked."""

    def __init__(self, keys: list[str]) -> None:
        # The order of S3 is that of the bytes.
        self._keys = sorted(key.encode() for key in keys)

    def add(self, key: str) -> None:
        if key.encode() not in self._keys:
            insort(self._keys, key.encode())

    def remove(self, key: str) -> None:
        self._keys.remove(key.encode())

    def keys(self) -> list[str]:
        return [key.decode() for key in self._keys]

    def select(
        self, prefix: str, after: str = "", delimiter: str = "", most: int = 1000
    ) -> tuple[list[Element], str | None]:
        """Keys and common prefixes (True), and what to go on after when there are more."""
        below, divider = prefix.encode(), delimiter.encode()
        elements: list[tuple[bytes, bool]] = []
        at = max(bisect_left(self._keys, below), bisect_right(self._keys, after.encode()) if after else 0)
        while at < len(self._keys) and self._keys[at].startswith(below):
            key = self._keys[at]
            cut = key.find(divider, len(below)) if divider else -1
            element = (key[: cut + len(divider)], True) if cut >= 0 else (key, False)
            if len(elements) == most and elements[-1] != element:
                last = elements[-1][0].decode()
                return [(name.decode(), rolled) for name, rolled in elements], last
            # A common prefix that a page ended with is not named again.
            if elements[-1:] != [element] and not (element[1] and element[0].decode() == after):
                elements.append(element)
            at += 1
        return [(name.decode(), rolled) for name, rolled in elements], None


def page_from(bucket: Bucket, prefix: str, after: str, delimiter: str, most: int) -> Page:
    elements, token = bucket.select(prefix, after, delimiter, most)
    keys = [name for name, rolled in elements if not rolled]
    return Page(
        keys=keys,
        modified=["2026-01-01T00:00:00.000Z"] * len(keys),
        etags=['"e"'] * len(keys),
        sizes=[str(len(key)) for key in keys],
        storage_classes=["STANDARD"] * len(keys),
        prefixes=[name for name, rolled in elements if rolled],
        token=token,
    )

"""A ListObjectsV2 page, taken apart by one strict regular expression; what it does not wholly match is not ours.

What it reads, it reads as botocore does: elements in the order S3 sends them, no entity but an ETag's quotes, names
percent-encoded (`encoding-type=url`). `parse_page` returns None for any other page: boto3 is asked for it, and what
comes then is read by `list_xml`.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from itertools import compress, repeat
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from s3private.entries import ObjectEntry

Row = tuple[str, str, str, str, str]
SAID = ("Prefix", "Delimiter", "StartAfter", "ContinuationToken")
"""The fields in which S3 repeats what it was asked."""


class Page(NamedTuple):
    """The objects by columns, as the text S3 sent (names decoded, ETags in their quotes), which is cheaper than rows.

    prefixes: common prefixes. token: continues the listing; None when this is its end.
    said: what the answer says it was asked, as it was sent; of SAID, what is not empty.
    """

    keys: Sequence[str] = ()
    modified: Sequence[str] = ()
    etags: Sequence[str] = ()
    sizes: Sequence[str] = ()
    storage_classes: Sequence[str] = ()
    prefixes: Sequence[str] = ()
    token: str | None = None
    said: Mapping[str, str] = {}

    def part(self, start: int, stop: int) -> Page:
        """The objects from `start` up to `stop`, without prefixes and token."""
        chosen = slice(start, stop)
        return Page(
            self.keys[chosen],
            self.modified[chosen],
            self.etags[chosen],
            self.sizes[chosen],
            self.storage_classes[chosen],
        )

    def objects(self) -> Page:
        """All objects, without prefixes and token."""
        return Page(self.keys, self.modified, self.etags, self.sizes, self.storage_classes)

    def chosen(self, mask: Sequence[bool]) -> Page:
        """The objects for which `mask` is true, without prefixes and token."""
        return Page(
            list(compress(self.keys, mask)),
            list(compress(self.modified, mask)),
            list(compress(self.etags, mask)),
            list(compress(self.sizes, mask)),
            list(compress(self.storage_classes, mask)),
        )

    def entries(self, bucket: str) -> Iterator[ObjectEntry]:
        """One after the other: those that nobody keeps make room for the next."""
        sizes, modified = map(int, self.sizes), map(datetime.fromisoformat, self.modified)
        rows = zip(repeat(bucket), self.keys, sizes, modified, self.etags, self.storage_classes, strict=False)
        # What ObjectEntry's own constructor does, without a call of a Python function for each.
        return map(tuple.__new__, repeat(ObjectEntry), rows)

    def rows(self) -> list[Row]:
        return list(zip(self.keys, self.modified, self.etags, self.sizes, self.storage_classes, strict=True))


def merged(one: Page, other: Page) -> Page:
    """The objects of two pages, each in key order, in key order."""
    if not one.keys or not other.keys:
        return one if one.keys else other
    return page_of_rows(sorted(one.rows() + other.rows()))


def page_of_rows(rows: Sequence[Row]) -> Page:
    if not rows:
        return Page()
    keys, modified, etags, sizes, storage_classes = zip(*rows, strict=True)
    return Page(keys, modified, etags, sizes, storage_classes)


# Printable ASCII that XML needs no entity for: what percent-encoded names are made of.
_NAME = "[ -%'-;=?-~]*+"
# Whatever XML 1.0 lets stand for itself in a text, and does not change on the way.
_FREE = "[^<>&\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]*+"
_DAY = (
    "20[0-9]{2}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))|20(?:[02468][048]|[13579][26])-02-29"
)
_WHEN = rf"(?:{_DAY})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{{3}})?+Z"
_OWNER = f"<Owner>(?:<ID>{_FREE}</ID>)?+(?:<DisplayName>{_FREE}</DisplayName>)?+(?:<ID>{_FREE}</ID>)?+</Owner>"
_RESTORE = (
    "<RestoreStatus><IsRestoreInProgress>(?:true|false)</IsRestoreInProgress>"
    f"(?:<RestoreExpiryDate>{_WHEN}</RestoreExpiryDate>)?+</RestoreStatus>"
)
_CONTENTS = (
    f"<Contents><Key>({_NAME})</Key><LastModified>({_WHEN})</LastModified>"
    '<ETag>(?:&quot;|")([0-9A-Za-z-]*+)(?:&quot;|")</ETag>'
    "(?:<ChecksumAlgorithm>[0-9A-Z_]*+</ChecksumAlgorithm>)*+(?:<ChecksumType>[A-Z_]*+</ChecksumType>)?+"
    f"<Size>([0-9]{{1,18}}+)</Size>(?:{_OWNER})?+(?:<StorageClass>([0-9A-Z_]++)</StorageClass>)?+(?:{_OWNER})?+"
    f"(?:{_RESTORE})?+</Contents>"
)
_FIELD_NAMES = (
    "Name|Prefix|StartAfter|ContinuationToken|NextContinuationToken|KeyCount|MaxKeys|Delimiter|EncodingType|IsTruncated"
)
_FIELD = f"<({_FIELD_NAMES})(?:/>|>({_NAME})</\\1>)"
_ELEMENT = re.compile("<([A-Za-z]+)")
_PREFIX = f"<CommonPrefixes><Prefix>({_NAME})</Prefix></CommonPrefixes>"


@cache
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Compiled at the first page: importing costs nothing."""
    return (
        re.compile(_CONTENTS),
        re.compile(
            r'(?:<\?xml version="1\.0" encoding="(?:UTF|utf)-8"\?>)?[ \n]*'
            f'<ListBucketResult(?: xmlns="http://s3\\.amazonaws\\.com/doc/2006-03-01/")?>(?:{_FIELD})*+'
        ),
        re.compile(f"(?:{_PREFIX.replace('(', '(?:')})*+(?:{_FIELD})*+</ListBucketResult>[ \\n]*"),
        re.compile(_FIELD),
        re.compile(_PREFIX),
    )


def parse_page(raw: bytes) -> Page | None:
    """The page, or None when any of it is not as expected."""
    contents, before, behind, field, prefix = _patterns()
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    # What is before the first object; then for each its five values, and what is between it and the next.
    parts = contents.split(text)
    if "".join(parts[6:-1:6]):
        return None
    head, tail = parts[0], parts[-1]
    if len(parts) == 1:
        end = before.match(text)
        head, tail = (text[: end.end()], text[end.end() :]) if end else ("", "")
    if not before.fullmatch(head) or not behind.fullmatch(tail):
        return None
    found = [*field.findall(head), *field.findall(prefix.sub("", tail))]
    fields = dict(found)
    if len(fields) != len(found) or fields.get("EncodingType") != "url":
        return None
    if not (fields.get("KeyCount", "0").isdecimal() and fields.get("MaxKeys", "0").isdecimal()):
        return None
    token = fields.get("NextContinuationToken")
    if fields.get("IsTruncated") != ("true" if token else "false"):
        return None
    try:
        keys, prefixes = _decoded(parts[1::6]), _decoded(prefix.findall(tail))
    except UnicodeDecodeError:
        return None
    return Page(
        keys=keys,
        modified=parts[2::6],
        etags=_quoted(parts[3::6]),
        sizes=parts[4::6],
        storage_classes=_named(parts[5::6]),
        prefixes=prefixes,
        token=token,
        said={name: fields[name] for name in SAID if fields.get(name)},
    )


def not_understood(raw: bytes) -> str:
    """Why `parse_page` took `raw` for none: the kind, and after a colon what was seen."""
    contents, before, _, field, prefix = _patterns()
    text = raw.decode("utf-8", "replace")
    parts = contents.split(text)
    between = [*parts[:1], *parts[6::6]]
    begun = before.match(between[0])
    between[0] = between[0][begun.end() :] if begun else between[0]
    between[-1] = field.sub("", prefix.sub("", between[-1])).strip()
    between[-1] = between[-1].removesuffix("</ListBucketResult>")
    known = set(_ELEMENT.findall(f"{_CONTENTS}<ListBucketResult><CommonPrefixes>")).union(_FIELD_NAMES.split("|"))
    new = [name for name in _ELEMENT.findall(text) if name not in known]
    seen = f"<{new[0]}>" if new else next((each for each in between if each), "its fields contradict one another")
    return f"list page not understood: {seen[:80]}"


def _quoted(etags: Sequence[str]) -> Sequence[str]:
    """In their quotes, all in one go: none holds a line feed."""
    joined = '"\n"'.join(etags)
    return f'"{joined}"'.split("\n") if etags else etags


def _named(storage_classes: Sequence[str | Any]) -> Sequence[str]:
    return storage_classes if all(storage_classes) else [name or "STANDARD" for name in storage_classes]


def _decoded(names: Sequence[str]) -> Sequence[str]:
    """Percent-decoded, all in one go: no name holds a line feed, but one may be decoded to one.
    Raises UnicodeDecodeError: two names that are no UTF-8 would look like one."""
    joined = "\n".join(names)
    if "%" not in joined and "+" not in joined:
        return names
    decoded = unquote_plus(joined, errors="strict").split("\n")
    return decoded if len(decoded) == len(names) else [unquote_plus(name, errors="strict") for name in names]

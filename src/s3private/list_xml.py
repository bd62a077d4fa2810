"""Lists as any S3 server may write them, read by the standard library's XML parser, in the document's order.

botocore's own reading is not taken: an empty body, a page of HTML, another operation's answer or an error in a 200 is
to it (in some versions) a list without objects, and versions and delete markers come out of it in two lists.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus
from xml.etree.ElementTree import ParseError, XMLParser

from s3private.errors import ReadError
from s3private.pages import SAID, Page, parse_page

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEEPEST = 8
"""Elements within each other: S3's lists have four."""
_SIZE = re.compile(r"[0-9]{1,18}", re.ASCII)
# The fields that an object or a version has once; of others, as ChecksumAlgorithm, there may be several.
_ONCE = frozenset({"Key", "LastModified", "ETag", "Size", "StorageClass", "VersionId", "IsLatest", "Prefix"})

Row = tuple[str, dict[str, str]]
"""An element's name, and its own elements' texts."""


class NoList(Exception):
    """What came is no such list; why."""


class XmlList:
    """fields: the plain elements of the list, as they were sent. rows: the others, in the order they were sent."""

    def __init__(self, raw: bytes, root: str) -> None:
        """Raises NoList for anything but one whole, well-formed `root`."""
        self.fields: dict[str, str] = {}
        self.rows: list[Row] = []
        self._root = root
        self._path: list[str] = []
        self._row: dict[str, str] = {}
        self._text: list[str] = []
        parser = XMLParser(target=self, encoding="utf-8")
        try:
            parser.feed(raw)
            parser.close()
        except ParseError as error:
            raise NoList(f"what came is no whole list: {error}") from error
        self._encoded = self.fields.get("EncodingType") == "url"
        truncated = self.fields.get("IsTruncated")
        if truncated not in ("true", "false"):
            raise NoList("the list does not say whether there is more")
        self.truncated = truncated == "true"

    def name(self, text: str) -> str:
        """A key, prefix or key marker as it is. Raises NoList."""
        if not self._encoded:
            return text
        try:
            return unquote_plus(text, errors="strict")
        except UnicodeDecodeError:
            raise NoList(f"a name in it is no UTF-8: {text[:200]!r}") from None

    # What the parser calls

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = tag.rpartition("}")[2]
        if not self._path and name != self._root:
            raise NoList(f"what came is no list: {name!r} where {self._root} was to be")
        if len(self._path) == _DEEPEST:
            raise NoList("what came is no list: elements within elements without end")
        if len(self._path) == 1:
            self._row = {}
        self._path.append(name)
        self._text.clear()

    def data(self, text: str) -> None:
        self._text.append(text)

    def end(self, tag: str) -> None:
        name, text = self._path.pop(), "".join(self._text)
        if len(self._path) == 2:
            if name in self._row and name in _ONCE:
                raise NoList(f"{name} twice in one {self._path[-1]}")
            self._row[name] = text
        elif len(self._path) == 1 and self._row:
            self.rows.append((name, self._row))
        elif len(self._path) == 1:
            if name in self.fields:
                raise NoList(f"{name} twice in one list")
            self.fields[name] = text
        self._text.clear()

    def doctype(self, name: str, public: str | None, system: str | None) -> None:
        raise NoList("what came is no list: it has a document type")

    def close(self) -> None:
        pass


def page_of(uri: str, raw: bytes) -> Page:
    """A ListObjectsV2 page of `uri`, written in any way. Raises ReadError for anything else."""
    try:
        return parse_page(raw) or _page_of_xml(raw)
    except NoList as error:
        raise ReadError(f"{uri}: {error}") from error


def _page_of_xml(raw: bytes) -> Page:
    """Raises NoList.

    An object has a key, a time, an ETag and a size: S3 always says them, and so does every server that lists.
    """
    found = XmlList(raw, "ListBucketResult")
    token = found.fields.get("NextContinuationToken") or None
    if found.truncated and token is None:
        raise NoList("the list was cut short, and how to go on was not said")
    if token is not None and not found.truncated:
        raise NoList("the list says how to go on, and that there is no more")
    objects = [row for name, row in found.rows if name == "Contents"]
    keys = [found.name(required(row, "Key")) for row in objects]
    return Page(
        keys=keys,
        modified=[moment(row).isoformat() for row in objects],
        etags=[required(row, "ETag") for row in objects],
        sizes=[str(size_of(row)) for row in objects],
        storage_classes=[row.get("StorageClass") or "STANDARD" for row in objects],
        prefixes=[found.name(required(row, "Prefix")) for name, row in found.rows if name == "CommonPrefixes"],
        token=token,
        said={name: found.fields[name] for name in SAID if found.fields.get(name)},
    )


def required(row: Mapping[str, str], name: str) -> str:
    if value := row.get(name):
        return value
    raise NoList(f"{name} is missing" + (f" of {row['Key'][:200]!r}" if row.get("Key") else ""))


def size_of(row: Mapping[str, str]) -> int:
    text = required(row, "Size")
    if not _SIZE.fullmatch(text):
        raise NoList(f"the Size of {row.get('Key', '')[:200]!r} is {text[:40]!r}")
    return int(text)


def moment(row: Mapping[str, str]) -> datetime:
    """When it was last modified: in any way that botocore reads, which is more than S3 writes."""
    from botocore.utils import parse_timestamp

    text = required(row, "LastModified")
    try:
        found = datetime.fromisoformat(text)
        # Without a zone it would be this machine's.
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    try:
        parsed: datetime = parse_timestamp(text).astimezone(UTC)
    except (ValueError, OverflowError, RuntimeError):
        raise NoList(f"the LastModified of {row.get('Key', '')[:200]!r} is {text[:40]!r}") from None
    return parsed

"""One object to be read, as it is asked for: as our own GET, or through boto3 when that GET did not do.

Through boto3 a body that breaks off is resumed where it broke, by `Range` and `If-Match`; its errors become ours here.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import md5
from typing import TYPE_CHECKING, Any, NamedTuple

from s3private.botocore_errors import as_ours
from s3private.buckets import refuse_elsewhere
from s3private.checksums import ASK
from s3private.client import counters_of
from s3private.entries import ObjectEntry, ObjectVersion, refuse_no_name, split_uri
from s3private.errors import ChecksumMismatch, ObjectChanged, ReadError, Refused
from s3private.fresh import filled, fresh_bytes
from s3private.places import Guard, Place, Room, put
from s3private.wire import Broken, Get, object_get

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

LARGEST = 50 << 40
"""Bytes that an object can have. https://docs.aws.amazon.com/AmazonS3/latest/userguide/UploadingObjects.html"""
TRIES = 4
"""How often a body may break off without a byte more than before."""

_PIECE = 1 << 18
_SSE_C = "x-amz-server-side-encryption-customer-"
_FIELDS = {
    "ExpectedBucketOwner": "x-amz-expected-bucket-owner",
    "RequestPayer": "x-amz-request-payer",
    "SSECustomerAlgorithm": f"{_SSE_C}algorithm",
    "SSECustomerKey": f"{_SSE_C}key",
    "SSECustomerKeyMD5": f"{_SSE_C}key-md5",
}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19})")
_ALLOWED = {*_FIELDS, "VersionId"}


class Wanted(NamedTuple):
    """An object to read. etag: as it must be, with its quotes, or None. arguments: of boto3's `get_object`.

    size: as it was listed, or None.
    """

    bucket: str
    key: str
    etag: str | None
    arguments: Mapping[str, Any]
    headers: tuple[tuple[str, str], ...]
    size: int | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def get(self, span: tuple[int, int] | None = None, etag: str | None = None) -> Get:
        """Our own GET. span: first and last byte, or None for the whole, with its checksum."""
        headers = [*self.headers, ASK if span is None else ("range", f"bytes={span[0]}-{span[1]}")]
        if expected := etag or self.etag:
            headers.append(("if-match", expected))
        version = self.arguments.get("VersionId")
        return object_get(self.bucket, self.key, headers, (("versionId", version),) if version else ())


@dataclass(frozen=True, slots=True)
class Fetched:
    """What boto3 got. fields: the answer's header fields, names in lower case. body: empty where a buffer was given."""

    fields: Mapping[str, str]
    body: bytes


Item = str | ObjectEntry | ObjectVersion
"""An object's URI, or an entry of a listing: then it is wanted only as it was listed."""


def wanted(item: Item, extra_args: Mapping[str, Any] | None = None) -> Wanted:
    """What `item` asks for. Raises Refused; OutsideRoute for a bucket that the path cannot serve."""
    arguments = dict(extra_args) if extra_args else {}
    refuse_unknown(arguments)
    etag = size = None
    if isinstance(item, ObjectVersion):
        if item.is_delete_marker:
            raise Refused(f"{item.uri}: version {item.version_id} is a delete marker: it has no body")
        arguments.setdefault("VersionId", item.version_id)
    if isinstance(item, ObjectEntry | ObjectVersion):
        bucket, key, etag, size = item.bucket, item.key, item.etag, item.size
        refuse_no_name(bucket, key)
    else:
        bucket, key = split_uri(item)
        if not key:
            raise Refused(f"{item!r} names no object (write s3://bucket/key)")
    refuse_elsewhere(bucket)
    return Wanted(bucket, key, etag, arguments, _headers(arguments) if arguments else (), size)


def refuse_unknown(arguments: Mapping[str, Any]) -> None:
    """Raises Refused for extra_args that no object can be asked for with."""
    if unknown := arguments and sorted(set(arguments) - _ALLOWED):
        raise Refused(f"extra_args has {unknown[0]!r}, which is not one of {', '.join(sorted(_ALLOWED))}")


def _headers(arguments: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    given = {name: value for name, value in arguments.items() if name in _FIELDS}
    if "SSECustomerKey" in given:
        # As botocore does: the key goes encoded, with its MD5. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ServerSideEncryptionCustomerKeys.html
        plain = given["SSECustomerKey"]
        plain = plain.encode() if isinstance(plain, str) else bytes(plain)
        given["SSECustomerKey"] = b64encode(plain).decode()
        given.setdefault("SSECustomerKeyMD5", b64encode(md5(plain, usedforsecurity=False).digest()).decode())
    return tuple((_FIELDS[name], str(value)) for name, value in given.items())


def fetch(
    s3: S3Client,
    object: Wanted,
    guard: Guard,
    span: tuple[int, int] | None = None,
    into: Place | None = None,
    broken: Broken | None = None,
) -> Fetched:
    """The object, or `span` of it (first and last byte), through boto3, resumed as often as it breaks off and goes on.

    guard: of who asks; `into` is called and written to under it alone. into: where it goes, see Place; None: bytes of
    its own. broken: what our own GET of the same left behind; only the rest is asked for. Memory: the body.
    Raises ChecksumMismatch, Gone when nobody waits for it any more, and see `as_ours`.
    """
    from botocore.exceptions import BotoCoreError, FlexibleChecksumError
    from urllib3.exceptions import HTTPError

    reading = _Reading(object, guard, span, into, broken)
    tries = 0
    while not reading.complete:
        guard.check()
        before = reading.received
        with as_ours(s3, object.uri):
            answer: Any = s3.get_object(**reading.arguments())
        try:
            with closing(answer["Body"]) as body:
                reading.begin(answer)
                while not reading.complete and (piece := body.read(_PIECE)):
                    reading.take(piece)
            if not reading.complete:
                raise ReadError(f"{reading.received} bytes came, {reading.size} were promised")
        except FlexibleChecksumError as error:
            raise ChecksumMismatch(f"{object.uri}: {error}") from error
        except MemoryError as error:
            raise no_memory(object.uri, reading.size) from error
        except (BotoCoreError, HTTPError, OSError, ReadError) as error:
            if isinstance(error, ObjectChanged):
                raise
            tries = 0 if reading.received > before and reading.etag else tries + 1
            counters_of(s3).add(resumed=1)
            if tries >= TRIES:
                raise ReadError(
                    f"{object.uri}: the body broke off {tries} times at {reading.received}: {error}"
                ) from error
    return Fetched(reading.fields, reading.whole())


def content_range(fields: Mapping[str, str]) -> tuple[int, int, int] | None:
    """First byte, last byte and the object's size, from an answer's header fields."""
    match = _CONTENT_RANGE.fullmatch(fields.get("content-range", ""))
    first, last, size = (int(match[1]), int(match[2]), int(match[3])) if match else (0, -1, 0)
    return (first, last, size) if first <= last < size else None


def wrong_range(fields: Mapping[str, str]) -> str:
    """Why an answer to a range is not one."""
    return f"wrong Content-Range: {fields.get('content-range', 'none')[:60]}"


def no_memory(uri: str, size: int) -> ReadError:
    return ReadError(f"{uri}: {size} bytes do not fit into memory: use stream_object, open_object or download")


class _Reading:
    """How far the reading of one body has come, over as many answers as it takes."""

    def __init__(
        self,
        object: Wanted,
        guard: Guard,
        span: tuple[int, int] | None,
        into: Place | None,
        broken: Broken | None,
    ) -> None:
        self._object = object
        self._guard = guard
        self._span = span
        self._place = into
        self._room: Room | None = None
        self._first = span[0] if span else 0
        self.etag = object.etag
        self.size = -1
        self.received = 0
        self.fields: Mapping[str, str] = {}
        self.body = b""
        if broken is not None and broken.received and "etag" in broken.fields and self._asked_for(broken):
            self._remember(broken.fields)
            self.received = broken.received
            self.body, self._room = broken.body, broken.room

    def _asked_for(self, broken: Broken) -> bool:
        """Whether what came before it broke off is of what was asked for: nobody has looked at its head yet."""
        if self.etag and broken.fields["etag"] != self.etag:
            return False
        if broken.status == 200:
            # From the first byte on, as the first of many parts is asked for.
            return self._first == 0
        found = content_range(broken.fields)
        if found is None or self._span is None:
            return False
        last = min(self._span[1], found[2] - 1)
        return found[:2] == (self._first, last) and len(broken.room) == last + 1 - self._first

    @property
    def complete(self) -> bool:
        return self._room is not None and self.received == len(self._room)

    def arguments(self) -> dict[str, Any]:
        """Of boto3's `get_object`, for what is still missing."""
        asked = {"Bucket": self._object.bucket, "Key": self._object.key, **self._object.arguments}
        if not self.etag:
            # What is there may be of another object than what comes next.
            self.received = 0
        if self.etag:
            asked["IfMatch"] = self.etag
        if self._span or self.received:
            last = self._span[1] if self._span else ""
            asked["Range"] = f"bytes={self._first + self.received}-{last}"
        else:
            asked["ChecksumMode"] = "ENABLED"
        return asked

    def begin(self, answer: Any) -> None:
        """Hold an answer's head against what was asked. Raises ReadError."""
        uri, etag = self._object.uri, answer.get("ETag")
        if etag and not (etag.isascii() and etag.isprintable()):
            raise ReadError(f"{uri}: not an ETag: {etag[:40]!a}")
        if self.etag and etag != self.etag:
            raise ObjectChanged(f"{uri}: replaced while it was read; read it again")
        if not self.fields:
            self._remember({**answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}), "etag": etag or ""})
        came = answer.get("ContentLength")
        if not isinstance(came, int) or not 0 <= came <= LARGEST:
            raise ReadError(f"{uri}: S3 did not say how long the body is: {str(came)[:40]}")
        size = self.received + came
        if not self._span and not self.received and "ContentRange" in answer:
            raise ReadError(f"{uri}: the whole was asked for, {answer['ContentRange']} came")
        if self._span or self.received:
            found = content_range({"content-range": answer.get("ContentRange", "")})
            start = self._first + self.received
            last = min(self._span[1], found[2] - 1) if self._span and found else found[2] - 1 if found else 0
            if found is None or found[:2] != (start, last) or came != last + 1 - start:
                raise ReadError(f"{uri}: bytes {start}- were asked for, {answer.get('ContentRange')} came")
        if not self._span and self._object.size not in (None, size):
            raise ReadError(f"{uri}: {size} bytes came, {self._object.size} were listed under the same ETag")
        if self.size not in (-1, size):
            raise ReadError(f"{uri}: {size} bytes are not the {self.size} promised first")
        self.size = size
        if self._room is None:
            self._room = self._placed(size)
        elif len(self._room) != size and not callable(self._place):
            raise ReadError(f"{uri}: {size} bytes are not the {len(self._room)} promised first")

    def _placed(self, size: int) -> Room:
        if self._place is None:
            self.body, room = fresh_bytes(size)
            return room
        if callable(self._place):
            with self._guard:
                return self._place(size, self.fields)
        if len(self._place) != size:
            raise ReadError(f"{self._object.uri}: {size} bytes are not the {len(self._place)} asked for")
        return self._place

    def take(self, piece: bytes) -> None:
        """What comes after a place that is full is not wanted."""
        assert self._room is not None
        piece = piece[: len(self._room) - self.received]
        with self._guard:
            put(self._room, self.received, piece)
        self.received += len(piece)

    def whole(self) -> bytes:
        own = self._room if self._place is None else None
        return filled(self.body, own) if isinstance(own, memoryview) else b""

    def _remember(self, fields: Mapping[str, str]) -> None:
        self.fields = fields
        self.etag = fields.get("etag") or self.etag

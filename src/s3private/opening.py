"""One object as a file: seekable, read-only, pinned to what it was when it was opened.

Blocks that were read stay for a while; where reading goes straight on, the next ones are asked for beforehand.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3private.asking import LARGEST, Item, Wanted, no_memory, wanted
from s3private.botocore_errors import as_ours
from s3private.checksums import Checksum, stored_checksum
from s3private.client import refuse_other_clients
from s3private.entries import ObjectEntry, ObjectVersion
from s3private.errors import ReadError, S3PrivateError
from s3private.forks import renewed_in_child
from s3private.listing import list_objects
from s3private.reading import read_ranges
from s3private.threads import Threads

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from types_boto3_s3 import S3Client

BLOCK = 1 << 18
CACHE = 16 << 20
AHEAD = 8 << 20
_SPAN = 2 << 20
"""Bytes that one request asks for at the most: more of them are asked for at once."""

_PEEK = 1 << 13
_MUCH = 1 << 30
"""Bytes at once that it is worth knowing whether there is room for: a server may say any size."""

Fetch = Callable[[list[tuple[int, int]]], list[bytes]]


def open_object(
    s3: S3Client,
    object: Item,
    *,
    block: int = BLOCK,
    cache: int = CACHE,
    ahead: int = AHEAD,
    extra_args: Mapping[str, Any] | None = None,
) -> ObjectFile:
    """The object as a binary file to read and seek in, for pandas, pyarrow, zipfile, io.TextIOWrapper.

    object: a URI, which costs one HEAD, or an entry of a listing, which costs nothing. block: bytes of which whole ones
    are asked for. cache: bytes of blocks that are kept, those read last. ahead: bytes asked for beforehand at the most
    while reading goes straight on; 0: none. extra_args: see `read_object`.

    The HEAD also asks for the stored checksum: where nothing is skipped from the first byte to the last, the `read`
    that reaches the end raises ChecksumMismatch when they are not what was stored, and `verified` then names the
    algorithm (see `read_object`). An entry brings no checksum, and reading here and there has none to be held against.

    Memory: cache + 3 * ahead, and twice what one `read` asks for. One file may be shared by threads; they take turns.
    Raises Refused for a wrong URI, ReadError when S3 refuses it; reading raises ObjectChanged once it was replaced.
    """
    if block < 1 or cache < 0 or ahead < 0:
        raise ValueError("block must be 1 or more, cache and ahead 0 or more")
    refuse_other_clients(s3)
    entry: ObjectEntry | ObjectVersion
    stored: Checksum | None
    if isinstance(object, ObjectEntry | ObjectVersion):
        entry, stored = object, None
    else:
        entry, stored = headed(s3, object, extra_args)

    def fetch(ranges: list[tuple[int, int]]) -> list[bytes]:
        found = read_ranges(s3, object, ranges, etag=entry.etag, extra_args=extra_args)
        for (start, length), body in zip(ranges, found, strict=True):
            if len(body) != length:
                raise ReadError(f"{entry.uri}: {len(body)} bytes came from {start} on, {length} were to be there")
        return found

    return ObjectFile(entry, fetch, block, cache, ahead, stored)


def described(s3: S3Client, object: Item, extra_args: Mapping[str, Any] | None = None) -> ObjectEntry | ObjectVersion:
    """The entry that a listing would have for `object`: an entry is itself, a URI is asked for with HEAD."""
    if isinstance(object, ObjectEntry | ObjectVersion):
        return object
    return headed(s3, object, extra_args)[0]


def headed(s3: S3Client, uri: str, extra_args: Mapping[str, Any] | None = None) -> tuple[ObjectEntry, Checksum | None]:
    """The entry that a listing would have for `uri`, and its stored checksum where there is one of the whole.

    Raises ReadError; where it names no object but there are some below it, that says so.
    """
    refuse_other_clients(s3)
    asked = wanted(uri, extra_args)
    try:
        found = _head(s3, asked)
    except ReadError as error:
        if _is_prefix(s3, asked, error):
            raise ReadError(f"{asked.uri} is no object but a prefix: write {asked.uri}/") from error
        raise
    size, modified, etag = found.get("ContentLength"), found.get("LastModified"), found.get("ETag")
    if not isinstance(size, int) or not 0 <= size <= LARGEST or not isinstance(modified, datetime) or not etag:
        raise ReadError(f"{asked.uri}: S3 did not say its size, its time and its ETag: {size}, {modified}, {etag}")
    entry = ObjectEntry(
        bucket=asked.bucket,
        key=asked.key,
        size=size,
        last_modified=modified.astimezone(UTC),
        etag=etag,
        storage_class=found.get("StorageClass", "STANDARD"),
    )
    return entry, stored_checksum(found["ResponseMetadata"]["HTTPHeaders"])


def _head(s3: S3Client, asked: Wanted) -> Any:
    from botocore.exceptions import ClientError

    named = {"Bucket": asked.bucket, "Key": asked.key, **asked.arguments}
    with as_ours(s3, asked.uri):
        try:
            return s3.head_object(ChecksumMode="ENABLED", **named)
        except ClientError:
            # The answer to a HEAD has no body, so a refusal says a number and no more. A GET says why.
            s3.get_object(Range="bytes=0-0", **named)["Body"].close()
            raise


def _is_prefix(s3: S3Client, asked: Wanted, error: ReadError) -> bool:
    """Whether there are objects below a key that S3 says is not there: a slash is easily forgotten."""
    # Where no answer was understood, it is there and None.
    said: Any = getattr(error.__cause__, "response", None) or {}
    if said.get("Error", {}).get("Code") != "NoSuchKey" or asked.key.endswith("/"):
        return False
    try:
        return any(list_objects(s3, f"{asked.uri}/", glob=False, limit=1))
    except S3PrivateError:
        return False


class ObjectFile(io.BufferedIOBase):
    """What `open_object` gives. name: the URI. size: bytes. etag: of the one object that is read.

    verified: the algorithm of the checksum that all of it was held against, once it was read without a gap; or None.
    """

    mode = "rb"

    def __init__(
        self,
        entry: ObjectEntry | ObjectVersion,
        fetch: Fetch,
        block: int,
        cache: int,
        ahead: int,
        stored: Checksum | None = None,
    ) -> None:
        self.verified: str | None = None
        self.name = entry.uri
        self.size = entry.size
        self.etag = entry.etag
        self._blocks = _Blocks(entry.size, fetch, block, cache, ahead)
        self._at = 0
        self._stored = stored
        self._running = stored.start() if stored is not None else None
        self._passed = 0  # so many bytes from the first on have gone into the checksum
        self._turn = threading.RLock()
        renewed_in_child(self, ObjectFile._in_child)

    def __repr__(self) -> str:
        return f"<ObjectFile {self.name} of {self.size} bytes{', closed' if self.closed else ''}>"

    def readable(self) -> bool:
        return self._open()

    def seekable(self) -> bool:
        return self._open()

    def tell(self) -> int:
        self._open()
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._open()
        with self._turn:
            base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}.get(whence)
            if base is None:
                raise ValueError(f"whence must be 0, 1 or 2, not {whence}")
            if base + offset < 0:
                raise ValueError(f"a place before the beginning: {base + offset}")
            self._at = base + offset
            return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        self._open()
        with self._turn:
            end = self.size if size is None or size < 0 else min(self._at + size, self.size)
            if end <= self._at:
                return b""
            if end - self._at > _MUCH:
                try:
                    bytearray(end - self._at)
                except MemoryError:
                    raise no_memory(self.name, end - self._at) from None
            found = self._blocks.read(self._at, end)
            self._verify(found, end)
            self._at = end
            return found

    def _verify(self, found: bytes, end: int) -> None:
        """Take in what goes on where the checksum is: a gap ends it, and what was there before is not taken twice."""
        if self._stored is None or self._running is None:
            return
        if self._at <= self._passed < end:
            new = memoryview(found)[self._passed - self._at :]
            # Interrupted here it is not known what was taken in: then there is nothing to be verified any more.
            self._passed = -1
            self._running.update(new)
            self._passed = end
        if end == self.size == self._passed and self.verified is None:
            self.verified = self._stored.compare(self.name, self._running)

    def read1(self, size: int = -1, /) -> bytes:
        """At most what is left of the block that the place is in."""
        self._open()
        with self._turn:
            rest = self._blocks.rest_of_block(self._at)
            return self.read(rest if size < 0 else min(size, rest))

    def peek(self, size: int = 0, /) -> bytes:
        """Some of what comes next; the place stays. Lines are found with it, so it is short."""
        with self._turn:
            at = self._at
            try:
                return self.read1(max(size, _PEEK))
            finally:
                self._at = at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        return self._into(buffer, self.read)

    def readinto1(self, buffer: WriteableBuffer, /) -> int:
        return self._into(buffer, self.read1)

    @staticmethod
    def _into(buffer: WriteableBuffer, read: Callable[[int], bytes]) -> int:
        view = memoryview(buffer).cast("B")
        found = read(len(view))
        view[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._blocks.close()
        super().close()

    def _open(self) -> bool:
        if self.closed:
            raise ValueError(f"{self.name} is closed")
        return True

    def _in_child(self) -> None:
        if not self._turn.acquire(blocking=False):
            # A thread of the parent was reading: what of it the checksum has taken in is not known.
            self._running = None
        self._turn = threading.RLock()
        self._blocks.begin_again()


class _Blocks:
    """The blocks that were read last, and those that were asked for before they are read.

    Reading that goes straight on has them asked for in windows, each twice the one before, up to `ahead`, while at
    least half of the last one is still to be read; a jump begins anew.
    """

    def __init__(self, size: int, fetch: Fetch, block: int, cache: int, ahead: int) -> None:
        self._size = size
        self._fetch = fetch
        self._block = block
        self._room = cache // block
        self._largest = ahead // block
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._early: dict[int, bytes] = {}
        self._coming: tuple[range, Future[dict[int, bytes]]] | None = None
        self._window = 0
        self._expected = 0  # where reading would go straight on
        self._beside = Threads(1, "s3private-ahead")

    def rest_of_block(self, at: int) -> int:
        return max(0, min(self._block - at % self._block, self._size - at))

    def read(self, first: int, end: int) -> bytes:
        """The bytes from `first` up to `end`, which is beyond `first` and not beyond the object's end."""
        needed = range(first // self._block, (end - 1) // self._block + 1)
        if first != self._expected:
            self._forget_what_comes()
        elif not self._window:
            self._window = min(len(needed), self._largest)
        self._expected = end
        found = self._found(needed)
        self._ask_early(needed.stop)
        if len(needed) == 1:
            whole = found[needed.start]
            at = first - needed.start * self._block
            return whole if end - first == len(whole) else whole[at : at + end - first]
        pieces = [memoryview(found[number]) for number in needed]
        pieces[-1] = pieces[-1][: end - needed[-1] * self._block]
        pieces[0] = pieces[0][first - needed.start * self._block :]
        return b"".join(pieces)

    def close(self) -> None:
        self._forget_what_comes()
        self._kept.clear()
        self._beside.close()

    def begin_again(self) -> None:
        """In a forked process: what comes is the parent's."""
        self._forget_what_comes()

    def _forget_what_comes(self) -> None:
        self._early.clear()
        self._coming = None
        self._window = 0

    def _found(self, needed: range) -> dict[int, bytes]:
        if self._coming is not None and self._coming[0].start < needed.stop:
            coming = self._coming[1]
            self._coming = None
            # What failed beforehand is asked for again now, and fails in the reader's own call.
            self._early = {n: self._early[n] for n in needed if n in self._early}
            if coming.exception() is None:
                self._early.update(coming.result())
        found: dict[int, bytes] = {}
        missing = []
        for number in needed:
            if number in self._kept:
                self._kept.move_to_end(number)
                found[number] = self._kept[number]
            elif number in self._early:
                found[number] = self._early.pop(number)
            else:
                missing.append(number)
        if missing:
            found.update(self._from_s3(missing))
        for number in needed:
            self._kept[number] = found[number]
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)
        return found

    def _from_s3(self, numbers: Sequence[int]) -> dict[int, bytes]:
        """Blocks, neighbours together."""
        spans: list[range] = []
        for number in numbers:
            if spans and number == spans[-1].stop and len(spans[-1]) * self._block < _SPAN:
                spans[-1] = range(spans[-1].start, number + 1)
            else:
                spans.append(range(number, number + 1))
        starts = [span.start * self._block for span in spans]
        ends = [min(span.stop * self._block, self._size) for span in spans]
        bodies = self._fetch([(start, end - start) for start, end in zip(starts, ends, strict=True)])
        return {
            number: body[place * self._block : (place + 1) * self._block]
            for span, body in zip(spans, bodies, strict=True)
            for place, number in enumerate(span)
        }

    def _ask_early(self, first: int) -> None:
        if not self._window or self._coming is not None:
            return
        last = -(-self._size // self._block)
        stop = min(first + self._window, last)
        while first < stop and (first in self._early or first in self._kept):
            first += 1
        if first == stop or (2 * (stop - first) < self._window and stop < last):
            return
        ahead = range(first, stop)
        self._coming = ahead, self._beside.submit(self._from_s3, ahead)
        self._window = min(2 * self._window, self._largest)

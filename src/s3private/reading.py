"""Reading into memory: many objects, one, ranges of one, or one as a stream.

Where the client has a wire, all sockets are driven by the caller's own thread. What the wire does not understand, and
everything where there is none, boto3 is asked for in threads beside it. Every body is whole and of one object, or it
is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from s3private.asking import Item, Wanted, content_range, fetch, no_memory, refuse_unknown, wanted, wrong_range
from s3private.beside import BESIDE
from s3private.checksums import stored_checksum, verify
from s3private.client import counters_of, refuse_other_clients, wire_of
from s3private.entries import ObjectEntry, ObjectVersion
from s3private.errors import ObjectChanged, ReadError, Refused, S3PrivateError
from s3private.exchange import Exchange, Outcome
from s3private.forks import InOneProcess
from s3private.fresh import filled, fresh_bytes
from s3private.parts import AHEAD, PART, Begun, parts
from s3private.wire import SOCKETS, Answer, Broken

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

MEMORY = 256 << 20
_WAITING = 4
"""How many objects, for each worker, may have come before one that is handed out earlier."""


@dataclass(frozen=True, slots=True)
class ObjectBody:
    """One object, whole. verified: the algorithm of the checksum it was held against, or None (see `read_object`)."""

    bucket: str
    key: str
    etag: str
    body: bytes
    version_id: str | None = None
    content_type: str | None = None
    verified: str | None = None

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def read_objects(
    s3: S3Client,
    objects: Iterable[Item],
    *,
    workers: int | None = None,
    ordered: bool = True,
    memory: int = MEMORY,
    extra_args: Mapping[str, Any] | None = None,
    on_error: Callable[[str, S3PrivateError], object] | None = None,
) -> Iterator[ObjectBody]:
    """The bodies of `objects` (URIs, or entries of a listing), in their order, or as they come.

    An entry of a listing is read only as it was listed: ObjectChanged when it was replaced since.
    workers: requests at once; default 64, or 8 threads where everything goes through boto3. memory: bytes.
    extra_args: see `read_object`. on_error: called with the URI and the error of an object that cannot be read
    (Refused: none can have that name), which is then left out; default: raise it.

    Memory: at most memory (or the largest object, where that is more) + the largest object, the one handed out last
    included; while boto3 is asked again up to 8 objects more. Of bodies up to 32 MiB the C library may keep as much as
    two of the largest after they were freed. At most 4 * workers objects are ahead of the reader.
    https://man7.org/linux/man-pages/man3/mallopt.3.html
    Raises Refused for a wrong URI, ReadError naming the URI when S3 refuses one.
    """
    if isinstance(objects, str | ObjectEntry | ObjectVersion):
        raise Refused(f"read_objects reads many: give a list, read_objects(s3, [{objects!r}]), or use read_object")
    if workers is not None and workers < 1:
        raise ValueError("workers must be 1 or more")
    refuse_unknown(extra_args or {})
    at_once = workers or (SOCKETS if wire_of(s3) else BESIDE)
    return InOneProcess(_Many(s3, objects, at_once, ordered, memory, extra_args, on_error).read())


def read_object(
    s3: S3Client, object: Item, *, ahead: int = AHEAD, extra_args: Mapping[str, Any] | None = None
) -> ObjectBody:
    """One object, whole; a large one in parts of 8 MiB, `ahead` of them at once, received where they stay.

    extra_args: of boto3's get_object: VersionId, RequestPayer, ExpectedBucketOwner, SSECustomerAlgorithm,
    SSECustomerKey, SSECustomerKeyMD5. An object under KMS needs none.
    The stored checksum is verified where S3 gives one of the whole object: CRC64NVME and CRC32C (with `awscrt`, or
    with numpy, which serverless compute has), CRC32, SHA1, SHA256, SHA512, MD5; not XXHASH. Memory: the object.
    Raises ObjectChanged when it was replaced meanwhile, ChecksumMismatch, ReadError when S3 refuses it.
    """
    if ahead < 1:
        raise ValueError("ahead must be 1 or more")
    asked = wanted(object, extra_args)
    body, whole = b"", memoryview(b"")
    begun: Begun | None = None

    def place(known: Begun, number: int, length: int) -> memoryview:
        nonlocal begun, body, whole
        if begun is None:
            begun = known
            try:
                body, whole = fresh_bytes(known.size)
            except MemoryError:
                raise no_memory(asked.uri, known.size) from None
        return whole[number * PART : number * PART + length]

    crcs: dict[int, int] = {}
    stored = None
    for number, view in parts(s3, asked, place, ahead=ahead):
        assert begun is not None
        stored = stored_checksum(begun.fields)
        if stored is not None and stored.step is not None:
            # While the next ones come.
            crcs[number] = stored.step(view, 0)
    assert begun is not None
    if stored is None or not crcs:
        return _whole(s3, asked, begun.fields, filled(body, whole))
    verified = stored.verify_parts(asked.uri, crcs, PART, begun.size)
    return _object(s3, asked, begun.fields, filled(body, whole), verified)


def stream_object(
    s3: S3Client,
    object: Item,
    *,
    part: int = PART,
    ahead: int = 4,
    extra_args: Mapping[str, Any] | None = None,
) -> ObjectStream:
    """The object's bytes in order, in pieces of `part` bytes, `ahead` of them asked for before they are wanted.

    For what is too large to hold. part: bytes, default 8 MiB. extra_args: see `read_object`.
    The stored checksum is verified as in `read_object`, over the pieces as they pass: the last one is handed out only
    when all of them are what was stored. Until then nothing is proven: keep what you make of them aside till the end.
    Memory: (ahead + 1) * part, whatever the object's size.
    Raises ObjectChanged when it was replaced meanwhile, ChecksumMismatch in place of the last piece, ReadError when S3
    refuses it.
    """
    if part < 1 or ahead < 1:
        raise ValueError("part and ahead must be 1 or more")
    refuse_other_clients(s3)
    return ObjectStream(s3, wanted(object, extra_args), part, ahead)


class ObjectStream(Iterator[bytes]):
    """What `stream_object` gives: to be gone through once. `close` ends it early.

    verified: the algorithm of the checksum that all of it was held against; None until the last piece is there, and
    where S3 stored none that can be verified.
    """

    def __init__(self, s3: S3Client, asked: Wanted, part: int, ahead: int) -> None:
        self.verified: str | None = None
        self._uri = asked.uri
        self._pieces = InOneProcess(self._read(s3, asked, part, ahead))

    def __repr__(self) -> str:
        return f"<ObjectStream of {self._uri}, in pieces: loop over it once>"

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Ask for no more, and take nothing more in."""
        self._pieces.close()

    def _read(self, s3: S3Client, asked: Wanted, part: int, ahead: int) -> Generator[bytes]:
        fresh: dict[int, bytes] = {}
        begun: Begun | None = None

        def place(known: Begun, number: int, length: int) -> memoryview:
            nonlocal begun
            begun = known
            fresh[number], view = fresh_bytes(length)
            return view

        came = 0
        stored, running = None, None
        for number, view in parts(s3, asked, place, part=part, ahead=ahead, ordered=True):
            assert begun is not None
            if number == 0 and (stored := stored_checksum(begun.fields)) is not None:
                running = stored.start()
            came += len(view)
            if stored is not None and running is not None:
                running.update(view)
                if came == begun.size:
                    self.verified = stored.compare(asked.uri, running)
            if came == begun.size and self.verified is None:
                counters_of(s3).unverified(asked.uri, begun.fields)
            yield filled(fresh.pop(number), view)


def read_range(
    s3: S3Client, object: Item, start: int, length: int, *, extra_args: Mapping[str, Any] | None = None
) -> bytes:
    """`length` bytes from `start` on; fewer where the object ends. See `read_ranges`."""
    return read_ranges(s3, object, [(start, length)], extra_args=extra_args)[0]


def read_ranges(
    s3: S3Client,
    object: Item,
    ranges: Iterable[tuple[int, int]],
    *,
    etag: str | None = None,
    coalesce: int = 0,
    workers: int | None = None,
    extra_args: Mapping[str, Any] | None = None,
) -> list[bytes]:
    """The bytes of `ranges` (start and length), all of one object, in their order; fewer where the object ends.

    etag: read only the object that has it; default: an entry's own, else whatever is there, but one and the same.
    coalesce: ranges no more than so many bytes apart are one request. workers: requests at once. extra_args: see
    `read_object`. Memory: the ranges, with the gaps between those that are one request.
    Raises ObjectChanged, and ReadError when S3 refuses: a start beyond the end is an InvalidRange.
    """
    if workers is not None and workers < 1:
        raise ValueError("workers must be 1 or more")
    asked = wanted(object, extra_args)
    if etag:
        asked = asked._replace(etag=etag)
    wanted_ranges = list(ranges)
    for start, length in wanted_ranges:
        if start < 0 or length < 1:
            raise Refused(f"{asked.uri}: not a range: start {start}, length {length}")
    return _Ranges(s3, asked, wanted_ranges, coalesce, workers).read()


def _whole(s3: S3Client, asked: Wanted, fields: Mapping[str, str], body: bytes) -> ObjectBody:
    return _object(s3, asked, fields, body, verify(asked.uri, fields, body))


def _object(s3: S3Client, asked: Wanted, fields: Mapping[str, str], body: bytes, verified: str | None) -> ObjectBody:
    if verified is None:
        counters_of(s3).unverified(asked.uri, fields)
    return ObjectBody(
        bucket=asked.bucket,
        key=asked.key,
        etag=fields.get("etag", ""),
        body=body,
        version_id=fields.get("x-amz-version-id"),
        content_type=fields.get("content-type"),
        verified=verified,
    )


_NOTHING = Wanted("", "", None, {}, ())
"""In the place of what is refused: nothing is asked for."""


class _Many:
    def __init__(
        self,
        s3: S3Client,
        objects: Iterable[Item],
        at_once: int,
        ordered: bool,
        memory: int,
        extra_args: Mapping[str, Any] | None,
        on_error: Callable[[str, S3PrivateError], object] | None,
    ) -> None:
        self._s3 = s3
        self._objects = enumerate(iter(objects))
        self._at_once = at_once
        self._ordered = ordered
        self._memory = memory
        self._extra_args = extra_args
        self._on_error = on_error
        self._exchange: Exchange
        self._wanted: dict[int, Wanted] = {}
        self._sizes: dict[int, int] = {}
        self._expected = 0
        self._held: dict[int, int] = {}
        self._ready: dict[int, ObjectBody | tuple[str, S3PrivateError]] = {}

    def read(self) -> Iterator[ObjectBody]:
        turn = in_hand = 0
        # Not before it is begun: that may be in a forked process.
        self._exchange = Exchange(wire_of(self._s3), sockets=self._at_once, memory=self._memory)
        with self._exchange as exchange:
            while True:
                self._follow()
                if not self._wanted:
                    return
                exchange.first = next(iter(self._wanted))
                for number, outcome in exchange.answered():
                    self._take(number, outcome)
                self._follow()
                exchange.send()
                while self._ready and (turn in self._ready or not self._ordered):
                    number = turn if self._ordered else next(iter(self._ready))
                    result = self._ready.pop(number)
                    del self._wanted[number]
                    self._expected -= self._sizes.pop(number)
                    # The reader has that one until it takes the next.
                    exchange.released(in_hand)
                    in_hand = self._held.pop(number)
                    turn += 1
                    if isinstance(result, ObjectBody):
                        yield result
                        del result
                    elif self._on_error is None:
                        raise result[1]
                    else:
                        self._on_error(*result)

    def _follow(self) -> None:
        """Ask for as many more as there may be. A listing says how large they are; of others we learn as they come."""
        while (
            len(self._exchange) < self._at_once
            and len(self._wanted) < _WAITING * self._at_once
            and (not self._wanted or self._expected < self._memory)
        ):
            number, item = next(self._objects, (-1, ""))
            if number < 0:
                return
            try:
                asked = self._wanted[number] = wanted(item, self._extra_args)
            except Refused as error:
                if self._on_error is None:
                    raise
                self._wanted[number] = _NOTHING
                self._sizes[number] = self._held[number] = 0
                self._ready[number] = item.uri if isinstance(item, ObjectEntry | ObjectVersion) else str(item), error
                continue
            self._sizes[number] = 0 if isinstance(item, str) else item.size
            self._expected += self._sizes[number]
            self._exchange.ask(number, asked.get(), most=asked.size)

    def _take(self, number: int, outcome: Outcome) -> None:
        asked = self._wanted[number]
        if isinstance(outcome, Future):
            try:
                fetched = outcome.result()
            except ReadError as error:
                self._ready[number] = asked.uri, error
                return
            self._exchange.released(self._held[number] - len(fetched.body))
            self._arrived(number, fetched.fields, fetched.body)
        elif isinstance(outcome, Broken):
            self._held[number] = len(outcome.body)
            call = partial(fetch, self._s3, asked, self._exchange.guard, broken=outcome)
            self._exchange.ask_boto3(number, call, asked.uri, outcome)
        elif asked.etag not in (None, outcome.fields.get("etag")) or asked.size not in (None, outcome.length):
            self._held[number] = outcome.length
            call = partial(fetch, self._s3, asked, self._exchange.guard)
            why = "another ETag or size than asked for"
            self._exchange.ask_boto3(number, call, asked.uri, outcome, why)
        else:
            self._arrived(number, outcome.fields, outcome.body)

    def _arrived(self, number: int, fields: Mapping[str, str], body: bytes) -> None:
        self._held[number] = len(body)
        try:
            self._ready[number] = _whole(self._s3, self._wanted[number], fields, body)
        except ReadError as error:
            self._ready[number] = self._wanted[number].uri, error


class _Ranges:
    def __init__(
        self, s3: S3Client, asked: Wanted, ranges: list[tuple[int, int]], coalesce: int, workers: int | None
    ) -> None:
        self._s3 = s3
        self._asked = asked
        self._ranges = ranges
        self._workers = workers or (SOCKETS if wire_of(s3) else BESIDE)
        self._etag = asked.etag
        self._requests = _joined(ranges, coalesce)
        self._found: list[bytes] = [b""] * len(ranges)

    def read(self) -> list[bytes]:
        waiting = iter(enumerate(self._requests))
        more = True
        with Exchange(wire_of(self._s3), sockets=self._workers) as exchange:
            while more or len(exchange):
                while more and len(exchange) < self._workers:
                    number, request = next(waiting, (-1, None))
                    if request is None:
                        more = False
                    else:
                        first, last = request.span
                        exchange.ask(number, self._asked.get(request.span), most=last + 1 - first)
                for number, outcome in exchange.answered():
                    request = self._requests[number]
                    if isinstance(outcome, Future):
                        fetched = outcome.result()
                        self._take(request, fetched.fields, fetched.body)
                    elif isinstance(outcome, Broken) or not self._right(request, outcome):
                        broken = outcome if isinstance(outcome, Broken) else None
                        call = partial(fetch, self._s3, self._asked, exchange.guard, request.span, broken=broken)
                        exchange.ask_boto3(number, call, self._asked.uri, outcome, wrong_range(outcome.fields))
                    else:
                        self._take(request, outcome.fields, outcome.body)
        return self._found

    def _right(self, request: _Request, answer: Answer) -> bool:
        found, first = content_range(answer.fields), request.span[0]
        if found is None:
            return False
        last = min(request.span[1], found[2] - 1)
        return found[:2] == (first, last) and answer.length == last + 1 - first

    def _take(self, request: _Request, fields: Mapping[str, str], body: bytes) -> None:
        etag = fields.get("etag")
        if self._etag is None:
            self._etag = etag
        if etag != self._etag:
            raise ObjectChanged(f"{self._asked.uri}: replaced while it was read; read it again")
        if not etag and len(self._requests) > 1:
            raise ReadError(f"{self._asked.uri}: S3 gave no ETag: its ranges could be of different objects")
        if len(request.numbers) == 1:
            self._found[request.numbers[0]] = body
            return
        for number in request.numbers:
            start, length = self._ranges[number]
            start -= request.span[0]
            self._found[number] = body[start : start + length]


@dataclass(frozen=True, slots=True)
class _Request:
    """One request for one range or several. span: its first and last byte."""

    span: tuple[int, int]
    numbers: tuple[int, ...]


def _joined(ranges: list[tuple[int, int]], gap: int) -> list[_Request]:
    """Ranges that overlap, touch or are no more than `gap` apart are asked for as one."""
    if not gap:
        return [_Request((start, start + length - 1), (number,)) for number, (start, length) in enumerate(ranges)]
    requests: list[_Request] = []
    for number in sorted(range(len(ranges)), key=lambda each: ranges[each]):
        start, length = ranges[number]
        last = requests[-1] if requests else None
        if last is not None and start <= last.span[1] + 1 + gap:
            end = max(last.span[1], start + length - 1)
            requests[-1] = _Request((last.span[0], end), (*last.numbers, number))
        else:
            requests.append(_Request((start, start + length - 1), (number,)))
    return requests

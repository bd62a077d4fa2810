"""Every body is whole and of one object, or it is one clear error: on our own wire, and through boto3 alone."""

from __future__ import annotations

import hashlib
import random
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import get_session

from origin.server import Fault, Origin, Request, Stored, crc32
from s3private import (
    ChecksumMismatch,
    ObjectChanged,
    ObjectEntry,
    ReadError,
    Refused,
    connect,
    exchange,
    read_object,
    read_objects,
    read_range,
    read_ranges,
    stream_object,
)
from s3private.fresh import fresh_bytes

WHEN = datetime(2026, 1, 1, tzinfo=UTC)
MIB = 1 << 20


@pytest.fixture(params=[True, False], ids=["own wire", "boto3 alone"])
def s3(request: pytest.FixtureRequest, origin: Origin) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "token-1")
    # Short where nothing is what comes, long enough elsewhere for a machine that has other work.
    stalls = "stall" in request.node.name
    return connect(origin.route(), session=session, read_timeout=0.5 if stalls else 20, lean=request.param)


def entry(stored: Stored, key: str) -> ObjectEntry:
    return ObjectEntry(
        bucket="b", key=key, size=len(stored.body), last_modified=WHEN, etag=stored.etag, storage_class="STANDARD"
    )


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def fault_once(origin: Origin, fault: Fault, which: Callable[[Request], bool] = lambda request: True) -> None:
    """The first answer that is like that goes wrong."""
    left = [fault]
    origin.fault = lambda request: left.pop() if left and which(request) else None


@pytest.mark.parametrize("ordered", [True, False])
def test_many_objects_are_each_read_once_with_what_they_hold(origin: Origin, s3: Any, ordered: bool) -> None:
    bodies = {f"k{number}": content(number * 211, number) for number in range(100)}
    entries = [entry(origin.put("b", key, body), key) for key, body in bodies.items()]
    read = list(read_objects(s3, entries, ordered=ordered))
    assert sorted((each.key, each.body) for each in read) == sorted(bodies.items())
    assert not ordered or [each.key for each in read] == list(bodies)
    assert len(origin.requests) == 100
    assert {each.etag for each in read} == {each.etag for each in entries}


@pytest.mark.parametrize("size", [0, 1, 5 * MIB, 8 * MIB, 8 * MIB + 1, 30 * MIB + 7])
def test_one_object_is_the_same_in_one_piece_and_in_parts(origin: Origin, s3: Any, size: int) -> None:
    body = content(size)
    origin.put("b", "k", body)
    assert read_object(s3, "s3://b/k").body == body
    assert b"".join(stream_object(s3, "s3://b/k", part=MIB * 3)) == body


def test_ranges_are_what_the_object_holds_there_joined_or_not(origin: Origin, s3: Any) -> None:
    body = content(100_000)
    origin.put("b", "k", body)
    chance = random.Random(5)
    ranges = [(chance.randrange(99_000), chance.randrange(1, 3000)) for _ in range(60)]
    expected = [body[start : start + length] for start, length in ranges]
    assert read_ranges(s3, "s3://b/k", ranges) == expected
    asked = len(origin.requests)
    assert read_ranges(s3, "s3://b/k", ranges, coalesce=5_000) == expected
    assert len(origin.requests) - asked < 20
    assert read_range(s3, "s3://b/k", 99_990, 500) == body[99_990:]


def test_a_range_beyond_the_end_is_an_error_in_s3s_words(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"abc")
    with pytest.raises(ReadError, match="s3://b/k: InvalidRange"):
        read_range(s3, "s3://b/k", 3, 1)


@pytest.mark.parametrize("start_length", [(-1, 5), (0, 0)])
def test_what_is_no_range_is_refused_before_any_request(origin: Origin, s3: Any, start_length: tuple[int, int]) -> None:
    with pytest.raises(Refused, match="not a range"):
        read_ranges(s3, "s3://b/k", [start_length])
    assert origin.requests == []


@pytest.mark.parametrize("kind", ["slow down", "truncate", "cut", "reset", "stall", "head"])
def test_a_body_that_breaks_off_is_resumed_where_it_broke(origin: Origin, s3: Any, kind: str) -> None:
    body = content(300_000)
    origin.put("b", "k", body)
    fault_once(origin, Fault(kind, 200_000))
    (read,) = read_objects(s3, ["s3://b/k"])
    assert read.body == body
    resumed = origin.requests[-1].fields
    if kind in ("truncate", "cut"):
        assert resumed["range"] == "bytes=200000-"
        assert resumed["if-match"] == read.etag


@pytest.mark.parametrize("kind", ["truncate", "cut", "reset"])
def test_a_part_that_breaks_off_is_resumed_where_it_broke(origin: Origin, s3: Any, kind: str) -> None:
    body = content(20 * MIB)
    origin.put("b", "k", body)
    fault_once(origin, Fault(kind, 3 * MIB), lambda request: "range" in request.fields)
    assert read_object(s3, "s3://b/k").body == body


def test_an_object_replaced_since_it_was_listed_is_an_error(origin: Origin, s3: Any) -> None:
    listed = entry(origin.put("b", "k", b"one"), "k")
    origin.put("b", "k", b"two")
    with pytest.raises(ObjectChanged, match="s3://b/k: replaced"):
        list(read_objects(s3, [listed]))


@pytest.mark.parametrize("read", [read_object, lambda s3, uri: list(stream_object(s3, uri))], ids=["whole", "stream"])
def test_an_object_replaced_while_its_parts_are_read_is_an_error(
    origin: Origin, s3: Any, read: Callable[[Any, str], object]
) -> None:
    origin.put("b", "k", content(20 * MIB, 1))
    replaced = replace(origin.objects["b", "k", None], etag='"another"')
    origin.before = lambda request: "range" in request.fields and origin.objects.update({("b", "k", None): replaced})
    with pytest.raises(ObjectChanged, match="s3://b/k: replaced"):
        read(s3, "s3://b/k")


def test_an_object_replaced_before_its_body_is_resumed_is_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(100_000, 1))
    fault_once(origin, Fault("cut", 50_000))
    origin.before = lambda request: "range" in request.fields and origin.put("b", "k", content(100_000, 2))
    with pytest.raises(ObjectChanged, match="s3://b/k: replaced"):
        list(read_objects(s3, ["s3://b/k"]))


def test_ranges_of_two_objects_are_not_mixed(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(1000, 1))
    origin.before = lambda request: request.number == 1 and origin.put("b", "k", content(1000, 2))
    with pytest.raises(ObjectChanged):
        read_ranges(s3, "s3://b/k", [(0, 10), (500, 10), (700, 10)], workers=1)


def test_a_body_that_never_comes_whole_is_an_error_that_says_where_it_broke(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(100_000))
    origin.fault = lambda request: Fault("cut", 0)
    with pytest.raises(ReadError, match="s3://b/k: the body broke off 4 times at 0"):
        list(read_objects(s3, ["s3://b/k"]))


def test_a_refusal_names_the_object_in_s3s_words(origin: Origin, s3: Any) -> None:
    origin.put("b", "there", b"x")
    with pytest.raises(ReadError, match="s3://b/none: NoSuchKey: The specified key does not exist"):
        list(read_objects(s3, ["s3://b/there", "s3://b/none"]))


def test_errors_can_be_collected_and_the_rest_is_read(origin: Origin, s3: Any) -> None:
    for key in "ac":
        origin.put("b", key, key.encode())
    failed: list[str] = []
    read = list(
        read_objects(s3, [f"s3://b/{key}" for key in "abcd"], on_error=lambda uri, error: failed.append(uri), workers=2)
    )
    assert [each.body for each in read] == [b"a", b"c"]
    assert failed == ["s3://b/b", "s3://b/d"]


@pytest.mark.parametrize("ordered", [True, False])
def test_what_no_object_can_be_called_is_an_error_of_that_one_alone(origin: Origin, s3: Any, ordered: bool) -> None:
    origin.put("b", "a", b"a")
    origin.put("b", "c", b"c")
    latin = "s3://b/" + b"caf\xe9".decode("utf-8", "surrogateescape")
    objects = [latin, "s3://b/a", "s3://no bucket/k", "http://b/k", "s3://b/c", "s3://b/"]
    failed: list[tuple[str, type]] = []
    read = read_objects(s3, objects, ordered=ordered, on_error=lambda uri, error: failed.append((uri, type(error))))
    assert sorted(each.body for each in read) == [b"a", b"c"]
    assert failed == [(uri, Refused) for uri in objects if uri not in ("s3://b/a", "s3://b/c")]
    with pytest.raises(Refused, match="half of a surrogate pair"):
        list(read_objects(s3, [latin]))
    with pytest.raises(Refused, match="extra_args has 'Nothing'"):
        read_objects(s3, objects, extra_args={"Nothing": 1}, on_error=lambda uri, error: None)


def test_the_stored_checksum_is_verified_and_named(origin: Origin, s3: Any) -> None:
    body = content(200_000)
    origin.put("b", "crc", body, **crc32(body))
    origin.put("b", "sha", body, x_amz_checksum_sha256=b64encode(hashlib.sha256(body).digest()).decode())
    origin.put("b", "parts", body, x_amz_checksum_crc32="AAAAAA==-3", x_amz_checksum_type="COMPOSITE")
    origin.put("b", "none", body)
    read = read_objects(s3, [f"s3://b/{key}" for key in ("crc", "sha", "parts", "none")])
    assert [each.verified for each in read] == ["CRC32", "SHA256", None, None]


def test_bytes_that_are_not_those_stored_are_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(200_000), **crc32(b"something else"))
    with pytest.raises(ChecksumMismatch, match="s3://b/k"):
        read_object(s3, "s3://b/k")


SHA256 = {"x_amz_checksum_sha256": b64encode(hashlib.sha256(content(200_000)).digest()).decode()}


@pytest.mark.parametrize("part", [200_000, 64_000, 50_000], ids=["one piece", "a short last piece", "even pieces"])
@pytest.mark.parametrize(("name", "fields"), [("CRC32", crc32(content(200_000))), ("SHA256", SHA256)])
def test_a_streams_checksum_is_verified_before_its_last_piece(
    origin: Origin, s3: Any, name: str, fields: dict[str, str], part: int
) -> None:
    origin.put("b", "right", content(200_000), **fields)
    stream = stream_object(s3, "s3://b/right", part=part)
    assert b"".join(stream) == content(200_000)
    assert stream.verified == name
    wrong = content(199_999) + b"?"
    origin.put("b", "wrong", wrong, **fields)
    pieces: list[bytes] = []
    stream = stream_object(s3, "s3://b/wrong", part=part)
    with pytest.raises(ChecksumMismatch, match="s3://b/wrong"):
        pieces.extend(stream)
    assert b"".join(pieces) == wrong[: (len(wrong) - 1) // part * part]


def test_a_stream_without_a_checksum_of_the_whole_comes_and_says_so(origin: Origin, s3: Any) -> None:
    body = content(200_000)
    origin.put("b", "parts", body, x_amz_checksum_crc32="AAAAAA==-3", x_amz_checksum_type="COMPOSITE")
    origin.put("b", "none", body)
    origin.put("b", "empty", b"", **crc32(b""))
    for key, whole, verified in (("parts", body, None), ("none", body, None), ("empty", b"", "CRC32")):
        stream = stream_object(s3, f"s3://b/{key}", part=64_000)
        assert b"".join(stream) == whole
        assert stream.verified == verified


def test_a_stream_that_is_left_is_not_proven_and_leaves_nothing_behind(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(200_000), **crc32(content(200_000)))
    stream = stream_object(s3, "s3://b/k", part=64_000)
    assert next(stream) == content(200_000)[:64_000]
    stream.close()
    assert list(stream) == []
    assert stream.verified is None
    assert read_object(s3, "s3://b/k").verified == "CRC32"


def test_a_checksum_is_verified_after_a_resumed_body_too(origin: Origin, s3: Any) -> None:
    body = content(200_000)
    origin.put("b", "k", body, **crc32(body))
    fault_once(origin, Fault("cut", 150_000))
    assert read_object(s3, "s3://b/k").verified == "CRC32"
    fault_once(origin, Fault("cut", 30_000))
    stream = stream_object(s3, "s3://b/k", part=64_000)
    assert b"".join(stream) == body
    assert stream.verified == "CRC32"


def test_versions_customer_keys_and_requester_pays(origin: Origin, s3: Any) -> None:
    secret = b"k" * 32
    digest = b64encode(hashlib.md5(secret).digest()).decode()
    origin.put("b", "k", b"old", version="v1", x_amz_version_id="v1")
    origin.objects["b", "c", None] = replace(origin.put("b", "c", b"secret"), sse_key_md5=digest)
    origin.objects["b", "p", None] = replace(origin.put("b", "p", b"paid"), requester_pays=True)
    old = read_object(s3, "s3://b/k", extra_args={"VersionId": "v1"})
    assert (old.body, old.version_id) == (b"old", "v1")
    customer = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": secret}
    assert read_object(s3, "s3://b/c", extra_args=customer).body == b"secret"
    assert read_object(s3, "s3://b/p", extra_args={"RequestPayer": "requester"}).body == b"paid"
    with pytest.raises(ReadError, match="s3://b/p: AccessDenied"):
        read_object(s3, "s3://b/p")
    with pytest.raises(Refused, match="'Bucket'"):
        read_object(s3, "s3://b/p", extra_args={"Bucket": "other"})


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("memory", [1, 4 * MIB])
def test_no_more_than_the_memory_that_was_given_is_taken(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, ordered: bool, memory: int
) -> None:
    """What the reader has in hand until it takes the next one is counted, too."""
    s3 = connect(origin.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "token-1"))
    bodies = [content(MIB, number) for number in range(32)]
    for number, body in enumerate(bodies):
        origin.put("b", f"k{number}", body)
    # The server's latency for every fifth: those that come late find the room taken by what comes after them.
    origin.before = lambda request: time.sleep(0.03) if request.key.endswith(("5", "0")) else None
    made, handed, most = 0, 0, 0

    def fresh(length: int) -> tuple[bytes, memoryview]:
        nonlocal made, most
        made += 1
        most = max(most, made - max(0, handed - 1))
        return fresh_bytes(length)

    monkeypatch.setattr(exchange, "fresh_bytes", fresh)
    uris = [f"s3://b/k{number}" for number in range(32)]
    found = {}
    for read in read_objects(s3, uris, memory=memory, workers=16, ordered=ordered):
        handed += 1
        found[read.uri] = read.body
    assert found == dict(zip(uris, bodies, strict=True))
    assert not ordered or list(found) == uris
    assert most * MIB <= max(memory, MIB) + MIB


def test_no_more_objects_are_asked_for_than_four_a_worker(origin: Origin, s3: Any) -> None:
    for number in range(50):
        origin.put("b", f"k{number}", b"x")
    taken: list[str] = []

    def uris() -> Iterator[str]:
        for number in range(50):
            taken.append(f"s3://b/k{number}")
            yield taken[-1]

    reading = read_objects(s3, uris(), workers=2)
    assert next(reading).uri == "s3://b/k0"
    assert len(taken) <= 9
    assert len(list(reading)) == 49


def test_a_reader_that_stops_leaves_nothing_behind(origin: Origin, s3: Any) -> None:
    for number in range(50):
        origin.put("b", f"k{number}", content(10_000))
    reading: Any = read_objects(s3, [f"s3://b/k{number}" for number in range(50)])
    next(reading)
    reading.close()
    assert read_object(s3, "s3://b/k7").body == content(10_000)


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_credentials_that_expire_meanwhile_are_refreshed(origin: Origin, lean: bool) -> None:
    """The token is good for 20 requests and a few that are under way; then S3 wants the next."""
    vended: list[str] = []

    def vend() -> dict[str, str]:
        vended.append(f"token-{len(vended)}")
        keys = {"access_key": "AKIAEXAMPLE000000000", "secret_key": "not-a-secret", "token": vended[-1]}
        return keys | {"expiry_time": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}

    source: Any = get_session()
    credentials: Any = RefreshableCredentials.create_from_metadata(vend(), vend, "test")
    source._credentials = credentials
    s3 = connect(origin.route(), session=boto3.Session(botocore_session=source), lean=lean)
    for number in range(40):
        origin.put("b", f"k{number}", b"x")
    origin.tokens = {"token-0"}

    def expire(request: Request) -> None:
        if request.number == 20:
            origin.tokens = {"token-0", "token-1"}
            credentials._expiry_time = datetime.now(UTC)
        if request.number == 24:
            origin.tokens = {"token-1"}

    origin.before = expire
    read = list(read_objects(s3, [f"s3://b/k{number}" for number in range(40)], workers=2))
    assert [each.body for each in read] == [b"x"] * 40
    assert vended == ["token-0", "token-1"]

"""What is not an answer as S3 sends it is not understood, rather than guessed at."""

from __future__ import annotations

import io
import random
from http.client import parse_headers

import pytest

from s3private.http1 import _LONGEST_SIZE, _NAMES, BadAnswer, Chunks, parse_head

TOKENS = "abcXYZ019-_.!#$%&'*+^`|~"
SPACES = ("", " ", "\t")
VALUES = TOKENS + ' \t:;,="<>()[]{}@\xe9\xff'


def test_ten_thousand_heads_are_read_as_pythons_own_parser_reads_them() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(10_000):
        names = {"".join(chance.choices(TOKENS, k=chance.randint(1, 12))).lower() for _ in range(chance.randint(0, 12))}
        fields = {name: "".join(chance.choices(VALUES, k=chance.randint(0, 30))).strip() for name in names}
        fields.pop("transfer-encoding", None)
        lines = [f"{name}:{chance.choice(SPACES)}{value}" for name, value in fields.items()]
        raw = "\r\n".join(["HTTP/1.1 200 OK", *lines]).encode("latin-1")
        expected = parse_headers(io.BytesIO(b"\r\n".join([*(line.encode("latin-1") for line in lines), b"", b""])))
        assert parse_head(raw).fields == {name.lower(): value for name, value in expected.items()} == fields


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"HTTP/1.0 200 OK",
        b"HTTP/2 200",
        b"HTTP/1.1 20 OK",
        b"HTTP/1.1 200 OK\r\nno colon",
        b"HTTP/1.1 200 OK\r\n: no name",
        b"HTTP/1.1 200 OK\r\nbad name: x",
        b"HTTP/1.1 200 OK\r\nname : x",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded",
        b"HTTP/1.1 200 OK\r\na: b\nc: d",
        b"HTTP/1.1 200 OK\r\na: b\x00",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\nContent-Length: 2",
        b"HTTP/1.1 200 OK\r\netag: a\r\netag: b",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked",
    ],
)
def test_what_is_not_a_head_is_not_understood(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        parse_head(raw)


@pytest.mark.parametrize("status", [100, 206, 404, 503, 599])
def test_a_status_and_a_length_are_what_was_sent(status: int) -> None:
    head = parse_head(f"HTTP/1.1 {status} Whatever it means\r\nContent-Length: 12345".encode())
    assert (head.status, head.length) == (status, 12_345)
    assert parse_head(f"HTTP/1.1 {status}".encode()).length is None


@pytest.mark.parametrize("length", ["-1", "+1", "0x1", "1_0", " ", "1, 1", "٣"])
def test_a_length_that_is_no_plain_number_is_none(length: str) -> None:
    raw = f"HTTP/1.1 200 OK\r\ncontent-length: {length}".encode()
    assert parse_head(raw).length is None


def test_chunks_are_put_together_however_they_are_cut() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(500):
        pieces = [chance.randbytes(chance.randint(1, 300)) for _ in range(chance.randint(0, 6))]
        raw = b"".join(b"%x;name=value\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        chunks, at, ended = Chunks(), 0, False
        while at < len(raw):
            step = chance.randint(1, 200)
            assert not ended
            ended = chunks.feed(raw[at : at + step])
            at += step
        assert ended
        assert chunks.body() == b"".join(pieces)


@pytest.mark.parametrize(
    "raw",
    [
        b"x\r\n",
        b"\r\n",
        b"-1\r\na\r\n",
        b"1\r\nab\r\n",
        b"0\r\n\r\nmore",
        b"0\r\nTrailer: x\r\n\r\n",
        b"1;" + b"x" * 2000,
    ],
)
def test_what_are_no_chunks_is_not_understood(raw: bytes) -> None:
    with pytest.raises(BadAnswer):
        Chunks().feed(raw)


def test_a_chunks_size_is_waited_for_up_to_its_longest_and_no_further() -> None:
    longest = b"1;" + b"x" * (_LONGEST_SIZE - 2)
    chunks = Chunks()
    assert not chunks.feed(longest)
    assert not chunks.feed(b"\r\na\r\n")
    assert chunks.feed(b"0\r\n\r\n")
    assert chunks.body() == b"a"
    with pytest.raises(BadAnswer):
        Chunks().feed(longest + b"x")
    assert _LONGEST_SIZE == 1024


def test_no_more_than_a_thousand_names_are_remembered_whatever_a_server_sends() -> None:
    kept = set()
    for number in range(2_100):
        assert parse_head(f"HTTP/1.1 200 OK\r\nX-{number}: 1".encode()).fields == {f"x-{number}": "1"}
        kept.add(len(_NAMES))
    assert max(kept) == 1_000


def test_a_field_that_may_come_twice_spoils_none_that_may_not() -> None:
    head = parse_head(b'HTTP/1.1 200 OK\r\nVia: a\r\nContent-Length: 7\r\nVia: b\r\nETag: "x"')
    assert (head.length, head.fields["etag"]) == (7, '"x"')
    for name in ("Content-Length", "Content-Range", "Transfer-Encoding", "ETag"):
        with pytest.raises(BadAnswer, match=f"{name.lower()} twice"):
            parse_head(f"HTTP/1.1 200 OK\r\n{name}: 1\r\n{name}: 1".encode())

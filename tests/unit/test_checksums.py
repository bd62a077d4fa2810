"""CRC64NVME and CRC32C as S3 computes them, at any length, in any pieces, in parts; and what is no checksum."""

from __future__ import annotations

import hashlib
import random
import sys
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from origin.server import Fault, Origin
from s3private import checksums, connect, download, open_object, read_object, read_objects, stream_object
from s3private.checksums import stored_checksum, verify
from s3private.crc import Crc
from s3private.downloading import PART
from s3private.errors import ChecksumMismatch, ReadError
from s3private.folding import Folding

MIB = 1 << 20
CHECK = b"123456789"
# The check values that the CRC catalogue and AWS give: https://reveng.sourceforge.io/crc-catalogue/17plus.htm
KNOWN = {"CRC32": 0xCBF43926, "CRC32C": 0xE3069283, "CRC64NVME": 0xAE8B14860A799888}
FAST = ("CRC32C", "CRC64NVME")
WIDTHS = {"CRC32": 32, "CRC32C": 32, "CRC64NVME": 64}
POLYNOMIALS = {"CRC32": 0x04C11DB7, "CRC32C": 0x1EDC6F41, "CRC64NVME": 0xAD93D23594C93659}
"""As they are published: highest bit first."""


@pytest.fixture(autouse=True)
def no_awscrt(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "awscrt.checksums", None)
    checksums._fast_crc.cache_clear()
    yield
    checksums._fast_crc.cache_clear()


@pytest.fixture(params=[True, False], ids=["own wire", "boto3 alone"])
def s3(request: pytest.FixtureRequest, origin: Origin) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "token-1")
    return connect(origin.route(), session=session, lean=request.param)


@cache
def reference_table(name: str) -> list[int]:
    width, table = WIDTHS[name], []
    polynomial = int(f"{POLYNOMIALS[name]:0{width}b}"[::-1], 2)
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (polynomial if value & 1 else 0)
        table.append(value)
    return table


def reference(name: str, body: bytes | bytearray) -> int:
    """As it is defined, byte after byte."""
    table, ones = reference_table(name), (1 << WIDTHS[name]) - 1
    register = ones
    for byte in body:
        register = register >> 8 ^ table[(register ^ byte) & 255]
    return register ^ ones


def fields(name: str, crc: int) -> dict[str, str]:
    stored = b64encode(crc.to_bytes(WIDTHS[name] // 8, "big")).decode()
    return {f"x-amz-checksum-{name.lower()}": stored, "x-amz-checksum-type": "FULL_OBJECT"}


def put_fields(name: str, body: bytes) -> dict[str, str]:
    """For Origin.put."""
    return {field.replace("-", "_"): value for field, value in fields(name, computed(name, body)).items()}


def computed(name: str, *pieces: bytes | memoryview) -> int:
    running = some_checksum(name).start()
    for piece in pieces:
        running.update(piece)
    return int.from_bytes(running.digest(), "big")


def some_checksum(name: str, crc: int = 0) -> checksums.Checksum:
    found = stored_checksum(fields(name, crc))
    assert found is not None
    return found


def content(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("name", KNOWN)
def test_the_published_check_values(name: str) -> None:
    assert reference(name, CHECK) == KNOWN[name]
    assert computed(name, CHECK) == KNOWN[name]
    assert verify("s3://b/k", fields(name, KNOWN[name]), CHECK) == name


@pytest.mark.parametrize("name", FAST)
def test_a_crc_is_right_at_every_length_and_place(name: str) -> None:
    rng, body = random.Random(3), content(1 << 18)
    around = [edge + by for edge in (256, 5031, 5321, 1 << 14, 1 << 15, 1 << 16, 1 << 17) for by in (-1, 0, 1, 7)]
    for length in [*range(300), *around, *(rng.randrange(1 << 15) for _ in range(200))]:
        at = rng.randrange(len(body) - length)
        piece = memoryview(body)[at : at + length]
        assert computed(name, piece) == reference(name, piece.tobytes()), (length, at)


@pytest.mark.parametrize("name", FAST)
def test_large_and_sparse_buffers_of_any_kind(name: str) -> None:
    step = some_checksum(name).step
    assert step is not None
    body = bytearray(content(MIB + 12_345))
    value = reference(name, bytes(body))
    assert step(body, 0) == step(bytes(body), 0) == step(memoryview(body), 0) == value
    assert step(memoryview(body)[: 8 * (len(body) // 8)].cast("Q"), 0) == reference(name, body[: 8 * (len(body) // 8)])
    zeros = bytes(MIB // 2)
    assert step(zeros, 0) == reference(name, zeros)
    # One bit each, at either end and in the middle: nothing is folded over, nothing is left out.
    for place in (0, MIB // 4, MIB // 2 - 1):
        single = bytearray(MIB // 2)
        single[place] = 1
        assert step(single, 0) == reference(name, bytes(single)), place


@pytest.mark.parametrize("name", FAST)
def test_pieces_as_they_come_have_the_crc_of_the_whole(name: str) -> None:
    rng, body = random.Random(4), content(400_000)
    whole = reference(name, body)
    for most in (1, 100, 5_000, 70_000, 300_000):
        pieces, at = [], 0
        while at < len(body):
            size = rng.randrange(most + 1) if most > 1 else 997
            pieces.append(memoryview(body)[at : at + size])
            at += size
        assert computed(name, *pieces) == whole, most


@pytest.mark.parametrize("name", KNOWN)
def test_parts_that_came_in_any_order_are_joined(name: str) -> None:
    rng = random.Random(5)
    for size, part in ((0, 10), (1, 10), (10, 10), (11, 10), (30, 10), (200_001, 50_000), (50_000, 70_000)):
        body = content(size)
        stored = some_checksum(name, reference(name, body))
        assert stored.step is not None
        numbers = list(range(max(1, -(-size // part))))
        rng.shuffle(numbers)
        crcs = {number: stored.step(body[number * part : (number + 1) * part], 0) for number in numbers}
        assert stored.verify_parts("s3://b/k", crcs, part, size) == name
        if size:
            crcs[numbers[0]] ^= 1
            with pytest.raises(ChecksumMismatch, match=rf"s3://b/k.*{name}"):
                stored.verify_parts("s3://b/k", crcs, part, size)


def test_parts_of_a_hash_are_not_joined() -> None:
    stored = stored_checksum({"x-amz-checksum-sha256": "x"})
    assert stored is not None
    assert stored.step is None
    with pytest.raises(ValueError, match="SHA256"):
        stored.verify_parts("s3://b/k", {0: 1}, 1, 1)


@pytest.mark.parametrize("name", FAST)
def test_many_threads_at_once_are_all_right(name: str) -> None:
    bodies = [content(200_000 + 1_000 * number, number) for number in range(4)]
    right = [reference(name, body) for body in bodies]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda number: computed(name, bodies[number % 4]), range(200))) == right * 50


@pytest.mark.parametrize("name", FAST)
def test_what_is_folded_by_is_a_multiple_of_the_polynomial(name: str) -> None:
    """What lies d places back and is flipped at these offsets leaves the remainder as it was."""
    folding = some_checksum(name).step
    assert isinstance(folding, Folding)
    offsets = folding._offsets
    multiple = sum(1 << (offsets[-1] - offset) for offset in (0, *offsets))
    divisor = 1 << WIDTHS[name] | POLYNOMIALS[name]
    while multiple.bit_length() >= divisor.bit_length():
        multiple ^= divisor << (multiple.bit_length() - divisor.bit_length())
    assert multiple == 0
    assert list(offsets) == sorted(offsets)


def test_a_power_of_x_is_what_so_many_zeros_make() -> None:
    crc = Crc(64, int(f"{POLYNOMIALS['CRC64NVME']:064b}"[::-1], 2))
    body = content(100)
    for zeros in (0, 1, 8, 1000):
        first, second = reference("CRC64NVME", body), reference("CRC64NVME", bytes(zeros))
        assert crc.joined(first, second, zeros) == reference("CRC64NVME", body + bytes(zeros))


@pytest.mark.parametrize("name", ["SHA1", "SHA256", "SHA512", "MD5"])
def test_hashes_that_come_with_python(name: str) -> None:
    digest = hashlib.new(name.lower(), CHECK).digest()
    given = {f"x-amz-checksum-{name.lower()}": b64encode(digest).decode()}
    assert verify("s3://b/k", given, CHECK) == name
    with pytest.raises(ChecksumMismatch, match=name):
        verify("s3://b/k", given, CHECK + b"0")


@pytest.mark.parametrize("given", ["", "x", "AAAA", "AAAAAAAAAAA", "not base64 at all", "é" * 12, "A" * 10_000])
def test_a_field_that_is_no_checksum_proves_nothing_and_raises_nothing_of_pythons(given: str) -> None:
    header = {"x-amz-checksum-crc64nvme": given}
    if not given:
        assert verify("s3://b/k", header, CHECK) is None
        return
    with pytest.raises(ChecksumMismatch, match="s3://b/k: cannot be proven: S3 answered with ") as caught:
        verify("s3://b/k", header, CHECK)
    assert len(str(caught.value)) < 300


def test_a_checksum_of_parts_says_nothing_of_the_whole() -> None:
    right = fields("CRC64NVME", KNOWN["CRC64NVME"])
    for change in (
        {"x-amz-checksum-type": "COMPOSITE"},
        {"x-amz-checksum-type": "SOMETHING_NEW"},
        {"x-amz-checksum-crc64nvme": "AAAAAAAAAAA=-7"},
    ):
        assert stored_checksum(right | change) is None


def test_awscrt_computes_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    module = SimpleNamespace(crc32c=lambda piece, value=0: 7)
    monkeypatch.setitem(sys.modules, "awscrt", SimpleNamespace(checksums=module))
    monkeypatch.setitem(sys.modules, "awscrt.checksums", module)
    checksums._fast_crc.cache_clear()
    assert computed("CRC32C", CHECK) == 7
    # An older one, that does not know it.
    assert computed("CRC64NVME", CHECK) == KNOWN["CRC64NVME"]


def test_without_awscrt_and_numpy_the_others_are_verified_and_these_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3private.folding", None)
    checksums._fast_crc.cache_clear()
    for name in FAST:
        assert verify("s3://b/k", fields(name, KNOWN[name]), CHECK) is None
    assert verify("s3://b/k", fields("CRC32", KNOWN["CRC32"]), CHECK) == "CRC32"


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("size", [0, 5, 200_000, 19 * MIB + 3], ids=["empty", "tiny", "one part", "three parts"])
def test_every_way_of_reading_verifies_it(origin: Origin, s3: Any, tmp_path: Path, name: str, size: int) -> None:
    body = content(size)
    origin.put("b", "k", body, **put_fields(name, body))
    read = read_object(s3, "s3://b/k")
    assert (read.body == body, read.verified) == (True, name)
    many = list(read_objects(s3, ["s3://b/k"]))
    assert [(each.body == body, each.verified) for each in many] == [(True, name)]
    stream = stream_object(s3, "s3://b/k", part=5 * MIB + 1)
    assert (b"".join(stream) == body, stream.verified) == (True, name)
    with open_object(s3, "s3://b/k") as file:
        assert (file.read() == body, file.verified) == (True, name if size else None)
    done = download(s3, "s3://b/k", tmp_path / "k")
    assert (done.path.read_bytes() == body, done.verified) == (True, name)


@pytest.mark.parametrize("name", FAST)
@pytest.mark.parametrize("size", [5, 200_000, 19 * MIB + 3], ids=["tiny", "one part", "three parts"])
def test_one_wrong_bit_is_an_error_of_every_way_of_reading(
    origin: Origin, s3: Any, tmp_path: Path, name: str, size: int
) -> None:
    body = bytearray(content(size))
    right = put_fields(name, bytes(body))
    body[size // 2] ^= 16
    origin.put("b", "k", bytes(body), **right)
    with pytest.raises(ChecksumMismatch, match=name):
        read_object(s3, "s3://b/k")
    with pytest.raises(ChecksumMismatch, match=name):
        list(read_objects(s3, ["s3://b/k"]))
    with pytest.raises(ChecksumMismatch, match=name):
        list(stream_object(s3, "s3://b/k", part=5 * MIB + 1))
    with open_object(s3, "s3://b/k") as file, pytest.raises(ChecksumMismatch, match=name):
        file.read()
    with pytest.raises(ChecksumMismatch, match=name):
        download(s3, "s3://b/k", tmp_path / "k")
    assert list(tmp_path.glob("k")) == []


@pytest.mark.parametrize("name", FAST)
def test_a_resumed_file_is_verified_by_its_parts_and_not_read_once_more(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    body = content(3 * PART + 5)
    origin.put("b", "k", body, **put_fields(name, body))
    origin.fault = lambda request: Fault("cut", 0) if f"={3 * PART}-" in request.fields.get("range", "") else None
    with pytest.raises(ReadError):
        download(s3, "s3://b/k", tmp_path / "k", ahead=1)
    origin.fault = lambda request: None
    # What the others do, SHA256 for one.
    monkeypatch.delattr(checksums.Checksum, "verify")
    done = download(s3, "s3://b/k", tmp_path / "k")
    assert (done.resumed, done.path.read_bytes() == body, done.verified) == (3 * PART, True, name)
    # Nor is a wrong byte of the earlier run believed.
    origin.fault = lambda request: Fault("cut", 0) if f"={3 * PART}-" in request.fields.get("range", "") else None
    with pytest.raises(ReadError):
        download(s3, "s3://b/k", tmp_path / "other", ahead=1)
    (hidden,) = tmp_path.glob(".other.*.s3private")
    with hidden.open("r+b") as file:
        file.seek(PART + 7)
        file.write(bytes([body[PART + 7] ^ 1]))
    origin.fault = lambda request: None
    done = download(s3, "s3://b/k", tmp_path / "other")
    assert (done.resumed, done.path.read_bytes() == body, done.verified) == (2 * PART, True, name)

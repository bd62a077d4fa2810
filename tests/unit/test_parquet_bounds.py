from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from s3private import ObjectEntry, ReadError
from s3private.parquet import ParquetObject, parquet_object
from s3private.parquet_bounds import longest_in, pages_of

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

MANY = 20_000_000


def file(table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, store_schema=False, **{"row_group_size": MANY, **options})
    return out.getvalue()


def opened(body: bytes) -> ParquetObject:
    entry = ObjectEntry("b", "k", len(body), datetime(2026, 1, 1, tzinfo=UTC), '"e"', "STANDARD")
    return parquet_object(entry, lambda ranges, gap: [body[start : start + length] for start, length in ranges])


def read(body: bytes, memory: int = 16 << 20) -> Any:
    found = opened(body)
    names = found.schema.names
    return pa.concat_tables(load.read(memory) for load in found.loads(names, None, found.schema, memory))


def indices(text: str, rows: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([text]))


def in_a_list(values: Any) -> Any:
    return pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)


BOMBS = {
    "nulls": lambda: file(pa.table({"x": pa.nulls(MANY, pa.int64())})),
    "one number": lambda: file(pa.table({"x": pa.repeat(pa.scalar(7, pa.int64()), MANY)})),
    "one decimal": lambda: file(pa.table({"x": pa.repeat(pa.scalar(7, pa.int64()), MANY).cast(pa.decimal128(30, 2))})),
    "one string": lambda: file(pa.table({"x": indices("x" * 100_000, 2000)}), compression="zstd"),
    "one string beside others": lambda: file(
        pa.table({"x": pa.concat_arrays([indices("x" * 99_000, 2000), pa.array(["a", "b"]).dictionary_encode()])})
    ),
    "one string in a list": lambda: file(pa.table({"x": in_a_list(indices("x" * 100_000, 2000))}), compression="zstd"),
    "pages of zeros": lambda: file(
        pa.table({"x": pa.repeat(pa.scalar(0, pa.int64()), MANY)}), compression="zstd", use_dictionary=False
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_becomes_much_more_than_it_is_is_refused_before_it_does(bomb: str) -> None:
    body = BOMBS[bomb]()
    assert len(body) < 1 << 20
    before = pa.total_allocated_bytes()
    with pytest.raises(ReadError, match=r"^s3://b/k: .* 100 times .* memory=\d+ lets them"):
        read(body)
    assert pa.total_allocated_bytes() - before < 1 << 20


def test_it_is_read_where_memory_is_given() -> None:
    assert read(BOMBS["one string"](), 300 << 20).num_rows == 2000
    assert read(BOMBS["one string in a list"](), 300 << 20).num_rows == 1
    assert read(BOMBS["nulls"](), 300 << 20).num_rows == MANY


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, {"data_page_version": "2.0"}], ids=str)
def test_strings_that_repeat_are_read_as_they_are(options: dict[str, Any]) -> None:
    """Their dictionary has a long one, which is rare in the column."""
    text = [f"name {number % 900}" if number else "x" * 60_000 for number in range(200_000)]
    table = pa.table({"a": text, "b": [None if number % 3 else text[number] for number in range(len(text))]})
    table = table.append_column("c", in_a_list(pa.array(["u", "v"] * 100_000)).take(pa.array([0] + [None] * 199_999)))
    assert read(file(table, row_group_size=70_000, **options)).cast(table.schema).equals(table)


def test_the_footers_word_is_not_taken_for_the_pages() -> None:
    """The pages are of 160 MB; the footer says that all of them are of 64 bytes."""
    values = pa.repeat(pa.scalar(0, pa.int64()), MANY)
    body = file(pa.table({"x": values}), use_dictionary=False, compression="zstd")
    said = varint(pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0).total_uncompressed_size)
    assert said in body
    with pytest.raises(ReadError, match=r"s3://b/k: .* 100 times"):
        read(body.replace(said, b"\x80\x81" + b"\x80" * (len(said) - 3) + b"\0"))


def test_a_column_that_begins_where_another_does_hides_nothing() -> None:
    """The second chunk is said to be at the first one's place, and short."""
    bomb = pa.repeat(pa.scalar(0, pa.int64()), MANY)
    found = opened(file(pa.table({"x": bomb}), compression="zstd", use_dictionary=False))
    (load,) = found.loads(["x"], None, found.schema, 1)
    (chunk,) = load.chunks
    twice = replace(load, chunks=(chunk, chunk._replace(length=30)), ranges=(*load.ranges, (chunk.start, 30)))
    with pytest.raises(ReadError, match=r"s3://b/k: a column's pages are cut short"):
        twice.read(16 << 20)


def varint(number: int) -> bytes:
    number <<= 1
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def group(name: bytes, children: int) -> bytes:
    return b"\x35\x02\x18" + bytes([len(name)]) + name + b"\x15" + varint(children) + b"\0"


def nested(depth: int) -> bytes:
    elements = group(b"schema", 1) + group(b"a", 1) * depth + b"\x15\x02\x25\x02\x18\x01x\0"
    many = depth + 2
    size = bytes([many & 127 | 128, many >> 7 & 127 | 128, many >> 14])
    footer = b"\x15\x04\x19\xfc" + size + elements + b"\x16\x00\x19\x0c\x00"
    return b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"


@pytest.mark.parametrize("depth", [101, 1000, 40_000])
def test_a_schema_that_is_too_deep_is_an_error_and_no_crash(depth: int) -> None:
    with pytest.raises(ReadError, match=r"^s3://b/k: its columns are nested more than 100 deep"):
        opened(nested(depth))


def test_a_schema_that_is_deep_is_read() -> None:
    type = pa.int64()
    for number in range(40):
        type = pa.struct([(f"a rather long name, number {number}", type), ("b", pa.string())])
    body = file(pa.table({"x": pa.nulls(1, type), **{f"column {number}": [1] for number in range(50)}}))
    assert opened(body).schema.field("x").type == type


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_pages_that_are_none_are_errors(cut: int) -> None:
    with pytest.raises(ValueError, match=r"cut short|no values|no bytes|field of|64 bits|without end"):
        pages_of(b"\xff" * cut + b"\x15", 10)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "brotli", "lz4", "zstd"])
def test_the_longest_string_of_a_dictionary_is_known(codec: str) -> None:
    body = file(pa.table({"x": ["a", None, "four", "x" * 70_000, ""] * 3}), compression=codec)
    chunk = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(0).column(0)
    number = opened(body).codecs[0][0]
    column = body[chunk.dictionary_page_offset :][: chunk.total_compressed_size]
    pages = pages_of(column, chunk.num_values)
    assert longest_in(column[slice(*pages.packed)], pages, number) == 70_000

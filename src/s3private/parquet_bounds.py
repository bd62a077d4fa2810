"""What a Parquet file becomes when it is decoded, from its own pages: a few hundred bytes can say that they are a
million rows, and the footer need not say it.

pyarrow allocates what pages promise, and recurses over a schema's groups, so both are looked at before it is asked.
https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from s3private.errors import ReadError
from s3private.schemas import arrow

RATIO = 100
"""What is decoded may be so many times of what was fetched for it, whatever `memory` says."""

DEPTH = 100
"""Groups in groups. From about 3,000 on pyarrow takes minutes, or crashes; the newest takes 100."""

_PAGE, _DICTIONARY, _PAGE_V2 = 0, 2, 3
_BY_DICTIONARY = (2, 8)
_TEXT = 6
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 5}
"""Bytes of a value in Arrow. Of strings: all but their text."""


def width_of(column: Any) -> int:
    """Bytes that one value of a leaf (pyarrow's ColumnSchema) becomes, and that there are none of it."""
    width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else _WIDTHS[column.physical_type]
    if column.logical_type.type == "DECIMAL":
        width = max(16, 2 * width)
    return int(width) + (8 if column.max_repetition_level else 0)


def is_text(column: Any) -> bool:
    """Whether its values are of any length."""
    return bool(column.physical_type == "BYTE_ARRAY" and column.logical_type.type != "DECIMAL")


def refuse_more(uri: str, becomes: int, allowed: int) -> None:
    """Raises ReadError where row groups become more than is allowed."""
    if becomes > allowed:
        raise ReadError(
            f"{uri}: row groups that are read at once become {becomes} bytes, which is more than memory= and more than "
            f"{RATIO} times of what they take in the file: memory={becomes} lets them, where you trust it"
        )


@dataclass(slots=True)
class Pages:
    """Of one column chunk. values: in all. plain: bytes of pages that are not indices into the dictionary.

    indices: values that are such. entries, dictionary: how many are in the dictionary, and its bytes; packed: from
    where to where it is.
    """

    values: int = 0
    plain: int = 0
    indices: int = 0
    entries: int = 0
    dictionary: int = 0
    packed: tuple[int, int] = (0, 0)

    @property
    def longest(self) -> int:
        """Bytes that an entry of a dictionary of strings has at most: each has four more."""
        return max(0, self.dictionary - 4 * self.entries)


def pages_of(chunk: bytes | memoryview, values: int) -> Pages:
    """As far as pyarrow reads them: until there are `values`. Raises ValueError where they are none."""
    try:
        return _pages_of(chunk, values)
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError("a column's pages are cut short, or are none") from error


def _pages_of(chunk: bytes | memoryview, values: int) -> Pages:
    found = Pages()
    at = 0
    while found.values < values and at < len(chunk):
        header, at = _struct(chunk, at)
        size, packed = header[2], header[3]
        if size < 0 or packed < 0:
            raise ValueError("a page of less than no bytes")
        kind = header[1]
        if kind == _DICTIONARY:
            found.entries += header[7][1]
            found.dictionary += size
            found.packed = at, at + packed
        elif kind in (_PAGE, _PAGE_V2):
            says = header[5] if kind == _PAGE else header[8]
            if says[1] < 0:
                raise ValueError("a page of less than no values")
            found.values += says[1]
            if says[2 if kind == _PAGE else 4] in _BY_DICTIONARY:
                found.indices += says[1]
            else:
                found.plain += size
        at += packed
    return found


def refuse_deep_schema(uri: str, footer: bytes) -> None:
    """Raises ReadError where the schema in it has more than DEPTH groups in each other."""
    if len(footer) < 8 * DEPTH:
        return
    try:
        version, at = _field(footer, 0)
        schema, at = _field(footer, at)
        if (version, schema) != (0x15, 0x19):
            raise ValueError("it does not begin with its version and the schema")
        many, at = footer[at] >> 4, at + 1
        if many == 15:
            many, at = _varint(footer, at)
        root, at = _struct(footer, at)
        if root.get(5) == many - 1:
            return
        left = [root.get(5, 0)]
        for _ in range(many - 1):
            element, at = _struct(footer, at)
            while left and left[-1] <= 0:
                left.pop()
            if left:
                left[-1] -= 1
            if children := element.get(5):
                left.append(children)
            if len(left) > DEPTH:
                raise ReadError(f"{uri}: its columns are nested more than {DEPTH} deep")
    except (ValueError, IndexError, TypeError) as error:
        raise ReadError(f"{uri}: not a Parquet footer: {error}") from error


def _field(data: bytes, at: int) -> tuple[int, int]:
    """A field's head; a number behind it is gone over."""
    head = data[at]
    return (head, _varint(data, at + 1)[1]) if head & 15 == 5 else (head, at + 1)


def _varint(data: Any, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    number, shift = byte & 127, 7
    while True:
        at += 1
        byte = data[at]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at + 1
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")


def _struct(data: Any, at: int, depth: int = 0, lists: bool = False) -> tuple[dict[int, Any], int]:
    """Thrift's compact protocol: whole numbers and structs by their field's number; the rest is gone over.

    lists: lists of structs are not gone over.
    """
    if depth > 8:
        raise ValueError("structs in structs without end")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[at]:
        at += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            zigzag, at = _varint(data, at)
            number = (zigzag >> 1) ^ -(zigzag & 1)
        if kind in (4, 5, 6):
            zigzag, at = _varint(data, at)
            fields[number] = (zigzag >> 1) ^ -(zigzag & 1)
        elif kind == 12:
            fields[number], at = _struct(data, at, depth + 1, lists)
        elif kind == 9 and lists and data[at] & 15 == 12:
            fields[number], at = _structs(data, at, depth + 1)
        else:
            at = _over(data, at, kind, depth)
    return fields, at + 1


def _structs(data: Any, at: int, depth: int) -> tuple[list[dict[int, Any]], int]:
    many, at = data[at] >> 4, at + 1
    if many == 15:
        many, at = _varint(data, at)
    found = []
    for _ in range(many):
        each, at = _struct(data, at, depth + 1, lists=True)
        found.append(each)
    return found, at


def _over(data: Any, at: int, kind: int, depth: int) -> int:
    if kind in (1, 2):
        return at
    if kind == 3:
        return at + 1
    if kind == 7:
        return at + 8
    if kind == 8:
        size, at = _varint(data, at)
        return at + size
    if kind in (9, 10):
        many, of = data[at] >> 4, data[at] & 15
        at += 1
        if many == 15:
            many, at = _varint(data, at)
        for _ in range(many):
            if of == 12:
                at = _struct(data, at, depth + 1)[1]
            elif of in (4, 5, 6):
                at = _varint(data, at)[1]
            else:
                at = _over(data, at, 3 if of in (1, 2) else of, depth + 1)
        return at
    raise ValueError(f"a field of kind {kind}")


def text_of(column: Any) -> int:
    """What the strings of a chunked array become that was read as indices into dictionaries. What was not: 0."""
    compute = arrow("pyarrow.compute")
    total = 0
    for part in column.chunks:
        if arrow("pyarrow.types").is_dictionary(part.type):
            lengths = compute.binary_length(part.dictionary).cast("int64")
            total += compute.sum(lengths.take(part.indices)).as_py() or 0
    return total


def codecs_in(footer: bytes) -> list[list[int]]:
    """The numbers of the codecs, by row group and leaf. Asked for one that it knows not, pyarrow ends the process."""
    metadata, _ = _struct(footer, 0, lists=True)
    return [[column[3][4] for column in group[1]] for group in metadata[4]]


def longest_in(page: bytes | memoryview, pages: Pages, codec: int) -> int:
    """The longest string of a dictionary's page as it is in the file.

    pyarrow tells it in a thirtieth of the time that Python takes: a dictionary is written as a page of values is, so it
    is given a file of that page alone. codec: its number.
    """
    entries, size = pages.entries, len(page)
    values = _written({1: _i32(entries), 2: _i32(0), 3: _i32(3), 4: _i32(3)})
    header = _written({1: _i32(_PAGE), 2: _i32(pages.dictionary), 3: _i32(size), 5: (12, values)})
    chunk = _written(
        {
            1: _i32(_TEXT),
            2: _list(5, [_i32(0)[1]]),
            3: _list(8, [b"\x01x"]),
            4: _i32(codec),
            5: _i64(entries),
            6: _i64(pages.dictionary + len(header)),
            7: _i64(size + len(header)),
            9: _i64(4),
        }
    )
    group = _written({1: _list(12, [_written({2: _i64(4), 3: (12, chunk)})]), 2: _i64(size), 3: _i64(entries)})
    root = _written({4: (8, b"\x01s"), 5: _i32(1)})
    leaf = _written({1: _i32(_TEXT), 3: _i32(0), 4: (8, b"\x01x")})
    footer = _written({1: _i32(1), 2: _list(12, [root, leaf]), 3: _i64(entries), 4: _list(12, [group])})
    file = b"".join((b"PAR1", header, page, footer, len(footer).to_bytes(4, "little"), b"PAR1"))
    opened = arrow("pyarrow.parquet").ParquetFile(arrow().BufferReader(file), pre_buffer=False)
    compute = arrow("pyarrow.compute")
    return compute.max(compute.binary_length(opened.read(use_threads=False).column(0))).as_py() or 0


def _written(fields: dict[int, tuple[int, bytes]]) -> bytes:
    """A struct in Thrift's compact protocol, of fields by their numbers, which are in order and close together."""
    out = bytearray()
    before = 0
    for number, (kind, value) in fields.items():
        out.append((number - before) << 4 | kind)
        out += value
        before = number
    return bytes(out) + b"\0"


def _i32(number: int) -> tuple[int, bytes]:
    return 5, _i64(number)[1]


def _i64(number: int) -> tuple[int, bytes]:
    zigzag = number << 1
    out = bytearray()
    while zigzag > 127:
        out.append(zigzag & 127 | 128)
        zigzag >>= 7
    return 6, bytes([*out, zigzag])


def _list(kind: int, items: list[bytes]) -> tuple[int, bytes]:
    return 9, bytes([len(items) << 4 | kind]) + b"".join(items)

"""What pyarrow parses of one object: unpacked by what its bytes are, not by its name, and within bounds.

A name says little: S3 stores a body with `Content-Encoding: gzip` as it came, and a proxy unpacks what is still called
`.gz`. Nor may a body end the process: a small one can unpack to any size, and deep JSON ends pyarrow's stack.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Protocol

from s3private.errors import ReadError
from s3private.schemas import arrow
from s3private.threads import Threads

RATIO = 100
FLOOR = 32 << 20
"""What an object may unpack to unless it is said: RATIO times its size, and FLOOR in any case."""

DEPTH = 500
"""JSON may be nested so deep. pyarrow recurses over its types: from about 5,000 on it takes minutes, or crashes."""

_LAYERS = 3
_HEAD = 32

_CODECS = (
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    # As pzstd begins: frames that a reader skips. https://www.rfc-editor.org/rfc/rfc8878#name-skippable-frames
    (re.compile(rb"[\x50-\x5f]\x2a\x4d\x18"), "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"), "bz2"),
)
_OTHERS = (
    (b"PAR1", "a Parquet file: read_parquet reads it"),
    (b"ARROW1\0\0", "an Arrow IPC file: pyarrow.ipc.open_file(open_object(...)) reads it"),
    (b"Obj\x01", "an Avro file"),
    (
        re.compile(rb"ORC[^,;\t]{0,8}?[\x00-\x08\x0e-\x1f]"),
        "an ORC file: pyarrow.orc.read_table reads it",
    ),
    (
        re.compile(rb"PK(\x03\x04|\x05\x06|\x07\x08)"),
        "a zip archive or a workbook",
    ),
    (b"\xfd7zXZ\0", "packed with xz, which is not unpacked here: lzma.open(open_object(...)) reads it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xff\x06\0\0sNaPpY", "packed with snappy, which is not unpacked here"),
    (re.compile(rb"x[\x9c\xda]"), "packed with zlib (deflate), which is not unpacked here"),
)
_NAMES = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".lz4": "lz4"}
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")


_ROWS = re.compile(rb"\}[ \t\r\n]*\n[ \t\r\n]*\{")
"""Between two rows: a line break is in no string, and between brackets only where no value of a row can end."""

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_STRING = re.compile(rb'"[^"]*"?')
_BRACKETS = bytes.maketrans(b"[]", b"{}")
_NO_BRACKETS = bytes(set(range(256)) - set(b'[]{}"'))


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class Source(io.RawIOBase):
    """A stream of bytes, for pyarrow to read."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._read(1 << 40 if size is None or size < 0 else size)


def unpacked(uri: str, file: Readable, size: int, most: int | None) -> Readable:
    """What is in the `size` bytes of `file`, unpacked as often as it was packed.

    most: bytes that it may become; None: see RATIO. Raises ReadError for what is no text; reading, beyond `most`.
    """
    limit = max(FLOOR, RATIO * size) if most is None else most
    for _ in range(_LAYERS + 1):
        head, file = _peeked(file)
        codec = _kind(head, _CODECS)
        if codec is None:
            break
        file = _bounded(uri, arrow().CompressedInputStream(file, codec), limit)
    else:
        raise ReadError(f"{uri}: packed more than {_LAYERS} times")
    if other := _kind(head, _OTHERS):
        raise ReadError(f"{uri}: this is {other}")
    named = next((codec for suffix, codec in _NAMES.items() if uri.endswith(suffix)), None)
    if named is not None and _NO_TEXT.search(head):
        raise ReadError(f"{uri}: this is neither {named}, as its name says, nor text")
    return file


def apart(file: Readable, threads: Threads) -> Source:
    """Read in `threads`: once these are let go of, who waits for bytes is free, inside pyarrow too."""
    return Source(lambda size: threads.submit(file.read, size).result())


def not_too_deep(uri: str, file: Readable) -> Source:
    """The same JSON lines. Reading raises ReadError before bytes are given that are nested deeper than DEPTH."""
    tail = b""

    def read(size: int) -> bytes:
        nonlocal tail
        found = file.read(size)
        tail = _checked(uri, tail + found if tail else found)
        return found

    return Source(read)


def _checked(uri: str, text: bytes) -> bytes:
    """The last row, which may go on. Rows that are too short for brackets of such a depth cost next to nothing.

    Where the parser stops at an error, it has not been deeper than the brackets before that are not closed.
    """
    at, step = 0, 2 * DEPTH
    while len(text) - at > step:
        end = text.rfind(b"}\n{", at, at + step)
        if end < 0:
            between = _ROWS.search(text, at)
            end = between.end() - 2 if between else len(text) - 1
            _check_row(uri, text[at : end + 1])
            if between is None:
                break
        at = end + 1
    return text[at:]


def _check_row(uri: str, row: bytes) -> None:
    if row.count(b"{") + row.count(b"[") <= DEPTH:
        return
    # What has come of a row may end within a string.
    if b"\\" in row:
        row = _ESCAPED.sub(b"", row)
    # Two quotes side by side are the whole of a string, or between two strings: either way nothing is in or out.
    row = _STRING.sub(b"", row.translate(_BRACKETS, _NO_BRACKETS).replace(b'""', b""))
    for _ in range(DEPTH):
        if b"{}" not in row:
            break
        row = row.replace(b"{}", b"")
    if row.count(b"{") > DEPTH or b"{}" in row:
        raise ReadError(f"{uri}: it is nested more than {DEPTH} deep")


def _kind(head: bytes, among: tuple[tuple[bytes | re.Pattern[bytes], str], ...]) -> str | None:
    for begins, kind in among:
        if head.startswith(begins) if isinstance(begins, bytes) else begins.match(head):
            return kind
    return None


def _peeked(file: Readable) -> tuple[bytes, Readable]:
    """The first bytes, and a file that still has them."""
    if isinstance(file, io.BytesIO):
        return file.getvalue()[:_HEAD], file
    head = b""
    while len(head) < _HEAD and (more := file.read(_HEAD - len(head))):
        head += more
    rest = head

    def read(size: int) -> bytes:
        nonlocal rest
        if not rest:
            return file.read(size)
        first, rest = rest[:size], rest[size:]
        return first + file.read(size - len(first)) if len(first) < size else first

    return head, Source(read)


def _bounded(uri: str, file: Readable, most: int) -> Source:
    came = 0

    def read(size: int) -> bytes:
        nonlocal came
        found = file.read(min(size, most - came + 1))
        came += len(found)
        if came > most:
            raise ReadError(
                f"{uri}: it unpacks to more than {most} bytes: unpacked= of more lets it, where you trust it"
            )
        return found

    return Source(read)

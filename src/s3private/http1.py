"""As much of HTTP/1.1 answers as S3's need: heads, ranges and chunks. Anything else is a BadAnswer.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re

_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_STATUS = re.compile(r"HTTP/1\.1 ([1-5]\d\d)(?: [^\r\n]*)?")
# No object has more: see LARGEST.
_DIGITS = re.compile(r"[0-9]{1,14}")
_ETAG = re.compile(r'(?:W/)?"[!#-~]*"|[!#-~]*')
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LONGEST_SIZE = 1024
"""Bytes of a chunk's size with its extensions."""


class BadAnswer(Exception):
    """An answer that is not understood here: boto3 is asked the same again."""


class Head:
    """An answer's status and fields, names in lower case. length: Content-Length, where it is a plain number."""

    __slots__ = ("fields", "length", "status")

    def __init__(self, status: int, fields: dict[str, str]) -> None:
        self.status = status
        self.fields = fields
        text = fields.get("content-length")
        self.length = int(text) if text is not None and _DIGITS.fullmatch(text) else None


class _Names(dict[str, str]):
    """Field names in lower case, by how they were written: a server writes the same few again and again."""

    def __missing__(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise BadAnswer(f"not a header field's name: {name[:40]!r}")
        if len(self) >= 1000:
            self.clear()
        lower = self[name] = name.lower()
        return lower


_NAMES = _Names()


def parse_head(raw: bytes) -> Head:
    """Parse what came before the empty line. Raises BadAnswer."""
    text = raw.decode("latin-1")
    first, *lines = text.split("\r\n")
    match = _STATUS.fullmatch(first)
    if not match:
        raise BadAnswer(f"not an HTTP/1.1 answer: {first[:40]!r}")
    # No line ends but the lines' own.
    if text.count("\r") != len(lines) or text.count("\n") != len(lines) or "\0" in text:
        raise BadAnswer("not header fields")
    try:
        pairs = [line.split(":", 1) for line in lines]
        fields = {_NAMES[name]: value.strip(" \t") for name, value in pairs}
    except ValueError:
        raise BadAnswer("not header fields") from None
    if len(fields) != len(pairs):
        names = [_NAMES[name] for name, _ in pairs]
        for name in ("content-length", "content-range", "transfer-encoding", "etag"):
            if names.count(name) > 1:
                raise BadAnswer(f"{name} twice")
    if not _ETAG.fullmatch(fields.get("etag", "")):
        raise BadAnswer("not an ETag")
    if "transfer-encoding" in fields and "content-length" in fields:
        raise BadAnswer("both a length and chunks")
    return Head(int(match[1]), fields)


class Chunks:
    """A body that comes in chunks, put together."""

    __slots__ = ("_missing", "_most", "_pieces", "_rest", "_uncut", "length")

    def __init__(self, most: int = 32 << 20) -> None:
        """most: bytes of the whole body."""
        self.length = 0
        self._most = most
        self._pieces: list[bytes] = []
        self._rest = b""
        self._missing = 0
        # A chunk is whole, and the line end behind it is still to come.
        self._uncut = False

    def feed(self, data: bytes) -> bool:
        """Take more in; True when the last chunk has come. Raises BadAnswer."""
        data, at = self._rest + data if self._rest else data, 0
        self._rest = b""
        while True:
            if self._missing:
                piece = data[at : at + self._missing]
                self._pieces.append(piece)
                self._missing -= len(piece)
                at += len(piece)
                if self._missing:
                    return False
                self._uncut = True
            if self._uncut:
                if len(data) < at + 2:
                    break
                if data[at : at + 2] != b"\r\n":
                    raise BadAnswer("a chunk longer than it said")
                at += 2
                self._uncut = False
            end = data.find(b"\r\n", at)
            if end < 0:
                if len(data) - at > _LONGEST_SIZE:
                    raise BadAnswer("not a chunk's size")
                break
            match = _SIZE.match(data, at, end)
            if not match or (match.end() != end and data[match.end()] not in b"; \t"):
                raise BadAnswer("not a chunk's size")
            self._missing = int(match[0], 16)
            self.length += self._missing
            if self.length > self._most:
                raise BadAnswer(f"a body without end: chunks of more than {self._most} bytes")
            if self._missing == 0:
                if len(data) < end + 4:
                    break
                if data[end + 2 :] != b"\r\n":
                    raise BadAnswer("something after the last chunk")
                return True
            at = end + 2
        self._rest = data[at:]
        return False

    @property
    def came(self) -> int:
        """How many bytes of the body are there."""
        return self.length - self._missing

    def body(self) -> bytes:
        return b"".join(self._pieces)

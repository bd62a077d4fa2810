"""As much of HTTP/1.1 answers as S3's need: heads, ranges and chunks. Anything else is a BadAnswer.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import re

_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")
_STATUS = re.compile(r"HTTP/1\.1 ([1-5]\d\d)(?: [^\r\n]*)?")
_DIGITS = re.compile(r"[0-9]{1,19}")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*)\r\n")
# No match of one field can begin inside another: as a whole they are all that is there.
_FIELDS = re.compile(f"(?:{_FIELD.pattern.replace('(', '(?:')})*")


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


def parse_head(raw: bytes) -> Head:
    """Parse what came before the empty line. Raises BadAnswer."""
    first, _, text = (raw.decode("latin-1") + "\r\n").partition("\r\n")
    match = _STATUS.fullmatch(first)
    if not match:
        raise BadAnswer(f"not an HTTP/1.1 answer: {first[:40]!r}")
    if not _FIELDS.fullmatch(text):
        raise BadAnswer("not header fields")
    pairs = _FIELD.findall(text)
    fields = {name.lower(): value.rstrip(" \t") for name, value in pairs}
    if len(fields) != len(pairs):
        names = [name.lower() for name, _ in pairs]
        for name in ("content-length", "content-range", "transfer-encoding", "etag"):
            if names.count(name) > 1:
                raise BadAnswer(f"{name} twice")
    if "transfer-encoding" in fields and "content-length" in fields:
        raise BadAnswer("both a length and chunks")
    return Head(int(match[1]), fields)


class Chunks:
    """A body that comes in chunks, put together."""

    __slots__ = ("_pieces", "_raw")

    def __init__(self) -> None:
        self._raw = bytearray()
        self._pieces: list[bytes] = []

    def feed(self, data: memoryview) -> bool:
        """Take more in; True when the last chunk has come. Raises BadAnswer."""
        raw = self._raw
        raw += data
        start = 0
        while True:
            end = raw.find(b"\r\n", start)
            if end < 0:
                break
            match = _SIZE.match(raw, start, end)
            if not match or (match.end() != end and raw[match.end()] not in b"; \t"):
                raise BadAnswer("not a chunk's size")
            size = int(match[0], 16)
            following = end + 2 + size + 2
            if size == 0:
                if len(raw) < following:
                    break
                if raw[end + 2 : following] != b"\r\n" or len(raw) != following:
                    raise BadAnswer("something after the last chunk")
                return True
            if len(raw) < following:
                break
            if raw[following - 2 : following] != b"\r\n":
                raise BadAnswer("a chunk longer than it said")
            self._pieces.append(bytes(raw[end + 2 : following - 2]))
            start = following
        if start:
            del raw[:start]
        return False

    def body(self) -> bytes:
        return b"".join(self._pieces)

"""Bodies are held against the checksum that S3 stored, where it gives one and it can be computed here.

CRC32, SHA-1 and SHA-256 come with Python. CRC32C and CRC64NVME need `awscrt` (`pip install boto3[crt]`): without it
they are not verified. A checksum of parts (`…-7`, COMPOSITE) says nothing of the whole, nor the whole's of a range.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import importlib
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from hashlib import sha1, sha256
from typing import Any, Protocol

from s3private.errors import ChecksumMismatch

ASK = ("x-amz-checksum-mode", "ENABLED")
"""The header that has S3 send the checksum it stored."""

Bytes = bytes | bytearray | memoryview


class Running(Protocol):
    """A checksum over bytes as they come."""

    def update(self, piece: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class Checksum:
    """The stored checksum of one object. name: the algorithm's, as S3 writes it: `CRC32`."""

    def __init__(self, name: str, stored: str, make: Callable[[], Running]) -> None:
        self.name = name
        self._stored = stored
        self._make = make

    def start(self) -> Running:
        """To be given the bytes as they come, and then to `compare`."""
        return self._make()

    def compare(self, uri: str, running: Running) -> str:
        """The algorithm's name. Raises ChecksumMismatch when what was given to `running` is not what was stored."""
        return self._compare(uri, running.digest())

    def verify(self, uri: str, pieces: Iterable[Bytes]) -> str:
        """The same for `pieces`, in order."""
        running = self.start()
        for piece in pieces:
            running.update(piece)
        return self.compare(uri, running)

    def verify_parts(self, uri: str, crcs: Mapping[int, int], part: int, size: int) -> str:
        """The same for a CRC32, of the CRC32 of each part: they came in any order, and are not read again.

        crcs: by the part's number. part: bytes of each but the last. size: of all.
        """
        whole = 0
        for number in sorted(crcs):
            whole = joined_crc32(whole, crcs[number], min(part, size - number * part))
        return self._compare(uri, whole.to_bytes(4, "big"))

    def _compare(self, uri: str, digest: bytes) -> str:
        computed = b64encode(digest).decode()
        if computed != self._stored:
            raise ChecksumMismatch(
                f"{uri}: the bytes that came have the {self.name} {computed}, S3 stored {self._stored}; read it again"
            )
        return self.name


def stored_checksum(fields: Mapping[str, str]) -> Checksum | None:
    """The checksum among an answer's header fields that can be verified here. fields: names in lower case."""
    if fields.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for name, field, make in _ALGORITHMS:
        stored = fields.get(field)
        if stored and "-" not in stored and (made := make()) is not None:
            return Checksum(name, stored, made)
    return None


def verify(uri: str, fields: Mapping[str, str], body: bytes) -> str | None:
    """The algorithm that `body` was verified with; None where S3 gave nothing that can be. Raises ChecksumMismatch."""
    stored = stored_checksum(fields)
    return stored.verify(uri, (body,)) if stored is not None else None


def joined_crc32(first: int, second: int, length: int) -> int:
    """The CRC32 of two pieces, of the CRC32 of each; length: bytes of the second.

    A CRC is a remainder of polynomials over GF(2): the first is multiplied by x to the bits that follow it.
    """
    return _times(_power_of_x(8 * length), first) ^ second


_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31


def _times(a: int, b: int) -> int:
    product = 0
    while a:
        if a & _ONE:
            product ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = (b >> 1) ^ (_POLYNOMIAL if b & 1 else 0)
    return product


@cache
def _power_of_x(exponent: int) -> int:
    result, square = _ONE, _ONE >> 1
    while exponent:
        if exponent & 1:
            result = _times(square, result)
        square = _times(square, square)
        exponent >>= 1
    return result


class _Crc:
    def __init__(self, step: Callable[[Any, int], int], width: int) -> None:
        self._step = step
        self._width = width
        self._value = 0

    def update(self, piece: Bytes, /) -> None:
        self._value = self._step(piece, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._width, "big")


def _awscrt(name: str, width: int) -> Callable[[], Running] | None:
    try:
        step = getattr(importlib.import_module("awscrt.checksums"), name, None)
    except ImportError:
        return None
    return (lambda: _Crc(step, width)) if step is not None else None


def _algorithm(name: str, make: Callable[[], Callable[[], Running] | None]) -> tuple[str, str, Any]:
    return name, f"x-amz-checksum-{name.lower()}", make


_ALGORITHMS = (
    _algorithm("CRC32", lambda: lambda: _Crc(zlib.crc32, 4)),
    _algorithm("CRC64NVME", lambda: _awscrt("crc64nvme", 8)),
    _algorithm("CRC32C", lambda: _awscrt("crc32c", 4)),
    _algorithm("SHA1", lambda: sha1),
    _algorithm("SHA256", lambda: sha256),
)

"""Bodies are held against the checksum that S3 stored, where it gives one and it can be computed here.

CRC32, SHA and MD5 come with Python. CRC64NVME and CRC32C, S3's own defaults, are computed by `awscrt` where it is
installed (`pip install boto3[crt]`), else with numpy, which serverless compute has; without both they are not verified.
A checksum of parts (`…-7`, COMPOSITE) says nothing of the whole, nor the whole's of a range.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Protocol

from s3private.crc import Crc
from s3private.errors import ChecksumMismatch
from s3private.forks import imported

ASK = ("x-amz-checksum-mode", "ENABLED")
"""The header that has S3 send the checksum it stored."""

Bytes = bytes | bytearray | memoryview


class Running(Protocol):
    """A checksum over bytes as they come."""

    def update(self, piece: Bytes, /) -> None: ...
    def digest(self) -> bytes: ...


Step = Callable[[Bytes, int], int]
"""The CRC of what had the CRC that is given, followed by a piece: as zlib.crc32."""


@dataclass(frozen=True, slots=True)
class _Computed:
    """How an algorithm is computed here. crc, step: of a CRC, whose parts can be joined."""

    start: Callable[[], Running]
    length: int
    crc: Crc | None = None
    step: Step | None = None


class Checksum:
    """The stored checksum of one object. name: the algorithm's, as S3 writes it: `CRC32`.

    step: computes a part's for `verify_parts`; None where parts cannot be joined, and `verify` takes the whole.
    """

    def __init__(self, name: str, stored: str, computed: _Computed) -> None:
        self.name = name
        self.step = computed.step
        self._stored = stored
        self._computed = computed

    def start(self) -> Running:
        """To be given the bytes as they come, and then to `compare`."""
        return self._computed.start()

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
        """The same, of what `step` made of each part from 0: they came in any order, and are not read again.

        crcs: by the part's number. part: bytes of each but the last. size: of all.
        """
        crc, whole = self._computed.crc, 0
        if crc is None:
            raise ValueError(f"parts of a {self.name} cannot be joined")
        for number in sorted(crcs):
            whole = crc.joined(whole, crcs[number], min(part, size - number * part))
        return self._compare(uri, whole.to_bytes(self._computed.length, "big"))

    def _compare(self, uri: str, digest: bytes) -> str:
        computed = b64encode(digest).decode()
        if computed == self._stored:
            return self.name
        if not self._is_one():
            raise ChecksumMismatch(
                f"{uri}: cannot be proven: S3 answered with {self._stored[:100]!r} for its {self.name}, which is none"
            )
        raise ChecksumMismatch(
            f"{uri}: the bytes that came have the {self.name} {computed}, S3 stored {self._stored!r}; read it again"
        )

    def _is_one(self) -> bool:
        try:
            return len(b64decode(self._stored, validate=True)) == self._computed.length
        except ValueError:
            return False


def stored_checksum(fields: Mapping[str, str]) -> Checksum | None:
    """The checksum among an answer's header fields that can be verified here. fields: names in lower case."""
    if fields.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    for name, make in _ALGORITHMS.items():
        stored = fields.get(f"x-amz-checksum-{name.lower()}")
        if stored and "-" not in stored and (computed := make()) is not None:
            return Checksum(name, stored, computed)
    return None


def step_of(stored: Checksum | None) -> Step:
    """The CRC that parts get as they come: the stored one, where parts can be joined to it; else CRC32."""
    return stored.step if stored is not None and stored.step is not None else zlib.crc32


def verify(uri: str, fields: Mapping[str, str], body: bytes) -> str | None:
    """The algorithm that `body` was verified with; None where S3 gave nothing that can be. Raises ChecksumMismatch."""
    stored = stored_checksum(fields)
    return stored.verify(uri, (body,)) if stored is not None else None


def joined_crc32(first: int, second: int, length: int) -> int:
    """The CRC32 of two pieces, of the CRC32 of each; length: bytes of the second."""
    return _CRC32.joined(first, second, length)


class _Running:
    def __init__(self, step: Step, length: int, small: int) -> None:
        self._step = step
        self._length = length
        self._small = small
        self._gathered = bytearray()
        self._value = 0

    def update(self, piece: Bytes, /) -> None:
        if len(piece) < self._small:
            self._gathered += piece
            if len(self._gathered) < self._small:
                return
            piece = b""
        if self._gathered:
            self._value = self._step(self._gathered, self._value)
            self._gathered = bytearray()
        self._value = self._step(piece, self._value)

    def digest(self) -> bytes:
        return self._step(self._gathered, self._value).to_bytes(self._length, "big")


_GATHERED = 64 << 10
"""Bytes. Beginning anew costs numpy as much as some KiB do: smaller pieces, such as lines of a file, are gathered."""


def _crc(crc: Crc, step: Step, small: int = 0) -> _Computed:
    length = crc.width // 8
    return _Computed(partial(_Running, step, length, small), length, crc, step)


@cache
def _hash(name: str) -> _Computed | None:
    try:
        # Not for security: some systems have MD5 and SHA-1 for nothing else, some have not even that.
        start = partial(hashlib.new, name, usedforsecurity=False)
        return _Computed(start, start().digest_size)
    except ValueError:
        return None


@cache
def _fast_crc(name: str, crc: Crc, offsets: Sequence[int]) -> _Computed | None:
    """offsets: see `Folding`."""
    try:
        step = getattr(imported("awscrt.checksums"), name.lower(), None)
    except ImportError:
        step = None
    if step is not None:
        return _crc(crc, step)
    try:
        folding = imported("s3private.folding")
    except ImportError:
        return None
    return _crc(crc, folding.Folding(crc, offsets), _GATHERED)


_CRC32 = Crc(32, 0xEDB88320)
_CRC32C = Crc(32, 0x82F63B78)
_CRC64NVME = Crc(64, 0x9A6C9329AC4BC9B5)

_ZLIB = _crc(_CRC32, zlib.crc32)

_ALGORITHMS: Mapping[str, Callable[[], _Computed | None]] = {
    "CRC32": lambda: _ZLIB,
    "CRC64NVME": lambda: _fast_crc("CRC64NVME", _CRC64NVME, (2983, 3393, 3777, 3862, 4402, 4690, 5031)),
    "CRC32C": lambda: _fast_crc("CRC32C", _CRC32C, (1747, 2830, 5321)),
    "SHA1": lambda: _hash("sha1"),
    "SHA256": lambda: _hash("sha256"),
    "SHA512": lambda: _hash("sha512"),
    "MD5": lambda: _hash("md5"),
}

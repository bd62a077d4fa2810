"""CRCs of large buffers by XOR alone, with what numpy has: no carry-less multiplication, no loop over bytes.

A CRC is the remainder of a polynomial over GF(2). Where a multiple of its polynomial has few terms,
x^d + x^(d - o1) + x^(d - o2) + ..., a bit may be taken away if those o1, o2, ..., d places further on are flipped. The
square of such a multiple is one as well, with twice the places: three times squared, its places are bytes, and six
times more, runs of 64 bytes. So thousands of bytes are folded onto later ones at once, each time the buffer is XORed
with itself, until so little is left that tables do the rest. All of it is exact, and no piece is copied as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s3private.crc import Crc

Bytes = bytes | bytearray | memoryview

_ROW = 256
_ROWS = 64
_LARGEST_SCALE = 64
"""What is kept of the past then is about 300 KiB: it stays in the processor's own cache."""

_xored: Any = np.bitwise_xor.reduce


class Folding:
    """One CRC of 32 or 64 bits, called like zlib.crc32.

    offsets: o1, ..., d of a multiple of its polynomial, in order; d up to 8,000. Memory: 1.5 MiB of tables for 64 bits,
    0.5 for 32; and 2 MiB for each thread that is in it, of which one is kept.
    """

    def __init__(self, crc: Crc, offsets: Sequence[int]) -> None:
        self._bytes = crc.width // 8
        self._ones = (1 << crc.width) - 1
        self._offsets = tuple(offsets)
        self._scratch: list[NDArray[np.uint8]] = []
        kind = np.dtype(f"<u{self._bytes}")
        self._single = _byte_table(crc.polynomial)
        single = np.array(self._single, dtype=kind)
        # Entry [i, b]: the byte b, followed by _ROW - 1 - i bytes of zeros.
        row = np.empty((_ROW, 256), dtype=kind)
        row[-1] = single
        for i in range(_ROW - 2, -1, -1):
            row[i] = _one_byte_on(row[i + 1], single)
        # Entry [i, k, b]: the remainder that has b as its byte k and is followed by _ROWS - 1 - i rows of zeros.
        rows = np.empty((_ROWS, self._bytes, 256), dtype=kind)
        rows[-1] = np.arange(256, dtype=kind) << (8 * np.arange(self._bytes, dtype=kind))[:, None]
        on = rows[-1]
        for _ in range(_ROW):
            on = _one_byte_on(on, single)
        for i in range(_ROWS - 2, -1, -1):
            later = np.ascontiguousarray(rows[i + 1]).view(np.uint8).reshape(self._bytes, 256, self._bytes)
            rows[i] = _xored([on[k][later[..., k]] for k in range(self._bytes)])
        self._row, self._rows = row.ravel(), rows.ravel()
        self._row_starts = np.tile(np.arange(_ROW, dtype=np.intp) * 256, _ROWS)
        self._rows_starts = np.arange(_ROWS * self._bytes, dtype=np.intp) * 256

    def __call__(self, piece: Bytes, value: int) -> int:
        """The CRC of what had the CRC `value`, followed by `piece`."""
        register = value ^ self._ones
        length = memoryview(piece).nbytes
        if length < self._bytes:
            for byte in memoryview(piece).cast("B"):
                register = (register >> 8) ^ self._single[(register ^ byte) & 255]
            return register ^ self._ones
        data = np.frombuffer(piece, dtype=np.uint8)
        before = np.frombuffer(register.to_bytes(self._bytes, "little"), dtype=np.uint8)
        scale = _LARGEST_SCALE
        while len(data) > _ROW * _ROWS:
            while scale > 1 and self._offsets[-1] * scale > len(data) // 2:
                scale //= 2
            data = self._folded(data, before, scale)
            before = before[:0]
        return self._remainder(data, before) ^ self._ones

    def _folded(self, data: NDArray[np.uint8], before: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
        """As many bytes as d * scale that have the remainder of `data` with `before` XORed onto its beginning."""
        offsets = [offset * scale for offset in self._offsets]
        block, past = offsets[0], offsets[-1]
        try:
            scratch = self._scratch.pop()
        except IndexError:
            scratch = np.empty(_LARGEST_SCALE * (2 * self._offsets[-1] + self._offsets[0]), dtype=np.uint8)
        scratch[:past] = 0
        done, end, body = 0, past, len(data) - past
        while done < body:
            size = min(block, body - done)
            if end + size > len(scratch):
                scratch[:past] = scratch[end - past : end]
                end = past
            out = scratch[end : end + size]
            np.bitwise_xor(data[done : done + size], scratch[end - block : end - block + size], out=out)
            for offset in offsets[1:]:
                np.bitwise_xor(out, scratch[end - offset : end - offset + size], out=out)
            if not done:
                out[: len(before)] ^= before
            done, end = done + size, end + size
        folded = data[body:].copy()
        for offset in offsets:
            folded[:offset] ^= scratch[end - offset : end]
        self._scratch.append(scratch)
        return folded

    def _remainder(self, data: NDArray[np.uint8], before: NDArray[np.uint8]) -> int:
        rows = -(-len(data) // _ROW)
        indices = np.zeros(rows * _ROW, dtype=np.intp)
        first = len(indices) - len(data)
        indices[first:] = data
        indices[first : first + len(before)] ^= before
        indices += self._row_starts[: len(indices)]
        of_rows = _xored(self._row.take(indices).reshape(rows, _ROW), axis=1)
        ahead = of_rows.view(np.uint8).astype(np.intp)
        ahead += self._rows_starts[-len(ahead) :]
        return int(_xored(self._rows.take(ahead)))


def _byte_table(polynomial: int) -> list[int]:
    """The remainder of each byte."""
    table = list(range(256))
    for _ in range(8):
        table = [value >> 1 ^ (polynomial if value & 1 else 0) for value in table]
    return table


def _one_byte_on(values: NDArray[Any], single: NDArray[Any]) -> NDArray[Any]:
    """The remainders of what had the remainders `values`, followed by one byte of zeros."""
    on: NDArray[Any] = (values >> 8) ^ single[values & 255]
    return on

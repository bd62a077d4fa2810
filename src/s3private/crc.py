"""What two CRCs say of their pieces together: parts come in any order, and are not read again.

A CRC is a remainder of polynomials over GF(2): the first piece's is multiplied by x to the bits that follow it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Crc:
    """One that is all ones at its beginning and its end, lowest bit first, as all of S3's are.

    width: bits. polynomial: lowest bit first, without the highest term.
    """

    width: int
    polynomial: int

    def joined(self, first: int, second: int, length: int) -> int:
        """The CRC of two pieces, of the CRC of each; length: bytes of the second."""
        return self._times(_power_of_x(self, 8 * length), first) ^ second

    def _times(self, a: int, b: int) -> int:
        product, highest = 0, 1 << (self.width - 1)
        while a:
            if a & highest:
                product ^= b
                a ^= highest
            a <<= 1
            b = (b >> 1) ^ (self.polynomial if b & 1 else 0)
        return product

    def power_of_x(self, exponent: int) -> int:
        result, square = 1 << (self.width - 1), 1 << (self.width - 2)
        while exponent:
            if exponent & 1:
                result = self._times(square, result)
            square = self._times(square, square)
            exponent >>= 1
        return result


@lru_cache(maxsize=64)
def _power_of_x(crc: Crc, exponent: int) -> int:
    """Kept: all parts but the last are of one length."""
    return crc.power_of_x(exponent)

"""Bytes that are filled in place, once, before anyone sees them: a body is received where it stays, without a copy.

The C API's own way to make bytes of a known length: https://docs.python.org/3/c-api/bytes.html#c.PyBytes_FromStringAndSize
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

_make = ctypes.pythonapi.PyBytes_FromStringAndSize
_make.argtypes = (ctypes.c_char_p, ctypes.c_ssize_t)
_make.restype = ctypes.py_object
_address = ctypes.pythonapi.PyBytes_AsString
_address.argtypes = (ctypes.py_object,)
_address.restype = ctypes.c_void_p


@cache
def _type(bits: int) -> Any:
    """Of a power of two, each made once: making one costs more than a small body does."""
    return ctypes.c_char * (1 << bits)


def fresh_bytes(length: int) -> tuple[bytes, memoryview]:
    """Bytes of `length`, and the view through which to fill them: take what is filled with `filled`.

    The view keeps them alive, as does each slice of it: whoever still writes, writes to what is there. Do not hand the
    bytes out before they are filled, nor write after. Raises MemoryError.
    """
    if length < 2:
        # The interpreter shares the shortest: these are not to be written to.
        return bytes(length), memoryview(bytearray(length))
    fresh: bytes = _make(None, length)
    # The least that is long enough; what it has beyond the bytes is cut off before anyone has it.
    memory: Any = _type((length - 1).bit_length()).from_address(_address(fresh))
    memory.owner = fresh
    return fresh, memoryview(memory)[:length].cast("B")


def filled(fresh: bytes, view: memoryview) -> bytes:
    """The bytes of `fresh_bytes`, now that they are filled."""
    return fresh if len(view) > 1 else bytes(view)

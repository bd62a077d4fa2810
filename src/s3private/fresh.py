"""Bytes that are filled in place, once, before anyone sees them: a body is received where it stays, without a copy.

The C API's own way to make bytes of a known length: https://docs.python.org/3/c-api/bytes.html#c.PyBytes_FromStringAndSize
"""

from __future__ import annotations

import ctypes

_make = ctypes.pythonapi.PyBytes_FromStringAndSize
_make.argtypes = (ctypes.c_char_p, ctypes.c_ssize_t)
_make.restype = ctypes.py_object
_address = ctypes.pythonapi.PyBytes_AsString
_address.argtypes = (ctypes.py_object,)
_address.restype = ctypes.c_void_p
_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_view.restype = ctypes.py_object
_TO_WRITE = 0x200
"""PyBUF_WRITE. https://docs.python.org/3/c-api/memoryview.html"""


def fresh_bytes(length: int) -> tuple[bytes, memoryview]:
    """Bytes of `length`, and the view through which to fill them: take what is filled with `filled`.

    Do not hand the bytes out before that, nor keep the view after: it does not keep them alive. Raises MemoryError.
    """
    if length < 2:
        # The interpreter shares the shortest: these are not to be written to.
        return bytes(length), memoryview(bytearray(length))
    fresh: bytes = _make(None, length)
    view: memoryview = _view(_address(fresh), length, _TO_WRITE)
    return fresh, view


def filled(fresh: bytes, view: memoryview) -> bytes:
    """The bytes of `fresh_bytes`, now that they are filled."""
    return fresh if len(view) > 1 else bytes(view)

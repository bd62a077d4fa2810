"""Whoever still writes to a file that was closed gets an error, and no other file that has its number by now does."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from s3private.descriptor import Descriptor


def test_what_is_written_after_the_end_reaches_no_file_that_has_the_number_now(tmp_path: Path) -> None:
    file = Descriptor(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    file.write(b"there", 0)
    number = file.fileno()
    file.close()
    file.close()
    with Path(tmp_path / "another").open("w+b") as another:
        assert another.fileno() == number
        for late in (
            lambda: file.write(b"late", 0),
            lambda: file.append(b"late"),
            lambda: file.truncate(100),
            lambda: file.read_into(memoryview(bytearray(5)), 0),
            lambda: file.stat(),
            lambda: file.fileno(),
        ):
            with pytest.raises(OSError, match="closed"):
                late()
        assert another.read() == b""
    assert Path(tmp_path / "file").read_bytes() == b"there"


def test_closing_waits_for_the_write_that_is_under_way(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    # A write to a pipe that is full waits until it is read.
    file = Descriptor(f"/proc/self/fd/{writing}", os.O_WRONLY)
    os.close(writing)
    whole = bytes(1 << 20)
    late = threading.Thread(target=file.append, args=(whole,))
    late.start()
    got = os.read(reading, 1)
    closing = threading.Thread(target=file.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    while piece := os.read(reading, 1 << 16):
        got += piece
    late.join()
    closing.join()
    os.close(reading)
    assert got == whole


def test_a_file_that_nobody_has_any_more_is_closed(tmp_path: Path) -> None:
    file = Descriptor(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    number = file.fileno()
    del file
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(number)

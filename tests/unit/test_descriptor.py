"""Whoever still writes to a file that was closed gets an error, and no other file that has its number by now does."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from s3private.descriptor import Descriptor
from s3private.forks import renewed_in_child


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


def test_a_forks_child_closes_it_though_a_thread_of_the_parent_was_writing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    file = Descriptor(f"/proc/self/fd/{writing}", os.O_WRONLY)

    def write() -> None:
        file.append(bytes(1 << 20))
        file.close()

    late = threading.Thread(target=write)
    late.start()
    os.read(reading, 1)
    child = os.fork()
    if not child:
        # Where it waits, that is how it ends.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        file.close()
        os._exit(7)
    os.close(writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    while os.read(reading, 1 << 16):
        pass
    late.join()
    os.close(reading)


def test_a_file_that_was_closed_before_a_fork_keeps_nothing_else_from_beginning_anew(tmp_path: Path) -> None:
    file, renewed = Descriptor(tmp_path / "file", os.O_RDWR | os.O_CREAT), threading.Event()
    renewed_in_child(renewed, threading.Event.set)
    file.close()
    child = os.fork()
    if not child:
        os._exit(7 if renewed.is_set() else 8)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

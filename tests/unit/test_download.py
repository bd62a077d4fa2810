"""A file is there whole or not at all; a download that was killed goes on where it was."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest

from origin.server import Fault, Origin, crc32
from s3private import (
    ChecksumMismatch,
    ObjectChanged,
    ObjectEntry,
    ReadError,
    Refused,
    connect,
    download,
    download_prefix,
    list_objects,
)
from s3private.checksums import joined_crc32
from s3private.downloading import PART

MIB = 1 << 20
KILLED = """
import sys, boto3, s3private
s3 = s3private.connect(sys.argv[1], session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
s3private.download(s3, "s3://b/k", sys.argv[2], ahead=2)
"""


@pytest.fixture
def s3(origin: Origin) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
    return connect(origin.route(), session=session)


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 5 * PART + 5])
def test_a_file_holds_what_the_object_holds_and_nothing_lies_beside_it(
    origin: Origin, s3: Any, tmp_path: Path, size: int
) -> None:
    body = content(size)
    stored = origin.put("b", "deep/k.bin", body, **crc32(body))
    done = download(s3, "s3://b/deep/k.bin", tmp_path)
    assert (done.path, done.size, done.etag, done.verified) == (tmp_path / "k.bin", size, stored.etag, "CRC32")
    assert done.path.read_bytes() == body
    assert os.listdir(tmp_path) == ["k.bin"]


def test_a_download_that_was_killed_goes_on_where_it_was(origin: Origin, s3: Any, tmp_path: Path) -> None:
    body = content(10 * PART)
    origin.put("b", "k", body)
    origin.route().save(tmp_path / "demo.route.json")
    # The parts from the fifth on do not come.
    origin.fault = lambda request: Fault("stall", 0) if int(_first(request.fields)) >= 4 * PART else None
    command = [sys.executable, "-c", KILLED, str(tmp_path / "demo.route.json"), str(tmp_path / "file")]
    with subprocess.Popen(command) as child:
        for _ in range(500):
            # What it is bound to, of which object, and four parts.
            if len(b"".join(each.read_bytes() for each in tmp_path.glob(".*.journal")).splitlines()) == 6:
                break
            time.sleep(0.02)
        child.send_signal(signal.SIGKILL)
    assert not (tmp_path / "file").exists()
    (journal,) = tmp_path.glob(".*.journal")
    journal.write_text(journal.read_text() + "9")
    origin.fault = lambda request: None
    origin.requests.clear()
    done = download(s3, "s3://b/k", tmp_path / "file")
    assert done.resumed == 4 * PART
    assert done.path.read_bytes() == body
    assert {int(_first(request.fields)) for request in origin.requests} == {n * PART for n in range(4, 10)}
    assert sorted(os.listdir(tmp_path)) == ["demo.route.json", "file"]


def test_its_bytes_are_told_as_they_come_with_those_of_an_earlier_run(origin: Origin, s3: Any, tmp_path: Path) -> None:
    told: list[int] = []
    origin.put("b", "deep/k", content(PART + 7))
    broken_off(origin, s3, tmp_path / "file", "s3://b/deep/k")
    done = download(s3, "s3://b/deep/k", tmp_path / "file", on_bytes=told.append)
    assert (told, done.resumed) == ([PART, 7], PART)
    told.clear()
    origin.put("b", "deep/small", b"small")
    download_prefix(s3, "s3://b/deep/", tmp_path / "all", on_bytes=told.append)
    assert sorted(told) == [5, 7, PART]


def test_a_glob_is_one_as_it_is_for_a_listing(origin: Origin, s3: Any, tmp_path: Path) -> None:
    for key in ("2026/01/a.csv", "2026/02/b.csv", "2026/02/b.txt", "2026/*/c.csv"):
        origin.put("b", key, key.encode())

    def files(name: str, uri: str, **how: Any) -> list[str]:
        done = download_prefix(s3, uri, tmp_path / name, **how)
        found = [str(file.relative_to(tmp_path / name)) for file in (tmp_path / name).rglob("*") if file.is_file()]
        assert done.files == len(found)
        return sorted(found)

    assert files("glob", "s3://b/2026/*/*.csv") == ["*/c.csv", "01/a.csv", "02/b.csv"]
    assert files("prefix", "s3://b/2026/*/", glob=False) == ["c.csv"]


def _first(fields: Any) -> str:
    return str(fields.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


def broken_off(origin: Origin, s3: Any, file: Path, uri: str = "s3://b/k") -> None:
    """The first part is there, the second never comes."""
    origin.fault = lambda request: Fault("cut", 0) if "range" in request.fields else None
    with pytest.raises(ReadError):
        download(s3, uri, file, ahead=1)
    origin.fault = lambda request: None
    assert not file.exists()


def test_an_object_replaced_since_the_earlier_run_is_begun_anew(origin: Origin, s3: Any, tmp_path: Path) -> None:
    origin.put("b", "k", content(10 * MIB, 1))
    broken_off(origin, s3, tmp_path / "file")
    origin.put("b", "k", content(10 * MIB, 2))
    done = download(s3, "s3://b/k", tmp_path / "file")
    assert (done.resumed, done.path.read_bytes()) == (0, content(10 * MIB, 2))


def test_what_was_written_before_the_machine_went_down_is_not_trusted(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.put("b", "k", content(10 * MIB))
    broken_off(origin, s3, tmp_path / "file")
    monkeypatch.setattr("s3private.downloading._boot", lambda: "another")
    assert download(s3, "s3://b/k", tmp_path / "file").resumed == 0


def test_an_object_replaced_meanwhile_is_an_error_and_the_old_file_stays(
    origin: Origin, s3: Any, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    origin.put("b", "k", content(20 * MIB, 1))
    replaced = replace(origin.objects["b", "k", None], etag='"another"')
    origin.before = lambda request: "range" in request.fields and origin.objects.update({("b", "k", None): replaced})
    with pytest.raises(ObjectChanged):
        download(s3, "s3://b/k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_with_the_wrong_checksum_is_an_error_and_is_begun_anew(origin: Origin, s3: Any, tmp_path: Path) -> None:
    origin.put("b", "k", content(10 * MIB), **crc32(b"something else"))
    with pytest.raises(ChecksumMismatch):
        download(s3, "s3://b/k", tmp_path / "file")
    assert not (tmp_path / "file").exists()
    body = content(10 * MIB)
    origin.put("b", "k", body, **crc32(body))
    assert download(s3, "s3://b/k", tmp_path / "file").resumed == 0


def test_other_checksums_are_verified_over_the_whole_file(origin: Origin, s3: Any, tmp_path: Path) -> None:
    body = content(10 * MIB)
    origin.put("b", "k", body, x_amz_checksum_sha256=b64encode(sha256(body).digest()).decode())
    assert download(s3, "s3://b/k", tmp_path / "file").verified == "SHA256"
    origin.put("b", "k", body, x_amz_checksum_sha256=b64encode(sha256(b"else").digest()).decode())
    with pytest.raises(ChecksumMismatch):
        download(s3, "s3://b/k", tmp_path / "file")


def test_the_checksum_of_a_resumed_file_is_of_all_its_parts(origin: Origin, s3: Any, tmp_path: Path) -> None:
    body = content(10 * MIB)
    origin.put("b", "k", body, **crc32(body))
    broken_off(origin, s3, tmp_path / "file")
    done = download(s3, "s3://b/k", tmp_path / "file")
    assert (done.resumed, done.verified) == (PART, "CRC32")


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "through boto3"])
def test_a_disk_that_is_full_says_so_and_nothing_is_asked_again(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lean: bool
) -> None:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
    origin.put("b", "k", content(6 * PART))
    write = os.pwrite

    def full(file: int, piece: memoryview, position: int) -> int:
        if position >= 2 * PART + MIB:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, piece, position)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left") as caught:
        download(connect(origin.route(), session=session, lean=lean), "s3://b/k", tmp_path / "file", ahead=3)
    assert caught.value.errno == errno.ENOSPC
    asked = Counter(_first(request.fields) for request in origin.requests)
    assert max(asked.values()) == 1


@pytest.mark.parametrize("fault", ["cut", "truncate"])
def test_a_part_that_breaks_off_goes_on_in_the_file_where_it_was(
    origin: Origin, s3: Any, tmp_path: Path, fault: str
) -> None:
    body = content(3 * PART + 7)
    origin.put("b", "k", body, **crc32(body))
    origin.fault = lambda request: Fault(fault, MIB + 1) if _first(request.fields) == str(2 * PART) else None
    done = download(s3, "s3://b/k", tmp_path / "file")
    assert (done.path.read_bytes() == body, done.verified) == (True, "CRC32")
    assert str(2 * PART + MIB + 1) in [_first(request.fields) for request in origin.requests]


def test_a_part_that_was_not_the_one_asked_for_is_written_anew(origin: Origin, s3: Any, tmp_path: Path) -> None:
    body = content(3 * PART)
    origin.put("b", "k", body, **crc32(body))
    wrong = iter([f"bytes={PART}-{2 * PART - 1}"])

    def another_part_once(request: Any) -> None:
        if _first(request.fields) == str(2 * PART):
            request.fields["range"] = next(wrong, request.fields["range"])

    origin.before = another_part_once
    done = download(s3, "s3://b/k", tmp_path / "file")
    assert (done.path.read_bytes() == body, done.verified) == (True, "CRC32")


def test_crcs_of_pieces_are_put_together_as_zlib_has_them_of_the_whole() -> None:
    chance = random.Random(7)
    for _ in range(2_000):
        first, second = (chance.randbytes(chance.choice([0, 1, chance.randrange(5000)])) for _ in range(2))
        joined = joined_crc32(zlib.crc32(first), zlib.crc32(second), len(second))
        assert joined == zlib.crc32(first + second)


def test_two_downloads_of_one_file_do_not_meet(origin: Origin, s3: Any, tmp_path: Path) -> None:
    origin.put("b", "k", content(10 * MIB))
    refused: list[str] = []

    def again(request: Any) -> None:
        if "range" in request.fields and not refused:
            refused.append("")
            with pytest.raises(Refused, match="another download of this file is under way") as said:
                download(s3, "s3://b/k", tmp_path / "file")
            refused.append(str(said.value))

    origin.before = again
    download(s3, "s3://b/k", tmp_path / "file")
    assert len(refused) == 2


def test_a_file_on_a_volume_is_gathered_elsewhere_and_written_from_front_to_back(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = content(10 * MIB)
    origin.put("b", "k", body)
    volume, gathered = tmp_path / "volume", tmp_path / "tmp"
    gathered.mkdir()
    monkeypatch.setattr("s3private.downloading._SEQUENTIAL", (f"{volume}/",))
    monkeypatch.setattr("tempfile.tempdir", str(gathered))
    seen: list[set[str]] = []
    origin.before = lambda request: seen.append(set(os.listdir(volume)))
    assert download(s3, "s3://b/k", volume / "file").path.read_bytes() == body
    assert set().union(*seen) == set()
    assert [name for _, _, names in os.walk(gathered) for name in names] == []


def test_a_prefix_is_downloaded_and_again_is_nothing_to_do(origin: Origin, s3: Any, tmp_path: Path) -> None:
    bodies = {f"p/{n % 3}/k{n}": content(n * 100, n) for n in range(20)} | {"p/large": content(9 * MIB)}
    for key, body in [*bodies.items(), ("p/folder/", b""), ("q/other", b"x")]:
        origin.put("b", key, body)
    first = download_prefix(s3, "s3://b/p/", tmp_path)
    assert (first.files, first.size, first.skipped) == (21, sum(map(len, bodies.values())), 0)
    assert {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == {
        key.removeprefix("p/"): body for key, body in bodies.items()
    }
    (tmp_path / "large").write_bytes(b"short")
    again = download_prefix(s3, "s3://b/p/", tmp_path)
    assert (again.files, again.skipped) == (1, 20)


@pytest.mark.parametrize("key", ["p/../../etc/passwd", "p//x", "p/./x", "p/a\0b"])
def test_a_key_that_would_leave_the_directory_is_refused(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    entries = [ObjectEntry("b", key, 1, next(list_times(origin, s3)), '"e"', "STANDARD")]
    monkeypatch.setattr("s3private.downloading.list_objects", lambda s3, uri, glob: iter(entries))
    with pytest.raises(Refused, match="no place for a file"):
        download_prefix(s3, "s3://b/p/", tmp_path)
    assert os.listdir(tmp_path) == []


def list_times(origin: Origin, s3: Any) -> Any:
    origin.put("b", "x", b"x")
    return (entry.last_modified for entry in list_objects(s3, "s3://b/x"))

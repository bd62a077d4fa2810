"""Places that lack what makes a download nicer, such as locks, times or renaming: the files are there, all the same."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path
from typing import Any

import boto3
import pytest

from origin.server import Origin, crc32
from s3private import connect, download, download_prefix

PART = 1 << 16
BODY = os.urandom(3 * PART + 5)
CODES = [errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.ENOLCK, errno.EROFS, errno.EIO]


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("s3private.downloading.PART", PART)
    monkeypatch.setattr("s3private.downloading.SMALL", PART)
    monkeypatch.setattr("s3private.whole_file._said", set())
    for key in "abc":
        origin.put("b", f"p/{key}", key.encode())
    origin.put("b", "p/big", BODY, **crc32(BODY))
    return connect(origin.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))


def refusing(code: int) -> Any:
    def refuse(*arguments: object, **more: object) -> None:
        raise OSError(code, os.strerror(code))

    return refuse


def all_there(directory: Path) -> bool:
    found = {file.name: file.read_bytes() for file in directory.iterdir()}
    return found == {"a": b"a", "b": b"b", "c": b"c", "big": BODY}


@pytest.mark.parametrize("code", CODES, ids=errno.errorcode.get)
@pytest.mark.parametrize(("where", "what"), [(os, "utime"), (fcntl, "flock")], ids=["utime", "flock"])
def test_without_times_or_locks_all_files_are_there_and_it_is_said_once(
    s3: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    where: Any,
    what: str,
    code: int,
) -> None:
    monkeypatch.setattr(where, what, refusing(code))
    for run in range(2):
        with caplog.at_level(logging.WARNING, "s3private"):
            done = download_prefix(s3, "s3://b/p/", tmp_path)
        assert all_there(tmp_path)
        # Without times, what is there cannot be known to be.
        assert done.files == (4 if run == 0 or what == "utime" else 0)
    assert download(s3, "s3://b/p/big", tmp_path / "big").verified == "CRC32"
    (said,) = [each for each in caplog.records if each.name.startswith("s3private")]
    assert os.strerror(code) in said.getMessage()
    assert all_there(tmp_path)


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.EINVAL, errno.EPERM], ids=errno.errorcode.get)
def test_where_files_cannot_be_renamed_they_are_copied_over(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    monkeypatch.setattr(os, "replace", refusing(code))
    assert download_prefix(s3, "s3://b/p/", tmp_path).files == 4
    assert all_there(tmp_path)
    assert download_prefix(s3, "s3://b/p/", tmp_path).skipped == 4
    assert "cannot be renamed" in caplog.text


@pytest.mark.parametrize("code", [errno.ESPIPE, errno.ENOTSUP, errno.EINVAL], ids=errno.errorcode.get)
@pytest.mark.parametrize("linked", [False, True], ids=["by trying", "through a link"])
def test_a_place_that_is_only_written_from_front_to_back_gets_a_copy(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, linked: bool
) -> None:
    volume, temporary, write = tmp_path / "volume", tmp_path / "tmp", os.pwrite
    volume.mkdir()
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    elsewhere: list[str] = []

    def only_in_order(number: int, piece: Any, position: int) -> int:
        path = os.readlink(f"/proc/self/fd/{number}")
        if not path.startswith(str(volume)):
            elsewhere.append(path)
        elif position != os.fstat(number).st_size:
            raise OSError(code, os.strerror(code))
        return write(number, piece, position)

    monkeypatch.setattr(os, "pwrite", only_in_order)
    target = tmp_path / "link" if linked else volume
    if linked:
        target.symlink_to(volume)
        monkeypatch.setattr("s3private.downloading._SEQUENTIAL", (f"{volume}/",))
    assert download(s3, "s3://b/p/big", target / "big", ahead=4).verified == "CRC32"
    assert (volume / "big").read_bytes() == BODY
    assert elsewhere
    assert os.listdir(volume) == ["big"]
    assert [name for _, _, names in os.walk(temporary) for name in names] == []


def test_a_copy_to_another_file_system_that_fails_loses_nothing_that_came(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = os.replace

    def refuse(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space left"):
        download(s3, "s3://b/p/big", tmp_path / "big")
    monkeypatch.setattr(os, "replace", replace)
    origin.requests.clear()
    done = download(s3, "s3://b/p/big", tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.resumed, len(origin.requests)) == (True, 3 * PART, 1)

"""What an earlier run left, or somebody planted, is believed only as far as its bytes are right and it is ours."""

from __future__ import annotations

import errno
import json
import os
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from origin.server import Origin, crc32
from s3private import ReadError, Refused, connect, download, download_prefix

PART = 1 << 16
BODY = os.urandom(3 * PART + 5)
URI = "s3://b/p/big"


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("s3private.downloading.PART", PART)
    monkeypatch.setattr("s3private.downloading.SMALL", PART)
    origin.put("b", "p/big", BODY, **crc32(BODY))
    return connect(origin.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))


def interrupted(call: Callable[..., object]) -> None:
    """By Ctrl-C, when two parts are there."""
    came = 0

    def stop(count: int) -> None:
        nonlocal came
        came += count
        if came >= 2 * PART:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(on_bytes=stop)


def hidden(directory: Path) -> tuple[Path, Path]:
    """The hidden file, and its journal."""
    (journal,) = directory.glob(".*.journal")
    return journal.with_suffix(""), journal


def parts_of(body: bytes) -> str:
    return "".join(f"{n} {zlib.crc32(body[n * PART : (n + 1) * PART])}\n" for n in range(-(-len(body) // PART)))


def test_killed_after_the_rename_the_next_run_believes_nothing_of_the_file_that_has_gone(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.unlink

    def killed(path: Path, missing_ok: bool = False) -> None:
        if path.name.endswith(".journal"):
            raise KeyboardInterrupt
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", killed)
    with pytest.raises(KeyboardInterrupt):
        download(s3, URI, tmp_path / "big")
    monkeypatch.setattr(Path, "unlink", real)
    assert (tmp_path / "big").read_bytes() == BODY
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.verified, done.resumed) == (True, "CRC32", 0)
    assert os.listdir(tmp_path) == ["big"]


def _removed(file: Path) -> None:
    file.unlink()


def _cut(file: Path) -> None:
    os.truncate(file, PART + 3)


def _zeros(file: Path) -> None:
    with file.open("r+b") as there:
        there.write(bytes(file.stat().st_size))


def _another(file: Path) -> None:
    beside = file.with_name("beside")
    beside.write_bytes(bytes(len(BODY)))
    beside.replace(file)


@pytest.mark.parametrize("harm", [_removed, _cut, _zeros, _another])
def test_parts_that_are_not_there_any_more_are_read_anew(s3: Any, tmp_path: Path, harm: Callable[[Path], None]) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    harm(hidden(tmp_path)[0])
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.verified) == (True, "CRC32")
    assert done.resumed == (PART if harm is _cut else 0)


def test_a_small_object_in_its_place_for_a_while_takes_nothing_from_the_large_one(
    origin: Origin, s3: Any, tmp_path: Path
) -> None:
    interrupted(lambda **how: download_prefix(s3, "s3://b/p/", tmp_path, **how))
    origin.put("b", "p/big", b"small")
    download_prefix(s3, "s3://b/p/", tmp_path)
    assert (tmp_path / "big").read_bytes() == b"small"
    origin.put("b", "p/big", BODY, **crc32(BODY))
    download_prefix(s3, "s3://b/p/", tmp_path)
    assert (tmp_path / "big").read_bytes() == BODY


@pytest.mark.parametrize(
    "text",
    [
        "[]\n",
        "{}\n",
        "NaN\n",
        "[" * 100_000,
        '{"size": NaN}\n',
        '{"size": -1, "etag": 3, "fields": []}\n',
        "\xff" * 1000,
    ],
)
def test_a_journal_of_another_shape_is_none(s3: Any, tmp_path: Path, text: str) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    journal = hidden(tmp_path)[1]
    bound = [line for line in journal.read_text().splitlines(keepends=True)[:1] if "object" not in line]
    journal.write_text("".join([*bound, text]), encoding="latin-1")
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.resumed) == (True, 0)


def test_parts_that_the_object_does_not_have_are_none(s3: Any, tmp_path: Path) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    with hidden(tmp_path)[1].open("a") as journal:
        journal.write("4 0\n999999999 0\n9999999999999999999999 0\n")
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.resumed) == (True, 2 * PART)


def test_a_journal_that_claims_everything_still_asks_s3(origin: Origin, s3: Any, tmp_path: Path) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    file, journal = hidden(tmp_path)
    with file.open("r+b") as there:
        there.write(BODY)
    with journal.open("a") as more:
        more.write(parts_of(BODY))
    origin.requests.clear()
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.verified, len(origin.requests)) == (True, "CRC32", 1)


def test_what_came_out_of_a_bucket_passes_for_no_journal(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on systems whose start has no name.
    monkeypatch.setattr("s3private.downloading._boot", lambda: "")
    origin.put("b", "p/big", BODY)
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    file, journal = hidden(tmp_path)
    head = "".join(line for line in journal.read_text().splitlines(keepends=True) if "object" in line)
    forged = os.urandom(len(BODY))
    origin.put("b", f"evil/{file.name}", forged)
    real = os.stat(file)
    file.unlink()
    journal.unlink()
    # An inode's number can be guessed.
    download_prefix(s3, "s3://b/evil/", tmp_path)
    bound = "".join(f"{each.st_dev} {each.st_ino}\n" for each in [file.stat()] if head and "file" not in head)
    origin.put("b", f"evil/{journal.name}", (bound + head + parts_of(forged)).encode())
    download_prefix(s3, "s3://b/evil/", tmp_path)
    assert real.st_size != file.stat().st_size
    done = download(s3, URI, tmp_path / "big")
    assert done.path.read_bytes() == BODY
    assert file.read_bytes() == forged


def test_what_somebody_else_has_planted_is_neither_read_nor_written(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    before = {file: file.read_bytes() for file in hidden(tmp_path)}
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    # The names are those that this user's would have.
    monkeypatch.setattr("s3private.staging.user", lambda: me)
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.resumed) == (True, 0)
    assert {file: file.read_bytes() for file in hidden(tmp_path)} == before


@pytest.mark.parametrize("which", [0, 1], ids=["the file", "its journal"])
@pytest.mark.parametrize("hard", [False, True], ids=["link", "second name"])
def test_a_planted_link_is_not_followed(s3: Any, tmp_path: Path, which: int, hard: bool) -> None:
    there, outside = tmp_path / "there", tmp_path / "outside"
    interrupted(lambda **how: download(s3, URI, there / "big", ahead=1, **how))
    planted = hidden(there)[which]
    outside.write_bytes(planted.read_bytes())
    outside.chmod(planted.stat().st_mode)
    before = outside.read_bytes()
    planted.unlink()
    planted.hardlink_to(outside) if hard else planted.symlink_to(outside)
    done = download(s3, URI, there / "big")
    assert (done.path.read_bytes() == BODY, outside.read_bytes() == before) == (True, True)


@pytest.mark.parametrize("kind", ["link", "open to all", "somebody else's", "file"])
def test_a_temporary_directory_that_is_not_ours_alone_is_not_used(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    volume, temporary, planted = tmp_path / "volume", tmp_path / "tmp", tmp_path / "planted"
    for each in (volume, temporary, planted):
        each.mkdir()
    monkeypatch.setattr("s3private.downloading._SEQUENTIAL", (f"{volume}/",))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    taken = temporary / f"s3private-{os.getuid()}"
    if kind == "link":
        planted.chmod(0o700)
        taken.symlink_to(planted)
    elif kind == "file":
        taken.touch()
    else:
        taken.mkdir(mode=0o700)
        taken.chmod(0o777 if kind == "open to all" else 0o700)
    if kind == "somebody else's":
        me = os.geteuid()
        monkeypatch.setattr("s3private.staging.user", lambda: me + 1)
        taken.rename(temporary / f"s3private-{me + 1}")
    seen: set[str] = set()

    def look(count: int) -> None:
        seen.update(str(Path(at, name)) for at, _, names in os.walk(temporary) for name in names)
        seen.update(map(str, planted.iterdir()))

    done = download(s3, URI, volume / "big", on_bytes=look)
    assert done.path.read_bytes() == BODY
    gathered = [name for name in seen if name != str(taken)]
    assert gathered
    assert not any(name.startswith((f"{temporary}/s3private-{os.getuid()}/", str(planted))) for name in gathered)
    assert [name for _, _, names in os.walk(temporary) for name in names if kind != "file"] == []


def test_a_hidden_file_that_goes_meanwhile_is_an_error_of_ours(s3: Any, tmp_path: Path) -> None:
    def gone(count: int) -> None:
        for each in tmp_path.glob(".*"):
            each.unlink()

    with pytest.raises(ReadError, match="removed or changed"):
        download(s3, URI, tmp_path / "big", on_bytes=gone)
    assert os.listdir(tmp_path) == []


LONG = ["n" * 255, "n" * 250, "é" * 127, "日" * 85]


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("size", [3, len(BODY)])
def test_a_name_as_long_as_a_name_may_be_is_downloaded(
    origin: Origin, s3: Any, tmp_path: Path, name: str, size: int
) -> None:
    origin.put("b", f"q/{name}", BODY[:size])
    assert download(s3, f"s3://b/q/{name}", tmp_path / "one" / name).size == size
    assert download_prefix(s3, "s3://b/q/", tmp_path / "all").files == 1
    for each in ("one", "all"):
        assert os.listdir(tmp_path / each) == [name]
        assert (tmp_path / each / name).read_bytes() == BODY[:size]


@pytest.mark.parametrize("size", [5, len(BODY)])
def test_an_object_of_a_hidden_name_is_not_lost(origin: Origin, s3: Any, tmp_path: Path, size: int) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    names = [".big.s3private", ".big.s3private.journal", *(each.name for each in hidden(tmp_path))]
    for number, name in enumerate(names):
        origin.put("b", f"p/{name}", BODY[number : number + size])
    for _ in range(2):
        download_prefix(s3, "s3://b/p/", tmp_path)
        assert sorted(os.listdir(tmp_path)) == sorted(["big", *names])
        assert (tmp_path / "big").read_bytes() == BODY
        for number, name in enumerate(names):
            assert (tmp_path / name).read_bytes() == BODY[number : number + size]


def test_two_that_write_one_small_file_both_do(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.put("b", "q/x", b"the x")
    replace, both = os.replace, threading.Barrier(2)

    def at_once(source: Any, target: Any) -> None:
        both.wait(10)
        replace(source, target)

    monkeypatch.setattr(os, "replace", at_once)
    done: list[object] = []

    def one() -> None:
        try:
            done.append(download_prefix(s3, "s3://b/q/", tmp_path).files)
        except (OSError, Refused) as error:
            done.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert done == [1, 1]
    assert os.listdir(tmp_path) == ["x"]


def test_two_that_write_one_large_file_of_a_prefix_both_do(origin: Origin, s3: Any, tmp_path: Path) -> None:
    done: list[int] = []

    def again(request: Any) -> None:
        if "range" in request.fields and not done:
            done.append(0)
            done.append(download_prefix(s3, "s3://b/p/", tmp_path).files)

    origin.before = again
    assert download_prefix(s3, "s3://b/p/", tmp_path).files == 1
    assert done == [0, 1]
    assert (tmp_path / "big").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["big"]


def test_a_new_file_has_the_mode_of_any_new_file(origin: Origin, s3: Any, tmp_path: Path) -> None:
    origin.put("b", "p/small", b"x")
    old = os.umask(0o027)
    try:
        download_prefix(s3, "s3://b/p/", tmp_path)
    finally:
        os.umask(old)
    assert {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {"big": 0o640, "small": 0o640}


def test_a_file_with_holes_of_the_right_size_and_time_is_not_taken_for_the_object(
    origin: Origin, s3: Any, tmp_path: Path
) -> None:
    download_prefix(s3, "s3://b/p/", tmp_path)
    file = tmp_path / "big"
    when = file.stat().st_mtime
    os.truncate(file, PART)
    os.truncate(file, len(BODY))
    os.utime(file, (when, when))
    assert download_prefix(s3, "s3://b/p/", tmp_path).files == 1
    assert file.read_bytes() == BODY


def test_a_journal_is_json_that_names_its_object(s3: Any, tmp_path: Path) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    bound, head, *parts = hidden(tmp_path)[1].read_text().splitlines()
    there = hidden(tmp_path)[0].stat()
    assert bound == f"{there.st_dev} {there.st_ino}"
    assert (json.loads(head)["object"], len(parts)) == (URI, 2)


def test_what_is_not_there_leaves_nothing(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(ReadError):
        download(s3, "s3://b/p/none", tmp_path / "none")
    assert os.listdir(tmp_path) == []


def test_another_file_of_ones_own_under_the_hidden_name_is_not_written_to(s3: Any, tmp_path: Path) -> None:
    """The journal speaks of the file that it was made with, and of no other."""
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    file, _ = hidden(tmp_path)
    beside = tmp_path / "beside"
    beside.write_bytes(b"of somebody's own")
    beside.replace(file)
    assert download(s3, URI, tmp_path / "big").path.read_bytes() == BODY
    assert file.read_bytes() == b"of somebody's own"


def test_a_rename_that_failed_costs_no_part(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.replace

    def refused(*arguments: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        download(s3, URI, tmp_path / "big")
    monkeypatch.setattr(os, "replace", real)
    done = download(s3, URI, tmp_path / "big")
    # All but the part by which S3 says that the object still is the same.
    assert (done.path.read_bytes() == BODY, done.resumed) == (True, 3 * PART)


def test_of_an_object_that_was_replaced_the_new_parts_are_gone_on_with(origin: Origin, s3: Any, tmp_path: Path) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    new = os.urandom(len(BODY))
    origin.put("b", "p/big", new, **crc32(new))
    told: list[int] = []

    def stop(count: int) -> None:
        told.append(count)
        # What the earlier run had was told first, and taken back.
        if sum(told) >= 2 * PART and min(told) < 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(s3, URI, tmp_path / "big", ahead=1, on_bytes=stop)
    done = download(s3, URI, tmp_path / "big")
    assert done.path.read_bytes() == new
    assert done.resumed >= PART


@pytest.mark.parametrize("fields", [[], ["a"], "a", None, 7, {"x-amz-checksum-crc32": 7}])
def test_a_journal_whose_fields_are_none_is_none(s3: Any, tmp_path: Path, fields: Any) -> None:
    interrupted(lambda **how: download(s3, URI, tmp_path / "big", ahead=1, **how))
    journal = hidden(tmp_path)[1]
    bound, head, *parts = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([bound, json.dumps({**json.loads(head), "fields": fields}) + "\n", *parts]))
    done = download(s3, URI, tmp_path / "big")
    assert (done.path.read_bytes() == BODY, done.resumed) == (True, 0)

"""Not every key can be a file, nor all of them together: what can be one is written, what cannot is named."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
import pytest

from origin.server import Origin
from s3private import ObjectEntry, ObjectVersion, ReadError, Refused, connect, download, download_prefix, list_objects
from s3private.jobs import read
from s3private.jobs.ending import JobFailed
from s3private.key_files import takes_two_names_for_one


@pytest.fixture
def s3(origin: Origin) -> Any:
    return connect(origin.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))


def files(directory: Path) -> dict[str, bytes]:
    return {str(f.relative_to(directory)): f.read_bytes() for f in directory.rglob("*") if f.is_file()}


NO_NAMES = [".", "..", "/", "p/.", "p/..", "p/x/", "p//", "p/a\0b", "p/" + "n" * 256, "p/" + "é" * 128]


@pytest.mark.parametrize("key", NO_NAMES)
@pytest.mark.parametrize("size", [4, 9 << 20])
def test_a_key_whose_last_part_is_no_name_writes_nothing_anywhere(
    origin: Origin, s3: Any, tmp_path: Path, key: str, size: int
) -> None:
    origin.put("b", key, bytes(size))
    (tmp_path / "dest").mkdir()
    with pytest.raises(Refused, match="cannot be a file under"):
        download(s3, f"s3://b/{key}", tmp_path / "dest")
    assert [str(each) for each in tmp_path.rglob("*")] == [str(tmp_path / "dest")]
    assert origin.requests == []
    # Under a name that is given it is a file like any other.
    assert download(s3, f"s3://b/{key}", tmp_path / "given").size == size


def test_a_name_that_is_a_directory_is_refused_before_anything_is_asked(
    origin: Origin, s3: Any, tmp_path: Path
) -> None:
    (tmp_path / "x").mkdir()
    with pytest.raises(Refused, match="is a directory"):
        download(s3, "s3://b/p/x", tmp_path)
    assert origin.requests == []


def test_what_can_be_a_file_is_written_and_what_cannot_is_named_every_time(
    origin: Origin, s3: Any, tmp_path: Path
) -> None:
    bad = ["p/a/b", "p/a/b/c", "p/./x", "p/x//y", "p/folder/", "p/../z", f"p/{'n' * 256}", "p/large/b"]
    good = {"p/a": b"1", "p/a-b": b"2", "p/x": b"3", "p/y": b"4", "p/large": bytes(9 << 20), "p/ab/c": b""}
    for key in bad:
        origin.put("b", key, key.encode())
    for key, body in good.items():
        origin.put("b", key, body)
    origin.put("b", "p/empty/", b"")
    for _ in range(2):
        with pytest.raises(Refused, match=f"^{len(bad)} objects have no place for a file.*'s3://b/p/../z'"):
            download_prefix(s3, "s3://b/p/", tmp_path)
        assert files(tmp_path) == {key.removeprefix("p/"): body for key, body in good.items()}
    told: dict[str, str] = {}
    done = download_prefix(s3, "s3://b/p/", tmp_path, on_error=lambda uri, error: told.update({uri: str(error)}))
    assert set(told) == {f"s3://b/{key}" for key in bad}
    assert (done.files, done.skipped, done.folders, done.left_out) == (0, len(good), 1, len(bad))


@pytest.mark.parametrize("size", [1, 9 << 20])
@pytest.mark.parametrize("key", ["a", "a/b"])
def test_what_the_directory_has_no_place_for_is_named_and_nothing_of_it_is_lost(
    origin: Origin, s3: Any, tmp_path: Path, key: str, size: int
) -> None:
    origin.put("b", f"p/{key}", bytes(size))
    origin.put("b", "p/z", b"z")
    if key == "a":
        (tmp_path / "a").mkdir()
        (tmp_path / "a/mine").write_bytes(b"mine")
    else:
        (tmp_path / "a").write_bytes(b"mine")
    before = files(tmp_path)
    for _ in range(2):
        with pytest.raises(Refused, match=f"1 object has no place for a file.*p/{key}"):
            download_prefix(s3, "s3://b/p/", tmp_path)
        assert files(tmp_path) == before | {"z": b"z"}


def test_what_cannot_be_read_is_handed_over_with_its_uri(origin: Origin, s3: Any, tmp_path: Path) -> None:
    for key, size in {"p/a": 1, "p/b": 2, "p/c": 9 << 20, "p/d": 9 << 20}.items():
        origin.put("b", key, bytes(size))
    entries = list(list_objects(s3, "s3://b/p/"))
    for key in ("p/a", "p/c"):
        origin.put("b", key, b"replaced")
    told: dict[str, Any] = {}
    done = download_prefix(s3, "s3://b/p/", tmp_path, entries=iter(entries), on_error=told.__setitem__)
    assert {uri: isinstance(error, ReadError) for uri, error in told.items()} == {
        "s3://b/p/a": True,
        "s3://b/p/c": True,
    }
    assert (done.files, done.left_out, set(files(tmp_path))) == (2, 2, {"b", "d"})


def test_an_entry_named_twice_is_one_file(origin: Origin, s3: Any, tmp_path: Path) -> None:
    origin.put("b", "p/a", b"1")
    entries = list(list_objects(s3, "s3://b/p/"))
    assert download_prefix(s3, "s3://b/p/", tmp_path, entries=iter(entries * 3)).files == 1


@pytest.mark.parametrize(
    ("first", "second"), [("README", "readme"), ("caf\u00e9", "cafe\u0301"), ("stra\u00dfe", "STRASSE")]
)
def test_where_two_names_are_one_file_the_second_key_is_named_and_overwrites_nothing(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    monkeypatch.setattr("s3private.key_files.takes_two_names_for_one", lambda directory: True)
    keys = sorted([first, second], key=str.encode)
    for key in [*keys, "other"]:
        origin.put("b", f"p/{key}", key.encode())
    with pytest.raises(Refused, match="1 object has no place"):
        download_prefix(s3, "s3://b/p/", tmp_path)
    assert files(tmp_path) == {keys[0]: keys[0].encode(), "other": b"other"}


def test_this_file_system_tells_names_apart_and_both_keys_are_files(origin: Origin, s3: Any, tmp_path: Path) -> None:
    (tmp_path / "Probe").touch()
    if (tmp_path / "pROBE").exists():
        pytest.skip("this file system takes two names for one")
    for key in ("README", "readme"):
        origin.put("b", f"p/{key}", key.encode())
    download_prefix(s3, "s3://b/p/", tmp_path / "all")
    assert files(tmp_path / "all") == {"README": b"README", "readme": b"readme"}


def test_names_that_windows_does_not_take_are_refused_there(
    origin: Origin, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from s3private.key_files import file_below

    names = ["..\\x", "c:x", "a\\b", "x.", "x ", "con", "NUL.txt", "COM1", "a?b", "a\x1fb"]
    for name in names:
        assert file_below(tmp_path, name, "s3://b/k") == tmp_path / name
    monkeypatch.setattr(os, "name", "nt")
    for name in names:
        with pytest.raises(Refused, match="Windows"):
            file_below(tmp_path, name, "s3://b/k")


# The job


@pytest.fixture
def volume(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    origin.route().save(tmp_path / "demo.route.json")
    return tmp_path


@contextlib.contextmanager
def job_read(volume: Path) -> Iterator[None]:
    with pytest.raises(JobFailed, match="left out") as said:
        read.main([f"--volume={volume}", "--route=demo.route.json", "--bucket=b", "--prefix=p/", "--output=out"])
    assert "\n" not in str(said.value)
    yield


def test_the_job_writes_no_two_keys_to_one_file(
    origin: Origin, volume: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bodies = {"p/x": b"one", "p/./x": b"two", "p/y/../x": b"three", "p/x/y": b"four", "p//x": b"five", "p/..": b"six"}
    for key, body in bodies.items():
        origin.put("b", key, body)
    origin.put("b", "p/large", bytes(9 << 20))
    for _ in range(2):
        with job_read(volume):
            pass
        rows = [json.loads(line) for line in (volume / "out/objects.jsonl").read_text("utf-8").splitlines()]
        assert {row["key"]: row["sha256"] for row in rows} == {
            "p/x": sha256(b"one").hexdigest(),
            "p/large": sha256(bytes(9 << 20)).hexdigest(),
        }
        assert set(files(volume / "out")) == {"objects.jsonl", "b/p/x", "b/p/large"}
        said = capsys.readouterr().out
        (line,) = [line for line in said.splitlines() if line.startswith("{")]
        assert (json.loads(line)["outcome"], json.loads(line)["left_out"]) == ("failed", 5)


def test_the_job_leaves_out_what_has_no_place_and_keeps_what_is_there(origin: Origin, volume: Path) -> None:
    for key in ("p/a", "p/b", "p/c"):
        origin.put("b", key, b"new")
    origin.put("b", "p/d", bytes(9 << 20))
    for key in ("p/b", "p/d"):
        (volume / "out/b" / key).mkdir(parents=True)
    (volume / "out/b/p/a").write_bytes(b"old")
    with job_read(volume):
        assert files(volume / "out/b") == {"p/a": b"new", "p/c": b"new"}


def test_a_file_of_the_job_is_whole_or_the_old_one(
    origin: Origin, volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.put("b", "p/a", b"new")
    (volume / "out/b/p").mkdir(parents=True)
    (volume / "out/b/p/a").write_bytes(b"old")
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith("/a"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(JobFailed, match="No space left"):
        read.main([f"--volume={volume}", "--route=demo.route.json", "--bucket=b", "--prefix=p/", "--output=out"])
    assert files(volume / "out") == {"b/p/a": b"old"}


@pytest.mark.parametrize("size", [4, 9 << 20])
def test_a_directory_that_is_a_link_is_not_followed(origin: Origin, s3: Any, tmp_path: Path, size: int) -> None:
    """Out of the directory, or to where another key's file is."""
    dest, elsewhere = tmp_path / "dest", tmp_path / "elsewhere"
    (dest / "real").mkdir(parents=True)
    elsewhere.mkdir()
    (dest / "out").symlink_to(elsewhere)
    (dest / "twice").symlink_to("real")
    for key in ("out/x", "out/deep/x", "real/x", "twice/x"):
        origin.put("b", key, key.encode() * (size // 4))
    refused: dict[str, str] = {}
    done = download_prefix(s3, "s3://b/", dest, on_error=lambda uri, error: refused.update({uri: str(error)}))
    assert sorted(refused) == ["s3://b/out/deep/x", "s3://b/out/x", "s3://b/twice/x"]
    assert all("is a link to another directory" in said for said in refused.values())
    assert (done.files, done.left_out) == (1, 3)
    assert files(elsewhere) == {}
    assert files(dest) == {"real/x": b"real/x" * (size // 4)}
    # A root that is a link was named by the caller.
    (tmp_path / "link").symlink_to(elsewhere)
    assert download_prefix(s3, "s3://b/out/", tmp_path / "link").files == 2


@pytest.mark.parametrize("size", [4, 9 << 20])
def test_two_versions_of_a_key_are_not_one_file(origin: Origin, s3: Any, tmp_path: Path, size: int) -> None:
    stored = {each: origin.put("b", "p/x", each.encode() * (size // 2), version=each) for each in ("v2", "v1")}
    now = datetime.now(UTC)
    versions: list[Any] = [
        ObjectVersion("b", "p/x", each, each == "v2", False, size, now, stored[each].etag, "STANDARD")
        for each in ("v2", "v1")
    ]
    with pytest.raises(Refused, match=r"1 object has no place for a file.*its version v2 is that file"):
        download_prefix(s3, "s3://b/p/", tmp_path, entries=iter(versions))
    assert files(tmp_path) == {"x": b"v2" * (size // 2)}
    entry: Any = ObjectEntry("b", "p/x", size, now, stored["v2"].etag, "STANDARD")
    with pytest.raises(Refused, match=r"1 object has no place.*objects and versions of objects were given together"):
        download_prefix(s3, "s3://b/p/", tmp_path, entries=iter([versions[0], entry]))


@pytest.mark.parametrize("size", [4, 9 << 20])
def test_a_full_disk_is_said_of_a_file(
    origin: Origin, s3: Any, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.put("b", "x", bytes(size))

    def full(*arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'x'}'"):
        download_prefix(s3, "s3://b/", tmp_path)


@pytest.mark.parametrize("no_accents", [False, True])
def test_a_place_that_takes_two_names_for_one_is_known_by_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_accents: bool
) -> None:
    """Where it takes no accent at all, by upper and lower case; what was tried leaves nothing, no open file either."""
    real = os.open

    def ascii_only(path: Any, *arguments: Any) -> int:
        if no_accents and not str(path).isascii():
            raise OSError(errno.EILSEQ, os.strerror(errno.EILSEQ))
        return real(path, *arguments)

    free = real(tmp_path, os.O_RDONLY)
    os.close(free)
    monkeypatch.setattr(os, "open", ascii_only)
    assert not takes_two_names_for_one(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(
        os.path,
        "lexists",
        lambda path: str(path).casefold() in {str(each).casefold() for each in tmp_path.iterdir()},
    )
    assert takes_two_names_for_one(tmp_path)
    assert list(tmp_path.iterdir()) == []
    again = real(tmp_path, os.O_RDONLY)
    os.close(again)
    assert again == free


def test_the_read_job_follows_no_link_either(origin: Origin, s3: Any, tmp_path: Path) -> None:
    for key in ("out/x", "real/x"):
        origin.put("b", key, key.encode())
    dest, elsewhere = tmp_path / "dest", tmp_path / "elsewhere"
    elsewhere.mkdir()
    entries = list(list_objects(s3, "s3://b/"))
    link = read.file_of(dest, entries[0]).parent
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    left_out: list[Refused] = []
    rows = list(read._written(s3, entries, dest, left_out))
    assert len(rows) == 1
    assert "is a link to another directory" in str(left_out[0])
    assert files(elsewhere) == {}

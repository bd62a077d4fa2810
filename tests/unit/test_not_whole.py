"""What was broken off is not taken for whole by who goes on; what is shorter than it was listed is no object."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import s3private
from origin.server import Fault, Origin, Request, Stored
from s3private import ObjectEntry, ReadError, Refused

KEYS = tuple(f"p/{number:02}" for number in range(30))


@pytest.fixture
def filled(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Origin:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    for key in KEYS:
        origin.put("b", key, b"x")
    origin.put("b", "big", os.urandom(3 << 20))
    return origin


STREAMS: dict[str, Callable[[Any], Iterator[Any]]] = {
    "read_objects": lambda s3: s3private.read_objects(s3, [f"s3://b/{key}" for key in KEYS], workers=1),
    "stream_object": lambda s3: s3private.stream_object(s3, "s3://b/big", part=1 << 20, ahead=1),
}


@pytest.mark.parametrize("call", STREAMS)
def test_who_goes_on_after_an_error_is_told_again_that_it_is_not_whole(filled: Origin, call: str) -> None:
    filled.fault = lambda r: (
        Fault("slow down") if r.key == "p/07" or "bytes=2097152" in r.fields.get("range", "") else None
    )
    stream = STREAMS[call](s3private.connect(filled.route()))
    for _ in range(3):
        with pytest.raises(ReadError):
            list(stream)


@pytest.mark.parametrize("call", STREAMS)
def test_a_cell_that_was_interrupted_and_is_run_again_does_not_end_as_if_it_were_whole(
    filled: Origin, call: str
) -> None:
    def interrupt(request: Request) -> None:
        if request.key == "p/07" or "bytes=2097152" in request.fields.get("range", ""):
            filled.before = lambda _request: None
            os.kill(os.getpid(), signal.SIGINT)

    filled.before = interrupt
    stream = STREAMS[call](s3private.connect(filled.route()))
    with pytest.raises(KeyboardInterrupt):
        list(stream)
    with pytest.raises(ReadError, match="is not whole"):
        list(stream)


@pytest.mark.parametrize("lean", [True, False])
def test_fewer_bytes_than_were_listed_are_an_error_of_every_way_of_reading(
    filled: Origin, tmp_path: Path, lean: bool
) -> None:
    stored = filled.put("b", "t", b"0123456789" * 10)
    s3 = s3private.connect(filled.route(), lean=lean)
    entry = next(each for each in s3private.list_objects(s3, "s3://b/") if each.key == "t")
    filled.objects["b", "t", None] = Stored(stored.body[:51], stored.etag)
    calls: list[Callable[[ObjectEntry], object]] = [
        lambda e: list(s3private.read_objects(s3, [e])),
        lambda e: s3private.read_object(s3, e),
        lambda e: s3private.open_object(s3, e).read(),
        lambda e: s3private.download(s3, e, tmp_path / "t"),
    ]
    for call in calls:
        with pytest.raises(ReadError):
            call(entry)
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("left", ["etag", "content-length", "last-modified"])
def test_a_head_without_a_field_is_one_of_our_errors(filled: Origin, left: str) -> None:
    fields = {"etag": '"e"', "content-length": "10", "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT"}
    del fields[left]
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    filled.raw = lambda r: [f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()] if r.method == "HEAD" else None
    with pytest.raises(ReadError, match="s3://b/big"):
        s3private.open_object(s3private.connect(filled.route()), "s3://b/big")


@pytest.mark.parametrize("key", ["big", "p/00"])
def test_a_pipe_is_not_replaced_by_a_file(filled: Origin, tmp_path: Path, key: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="is no file but a pipe"):
        s3private.download(s3private.connect(filled.route()), f"s3://b/{key}", tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)

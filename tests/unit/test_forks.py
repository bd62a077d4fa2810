"""After a fork the child has the client, and none of its threads, and the parent goes on as if nothing had been."""

from __future__ import annotations

import builtins
import io
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import BotoCoreError

import s3private
from forked import fork, in_child
from origin.lists import Lists
from origin.server import Request, crc32
from s3private import (
    Refused,
    connect,
    download,
    list_objects,
    open_object,
    read_object,
    read_objects,
    stream_object,
    stream_parquet,
)
from s3private.client import wire_of
from s3private.credentials import refreshing_session
from s3private.forks import no_fork
from unit.bucket import Bucket

# Python warns of every fork of a process with threads: that is what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

WAYS = pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
SMALL = [f"p/{number:03}" for number in range(20)]
LARGE = bytes(range(256)) * (12 << 10)


def body(key: str) -> bytes:
    return f"<{key}>".encode() * (int(key[-3:]) + 1)


@pytest.fixture
def lists(authority: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    """Twenty small objects and a large one."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    made = Lists(authority, Bucket([*SMALL, "large"]))
    for key in SMALL:
        made.put("b", key, body(key), **crc32(body(key)))
    made.put("b", "large", LARGE, **crc32(LARGE))
    with made.serving():
        yield made


def client(lists: Lists, *, lean: bool = True, **options: Any) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
    return connect(lists.route(), session=session, lean=lean, **options)


READINGS: dict[str, Callable[[Any, str], bytes]] = {
    "read_object": lambda s3, uri: read_object(s3, uri).body,
    "open_object": lambda s3, uri: open_object(s3, uri).read(),
    "stream_object": lambda s3, uri: b"".join(stream_object(s3, uri)),
    "boto3": lambda s3, uri: s3.get_object(Bucket="b", Key=uri.removeprefix("s3://b/"))["Body"].read(),
}


@WAYS
@pytest.mark.parametrize("reading", READINGS)
def test_each_forked_process_gets_its_own_answers(lists: Lists, lean: bool, reading: str) -> None:
    s3, read = client(lists, lean=lean), READINGS[reading]
    # The connection that then lies idle is all children's.
    read(s3, "s3://b/p/000")

    def some(first: int) -> list[str]:
        return [key for key in SMALL[first::4] if read(s3, f"s3://b/{key}") != body(key)]

    children = [fork(partial(some, first)) for first in range(4)]
    assert [child.came() for child in children] == [[]] * 4
    assert some(0) == []


@WAYS
def test_a_child_speaks_on_no_connection_of_the_parents(lists: Lists, lean: bool) -> None:
    s3 = client(lists, lean=lean)

    def ask() -> None:
        read_object(s3, "s3://b/p/001")
        s3.head_object(Bucket="b", Key="p/001")

    ask()
    parents = {request.connection for request in lists.requests}
    asked = len(lists.requests)
    in_child(ask)
    childs = {request.connection for request in lists.requests[asked:]}
    assert not parents & childs
    asked = len(lists.requests)
    ask()
    assert {request.connection for request in lists.requests[asked:]} == parents


@pytest.mark.parametrize("under_way", [True, False])
@WAYS
def test_an_opened_file_goes_on_in_a_forked_process(lists: Lists, lean: bool, under_way: bool) -> None:
    """under_way: a thread has asked for what comes next, and the server has not answered it yet."""
    s3 = client(lists, lean=lean)
    asked, answers = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if not request.fields.get("range", "bytes=0-").startswith("bytes=0-"):
            asked.set()
            answers.wait(60)

    if under_way:
        lists.before = hold
    file = open_object(s3, "s3://b/large")
    first = file.read(1 << 20)
    assert not under_way or asked.wait(60)

    def rest() -> bool:
        came = [first]
        while piece := file.read(1 << 18):
            came.append(piece)
        return b"".join(came) == LARGE and file.verified == "CRC32"

    child = fork(rest)
    answers.set()
    assert child.came()
    assert rest()


def test_a_file_that_a_thread_was_reading_is_read_on_in_a_child(lists: Lists) -> None:
    """What the checksum has of it is not known there: it says nothing, rather than that the bytes are wrong."""
    file = open_object(client(lists), "s3://b/large", ahead=0)
    asked, answers = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        asked.set()
        answers.wait(60)

    lists.before = hold
    thread = threading.Thread(target=lambda: file.read(1 << 20))
    thread.start()
    assert asked.wait(60)

    def all_of_it() -> tuple[bool, str | None]:
        file.seek(0)
        return file.read() == LARGE, file.verified

    child = fork(all_of_it)
    answers.set()
    assert child.came() == (True, None)
    thread.join(60)
    assert file.read() == LARGE[1 << 20 :]
    assert file.verified == "CRC32"


BEGUN: dict[str, Callable[[Any], Iterator[Any]]] = {
    "list_objects": lambda s3: iter(list_objects(s3, "s3://b/p/", page_size=3, at_once=2)),
    "list_objects by next": lambda s3: list_objects(s3, "s3://b/p/", page_size=3, at_once=2),
    "read_objects": lambda s3: read_objects(s3, [f"s3://b/{key}" for key in SMALL], workers=2),
    "stream_object": lambda s3: stream_object(s3, "s3://b/large", part=1 << 18),
}


@WAYS
@pytest.mark.parametrize("begun", BEGUN)
def test_what_was_begun_is_refused_in_a_child_and_goes_on_in_the_parent(lists: Lists, lean: bool, begun: str) -> None:
    s3 = client(lists, lean=lean)
    expected = list(BEGUN[begun](s3))
    for ends in ("goes on", "closes", "forgets"):
        under_way = [BEGUN[begun](s3)]
        came = [next(under_way[0])]

        def child(under_way: list[Iterator[Any]] = under_way, ends: str = ends) -> bool:
            if ends == "goes on":
                # What of a page is there already may come; then it is refused.
                with pytest.raises(Refused, match="Call it again here, with the same client"):
                    list(under_way[0])
            elif ends == "closes" and hasattr(under_way[0], "close"):
                under_way[0].close()
            del under_way[0]
            return list(BEGUN[begun](s3)) == expected

        assert in_child(child)
        came += under_way[0]
        assert came == expected


def test_what_a_thread_goes_through_is_refused_in_a_child(lists: Lists) -> None:
    """It cannot say there that it is running, as Python's generators would."""
    s3 = client(lists)
    asked, answers = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        asked.set()
        answers.wait(60)

    for begun, make in BEGUN.items():
        under_way = make(s3)
        asked.clear()
        answers.clear()
        lists.before = hold
        thread = threading.Thread(target=list, args=(under_way,))
        thread.start()
        assert asked.wait(60)
        child = fork(partial(list, under_way))
        answers.set()
        with pytest.raises(Refused, match="Call it again here"):
            print(begun, child.came())
        thread.join(60)


def test_a_stream_of_tables_is_refused_in_a_child(lists: Lists) -> None:
    """Its threads are not there, and it would wait for them."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    written = io.BytesIO()
    pq.write_table(pa.table({"n": range(4000)}), written, row_group_size=500)
    lists.put("b", "t.parquet", written.getvalue())
    tables = stream_parquet(client(lists), "s3://b/t.parquet", workers=2)
    rows = next(tables).num_rows

    def goes_on() -> None:
        with pytest.raises(Refused, match="Call it again here"):
            next(tables)

    in_child(goes_on)
    assert rows + sum(table.num_rows for table in tables) == 4000


@pytest.mark.parametrize("begun", BEGUN)
def test_what_was_made_and_not_begun_is_the_childs_own(lists: Lists, begun: str) -> None:
    s3 = client(lists)
    made = BEGUN[begun](s3)
    if begun == "list_objects":
        made = list_objects(s3, "s3://b/p/", page_size=3, at_once=2)
    expected = list(BEGUN[begun](s3))
    assert in_child(lambda: list(made)) == expected
    assert list(made) == expected


def _locks(s3: Any) -> dict[str, Any]:
    session = s3._endpoint.http_session
    pool = next(iter(session._manager.pools._container.values()))
    wire: Any = wire_of(s3)
    return {
        "the wire's": wire._lock,
        "its pools'": session._manager.pools.lock,
        "its pool's": pool.pool.mutex,
    }


@pytest.mark.parametrize("name", ["the wire's", "its pools'", "its pool's"])
def test_a_lock_that_a_thread_held_is_open_in_a_child(lists: Lists, name: str) -> None:
    s3 = client(lists)
    s3.head_object(Bucket="b", Key="p/001")
    lock, holds, ends = _locks(s3)[name], threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holds.set()
            ends.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert holds.wait(60)

    def asks() -> tuple[bytes, int]:
        s3.head_object(Bucket="b", Key="p/001")
        return read_object(s3, "s3://b/p/001").body, len(list(list_objects(s3, "s3://b/p/")))

    child = fork(asks)
    try:
        assert child.came() == (body("p/001"), 20)
    finally:
        ends.set()
        thread.join()


def test_keys_that_a_thread_was_fetching_are_fetched_again_in_a_child(lists: Lists) -> None:
    fetching, ends, process = threading.Event(), threading.Event(), os.getpid()

    def fetch() -> dict[str, str]:
        if os.getpid() == process:
            fetching.set()
            ends.wait(60)
        expires = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
        return {"access_key": "AKIA", "secret_key": "not-a-secret", "token": "token", "expiry_time": expires}

    s3 = connect(lists.route(), session=refreshing_session(fetch, "test", "eu-west-1"))
    thread = threading.Thread(target=lambda: read_object(s3, "s3://b/p/001"))
    thread.start()
    assert fetching.wait(60)
    child = fork(lambda: (read_object(s3, "s3://b/p/001").body, s3.head_object(Bucket="b", Key="p/001")["ETag"]))
    try:
        assert child.came()[0] == body("p/001")
    finally:
        ends.set()
        thread.join()


def test_a_body_of_boto3s_is_read_on_in_the_parent_alone(lists: Lists) -> None:
    s3 = client(lists)
    stream = s3.get_object(Bucket="b", Key="large")["Body"]
    first = stream.read(1000)

    def reads_on() -> None:
        with pytest.raises(BotoCoreError):
            stream.read()

    in_child(reads_on)
    assert first + stream.read() == LARGE


def test_a_child_keeps_no_download_of_the_parents_locked(lists: Lists, tmp_path: Path) -> None:
    s3 = client(lists)
    ends, says = os.pipe()
    children = []

    class Stopped(Exception):
        pass

    def stop(count: int) -> None:
        # A child that stays, as a pool's worker does.
        children.append(fork(lambda: os.read(ends, 1)))
        raise Stopped

    with pytest.raises(Stopped):
        download(s3, "s3://b/large", tmp_path / "file", on_bytes=stop)
    download(s3, "s3://b/large", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == LARGE
    os.write(says, b".")
    assert children[0].came() == b"."
    os.close(ends)
    os.close(says)


@pytest.mark.parametrize("key", ["p/001", "large"])
def test_a_download_is_ended_by_the_parent_alone(lists: Lists, tmp_path: Path, key: str) -> None:
    """Where the child comes out of the callback that forked, and would go on, too."""
    s3, parent = client(lists), os.getpid()
    file = tmp_path / "file"
    children: list[int] = []

    def forks(count: int) -> None:
        if not children:
            children.append(os.fork())

    try:
        download(s3, f"s3://b/{key}", file, on_bytes=forks)
    except BaseException as error:
        if os.getpid() == parent:
            raise
        os._exit(3 if isinstance(error, Refused) and not file.exists() else 4)
    if os.getpid() != parent:
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) in (3, 4)
    assert file.read_bytes() == lists.objects["b", key, None].body


def test_a_fork_waits_for_a_handshake_to_take_its_step() -> None:
    """OpenSSL's own locks are out of reach: in a child nobody would open one that a thread held."""
    within, ends, over = threading.Event(), threading.Event(), threading.Event()

    def step() -> None:
        with no_fork():
            within.set()
            ends.wait(0.3)
            over.set()

    thread = threading.Thread(target=step)
    thread.start()
    assert within.wait(60)
    assert in_child(over.is_set)
    thread.join()


def test_a_signals_handler_that_forks_within_a_handshake_does_not_wait_for_itself() -> None:
    came: list[Any] = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append(in_child(lambda: "here")))
    try:
        with no_fork():
            signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came == ["here"]
    assert in_child(lambda: "and later") == "and later"


HALF = """
import builtins
builtins.began.set()
assert builtins.go_on.wait(60)
thing = 7
"""


def test_a_fork_waits_for_what_a_thread_imports_just_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the module's lock stays shut in the child, where nobody has its key."""
    (tmp_path / "half_imported.py").write_text(HALF, encoding="utf-8")
    monkeypatch.setattr(s3private, "__path__", [*s3private.__path__, str(tmp_path)])
    monkeypatch.setitem(s3private._HOME, "half_imported", ("thing",))
    began, go_on = threading.Event(), threading.Event()
    monkeypatch.setattr(builtins, "began", began, raising=False)
    monkeypatch.setattr(builtins, "go_on", go_on, raising=False)
    importing = threading.Thread(target=s3private.__getattr__, args=("thing",))
    importing.start()
    assert began.wait(60)
    waiting = threading.Timer(0.1, go_on.set)  # while the fork waits
    waiting.start()
    child = fork(partial(s3private.__getattr__, "thing"))
    importing.join()
    assert child.came() == 7

"""What is asked again, and why, is counted in `explain` and said through `logging`; nothing secret is."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest

from origin.authority import Authority
from origin.lists import Lists
from origin.server import Fault, Origin, crc32
from s3private import (
    ReadError,
    connect,
    download,
    explain,
    list_objects,
    read_object,
    read_objects,
    read_ranges,
    stream_object,
)
from s3private.client import counters_of
from s3private.counters import Counters
from unit.bucket import Bucket

SECRETS = ("AKIAEXAMPLE000000000", "not-a-secret", "a-session-token", "Signature", "what-is-in-it")


@pytest.fixture
def lists(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Lists(authority, Bucket([f"k{number}" for number in range(25)])).serving() as lists:
        assert isinstance(lists, Lists)
        yield lists


def client(origin: Origin, *, lean: bool = True, read_timeout: float = 20) -> Any:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret", "a-session-token")
    return connect(origin.route(), session=session, lean=lean, read_timeout=read_timeout)


def said(s3: Any) -> list[str]:
    """The lines that count."""
    lines = explain(s3).splitlines()
    return lines[next(at for at, line in enumerate(lines) if line.startswith("own answers")) :]


def transport(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(each.levelno, each.getMessage()) for each in caplog.records if each.name == "s3private.transport"]


def test_nothing_asked_is_one_line(origin: Origin) -> None:
    assert said(client(origin)) == ["own answers     none so far"]
    assert said(client(origin, lean=False)) == ["own answers     none so far"]


def test_own_answers_are_counted_by_kind_with_their_bytes(lists: Lists) -> None:
    bodies = {f"s3://b/k{number}": b"what-is-in-it" * number for number in range(1, 9)}
    for uri, body in bodies.items():
        lists.put("b", uri[-2:], body, **crc32(body))
    s3 = client(lists)
    assert [each.body for each in read_objects(s3, bodies)] == list(bodies.values())
    assert read_ranges(s3, "s3://b/k8", [(0, 5), (50, 5)]) == [bodies["s3://b/k8"][:5], bodies["s3://b/k8"][50:55]]
    size = sum(map(len, bodies.values())) + 10
    found = counters_of(s3).as_dict()
    assert (found["objects"], found["bytes"], found["again"], found["unverified"]) == (10, size, {}, {})
    assert len(list(list_objects(s3, "s3://bucket/", page_size=10))) == 25
    found = counters_of(s3).as_dict()
    pages = len(lists.requests) - 10
    assert (found["lists"], found["objects"]) == (pages, 10)
    assert said(s3)[0].startswith(f"own answers     {pages} lists, 10 objects or ranges, ")
    assert [line[:16] for line in said(s3)] == ["own answers     ", "connections     "]


def test_a_list_that_s3_writes_a_little_differently_is_a_warning_once_and_counted(
    lists: Lists, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "s3private")
    lists.written = lambda request, page: page.replace("<ListBucketResult ", "<ListBucketResult new='1' ")
    s3 = client(lists)
    assert len(list(list_objects(s3, "s3://bucket/", page_size=10))) == 25
    messages = transport(caplog)
    pages = len(lists.through_boto3())
    assert pages >= 3
    assert [level for level, _ in messages] == [logging.WARNING] + [logging.DEBUG] * (pages - 1)
    assert "s3://bucket/: asked again through boto3: list page not understood: " in messages[0][1]
    assert "<ListBucketResult new=" in messages[0][1]
    assert "request 0A1B2C3D" in messages[0][1]
    assert f"({pages} so far" in messages[-1][1]
    assert counters_of(s3).as_dict()["again"] == {"list page not understood": pages}
    assert said(s3)[:2] == [
        "own answers     none so far",
        f"asked again     {pages} through boto3: {pages} x list page not understood",
    ]


@pytest.mark.parametrize(
    ("was", "becomes", "seen"),
    [
        ("<Size>", "<Weight>1</Weight><Size>", "<Weight>"),
        ("2026-01", "2026-13", "<LastModified>2026-13"),
        ("<Key>k10</Key>", "<Key>k&amp;</Key>", "k&amp;"),
        ("</ListBucketResult>", "<More/></ListBucketResult>", "<More>"),
        ("<EncodingType>url</EncodingType>", "", "contradict"),
        ("<", "?", "?ListBucketResult"),
    ],
)
def test_what_was_not_understood_of_a_list_is_shown(
    lists: Lists, caplog: pytest.LogCaptureFixture, was: str, becomes: str, seen: str
) -> None:
    lists.written = lambda request, page: (
        page if request.by_boto3 else page.replace('<?xml version="1.0" encoding="UTF-8"?>\n', "").replace(was, becomes)
    )
    list(list_objects(client(lists), "s3://bucket/"))
    [(level, message)] = transport(caplog)
    assert level == logging.WARNING
    assert seen in message


@pytest.mark.parametrize(
    ("kind", "reason", "level"),
    [
        ("slow down", "status 503", logging.INFO),
        ("truncate", "connection broke off", logging.INFO),
        ("head", "not an HTTP/1.1 answer", logging.WARNING),
        ("stall", "too slow", logging.INFO),
    ],
)
def test_why_an_object_was_asked_again_is_counted_and_said(
    origin: Origin, caplog: pytest.LogCaptureFixture, kind: str, reason: str, level: int
) -> None:
    caplog.set_level(logging.DEBUG, "s3private")
    origin.put("b", "k\n\x1b", b"what-is-in-it" * 1000, **crc32(b"what-is-in-it" * 1000))
    origin.fault = lambda request: None if request.by_boto3 else Fault(kind, 20)
    s3 = client(origin, read_timeout=0.3 if kind == "stall" else 20)
    for _ in range(2):
        assert len(read_object(s3, "s3://b/k\n\x1b").body) == 13_000
    messages = transport(caplog)
    assert [each for each, _ in messages] == [level, logging.DEBUG]
    assert all(f"s3://b/k\\n\\x1b: asked again through boto3: {reason}" in message for _, message in messages)
    assert counters_of(s3).as_dict()["again"] == {reason: 2}
    assert ("slow down       2 times (status 503)" in said(s3)) == (kind == "slow down")


def test_no_credentials_and_no_connection_are_reasons(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    session = boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")
    s3 = connect(origin.route(), session=session)
    monkeypatch.setattr(session, "get_credentials", lambda: None)
    origin.put("b", "k", b"x")
    assert read_object(s3, "s3://b/k").body == b"x"
    assert counters_of(s3).as_dict()["again"] == {"no credentials to sign with": 1}


def test_what_boto3_tries_again_and_what_is_resumed_is_counted(origin: Origin) -> None:
    body = bytes(100_000)
    origin.put("b", "k", body, **crc32(body))
    # boto3 hears SlowDown once; a body that it gets breaks off once.
    faults = iter([Fault("slow down"), None, Fault("truncate", 50_000)])
    origin.fault = lambda request: next(faults, None)
    s3 = client(origin, lean=False)
    assert read_object(s3, "s3://b/k").body == body
    found = counters_of(s3).as_dict()
    assert (found["slow_down"], found["retries"], found["again"]) == (1, 1, {})
    assert read_object(s3, "s3://b/k").body == body
    assert counters_of(s3).as_dict()["resumed"] == 1
    assert any(line.startswith("retries ") and line.endswith(", 1 bodies resumed") for line in said(s3))


def test_a_dead_connection_that_is_asked_again_is_counted(origin: Origin) -> None:
    origin.put("b", "k", b"x", **crc32(b"x"))
    s3 = client(origin)
    read_object(s3, "s3://b/k")
    # It is read from, and then it ends without a word.
    origin.fault = lambda request: Fault("gone") if request.number == 1 else None
    read_object(s3, "s3://b/k")
    found = counters_of(s3).as_dict()
    assert (found["opened"], found["dead"], found["again"]) == (2, 1, {})
    assert "connections     2 opened by own GETs, 1 found dead and replaced" in said(s3)


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "no checksum stored"),
        ({"x_amz_checksum_xxhash64": "AAAA"}, "XXHASH64 cannot be computed here"),
        ({"x_amz_checksum_crc32": "AAAA-2", "x_amz_checksum_type": "COMPOSITE"}, "CRC32 is of its parts (COMPOSITE)"),
    ],
)
def test_bodies_without_a_verified_checksum_are_counted_and_the_algorithm_named(
    origin: Origin, caplog: pytest.LogCaptureFixture, tmp_path: Path, fields: dict[str, str], kind: str
) -> None:
    caplog.set_level(logging.DEBUG, "s3private")
    origin.put("b", "k", b"what-is-in-it", **fields)
    s3 = client(origin)
    assert read_object(s3, "s3://b/k").verified is None
    assert next(iter(read_objects(s3, ["s3://b/k"]))).verified is None
    assert b"".join(stream_object(s3, "s3://b/k")) == b"what-is-in-it"
    assert download(s3, "s3://b/k", tmp_path / "f").verified is None
    assert counters_of(s3).as_dict()["unverified"] == {kind: 4}
    assert f"not verified    4 bodies: 4 x {kind}" in said(s3)
    levels = [each.levelno for each in caplog.records if each.name == "s3private.checksums"]
    assert levels == [logging.INFO, logging.DEBUG, logging.DEBUG, logging.DEBUG]


def test_no_secret_is_said(origin: Origin, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "s3private")
    origin.put("b", "k", b"what-is-in-it" * 9)
    origin.fault = lambda request: None if request.by_boto3 or request.number > 3 else Fault("truncate", 20)
    s3 = client(origin)
    for uri in ("s3://b/k", "s3://b/none"):
        with suppress(ReadError):
            read_object(s3, uri)
    text = explain(s3) + "".join(message for _, message in transport(caplog))
    assert "asked again through boto3: status 404" in text
    assert not [secret for secret in SECRETS if secret in text]


def test_the_library_prints_nothing_unless_logging_is_asked_for() -> None:
    assert any(isinstance(each, logging.NullHandler) for each in logging.getLogger("s3private").handlers)
    assert logging.getLogger("s3private").level == logging.NOTSET


def test_many_threads_count_every_one() -> None:
    counters = Counters()

    def count() -> None:
        for _ in range(2000):
            counters.add(objects=1, bytes=3)
            counters.asked_again("s3://b/k", "status 503")

    threads = [threading.Thread(target=count) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    found = counters.as_dict()
    assert (found["objects"], found["bytes"], found["again"]) == (16_000, 48_000, {"status 503": 16_000})


def test_a_forged_request_id_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    Counters().asked_again("s3://b/k", "status 999: x\ny", "id\n2026 forged line")
    [(_, message)] = transport(caplog) or [(0, "")]
    assert "\n" not in message
    assert "forged" not in message

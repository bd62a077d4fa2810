"""What a notebook's user is told when something is wrong: one error of ours, S3's own words, and what to do next."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from http.client import BadStatusLine
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ProtocolError

from origin.server import Origin
from s3private import (
    ObjectEntry,
    ReadError,
    Refused,
    RouteError,
    connect,
    download,
    explain,
    list_objects,
    list_versions,
    open_object,
    read_csv,
    read_object,
    read_objects,
    read_range,
    read_ranges,
    stream_object,
)
from s3private.botocore_errors import as_ours

Ask = Callable[[Any, Any, Path], object]

READS: list[Ask] = [
    lambda s3, uri, folder: read_object(s3, uri),
    lambda s3, uri, folder: open_object(s3, uri),
    lambda s3, uri, folder: list(read_objects(s3, [uri])),
    lambda s3, uri, folder: read_range(s3, uri, 0, 1),
    lambda s3, uri, folder: list(stream_object(s3, uri)),
    lambda s3, uri, folder: download(s3, uri, folder / "file"),
]
LISTS: list[Ask] = [
    lambda s3, uri, folder: list(list_objects(s3, uri)),
    lambda s3, uri, folder: list(list_objects(s3, uri, ordered=False)),
    lambda s3, uri, folder: list(list_versions(s3, uri)),
    lambda s3, uri, folder: read_csv(s3, f"{uri}/"),
]
READ_IDS = ["whole", "open", "many", "range", "stream", "download"]
LIST_IDS = ["list", "unordered", "versions", "table"]


@pytest.fixture(params=[True, False], ids=["own wire", "boto3 alone"])
def s3(request: pytest.FixtureRequest, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route(), lean=request.param)


@pytest.mark.parametrize("read", READS, ids=READ_IDS)
def test_an_object_that_is_not_there_is_said_in_s3s_words(origin: Origin, s3: Any, read: Ask, tmp_path: Path) -> None:
    """In answer to a HEAD too, which has no words of its own."""
    origin.put("b", "other", b"")
    with pytest.raises(ReadError, match=r"^s3://b/k: NoSuchKey: The specified key does not exist\.$") as refused:
        read(s3, "s3://b/k", tmp_path)
    cause = refused.value.__cause__
    assert isinstance(cause, ClientError)
    assert cause.response["Error"]["Code"] == "NoSuchKey"


@pytest.mark.parametrize("read", [open_object, read_csv], ids=["open", "table"])
def test_a_prefix_without_its_slash_is_said_with_what_to_write(
    origin: Origin, s3: Any, read: Callable[[Any, str], object]
) -> None:
    origin.put("b", "2026/orders.csv", b"a,b\n1,2\n")
    with pytest.raises(ReadError, match=r"^s3://b/2026 is no object but a prefix: write s3://b/2026/$"):
        read(s3, "s3://b/2026")
    with pytest.raises(ReadError, match=r"^s3://b/202: NoSuchKey"):
        read(s3, "s3://b/202")


@pytest.mark.parametrize("read", READS, ids=READ_IDS)
def test_a_bucket_that_the_path_was_not_made_for_is_said_with_those_that_it_was(
    origin: Origin, s3: Any, read: Ask, tmp_path: Path
) -> None:
    for bucket in ("b", "other"):
        origin.objects[bucket, "k", None] = replace(origin.put(bucket, "k", b"paid"), requester_pays=True)
    with pytest.raises(
        ReadError, match=r"^s3://other/k: AccessDenied: Access Denied\. The path demo was made for b, not"
    ):
        read(s3, "s3://other/k", tmp_path)
    with pytest.raises(ReadError, match=r"^s3://b/k: AccessDenied: Access Denied\. Signed by boto3's credentials"):
        read(s3, "s3://b/k", tmp_path)


@pytest.mark.parametrize("ask", LISTS, ids=LIST_IDS)
def test_a_list_that_s3_refuses_is_said_in_its_words(origin: Origin, s3: Any, ask: Ask, tmp_path: Path) -> None:
    origin.put("b", "k", b"")
    with pytest.raises(
        ReadError, match=r"^s3://none/k/?: NoSuchBucket: The specified bucket does not exist$"
    ) as refused:
        ask(s3, "s3://none/k", tmp_path)
    assert isinstance(refused.value.__cause__, ClientError)


@pytest.mark.parametrize("ask", [*READS, *LISTS], ids=[*READ_IDS, *LIST_IDS])
@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_without_credentials_it_is_said_where_they_come_from(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lean: bool, ask: Ask
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    s3 = connect(origin.route(), lean=lean)
    assert "credentials     none found" in explain(s3)
    with pytest.raises(RouteError, match=r"^s3://b/k/?: no AWS credentials to sign with.*service_credential="):
        ask(s3, "s3://b/k", tmp_path)
    assert origin.requests == []


def test_a_host_that_does_not_answer_is_said_with_the_command_that_looks_into_it(s3: Any) -> None:
    with (
        pytest.raises(ReadError, match=r"^s3://b/k: Could not connect .* `s3private verify ROUTE` says"),
        as_ours(s3, "s3://b/k"),
    ):
        raise EndpointConnectionError(endpoint_url="https://bucket.vpce-1.example")


def test_what_is_no_uri_is_refused_with_how_to_write_one(origin: Origin, s3: Any, tmp_path: Path) -> None:
    for uri in ("b/k", "s3:/b/k", "s3a://b/k", "https://b/k", "s3://", None, Path("s3://b/k")):
        for ask in READS + LISTS[:3]:
            with pytest.raises(Refused, match=r"not an S3 URI: .* \(write s3://bucket/key"):
                ask(s3, uri, tmp_path)
    assert origin.requests == []


def test_one_object_where_many_are_asked_for_is_refused_with_what_to_write(s3: Any) -> None:
    """A string is a list of its letters, and an entry one of its fields: neither is what was meant."""
    with pytest.raises(Refused, match=r"give a list, read_objects\(s3, \['s3://b/k'\]\)"):
        read_objects(s3, "s3://b/k")
    entry: Any = ObjectEntry("b", "k", 1, datetime(2026, 1, 1, tzinfo=UTC), "", "")
    with pytest.raises(Refused, match="give a list"):
        read_objects(s3, entry)


@pytest.mark.parametrize(
    "ask",
    [
        lambda s3, folder: read_object(s3, "s3://b/k", ahead=0),
        lambda s3, folder: stream_object(s3, "s3://b/k", ahead=0),
        lambda s3, folder: stream_object(s3, "s3://b/k", part=0),
        lambda s3, folder: read_ranges(s3, "s3://b/k", [(0, 1)], workers=0),
        lambda s3, folder: read_objects(s3, ["s3://b/k"], workers=-1),
        lambda s3, folder: download(s3, "s3://b/k", folder / "file", ahead=0),
    ],
)
@pytest.mark.timeout(20)
def test_nothing_at_once_is_refused_and_does_not_wait_for_ever(
    origin: Origin, s3: Any, tmp_path: Path, ask: Callable[[Any, Path], object]
) -> None:
    origin.put("b", "k", b"body")
    with pytest.raises(ValueError, match="must be 1 or more"):
        ask(s3, tmp_path)
    assert origin.requests == []


@pytest.mark.parametrize(
    "error",
    [
        ResponseParserError("Unable to parse response: " + "x" * 100_000),
        ProtocolError("Connection broken"),
        BadStatusLine("what"),
        ParseError("no element found"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        binascii.Error("Incorrect padding"),
        RecursionError("maximum recursion depth exceeded"),
    ],
)
def test_what_botocore_lets_through_becomes_ours_in_one_short_line(s3: Any, error: Exception) -> None:
    with (
        pytest.raises(ReadError, match=f"^s3://b/k: what came cannot be read: {type(error).__name__}: ") as ours,
        as_ours(s3, "s3://b/k"),
    ):
        raise error
    assert ours.value.__cause__ is error
    assert len(str(ours.value)) < 300


def test_a_name_that_cannot_be_a_buckets_is_refused(s3: Any) -> None:
    with pytest.raises(Refused, match=r"^s3://no bucket/k: .*Invalid bucket name"):
        list(list_objects(s3, "s3://no bucket/k"))


def test_an_external_id_without_its_role_is_refused(origin: Origin) -> None:
    with pytest.raises(RouteError, match="give connect the role_arn too"):
        connect(origin.route(), external_id="x")


def test_what_is_a_stream_says_so_at_the_end_of_a_cell(s3: Any) -> None:
    assert repr(list_objects(s3, "s3://b/2026/")).startswith("<Listing of s3://b/2026/, a stream: loop over it once")
    assert repr(stream_object(s3, "s3://b/k")) == "<ObjectStream of s3://b/k, in pieces: loop over it once>"

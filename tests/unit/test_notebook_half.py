"""The client goes to the Route's host and no other; listing and reading ask S3 for what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.compat import HTTPHeaders

import s3private
from s3private import OutsideRoute, Refused, Route, RouteError
from s3private.client import connect
from s3private.listing import list_objects

HOST = "bucket.vpce-0a1b2c3d4e5f60001-abcdefgh.s3.eu-west-1.vpce.amazonaws.com"
ROUTE = Route(
    path="demo",
    region="eu-west-1",
    endpoint_url=f"https://{HOST}",
    vpc_endpoint_id="vpce-0a1b2c3d4e5f60001",
    buckets=("sales-records",),
)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class Sent(Exception):
    """Raised in place of sending: the guard let the request pass."""


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    return connect(ROUTE, lean=False)


def asked(s3: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The URLs of the requests that would have been sent."""
    urls: list[str] = []

    def send(request: AWSPreparedRequest) -> None:
        urls.append(str(request.url))
        raise Sent

    monkeypatch.setattr(s3._endpoint.http_session, "send", send)
    return urls


def test_every_bucket_is_asked_for_at_the_routes_host_in_path_style(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    urls = asked(s3, monkeypatch)
    with pytest.raises(Sent):
        s3.get_object(Bucket="sales-records", Key="a b.csv")
    assert urls == [f"https://{HOST}/sales-records/a%20b.csv"]


@pytest.mark.parametrize(
    "bucket",
    [
        "arn:aws:s3:eu-west-1:111111111111:accesspoint/mine",
        "arn:aws:s3::111111111111:accesspoint/mine.mrap",
    ],
)
def test_a_request_for_another_host_is_refused_and_not_sent(
    s3: Any, monkeypatch: pytest.MonkeyPatch, bucket: str
) -> None:
    urls = asked(s3, monkeypatch)
    # A multi-region ARN needs botocore's CRT extra to be signed at all: it too never leaves.
    with pytest.raises(Exception, match=r"is not the host of the path|CRT") as refused:
        s3.get_object(Bucket=bucket, Key="k")
    assert not isinstance(refused.value, Sent)
    assert urls == []


def test_a_redirect_to_another_host_is_refused(s3: Any) -> None:
    request = AWSPreparedRequest("GET", "https://sales-records.s3.eu-west-1.amazonaws.com/k", HTTPHeaders(), b"", False)
    with pytest.raises(OutsideRoute, match="refused, not sent"):
        s3.meta.events.emit("before-send.s3.GetObject", request=request)


def test_proxies_and_endpoints_of_the_environment_are_ignored(s3: Any) -> None:
    assert s3.meta.endpoint_url == f"https://{HOST}"
    assert s3._endpoint.http_session._proxy_config.proxy_url_for(f"https://{HOST}/") is None


@pytest.mark.parametrize("uri", ["sales-records/a", "https://x/y", "s3://", "s3:///key"])
def test_a_wrong_uri_is_refused_before_any_request(s3: Any, uri: str) -> None:
    with pytest.raises(Refused, match="not an S3 URI"):
        list_objects(s3, uri)


def test_a_route_survives_its_file_and_a_broken_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "demo.route.json"
    ROUTE.save(file)
    assert Route.load(file) == ROUTE
    assert os.listdir(file.parent) == ["demo.route.json"]
    file.write_text(ROUTE.to_json().replace('"schema_version": 1', '"schema_version": 9'), encoding="utf-8")
    with pytest.raises(RouteError, match="schema_version 9"):
        Route.load(file)
    with pytest.raises(RouteError, match="cannot read the route"):
        Route.load(tmp_path / "none.json")


def test_a_service_credential_outside_databricks_is_refused_with_what_to_do() -> None:
    route = Route(
        path="demo",
        region="eu-west-1",
        endpoint_url=f"https://{HOST}",
        vpc_endpoint_id="vpce-0a1b2c3d4e5f60001",
        buckets=("b",),
        service_credential="reader",
    )
    with pytest.raises(RouteError, match=r"connect\(route, session="):
        connect(route)
    assert connect(route, session=boto3.Session()).meta.endpoint_url == f"https://{HOST}"


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(s3private.__all__) == list(s3private.__all__)
    for name in s3private.__all__:
        assert getattr(s3private, name).__name__ == name
    assert dir(s3private) == s3private.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(s3private, "noth" + "ing")


SMALL = {"ctypes", "_ctypes", "unicodedata", "concurrent", "contextvars", "_contextvars", "dataclasses"}
"""The last four are loaded by newer versions of boto3 themselves."""
FIRST_NAMES = """
import sys
import boto3
before = set(sys.modules)
import s3private
s3private.connect, s3private.list_objects, s3private.read_objects, s3private.read_parquet, s3private.download
print(*sorted({name for name in set(sys.modules) - before if name.partition(".")[0] != "s3private"}))
"""


def test_the_names_a_notebook_begins_with_load_nothing_large_that_boto3_does_not() -> None:
    """numpy, pyarrow and pandas are installed here, and cost more than all of ours. `bench.imports` has the times."""
    done = subprocess.run([sys.executable, "-c", FIRST_NAMES], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in done.stdout.split()} <= SMALL


def test_importing_loads_neither_the_operator_half_nor_boto3() -> None:
    code = "import sys, s3private; print([m for m in sys.modules if m.split('.')[0] in ('boto3', 'databricks')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

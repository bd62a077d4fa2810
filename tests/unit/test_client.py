"""`connect` gives the real boto3 client, for the Route's host alone, that outlives the load balancer's idle timeout."""

from __future__ import annotations

import io
import os
import pickle
import socket
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from loopback import Elsewhere
from origin.proxy import FaultProxy
from origin.server import Origin
from s3private import (
    ObjectEntry,
    OutsideRoute,
    RouteError,
    connect,
    download,
    download_prefix,
    explain,
    list_objects,
    list_versions,
    open_object,
    read_csv,
    read_json,
    read_object,
    read_objects,
    read_parquet,
    read_range,
    read_ranges,
    recipe,
    stream_object,
    stream_parquet,
)
from s3private.client import Recipe, wire_of


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")


@pytest.mark.parametrize(
    ("arn", "host"),
    [
        ("arn:aws:s3:eu-west-1:111111111111:accesspoint/mine", "mine-111111111111.s3-accesspoint.eu-west-1."),
        ("arn:aws:s3:eu-west-1:111111111111:accesspoint:mine", "mine-111111111111.s3-accesspoint.eu-west-1."),
        ("arn:aws:s3::111111111111:accesspoint/m1x.mrap", "m1x.mrap.accesspoint.s3-global.amazonaws.com"),
        ("arn:aws:s3-object-lambda:eu-west-1:111111111111:accesspoint/o", "o-111111111111.s3-object-lambda.eu-west-1."),
    ],
)
def test_an_access_point_is_refused_before_it_is_sent_with_its_host_and_why(
    origin: Origin, arn: str, host: str
) -> None:
    s3 = connect(origin.route())
    with pytest.raises(OutsideRoute, match=rf"refused, not sent.* {host}.*not the host of the path demo \(localhost\)"):
        s3.get_object(Bucket=arn, Key="k")
    with pytest.raises(OutsideRoute, match="refused, not sent"):
        s3.list_objects_v2(Bucket=arn)
    assert origin.requests == []


DIRECTORY = "mine--euw1-az1--x-s3"
LISTED = ObjectEntry(DIRECTORY, "k", 1, datetime(2026, 1, 1, tzinfo=UTC), '"e"', "EXPRESS_ONEZONE")


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
@pytest.mark.parametrize(
    "ask",
    [
        lambda s3, folder: s3.list_objects_v2(Bucket=DIRECTORY),
        lambda s3, folder: s3.get_object(Bucket="point--euw1-az1--xa-s3", Key="k"),
        lambda s3, folder: s3.put_object(Bucket=DIRECTORY, Key="k", Body=b""),
        lambda s3, folder: list_objects(s3, f"s3://{DIRECTORY}/", ordered=False),
        lambda s3, folder: list_versions(s3, f"s3://{DIRECTORY}/"),
        lambda s3, folder: list(read_objects(s3, [LISTED])),
        lambda s3, folder: read_object(s3, f"s3://{DIRECTORY}/k"),
        lambda s3, folder: read_range(s3, f"s3://{DIRECTORY}/k", 0, 1),
        lambda s3, folder: list(stream_object(s3, LISTED)),
        lambda s3, folder: open_object(s3, f"s3://{DIRECTORY}/k"),
        lambda s3, folder: open_object(s3, LISTED).read(),
        lambda s3, folder: download(s3, LISTED, folder / "file"),
        lambda s3, folder: download_prefix(s3, f"s3://{DIRECTORY}/", folder),
    ],
)
def test_a_directory_bucket_is_refused_before_anything_is_sent(
    origin: Origin, tmp_path: Path, lean: bool, ask: Callable[[Any, Path], object]
) -> None:
    s3 = connect(origin.route(), lean=lean)
    with pytest.raises(OutsideRoute, match=r"refused, not sent: .* is a directory bucket, .*endpoints of its own"):
        ask(s3, tmp_path)
    assert origin.requests == []


@pytest.mark.parametrize(
    "arn", ["arn:aws:s3:eu-west-1:111111111111:accesspoint/mine", "arn:aws:s3::1:accesspoint:m.mrap"]
)
def test_an_arn_in_a_uri_is_refused_before_anything_is_sent(origin: Origin, arn: str) -> None:
    s3 = connect(origin.route())
    with pytest.raises(OutsideRoute, match=r"refused, not sent: arn:aws:s3:.* which is not the host of the path"):
        read_object(s3, f"s3://{arn}/k")
    with pytest.raises(OutsideRoute, match=r"refused, not sent: arn:aws:s3:.* which is not the host of the path"):
        list_objects(s3, f"s3://{arn}")
    assert origin.requests == []


def test_a_lambda_response_is_refused_by_its_host(origin: Origin) -> None:
    s3 = connect(origin.route())
    with pytest.raises(OutsideRoute, match="is not the host of the path"):
        s3.write_get_object_response(RequestRoute="route", RequestToken="token")
    assert origin.requests == []


def test_a_region_redirect_is_not_followed_to_another_host(origin: Origin) -> None:
    """S3 says `301, us-east-1` to a request in the wrong region; boto3 would go where it says."""
    s3 = connect(origin.route())
    origin.redirect = "us-east-1"
    with pytest.raises((OutsideRoute, ClientError)):
        s3.list_objects_v2(Bucket="b")
    assert {request.fields["host"] for request in origin.requests} == {f"localhost:{origin.port}"}


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_a_connection_idle_half_the_load_balancers_timeout_is_not_used_again(origin: Origin, lean: bool) -> None:
    """The load balancer forgets it without a word, as the proxy does here: what is sent then is swallowed."""
    origin.put("b", "k", b"body")
    with FaultProxy(origin.port, black_hole=0.8).passing() as proxy:
        s3 = connect(origin.route(proxy.port, idle=1), read_timeout=5, lean=lean)
        assert read_object(s3, "s3://b/k").body == b"body"
        time.sleep(0.9)
        assert read_object(s3, "s3://b/k").body == b"body"
        assert (proxy.swallowed, proxy.connections) == (0, 2)


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_a_connection_in_use_is_used_again(origin: Origin, lean: bool) -> None:
    origin.put("b", "k", b"body")
    s3 = connect(origin.route(), lean=lean)
    for _ in range(3):
        assert read_object(s3, "s3://b/k").body == b"body"
    assert {request.connection for request in origin.requests} == {0}


def test_keep_alive_probes_come_before_the_load_balancer_forgets(origin: Origin) -> None:
    s3: Any = connect(origin.route(idle=80))
    options = s3._endpoint.http_session._manager.connection_pool_kw["socket_options"]
    assert (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1) in options
    assert (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20) in options
    wire = wire_of(s3)
    assert wire is not None
    with wire.open() as made:
        assert made.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 20


def test_a_server_that_cannot_prove_who_it_is_is_not_spoken_to(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.put("b", "k", b"body")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        read_object(connect(origin.route()), "s3://b/k")
    named = replace(origin.route(), endpoint_url=origin.route().endpoint_url.replace("localhost", "127.0.0.2"))
    monkeypatch.setenv("AWS_CA_BUNDLE", str(origin.authority.file))
    with pytest.raises(Exception, match=r"127\.0\.0\.2"):
        read_object(connect(named), "s3://b/k")
    assert origin.requests == []


def test_a_recipe_makes_the_same_client_elsewhere_and_holds_no_key(origin: Origin) -> None:
    origin.put("b", "k", b"body")
    s3 = connect(origin.route(), read_timeout=7)
    pickled = pickle.dumps(recipe(s3))
    assert b"AKIA" not in pickled
    assert b"not-a-secret" not in pickled
    made: Recipe = pickle.loads(pickled)
    assert read_object(made.connect(), "s3://b/k").body == b"body"
    again: Any = made.connect()
    assert again.meta.config.read_timeout == 7


def test_a_client_of_a_session_has_no_recipe_and_says_what_to_do(origin: Origin) -> None:
    s3 = connect(origin.route(), session=boto3.Session())
    with pytest.raises(RouteError, match="Give connect a service_credential"):
        recipe(s3)
    with pytest.raises(RouteError, match=r"not made by s3private\.connect"):
        explain(boto3.client("s3", region_name="eu-west-1"))


@pytest.mark.parametrize(
    "call",
    [
        lambda s3, to: list_objects(s3, "s3://b/"),
        lambda s3, to: list_versions(s3, "s3://b/"),
        lambda s3, to: read_objects(s3, ["s3://b/k"]),
        lambda s3, to: read_object(s3, "s3://b/k"),
        lambda s3, to: stream_object(s3, "s3://b/k"),
        lambda s3, to: read_range(s3, "s3://b/k", 0, 1),
        lambda s3, to: read_ranges(s3, "s3://b/k", [(0, 1)]),
        lambda s3, to: open_object(s3, "s3://b/k"),
        lambda s3, to: open_object(s3, LISTED._replace(bucket="b", size=1 << 20)),
        lambda s3, to: download(s3, "s3://b/k", to / "file"),
        lambda s3, to: download_prefix(s3, "s3://b/", to),
        lambda s3, to: read_csv(s3, ["s3://b/k"]),
        lambda s3, to: read_json(s3, "s3://b/k"),
        lambda s3, to: read_parquet(s3, [LISTED._replace(bucket="b", size=1 << 20)]),
        lambda s3, to: next(stream_parquet(s3, ["s3://b/k"])),
    ],
)
def test_listing_and_reading_take_no_client_that_may_go_another_way(
    origin: Origin, tmp_path: Path, call: Callable[[Any, Path], object]
) -> None:
    s3 = boto3.client(
        "s3",
        region_name="eu-west-1",
        endpoint_url=origin.route().endpoint_url,
        aws_access_key_id="AKIAEXAMPLE000000000",
        aws_secret_access_key="not-a-secret",
    )
    with pytest.raises(RouteError, match=r"not made by s3private\.connect.*s3private\.connect\(route\)"):
        call(s3, tmp_path)
    assert (origin.requests, os.listdir(tmp_path)) == ([], [])
    with pytest.raises(RouteError, match=r"not made by s3private\.connect"):
        call(origin.route(), tmp_path)


def test_a_route_is_found_by_its_name(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.route().save(tmp_path / "demo.route.json")
    with pytest.raises(RouteError, match="S3PRIVATE_ROUTES"):
        connect("demo")
    monkeypatch.setenv("S3PRIVATE_ROUTES", str(tmp_path))
    assert connect("demo").meta.endpoint_url == origin.route().endpoint_url
    with pytest.raises(RouteError, match=r"cannot read the route .*other"):
        connect("other")


def test_explain_says_where_it_goes_and_what_it_ignores(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    origin.put("b", "k", b"body")
    s3 = connect(origin.route())
    said = explain(s3)
    assert "host            localhost, and no other" in said
    assert "credentials     env" in said
    assert "ignored         AWS_ENDPOINT_URL_S3, HTTPS_PROXY" in said
    assert "not-a-secret" not in said
    assert read_object(s3, "s3://b/k").body == b"body"


ARTICLE = """
import os
import boto3
from botocore.exceptions import ClientError, NoCredentialsError

os.environ["AWS_ACCESS_KEY_ID"] = "AKIAEXAMPLE000000000"
os.environ["AWS_SECRET_ACCESS_KEY"] = "not-a-secret"

s3 = boto3.client("s3", region_name="eu-west-1", endpoint_url="{endpoint_url}")

try:
    response = s3.list_objects_v2(Bucket=bucket)
    for item in response.get("Contents", []):
        print(item["Key"])
except NoCredentialsError:
    print("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
except ClientError as error:
    print("failed:", error.response["Error"]["Code"], error.response["Error"]["Message"])
"""
"""A notebook for plain boto3: it lists a bucket, and has something readable to say in the two ways it may go wrong."""


@pytest.mark.parametrize(
    ("bucket", "keys", "printed"),
    [
        ("b", True, "a.csv\nb.csv\n"),
        ("none", True, "failed: NoSuchBucket The specified bucket does not exist\n"),
        ("b", False, "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n"),
    ],
    ids=["listed", "refused", "no credentials"],
)
def test_notebook_code_for_boto3_works_with_two_changed_lines(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bucket: str, keys: bool, printed: str
) -> None:
    """It prints what it printed, whichever way it ends, with the same requests; but nobody typed a host or a region."""
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    route = tmp_path / "demo.route.json"
    origin.route().save(route)
    for key in ("a.csv", "b.csv"):
        origin.put("b", key, b"x")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    before = ARTICLE.format(endpoint_url=origin.route().endpoint_url).splitlines()
    if not keys:
        before = [line for line in before if "os.environ" not in line]
    replaced = {"import boto3": "import s3private", "s3 = boto3.client(": f's3 = s3private.connect("{route}")'}
    after = [next((new for old, new in replaced.items() if line.startswith(old)), line) for line in before]
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 2
    assert "boto3." not in "\n".join(after)
    assert ran(before, bucket) == printed
    asked = len(origin.requests)
    assert ran(after, bucket) == printed
    assert len(origin.requests) == 2 * asked == (2 if keys else 0)
    assert {request.fields["host"] for request in origin.requests} <= {f"localhost:{origin.port}"}
    # And it is the path's: with no Route there is no client.
    route.unlink()
    with pytest.raises(RouteError, match="cannot read the route"):
        ran(after, bucket)


def ran(lines: list[str], bucket: str) -> str:
    """What a fresh notebook prints."""
    boto3.DEFAULT_SESSION = None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec("\n".join(lines), {"bucket": bucket})
    return printed.getvalue()


def test_no_test_can_speak_to_another_machine() -> None:
    """What `tests/loopback.py` promises of the whole suite: 192.0.2.1 is nobody's, and is not even tried."""
    with socket.socket() as made, pytest.raises(Elsewhere, match=r"socket\.connect to \('192\.0\.2\.1', 443\)"):
        made.connect(("192.0.2.1", 443))
    with pytest.raises(Elsewhere, match=r"s3\.eu-west-1\.amazonaws\.com"):
        socket.getaddrinfo("s3.eu-west-1.amazonaws.com", 443)

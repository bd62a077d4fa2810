"""A Route comes in a file: what is no Route is one error of ours, and its host is S3's for the endpoint beside it."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from s3private import Route, RouteError, connect
from s3private.route import LARGEST
from s3private.verification import verify

ID = "vpce-0a1b2c3d4e5f60001"
HOST = f"bucket.{ID}-abcdefgh.s3.eu-west-1.vpce.amazonaws.com"
ROUTE = Route(
    path="demo", region="eu-west-1", endpoint_url=f"https://{HOST}", vpc_endpoint_id=ID, buckets=("sales-records",)
)
GOOD: dict[str, Any] = {"schema_version": 1, **asdict(ROUTE)}


@pytest.mark.parametrize(
    "url",
    [
        f"https://evil.example\\@{HOST}",
        f"https://{HOST}\\@evil.example",
        f"https://{HOST}@evil.example",
        f"https://me:secret@{HOST}",
        f"https://evil.example/@{HOST}",
        f"https://evil.example#@{HOST}",
        f"https://evil.example?@{HOST}",
        f"https://{HOST}/",
        f"https://{HOST}/bucket",
        f"https://{HOST}?a=b",
        f"https://{HOST}#",
        f"https://{HOST}.",
        f"https://{HOST}.evil.example",
        f"https://{HOST}:",
        f"https://{HOST}:0",
        f"https://{HOST}:65536",
        f"https://{HOST}:0443",
        f"https://{HOST}:443@evil.example",
        f"https://{HOST}\n",
        f"https://{HOST}\t",
        f" https://{HOST}",
        f"https://{HOST}%2eevil.example",
        f"https:///{HOST}",
        f"https:{HOST}",
        f"http://{HOST}",
        f"HTTPS://{HOST}",
        f"https://{HOST.upper()}",
        f"https://{HOST}\0.evil.example",
        f"https://{HOST.replace('s3', 'ｓ3')}",
        f"https://{HOST.replace('1', '１')}",
        f"https://evil.example/{HOST}",
        "https://s3.eu-west-1.amazonaws.com",
        "https://sales-records.s3.eu-west-1.amazonaws.com",
        f"https://{HOST.replace('eu-west-1', 'us-east-1')}",
        f"https://{HOST.replace('60001', '60002')}",
        f"https://{HOST.replace(ID, ID[:-1])}",
        f"https://{HOST.replace(ID, ID + '1')}",
        f"https://{HOST.replace('bucket.', '')}",
        f"https://{HOST.replace('bucket.', 'accesspoint.')}",
        f"https://evil.{HOST}",
        f"https://{HOST.replace('-abcdefgh', '')}",
        f"https://{HOST.replace('-abcdefgh', '-ab.cd')}",
        f"https://{HOST.replace('.s3.', '.sqs.')}",
        f"https://{HOST}.cn",
        "https://localhost",
        "https://127.0.0.1",
        "https://localhost:443\\@evil.example",
        "https://localhost.evil.example:8443",
        "https://127.0.0.256:8443",
        "https://127.1:8443",
        "https://0177.0.0.1:8443",
        "https://2130706433:8443",
        "https://128.0.0.1:8443",
        "https://0.0.0.0:8443",
        "https://169.254.169.254",
        "https://169.254.169.254:443",
        "https://10.0.0.5",
        "https://[::1]:8443",
        "https://[::ffff:127.0.0.1]:8443",
        "https://",
        "",
    ],
)
def test_a_url_that_is_not_s3s_for_that_endpoint_in_that_region_is_refused(url: str) -> None:
    with pytest.raises(RouteError, match=r"endpoint_url must be https://bucket\.vpce-0a1b2c3d4e5f60001-"):
        replace(ROUTE, endpoint_url=url)


@pytest.mark.parametrize(
    ("changed", "host", "port"),
    [
        ({}, HOST, 443),
        ({"endpoint_url": f"https://{HOST}:443"}, HOST, 443),
        ({"endpoint_url": f"https://{HOST.replace('efgh', 'efgh-eu-west-1a')}"}, None, 443),
        (
            {"region": "us-gov-west-1", "endpoint_url": f"https://{HOST.replace('eu-west-1', 'us-gov-west-1')}"},
            None,
            443,
        ),
        ({"region": "cn-north-1", "endpoint_url": f"https://{HOST.replace('eu-west-1', 'cn-north-1')}.cn"}, None, 443),
        ({"endpoint_url": "https://localhost:8443"}, "localhost", 8443),
        ({"endpoint_url": "https://127.0.0.2:443"}, "127.0.0.2", 443),
    ],
)
def test_what_is_matched_is_what_boto3_and_our_own_gets_connect_to(
    changed: dict[str, Any], host: str | None, port: int
) -> None:
    from s3private.client import wire_of

    route = replace(ROUTE, **changed)
    assert route.host == host or host is None
    assert route.port == port
    s3: Any = connect(route)
    assert s3.meta.endpoint_url == route.origin == f"https://{route.host}" + (f":{port}" if port != 443 else "")
    wire = wire_of(s3)
    assert wire is not None
    assert (wire.host, wire.port) == (route.host, port)


def test_a_route_that_was_unpickled_with_another_host_is_refused() -> None:
    forged = pickle.dumps(ROUTE).replace(b"abcdefgh.s3", b"abcdefgh.s4")
    with pytest.raises(RouteError, match="endpoint_url must be"):
        connect(pickle.loads(forged))


def document(**changed: Any) -> bytes:
    return json.dumps({**GOOD, **changed}).encode()


TEXTS: list[Any] = [None, True, 0, 1.5, [], ["demo"], {}, "", " ", "\ud800", "a\0b", "a\nb", "../x", "é", "x" * 999]
BUCKETS: list[Any] = [
    *(None, True, 1, "sales-records", "b", {}, {"b": 1}, [], [None], [1], [["b"]], [""], ["a/b"], ["arn:aws:s3:::b"]),
    *([".."], ["b\n"], ["\ud800"], ["b", True], ["x" * 256], ["b"] * 101, ["é"]),
]
SECONDS: list[Any] = [None, True, False, "350", 0, -1, 350.0, 6001, [], {}, 10**18]
CREDENTIALS: list[Any] = [True, 1, "", "a b", "a/b", "../b", "a\n", "\ud800", [], {}, "x" * 256]
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "white": b" \n",
    "no UTF-8": b"\xff\xfe" + document(),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "UTF-32": json.dumps(GOOD).encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + document(),
    "cut": document()[:-2],
    "more behind": document() + b"{}",
    "NUL behind": document() + b"\0",
    "nested lists": b"[" * 50_000,
    "nested objects": b'{"a":' * 20_000,
    "nested in a field": document()[:-1] + b', "more": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    "too large": document() + b" " * LARGEST,
    "a huge number": document(idle_timeout_seconds=0).replace(b": 0,", b": " + b"9" * 5000 + b","),
    "a large number": document(idle_timeout_seconds=10**300),
    "NaN": document(idle_timeout_seconds=float("nan")),
    "Infinity": document(idle_timeout_seconds=float("inf")),
    "a key twice": document()[:-1] + b', "endpoint_url": "https://localhost:1"}',
    "the version twice": b'{"schema_version": 9, ' + document()[1:],
    "a strange key": document(**{"endpoint_url ": "x"}),
    "a key of a lone surrogate": document()[:-1] + b', "\\ud800": 1}',
    "an empty key": document(**{"": 1}),
    **{f"a {type(value).__name__}": json.dumps(value).encode() for value in (None, True, 1, 1.5, "text", [GOOD])},
    **{
        f"version {version!r}": document(schema_version=version)
        for version in (None, True, 1.0, "1", 0, 2, -1, [1], {"a": 1}, 10**30)
    },
    **{
        f"{name} is {value!r}"[:60]: document(**{name: value})
        for name in ("path", "region", "endpoint_url", "vpc_endpoint_id")
        for value in TEXTS
    },
    **{f"buckets is {value!r}"[:60]: document(buckets=value) for value in BUCKETS},
    **{f"idle is {value!r}"[:60]: document(idle_timeout_seconds=value) for value in SECONDS},
    **{f"credential is {value!r}"[:60]: document(service_credential=value) for value in CREDENTIALS},
    **{
        f"without {name}": json.dumps({key: value for key, value in GOOD.items() if key != name}).encode()
        for name in ("schema_version", "path", "region", "endpoint_url", "vpc_endpoint_id", "buckets")
    },
}


@pytest.mark.parametrize("raw", MALFORMED.values(), ids=[ascii(name) for name in MALFORMED])
def test_a_file_that_is_no_route_is_one_error_that_names_it(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "demo.route.json"
    file.write_bytes(raw)
    with pytest.raises(RouteError) as refused:
        Route.load(file)
    said = str(refused.value)
    assert str(file) in said
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 1000


def a_directory(file: Path) -> None:
    file.mkdir()


def a_fifo(file: Path) -> None:
    os.mkfifo(file)


def a_device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def a_loop(file: Path) -> None:
    file.symlink_to(file)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("make", [a_directory, a_fifo, a_device, a_loop, lambda file: None])
def test_what_is_no_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    file = tmp_path / "demo.route.json"
    make(file)
    for use in (Route.load, connect, verify):
        with pytest.raises(RouteError, match="cannot read the route"):
            use(file)


@pytest.mark.parametrize("name", ["a\0b.json", "/\0.json", "x" * 5000 + ".json"])
def test_a_name_that_no_file_has_is_refused(name: str) -> None:
    with pytest.raises(RouteError, match="cannot read the route"):
        Route.load(name)
    with pytest.raises(RouteError, match="cannot write the route"):
        ROUTE.save(name)


def test_a_key_that_a_later_version_added_is_left_alone(tmp_path: Path) -> None:
    """Without a raised schema version it says that it can be done without: nobody's notebook ends with an upgrade."""
    file = tmp_path / "demo.route.json"
    file.write_bytes(document(colour="red", more={"a": [1]}))
    assert Route.load(file) == ROUTE


def test_what_is_just_within_its_bounds_is_a_route(tmp_path: Path) -> None:
    file = tmp_path / "demo.route.json"
    for changed in (
        {"buckets": ["b" * 255] + ["b"] * 99},
        {"idle_timeout_seconds": 1},
        {"idle_timeout_seconds": 6000},
        {"endpoint_url": f"https://{HOST}:65535"},
        {"endpoint_url": "https://127.255.255.255:1"},
    ):
        file.write_bytes(document(**changed))
        loaded = Route.load(file)
        assert {
            name: list(value) if isinstance(value := getattr(loaded, name), tuple) else value for name in changed
        } == changed
    assert LARGEST == 64 << 10
    file.write_bytes(document().ljust(LARGEST))
    assert Route.load(file) == ROUTE
    # AWS: idle connections are cut after 350 seconds.
    assert ROUTE.idle_timeout_seconds == 350


@pytest.mark.parametrize(("host", "here"), [("localhost:1", True), ("127.0.0.9:1", True), (HOST, False)])
def test_a_route_says_whether_it_leads_to_this_machine(host: str, here: bool) -> None:
    assert replace(ROUTE, endpoint_url=f"https://{host}").on_this_machine is here


def test_what_is_wrong_is_shown_as_it_stands_there_and_not_all_of_a_long_one(tmp_path: Path) -> None:
    def said(**changed: Any) -> str:
        with pytest.raises(RouteError) as refused:
            replace(ROUTE, **changed)
        return str(refused.value)

    assert said(region="x" * 198).endswith(f"got '{'x' * 198}'")
    assert said(region="x" * 199).endswith(f"got '{'x' * 199}…")
    nested: Any = []
    for _ in range(100_000):
        nested = [nested]
    assert said(region=nested).endswith("got a list")
    with pytest.raises(RouteError, match=r"cannot read the route.*: No such file or directory"):
        Route.load(tmp_path / "none.json")
    (tmp_path / "nan.json").write_bytes(document(idle_timeout_seconds=float("nan")))
    with pytest.raises(RouteError, match="NaN is no number"):
        Route.load(tmp_path / "nan.json")


def test_a_route_that_was_read_leaves_no_file_open(tmp_path: Path) -> None:
    ROUTE.save(tmp_path / "demo.route.json")
    read = os.open(tmp_path, os.O_RDONLY)
    os.close(read)
    for file in (tmp_path / "demo.route.json", tmp_path):
        with contextlib.suppress(RouteError):
            Route.load(file)
    again = os.open(tmp_path, os.O_RDONLY)
    os.close(again)
    assert again == read, "the lowest number that is free"

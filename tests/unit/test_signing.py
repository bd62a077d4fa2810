"""Our requests are what botocore's own client and signer make of the same call, byte for byte; seeds are printed."""

from __future__ import annotations

import calendar
import random
import time
from collections.abc import Iterable
from hashlib import sha1
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from s3private import Route, connect, signing
from s3private.signing import EMPTY_SHA256, Signer, quote_path, quote_query

HOST = "bucket.vpce-0a1b-abcd.s3.eu-west-1.vpce.amazonaws.com"
CASES = 10_000
CLIENT_CASES = 1_000
ALPHABETS = (
    "abcXYZ019-_.~/",
    " !\"#$%&'()*+,:;<=>?@[\\]^`{|}",
    "äßéñçøÅ",
    "日本語データ한글",
    "😀🏔\u202e\u00a0\ufeff\u0301",
    "//..%2F%20%7E",
    "\t\r\n\x01\x7f",
)
OURS = ("host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token")


class Credentials(NamedTuple):
    access_key: str
    secret_key: str
    token: str | None


CLIENT_KEYS = Credentials("AKIA0000", "s" * 40, "t")
Draw = tuple[Credentials, str, list[tuple[str, str]], list[tuple[str, str]]]


def text(random: random.Random, longest: int) -> str:
    letters = "".join(random.sample(ALPHABETS, random.randint(1, 3)))
    return "".join(random.choice(letters) for _ in range(random.randint(1, longest)))


def draw(random: random.Random) -> Draw:
    """Credentials, a key, headers and parameters: every optional one that we ever send, in half of the cases."""
    letters = "abcdefXYZ0123456789+/="
    secret, token = ("".join(random.choices(letters, k=count)) for count in (40, 400))
    keys = Credentials("AKIA0000", secret, token if random.random() < 0.5 else None)
    possible = [
        ("range", f"bytes={random.randrange(10**12)}-{random.choice(['', str(random.randrange(10**13))])}"),
        ("if-match", f'"{random.randbytes(16).hex()}-{random.randrange(10_000)}"'),
        ("x-amz-checksum-mode", "ENABLED"),
        ("x-amz-request-payer", "requester"),
        ("x-amz-expected-bucket-owner", "111122223333"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "c2VjcmV0ICBzZWNyZXQ="),
        ("x-amz-server-side-encryption-customer-key-md5", "  two   spaces  "),
        ("x-amz-optional-object-attributes", "RestoreStatus"),
    ]
    parameters = [
        ("versionId", text(random, 20)),
        ("list-type", "2"),
        ("prefix", text(random, 30)),
        ("delimiter", "/"),
        ("continuation-token", text(random, 60)),
        ("start-after", text(random, 30)),
        ("max-keys", "1000"),
        ("encoding-type", "url"),
        ("fetch-owner", "true"),
        ("versions", ""),
        ("partNumber", "7"),
    ]
    return (
        keys,
        text(random, 60),
        [header for header in possible if random.random() < 0.5],
        [parameter for parameter in parameters if random.random() < 0.5],
    )


def differences(count: int, seed: int) -> int:
    """How many of `count` cases our signer signs otherwise than botocore's."""
    chance, different = random.Random(seed), 0
    # One for all of them: what it keeps from one request must not get into another.
    now = [0]
    signer = Signer(HOST, "eu-west-1", "agent", lambda: now[0])
    for _ in range(count):
        keys, key, headers, parameters = draw(chance)
        path, query = quote_path("sales-records", key), quote_query(parameters)
        request: Any = AWSRequest("GET", f"https://{HOST}{path}{'?' * bool(query)}{query}", headers=dict(headers))
        S3SigV4Auth(ReadOnlyCredentials(*keys), "s3", "eu-west-1").add_auth(request)
        now[0] = seconds(request.headers["X-Amz-Date"])
        sent = signer.head(keys, path, query, chance.sample(headers, len(headers)))
        different += sent != as_sent(request, headers)
    return different


def seconds(stamp: str) -> int:
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def as_sent(request: Any, headers: list[tuple[str, str]]) -> bytes:
    """What our own request must be, when botocore signed this one."""
    split = urlsplit(request.url)
    signed = {name: " ".join(value.split()) for name, value in headers}
    signed |= {"host": HOST, "x-amz-content-sha256": EMPTY_SHA256, "x-amz-date": request.headers["X-Amz-Date"]}
    if token := request.headers.get("X-Amz-Security-Token"):
        signed["x-amz-security-token"] = token
    lines = [f"{name}: {value}" for name, value in sorted(signed.items())]
    target = split.path + ("?" * bool(split.query)) + split.query
    authorization = f"authorization: {request.headers['Authorization']}"
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "user-agent: agent", authorization, "", ""]).encode()


def test_ten_thousand_requests_are_signed_as_botocore_signs_them() -> None:
    seed = random.randrange(2**32)
    print("seed", seed)
    assert differences(CASES, seed) == 0


def _unsorted(values: Iterable[Any], key: Any = None) -> list[Any]:
    return list(values)


def _loose(text: str, safe: str) -> str:
    return quote(text, safe=safe + "+ ")


@pytest.mark.parametrize(("name", "broken"), [("EMPTY_SHA256", "0" * 64), ("sorted", _unsorted), ("sha256", sha1)])
def test_a_signer_that_were_wrong_would_be_seen(monkeypatch: pytest.MonkeyPatch, name: str, broken: Any) -> None:
    monkeypatch.setattr(signing, name, broken, raising=False)
    assert differences(200, 1) > 50


def test_what_we_send_is_what_boto3_sends_for_the_same_call() -> None:
    """Through the whole of boto3: its own encoding of key and parameters, its own choice of headers."""
    seed = random.randrange(2**32)
    print("seed", seed)
    assert client_differences(CLIENT_CASES, seed) == 0


def test_an_encoding_that_were_wrong_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "quote", _loose)
    assert client_differences(50, 1) > 10


class Caught(Exception):
    """In place of sending."""


def client_differences(count: int, seed: int) -> int:
    chance = random.Random(seed)
    route = Route(
        path="demo", region="eu-west-1", endpoint_url=f"https://{HOST}", vpc_endpoint_id="vpce-0a1b", buckets=("b",)
    )
    s3: Any = connect(route, session=boto3.Session("AKIA0000", "s" * 40, "t"))
    caught: list[Any] = []

    def catch(request: Any, **_kwargs: Any) -> None:
        caught.append(request)
        raise Caught

    s3.meta.events.register_last("before-send.s3", catch)
    different = 0
    for _ in range(count):
        key, prefix, version, after, token = (text(chance, 40) for _ in range(5))
        with pytest.raises(Caught):
            s3.get_object(Bucket="b", Key=key, VersionId=version, IfMatch='"e"')
        different += differs(caught.pop(), quote_path("b", key), [("versionId", version)])
        with pytest.raises(Caught):
            s3.list_objects_v2(Bucket="b", Prefix=prefix, Delimiter="/", ContinuationToken=token, StartAfter=after)
        asked = {"list-type": "2", "prefix": prefix, "delimiter": "/", "start-after": after, "encoding-type": "url"}
        different += differs(caught.pop(), "/b", [*asked.items(), ("continuation-token", token)])
    return different


def differs(request: Any, path: str, parameters: list[tuple[str, str]]) -> bool:
    """Whether our path, query and signature are not boto3's, given the headers that boto3 chose to sign."""
    split, query = urlsplit(request.url), quote_query(parameters)
    if split.path != path or sorted(split.query.split("&")) != sorted(query.split("&")):
        return True
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    authorization = headers["authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    chosen = [(name, headers[name]) for name in names if name not in OURS]
    signer = Signer(HOST, "eu-west-1", "agent", lambda: seconds(headers["x-amz-date"]))
    sent = signer.head(CLIENT_KEYS, path, query, chosen)
    return f"authorization: {authorization}\r\n".encode() not in sent


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value

"""SigV4 for a GET without a body, in the few string operations it takes; equal to botocore's signer, byte for byte.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Protocol
from urllib.parse import quote

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

Headers = Iterable[tuple[str, str]]


class Keys(Protocol):
    """What signs: botocore's frozen credentials."""

    @property
    def access_key(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


def quote_path(bucket: str, key: str) -> str:
    """`/bucket/key` as botocore writes it into a URL, and as S3 signs it: encoded once, never normalised."""
    return f"/{quote(bucket, safe='')}/{quote(key, safe='/~')}"


def quote_query(parameters: Headers) -> str:
    """The canonical query string: encoded, then sorted."""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters)
    )


class Signer:
    """Signs GETs to one host of one region. now: seconds since the epoch."""

    def __init__(self, host: str, region: str, user_agent: str, now: Callable[[], float] = time.time) -> None:
        self._host = host
        self._scope = f"{region}/s3/aws4_request"
        self._region = region
        self._user_agent = user_agent
        self._now = now
        self._second = -1
        self._stamp = ""
        self._day_key: tuple[str, str, bytes] = ("", "", b"")

    def head(self, keys: Keys, path: str, query: str, headers: Headers) -> bytes:
        """The request's head, ready to send. headers: lower-case names, each at most once."""
        stamp = self._timestamp()
        signed = [
            ("host", self._host),
            ("x-amz-content-sha256", EMPTY_SHA256),
            ("x-amz-date", stamp),
            *((name, " ".join(value.split())) for name, value in headers),
        ]
        if keys.token:
            signed.append(("x-amz-security-token", keys.token))
        signed.sort()
        names = ";".join([name for name, _ in signed])
        canonical = "\n".join([f"{name}:{value}" for name, value in signed])
        asked = sha256(f"GET\n{path}\n{query}\n{canonical}\n\n{names}\n{EMPTY_SHA256}".encode()).hexdigest()
        scope = f"{stamp[:8]}/{self._scope}"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{asked}".encode()
        signature = hmac.digest(self._key(keys.secret_key, stamp[:8]), to_sign, "sha256").hex()
        lines = "\r\n".join([f"{name}: {value}" for name, value in signed])
        target = f"{path}?{query}" if query else path
        return (
            f"GET {target} HTTP/1.1\r\n{lines}\r\nuser-agent: {self._user_agent}\r\n"
            f"authorization: AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}\r\n\r\n"
        ).encode()

    def _timestamp(self) -> str:
        second = int(self._now())
        if second != self._second:
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._second = second
        return self._stamp

    def _key(self, secret: str, day: str) -> bytes:
        known_secret, known_day, key = self._day_key
        if known_secret == secret and known_day == day:
            return key
        key = f"AWS4{secret}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self._day_key = (secret, day, key)
        return key

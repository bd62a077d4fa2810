"""SigV4 for a GET without a body, in the few string operations it takes; equal to botocore's signer, byte for byte.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import NamedTuple, Protocol
from urllib.parse import quote

from s3private.errors import RouteError

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

# What no encoding changes: most keys.
_PLAIN = re.compile("[A-Za-z0-9_.~/-]*")

Headers = Collection[tuple[str, str]]


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
    if "/" not in bucket and _PLAIN.fullmatch(path := f"/{bucket}/{key}"):
        return path
    return f"/{quote(bucket, safe='')}/{quote(key, safe='/~')}"


def quote_query(parameters: Headers) -> str:
    """The canonical query string: encoded, then sorted."""
    if not parameters:
        return ""
    return "&".join(
        f"{name}={value}"
        for name, value in sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in parameters)
    )


def refuse_unsendable(name: str, value: str | bytes) -> None:
    """Raises RouteError where `value` of header field `name` would end the field: what follows would be another one."""
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    if "\r" in text or "\n" in text or "\0" in text:
        raise RouteError(f"refused, not sent: {_called(name)} holds a line end or NUL: give it without")


def _refuse_unwritable(name: str, value: str) -> None:
    refuse_unsendable(name, value)
    if not (value.isascii() and value.isprintable()):
        raise RouteError(f"refused, not sent: {_called(name)} holds characters that no header field has")


def _called(name: str) -> str:
    """Never the value: it may be a secret."""
    if name.lower() == "x-amz-security-token":
        return "the session token of the AWS credentials (aws_session_token, AWS_SESSION_TOKEN)"
    return _KEYS.get(name, f"header field {ascii(name)[1:-1]}")


_KEYS = {
    "access_key": "the access key id of the AWS credentials (aws_access_key_id, AWS_ACCESS_KEY_ID)",
    "secret_key": "the secret key of the AWS credentials (aws_secret_access_key, AWS_SECRET_ACCESS_KEY)",
}


class _Layout(NamedTuple):
    """A request's head but for its values: all requests with the same header names share it.

    order: for each value, in the order of the signed names, its place among those given. canonical, lines: with a %s
    for each.
    """

    order: tuple[int, ...]
    names: str
    canonical: str
    lines: str


class Signer:
    """Signs GETs to one host of one region. now: seconds since the epoch."""

    def __init__(self, host: str, region: str, user_agent: str, now: Callable[[], float] = time.time) -> None:
        _refuse_unwritable("user-agent", user_agent)
        self._host = host
        self._scope = f"{region}/s3/aws4_request"
        self._region = region
        self._user_agent = user_agent
        self._now = now
        self._second = -1
        self._stamp = ""
        self._keyed: tuple[str, str, _Hmac] = ("", "", _Hmac(b""))
        self._looked_at: Keys | None = None
        self._layouts: dict[tuple[str, ...], _Layout] = {}

    def head(self, keys: Keys, path: str, query: str, headers: Headers) -> bytes:
        """The request's head, ready to send. headers: lower-case names, each at most once.

        Raises RouteError for a value, a token or a key that would end its header field, or that none can hold.
        """
        if keys is not self._looked_at:
            self._look_at(keys)
        stamp = self._timestamp()
        names = ["host", "x-amz-content-sha256", "x-amz-date"]
        values = [self._host, EMPTY_SHA256, stamp]
        for name, value in headers:
            if not (value.isascii() and value.isprintable()):
                _refuse_unwritable(name, value)
            names.append(name)
            values.append(" ".join(value.split()))
        if keys.token:
            names.append("x-amz-security-token")
            values.append(keys.token)
        layout = self._layouts.get(tuple(names)) or self._lay_out(tuple(names))
        ordered = tuple([values[place] for place in layout.order])
        asked = f"GET\n{path}\n{query}\n{layout.canonical % ordered}\n\n{layout.names}\n{EMPTY_SHA256}"
        scope = f"{stamp[:8]}/{self._scope}"
        to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(asked.encode()).hexdigest()}"
        signature = self._key(keys.secret_key, stamp[:8]).hexdigest(to_sign.encode())
        target = f"{path}?{query}" if query else path
        return (
            f"GET {target} HTTP/1.1\r\n{layout.lines % ordered}\r\nuser-agent: {self._user_agent}\r\n"
            f"authorization: AWS4-HMAC-SHA256 Credential={keys.access_key}/{scope}, SignedHeaders={layout.names}, "
            f"Signature={signature}\r\n\r\n"
        ).encode()

    def _look_at(self, keys: Keys) -> None:
        _refuse_unwritable("access_key", keys.access_key)
        _refuse_unwritable("secret_key", keys.secret_key)
        if keys.token:
            _refuse_unwritable("x-amz-security-token", keys.token)
        self._looked_at = keys

    def _lay_out(self, names: tuple[str, ...]) -> _Layout:
        order = tuple(sorted(range(len(names)), key=names.__getitem__))
        escaped = [names[place].replace("%", "%%") for place in order]
        layout = _Layout(
            order,
            ";".join([names[place] for place in order]),
            "\n".join([f"{name}:%s" for name in escaped]),
            "\r\n".join([f"{name}: %s" for name in escaped]),
        )
        if len(self._layouts) >= 1000:
            self._layouts.clear()
        self._layouts[names] = layout
        return layout

    def _timestamp(self) -> str:
        second = int(self._now())
        if second != self._second:
            self._stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(second))
            self._second = second
        return self._stamp

    def _key(self, secret: str, day: str) -> _Hmac:
        known_secret, known_day, keyed = self._keyed
        if known_secret == secret and known_day == day:
            return keyed
        key = f"AWS4{secret}".encode()
        for part in (day, self._region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        keyed = _Hmac(key)
        self._keyed = (secret, day, keyed)
        return keyed


class _Hmac:
    """HMAC-SHA256 with one key for many messages: both its hashes have taken the key in already, and are copied.

    In less than half the time of hmac.digest. https://www.rfc-editor.org/rfc/rfc2104
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        """key: up to 64 bytes."""
        padded = key.ljust(64, b"\0")
        self._inner = sha256(bytes([byte ^ 0x36 for byte in padded]))
        self._outer = sha256(bytes([byte ^ 0x5C for byte in padded]))

    def hexdigest(self, message: bytes) -> str:
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.hexdigest()

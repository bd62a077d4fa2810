"""A Route is all a notebook needs to know to use a private path. Provisioning writes it once; `connect` reads it.

It is a small JSON file with a schema version, on a volume or a disk, and holds nothing secret. Whoever can write that
file says where signed requests go: so each field is matched whole, and the host must be S3's own name for the endpoint
and the region beside it. Guard, boto3, own GETs and `verify` go by what was matched here, and by nothing else.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from s3private.errors import RouteError
from s3private.notebook_html import fields_html
from s3private.whole_file import write_whole

SCHEMA_VERSION = 1
"""Raised by a change that a reader may not miss. A key that it may miss is added without: it is left alone there."""

LARGEST = 65_536
"""Bytes of a Route's file: a hundred buckets take half of it."""

_LOOPBACK = r"localhost|127(?:\.(?:0|[1-9]\d{0,2})){3}"
_ORIGIN = re.compile(r"https://(?P<host>[a-z0-9.-]{1,253})(?::(?P<port>[1-9]\d{0,4}))?", re.ASCII)
_KEY = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)

Rule = Callable[[Any], bool]


def _text(pattern: str) -> Rule:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


_bucket = _text(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}")


def _buckets(value: Any) -> bool:
    return isinstance(value, tuple) and 1 <= len(value) <= 100 and all(_bucket(each) for each in value)


def _seconds(value: Any) -> bool:
    return type(value) is int and 1 <= value <= 6000


_account = _text(r"\d{12}")
_credential = _text(r"[\w-]{1,255}")
_RULES: dict[str, tuple[Rule, str]] = {
    "path": (_text(r"[a-z][a-z0-9-]{1,18}[a-z0-9]"), "must be 3 to 20 of a-z, 0-9 and '-', beginning with a letter"),
    "region": (_text(r"[a-z]{2,4}(?:-[a-z]{1,16}){1,3}-\d{1,2}"), "must be an AWS region, such as eu-west-1"),
    "vpc_endpoint_id": (_text(r"vpce-[0-9a-f]{1,32}"), "must be an interface endpoint's id, vpce-…"),
    "buckets": (_buckets, "must hold 1 to 100 buckets' names"),
    "idle_timeout_seconds": (_seconds, "must be a whole number of seconds, from 1 to 6000"),
    "service_credential": (
        lambda value: value is None or _credential(value),
        "must be the name of a Unity Catalog service credential, or null",
    ),
    "aws_account_id": (lambda value: value is None or _account(value), "must be an AWS account's 12 digits, or null"),
}


@dataclass(frozen=True, kw_only=True)
class Route:
    """One private path, as its users see it. Raises RouteError for a field that is not what is said here.

    path: the path's name. region: the buckets' AWS region, which requests are signed for.
    endpoint_url: `https://bucket.<vpc_endpoint_id>-….s3.<region>.vpce.amazonaws.com`, of that endpoint and that region,
    the only host that a client may talk to. A name of this machine alone (`localhost`, 127.0.0.0/8), with a port, may
    stand there too, for an S3 on this machine: what is sent there does not leave it.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
    vpc_endpoint_id: the S3 interface endpoint, which is the `aws:SourceVpce` that S3 sees.
    buckets: those that the endpoint's policy lets through.
    idle_timeout_seconds: after which the load balancer drops an idle connection.
    service_credential: the Unity Catalog service credential to read with, or None for the environment's own.
    aws_account_id: the account that the path was built in, by which provisioning knows its own Route again.
    """

    path: str
    region: str
    endpoint_url: str
    vpc_endpoint_id: str
    buckets: tuple[str, ...]
    idle_timeout_seconds: int = 350
    service_credential: str | None = None
    aws_account_id: str | None = None

    def __post_init__(self) -> None:
        for name, (rule, words) in _RULES.items():
            if not rule(getattr(self, name)):
                raise RouteError(f"route {_shown(self.path)}: {name} {words}; got {_shown(getattr(self, name))}")
        if self._parsed() is None:
            raise RouteError(
                f"route {self.path}: endpoint_url must be https://bucket.{self.vpc_endpoint_id}-….s3.{self.region}."
                "vpce.amazonaws.com, S3's name for that endpoint in that region, or https://localhost:<port>; got "
                f"{_shown(self.endpoint_url)}"
            )

    def _parsed(self) -> tuple[str, int] | None:
        """Host and port, or None where it is no URL for this Route: the only place that reads `endpoint_url`."""
        match = _ORIGIN.fullmatch(self.endpoint_url) if isinstance(self.endpoint_url, str) else None
        if match is None:
            return None
        host, port = match["host"], int(match["port"] or 443)
        if port > 65_535:
            return None
        if re.fullmatch(_LOOPBACK, host, re.ASCII):
            octets = host.split(".")[1:]
            return (host, port) if match["port"] and all(int(octet) <= 255 for octet in octets) else None
        suffix = "amazonaws.com.cn" if self.region.startswith("cn-") else "amazonaws.com"
        endpoint, region = re.escape(self.vpc_endpoint_id), re.escape(self.region)
        named = rf"bucket\.{endpoint}(?:-[0-9a-z]+)+\.s3\.{region}\.vpce\.{re.escape(suffix)}"
        return (host, port) if re.fullmatch(named, host, re.ASCII) else None

    @property
    def host(self) -> str:
        """The one host, without a port."""
        return self._origin()[0]

    @property
    def port(self) -> int:
        return self._origin()[1]

    @property
    def netloc(self) -> str:
        """Host and port as a request's Host field has them: without the port where it is 443."""
        host, port = self._origin()
        return host if port == 443 else f"{host}:{port}"

    @property
    def origin(self) -> str:
        """`https://<host>[:<port>]`, put together again from what was matched."""
        return f"https://{self.netloc}"

    @property
    def on_this_machine(self) -> bool:
        """Whether the host is a name of this machine alone, rather than S3's."""
        return re.fullmatch(_LOOPBACK, self.host, re.ASCII) is not None

    def _origin(self) -> tuple[str, int]:
        parsed = self._parsed()
        assert parsed is not None
        return parsed

    def _repr_html_(self) -> str:
        return fields_html(asdict(self))

    def to_json(self) -> str:
        return json.dumps({"schema_version": SCHEMA_VERSION, **asdict(self)}, indent=2) + "\n"

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the Route whole or not at all. Raises RouteError."""
        try:
            write_whole(Path(file), self.to_json())
        except (OSError, ValueError) as error:
            raise RouteError(f"cannot write the route to {file}: {_why(error)}") from error

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Route:
        """Read a Route that `save` wrote. Raises RouteError with the file's name and what is wrong with it."""
        try:
            raw = _small_file(file)
        except (OSError, ValueError) as error:
            raise RouteError(
                f"cannot read the route {file}: {_why(error)}. `s3private provision` writes it: "
                "the file's place is route.file in the path file"
            ) from error
        try:
            document = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            raise RouteError(f"{file} is not a route: {error}") from error
        return cls._from_document(document, str(file))

    @classmethod
    def _from_document(cls, document: Any, where: str) -> Route:
        if not isinstance(document, dict):
            raise RouteError(f"{where} is not a route: a JSON object is expected")
        version = document.pop("schema_version", None)
        if type(version) is not int or version != SCHEMA_VERSION:
            raise RouteError(
                f"{where}: schema_version {_shown(version)} is not {SCHEMA_VERSION}: "
                "use the s3private that wrote it, or provision again"
            )
        if strange := [name for name in document if not _KEY.fullmatch(name)]:
            raise RouteError(f"{where}: {_shown(strange[0])} is no key of a route")
        required = {"path", "region", "endpoint_url", "vpc_endpoint_id", "buckets"}
        if missing := sorted(required - set(document)):
            raise RouteError(f"{where}: key {missing[0]!r} is missing")
        # What a later s3private added without raising the version can be done without.
        known = {f.name: document[f.name] for f in fields(cls) if f.name in document}
        if isinstance(known["buckets"], list):
            known["buckets"] = tuple(known["buckets"])
        try:
            return cls(**known)
        except RouteError as error:
            raise RouteError(f"{where}: {error}") from error


def _shown(value: Any) -> str:
    """In a message: one line of ASCII, and not all of a long one."""
    try:
        text = ascii(value)
    except (RecursionError, ValueError):
        # Nested too deep, or a number with too many digits.
        return f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}…"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _small_file(file: str | os.PathLike[str]) -> bytes:
    """Raises OSError for what is no file, ValueError for a name or a length that no Route has. Waits for no writer."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is not a file")
        raw = b""
        while len(raw) <= LARGEST and (more := os.read(descriptor, LARGEST + 1 - len(raw))):
            raw += more
    finally:
        os.close(descriptor)
    if len(raw) > LARGEST:
        raise ValueError(f"it has more than {LARGEST} bytes")
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("a key stands there twice")
    return document


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")

"""What keeps a boto3 client on its one host: the check sits where the bytes leave, behind every handler of anybody.

botocore lets handlers change a request until it is sent, boto3 hands transfers to a client of its own where awscrt is
installed, a monitor that a variable switches on tells another host about each call. None of that is left to settings.
"""

from __future__ import annotations

import inspect
import ipaddress
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from copy import copy
from functools import wraps
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from urllib3 import PoolManager

from s3private.authorities import tls_context
from s3private.buckets import refuse_elsewhere
from s3private.errors import OutsideRoute, RouteError
from s3private.redaction import redact_answer, redact_logs
from s3private.signing import refuse_unsendable
from s3private.sockets import Paced, keep_alive_options, without_stale

if TYPE_CHECKING:
    import ssl

    import boto3

_ORIGIN = re.compile(r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253})(?::(?P<port>[1-9]\d{0,4}))?", re.ASCII)
_TRANSFERS = ("upload_file", "download_file", "upload_fileobj", "download_fileobj", "copy")
_MOST_INTERIM = 16
_PRESIGNED = ("generate_presigned_url", "generate_presigned_post")


class Origin(NamedTuple):
    """The one place that a client sends to. name: what it is called where something else is refused."""

    scheme: str
    host: str
    port: int
    name: str

    @classmethod
    def parse(cls, url: str, name: str) -> Origin | None:
        """Of `https://<host>[:<port>]`, or `http://` to a name of this machine; None for anything else."""
        match = _ORIGIN.fullmatch(url)
        if match is None:
            return None
        secure = match["scheme"] == "https"
        port = int(match["port"] or (443 if secure else 80))
        if port > 65_535 or not (secure or of_this_machine(match["host"])):
            return None
        return cls(match["scheme"], match["host"], port, name)

    @property
    def netloc(self) -> str:
        return self.host if self.port == (443 if self.scheme == "https" else 80) else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.netloc}"

    def refuse_another(self, url: Any) -> None:
        """Raises OutsideRoute unless `url` begins with this origin, letter by letter: nothing is parsed twice."""
        if isinstance(url, str) and (url == self.url or url.startswith((f"{self.url}/", f"{self.url}?"))):
            return
        shown = str(url).partition("?")[0][:200]
        authority = re.match(r"[^/]*//[^/]*", shown)
        raise OutsideRoute(
            f"refused, not sent: {ascii(authority[0] if authority else shown)[1:-1]} is not the host of {self.name}; "
            "redirects and other endpoints leave it"
        )


def of_this_machine(host: str) -> bool:
    """Whether `host` is a name of this machine alone: what is sent there does not leave it."""
    with suppress(ValueError):
        return ipaddress.IPv4Address(host).is_loopback
    return host == "localhost"


class OneHost(URLLib3Session):
    """botocore's HTTP session with connections to one origin, and no other kind: no proxy, no plain http beside https.

    verify: as of `authorities`. idle_timeout: seconds after which a load balancer drops an idle connection.
    """

    def __init__(
        self,
        origin: Origin,
        verify: bool | str,
        *,
        connect_timeout: float,
        read_timeout: float,
        connections: int,
        idle_timeout: float,
    ) -> None:
        self.origin = origin
        self._authorities = verify
        self._idle_timeout = idle_timeout
        options: dict[str, Any] = {
            "proxies": {},
            "timeout": (connect_timeout, read_timeout),
            "max_pool_connections": connections,
            "socket_options": keep_alive_options(idle_timeout),
        }
        super().__init__(**options)
        self._pool_classes_by_scheme = {self.origin.scheme: _pool(self.origin, self._idle_timeout)}
        inherited: Any = self
        self._manager = PoolManager(**inherited._get_pool_manager_kwargs())
        self._manager.pool_classes_by_scheme = self._pool_classes_by_scheme

    def send(self, request: Any) -> Any:
        self.origin.refuse_another(request.url)
        for name, value in request.headers.items():
            refuse_unsendable(name, value)
            if name.lower() == "host" and _text(value) != self.origin.netloc:
                raise OutsideRoute(
                    f"refused, not sent: a Host field of {_text(value)!a} is not the host of {self.origin.name}"
                )
        try:
            return super().send(request)
        except HTTPClientError as error:
            refused = error.kwargs.get("error")
            if isinstance(refused, RouteError):
                raise refused from None
            raise

    def _get_ssl_context(self) -> ssl.SSLContext:
        context = tls_context(self._authorities)
        context.sslsocket_class = Paced
        return context

    def _setup_ssl_cert(self, conn: Any, url: str, verify: Any) -> None:
        """The context has the authorities, and looks at name and chain itself."""
        conn.cert_reqs, conn.ca_certs = "CERT_REQUIRED", None

    def _get_connection_manager(self, url: str, proxy_url: str | None = None) -> PoolManager:
        if proxy_url is not None:
            raise OutsideRoute(f"refused, not sent: a proxy is not the host of {self.origin.name}")
        return self._manager


def _pool(origin: Origin, idle_timeout: float) -> Any:
    """A class of connection pools, whose connections are made to `origin` or not at all."""
    connection: Any
    pool: Any
    connection, pool = (
        (AWSHTTPSConnection, AWSHTTPSConnectionPool)
        if origin.scheme == "https"
        else (AWSHTTPConnection, AWSHTTPConnectionPool)
    )

    def connect(self: Any) -> None:
        if (self.host, self.port) != (origin.host, origin.port) or getattr(self, "_tunnel_host", None):
            raise OutsideRoute(f"refused, not sent: {self.host}:{self.port} is not the host of {origin.name}")
        connection.connect(self)

    def request(self: Any, method: str, *arguments: Any, **named: Any) -> Any:
        self.reads = method == "GET"
        return connection.request(self, method, *arguments, **named)

    def getresponse(self: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(self.sock, Paced):
            self.sock.begin(self.reads)
        return connection.getresponse(self, *arguments, **named)

    # No connection that was idle half as long as the load balancer keeps one is used again.
    kept = without_stale(pool, idle_timeout / 2)
    own = {"connect": connect, "request": request, "getresponse": getresponse, "response_class": _Answer}
    return type("OneHostPool", (kept,), {"ConnectionCls": type("ToOneHost", (connection,), own)})


class _Answer(HTTPResponse):
    """Python's own takes any number of interim answers (`100 Continue`) for a reason to wait for the next one."""

    _interim = 0

    def _read_status(self) -> Any:
        inherited: Any = super()
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise HTTPException(f"more than {_MOST_INTERIM} interim answers, and no other")
        return inherited._read_status()


def guard(client: Any, http_session: OneHost, session: boto3.Session) -> None:
    """From now on `client`, of botocore, sends through `http_session` and tells nobody else; logs get no keys.

    Raises RouteError where this botocore sends in another way than is known here: then nothing is guarded.
    """
    endpoint = getattr(client, "_endpoint", None)
    if not isinstance(getattr(endpoint, "http_session", None), URLLib3Session):
        raise RouteError(
            "this version of botocore does not send through a session that can be guarded: use one of those that "
            "s3private is tried with"
        )
    assert endpoint is not None
    redact_logs()
    endpoint.http_session = http_session
    _untold(client, session)


def guard_s3(s3: Any, origin: Origin) -> None:
    """What is S3's own: buckets that are other hosts, redirects, presigned URLs, and boto3's classic transfers."""

    def parameters(params: Any, **_event: Any) -> None:
        bucket = params.get("Bucket") if isinstance(params, dict) else None
        if isinstance(bucket, str):
            refuse_elsewhere(bucket, origin.name)

    def request(request: Any, **_event: Any) -> None:
        origin.refuse_another(request.url)

    def response(request_dict: Any, **_event: Any) -> None:
        # The host stays, so another region can only be signed for in vain; and where S3 names none, botocore asks
        # HeadBucket, which is redirected, so that it asks HeadBucket. Told that it was redirected, it leaves it be.
        request_dict["context"].setdefault("s3_redirect", {})["redirected"] = True

    s3.meta.events.register_first("before-parameter-build.s3", parameters)
    # No handler gets a request that was signed for elsewhere. What they change is looked at behind them.
    s3.meta.events.register_first("before-send.s3", request)
    s3.meta.events.register_first("needs-retry.s3", response)
    s3.meta.events.register_first("after-call.s3", redact_answer)
    kind = type(s3)
    own: dict[str, Any] = {name: _classic(getattr(kind, name)) for name in _TRANSFERS if hasattr(kind, name)}
    own |= {name: _here(getattr(kind, name), origin) for name in _PRESIGNED if hasattr(kind, name)}
    own["_get_credentials"] = _no_match(kind._get_credentials)
    s3.__class__ = type(kind.__name__, (kind,), own)


def _no_match(method: Callable[..., Any]) -> Callable[..., Any]:
    """S3Transfer(s3) too goes the classic way: boto3 gives its CRT client, one in a process, to whoever has the same
    credentials. They are asked for to make that one, for all, and again to compare: then there are none."""

    def called(self: Any) -> Any:
        crt = sys.modules.get("boto3.crt")
        return method(self) if crt is None or getattr(crt, "CRT_S3_CLIENT", crt) is None else None

    return called


def _classic(method: Callable[..., Any]) -> Callable[..., Any]:
    """The transfer by the manager that uses this client: boto3's CRT manager makes one of its own, for S3's own host.
    https://boto3.amazonaws.com/v1/documentation/api/latest/guide/s3.html
    """
    signature = inspect.signature(method)

    @wraps(method)
    def called(*arguments: Any, **keywords: Any) -> Any:
        from boto3.s3.transfer import TransferConfig

        bound = signature.bind(*arguments, **keywords)
        config = bound.arguments.get("Config")
        config = TransferConfig() if config is None else copy(config)
        config.preferred_transfer_client = "classic"
        bound.arguments["Config"] = config
        return method(*bound.args, **bound.kwargs)

    return called


def _here(method: Callable[..., Any], origin: Origin) -> Callable[..., Any]:
    """A presigned URL leads to the same host, or is not made."""

    @wraps(method)
    def called(*arguments: Any, **keywords: Any) -> Any:
        made = method(*arguments, **keywords)
        origin.refuse_another(made["url"] if isinstance(made, dict) else made)
        return made

    return called


def _untold(client: Any, session: Any) -> None:
    """AWS_CSM_ENABLED and AWS_CSM_HOST have botocore tell another host of each call, with key id and session token."""
    inner = getattr(session, "_session", session)
    monitor = inner._get_internal_component("monitor")
    for event in _told(monitor):
        client.meta.events.unregister(event, monitor.capture)


def _told(monitor: Any) -> Iterable[str]:
    return monitor._EVENTS_TO_REGISTER if monitor is not None else ()


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)

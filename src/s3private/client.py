"""`connect(route)` gives a real boto3 S3 client that can go no other way: there is no fallback.

A request for any host but the Route's is refused before it is sent. Endpoints and proxies of the environment are
ignored, and `explain(s3)` says so. TLS is always verified (`AWS_CA_BUNDLE` is respected); there is no switch for it.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from s3private.buckets import refuse_elsewhere
from s3private.credentials import assumed_role_session, base_session
from s3private.errors import OutsideRoute, RouteError
from s3private.forked_clients import of_one_process, renew
from s3private.forks import renewed_in_child
from s3private.route import Route
from s3private.sockets import keep_alive_options, without_stale
from s3private.wire import Wire

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client

ROUTES_VARIABLE = "S3PRIVATE_ROUTES"
"""The environment variable that names the directory in which `connect("demo")` finds demo.route.json."""

CONNECTIONS = 64

_IGNORED = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a client was made, to make it again in a worker process: it pickles, and holds no key.

    A worker finds its own credentials, in the same way: service credential, role, or environment.
    """

    route: Route
    service_credential: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    lean: bool = True

    def connect(self) -> S3Client:
        options = {name: value for name, value in asdict(self).items() if name != "route"}
        return connect(self.route, **options)


@dataclass(frozen=True)
class _Connected:
    recipe: Recipe | None
    route: Route
    wire: Wire | None
    session: Any


_CONNECTED: WeakKeyDictionary[Any, _Connected] = WeakKeyDictionary()


def connect(
    route: Route | str | os.PathLike[str],
    *,
    session: boto3.Session | None = None,
    service_credential: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
    connect_timeout: float = 10.0,
    read_timeout: float = 60.0,
    lean: bool = True,
) -> S3Client:
    """A boto3 S3 client for the Route's host alone, safe to share between threads.

    route: a Route; the file that provisioning wrote; or a path's bare name, looked up as `<name>.route.json` in the
    directory that the environment variable S3PRIVATE_ROUTES names.
    session: whose credentials sign. service_credential: the Unity Catalog service credential that signs instead;
    default: the Route's, else boto3's usual search. role_arn, external_id: a role to assume with those.
    connect_timeout, read_timeout: seconds to the connection, and without a byte.
    lean: let listing and reading speak to the Route's host with their own GETs, signed with the same credentials;
    False sends everything through boto3.

    Raises RouteError when the Route cannot be read or its service credential cannot be had here, PlatformError where
    Databricks refuses that credential. Its calls raise OutsideRoute for another host, PlatformError where the role
    cannot be assumed, and botocore's own errors otherwise.
    Path style: `bucket.vpce-…` serves every bucket in it; virtual style would make another host.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
    """
    from botocore.config import Config

    chosen = _find(route)
    recipe = None
    if session is None:
        recipe = Recipe(
            route=chosen,
            service_credential=service_credential or chosen.service_credential,
            role_arn=role_arn,
            external_id=external_id,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            lean=lean,
        )
        session = base_session(recipe.service_credential, chosen.region)
    elif service_credential:
        raise RouteError("give connect a session or a service_credential, not both")
    if external_id and not role_arn:
        raise RouteError("external_id is what a role's trust policy asks for: give connect the role_arn too")
    if role_arn:
        name = f"s3private-{chosen.path}"
        session = assumed_role_session(session, role_arn, external_id, name, chosen.region, in_one_line=True)
    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path"},
        "ignore_configured_endpoint_urls": True,
        "proxies": {},
        "retries": {"mode": "standard", "total_max_attempts": 4},
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "tcp_keepalive": True,
        "max_pool_connections": CONNECTIONS,
    }
    s3 = session.client("s3", region_name=chosen.region, endpoint_url=chosen.origin, config=Config(**options))
    _outlive_the_load_balancer(s3, chosen.idle_timeout_seconds)
    _of_one_process(s3)
    guard = _Guard(chosen)
    s3.meta.events.register_first("before-parameter-build.s3", guard.parameters)
    # Last of all handlers before the wire, so that nothing can change the host after it was looked at.
    s3.meta.events.register_last("before-send.s3", guard.request)
    wire = _wire(chosen, session, s3, connect_timeout, read_timeout) if lean else None
    _CONNECTED[s3] = _Connected(recipe, chosen, wire, session)
    renewed_in_child(s3, _in_child)
    return s3


def recipe(s3: S3Client) -> Recipe:
    """How `s3` was made: pickle it, send it to a worker, and `.connect()` there.

    Raises RouteError for a client that was made from a session, or not by `connect`: its keys stay here.
    """
    known = _CONNECTED.get(s3)
    if known is None or known.recipe is None:
        raise RouteError(
            "this client cannot be made again elsewhere: it was made from a session, or not by s3private.connect. "
            "Give connect a service_credential or a role_arn, or nothing"
        )
    return known.recipe


def explain(s3: S3Client) -> str:
    """Where `s3` goes, who signs, and what of the environment it ignores: one fact per line, no secret.

    Raises RouteError for a client that `connect` did not make.
    """
    known = _known(s3)
    route = known.route
    credentials = known.session.get_credentials()
    ignored = [name for name in _IGNORED if os.environ.get(name)]
    lines = [
        f"path            {route.path}",
        f"host            {route.host}, and no other",
        f"region          {route.region} (signed for)",
        f"vpc endpoint    {route.vpc_endpoint_id} (what aws:SourceVpce is to S3)",
        f"buckets         {', '.join(route.buckets)}",
        f"credentials     {credentials.method if credentials else 'none found: nothing can be signed'}",
        f"own GETs        {'on' if known.wire else 'off: everything goes through boto3'}",
        f"ignored         {', '.join(ignored) or 'nothing was set'}",
    ]
    return "\n".join(lines)


def refuse_other_clients(s3: S3Client) -> None:
    """Raises RouteError for a client that `connect` did not make: it may go any way, and nobody would notice."""
    _known(s3)


def route_of(s3: S3Client) -> Route:
    """The Route of `s3`. Raises RouteError for a client that `connect` did not make."""
    return _known(s3).route


def wire_of(s3: S3Client) -> Wire | None:
    """The lean transport beside `s3`, or None. Raises RouteError for a client that `connect` did not make."""
    return _known(s3).wire


def _known(s3: S3Client) -> _Connected:
    from botocore.client import BaseClient

    # What is no client at all may not even be looked up.
    known = _CONNECTED.get(s3) if isinstance(s3, BaseClient) else None
    if known is None:
        raise RouteError(
            "refused, not sent: this client was not made by s3private.connect, and where it goes is not known. "
            "Use s3 = s3private.connect(route)"
        )
    return known


def _wire(
    route: Route, session: boto3.Session, s3: S3Client, connect_timeout: float, read_timeout: float
) -> Wire | None:
    """None where botocore does not say what it verifies the server's certificate against: then it goes alone."""
    endpoint: Any = getattr(s3, "_endpoint", None)
    verify = getattr(getattr(endpoint, "http_session", None), "_verify", None)
    if verify is not True and not isinstance(verify, str):
        return None
    config: Any = s3.meta.config
    return Wire(route, session, verify, connect_timeout, read_timeout, config.user_agent)


def _find(route: Route | str | os.PathLike[str]) -> Route:
    if isinstance(route, Route):
        # However it was made: one that was unpickled was not looked at.
        return replace(route)
    text = os.fspath(route)
    if os.sep in text or text.endswith(".json"):
        return Route.load(text)
    directory = os.environ.get(ROUTES_VARIABLE)
    if not directory:
        raise RouteError(
            f"no route {text!r}: a bare name is looked up in the directory that {ROUTES_VARIABLE} names, and it is "
            "not set. Set it, or give the route's file"
        )
    return Route.load(Path(directory) / f"{text}.route.json")


def _outlive_the_load_balancer(s3: S3Client, idle_timeout: float) -> None:
    """botocore's `tcp_keepalive` leaves the kernel's two hours in place, and its pool keeps sockets for ever.
    https://github.com/boto/botocore/issues/2916"""
    endpoint: Any = getattr(s3, "_endpoint", None)
    http_session = getattr(endpoint, "http_session", None)
    options = getattr(http_session, "_socket_options", None)
    if isinstance(options, list):
        options[:] = keep_alive_options(idle_timeout)
    classes = getattr(getattr(http_session, "_manager", None), "pool_classes_by_scheme", None)
    if isinstance(classes, dict) and "https" in classes:
        classes["https"] = without_stale(classes["https"], idle_timeout / 2)


def _of_one_process(s3: S3Client) -> None:
    """boto3's TLS sockets, too, are closed in a forked process, and not spoken on."""
    endpoint: Any = getattr(s3, "_endpoint", None)
    of_one_process(getattr(endpoint, "http_session", None))


def _in_child(s3: S3Client) -> None:
    renew(s3, _CONNECTED[s3].session)


class _Guard:
    """Refuses what would go to another host: when the parameters name one, and again with the request in hand."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._origin = _origin(route.endpoint_url)

    def parameters(self, params: Any, **_kwargs: Any) -> None:
        bucket = params.get("Bucket") if isinstance(params, dict) else None
        if isinstance(bucket, str):
            refuse_elsewhere(bucket, f"the path {self._route.path} ({self._route.host})")

    def request(self, request: Any, **_kwargs: Any) -> None:
        if _origin(request.url) != self._origin:
            raise OutsideRoute(
                f"refused, not sent: {urlsplit(request.url).hostname} is not the host of the path {self._route.path} "
                f"({self._route.host}); redirects and other endpoints leave it"
            )


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or 443

"""`connect(route)` gives a real boto3 S3 client that can go no other way: there is no fallback.

A request for any host but the Route's is refused before it is sent. Endpoints and proxies of the environment are
ignored, and `explain(s3)` says so. TLS is always verified (`AWS_CA_BUNDLE` is respected); there is no switch for it.
"""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from s3private.authorities import IGNORED as authority_variables
from s3private.authorities import authorities
from s3private.counters import Counters
from s3private.credentials import base_session, keys_come_from, role_session
from s3private.errors import RouteError
from s3private.forked_clients import renew
from s3private.forks import renewed_in_child
from s3private.raw_answers import keep_raw_answers
from s3private.route import Route
from s3private.wire import Wire

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client

ROUTES_VARIABLE = "S3PRIVATE_ROUTES"
"""The environment variable that names the directory in which `connect("demo")` finds demo.route.json."""

CONNECTIONS = 64

_IGNORED = tuple(
    re.compile(pattern)
    for pattern in (
        r"AWS_(ENDPOINT_URL|USE|S3)\w*",
        r"(HTTPS?|ALL)_PROXY|(https?|all)_proxy",
        r"AWS_CSM_\w+",
        "|".join(authority_variables),
    )
)
"""Families of variables that would move another client's requests, or tell of them."""
_OBEYED_BY_STS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS")


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
    base: Any
    verify: bool | str
    sts: str | None
    counters: Counters
    signer: str


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

    A forked process can use it, too. What was begun before the fork raises Refused there, and goes on in the parent;
    an opened file goes on in both.

    route: a Route; the file that provisioning wrote; or a path's bare name, looked up as `<name>.route.json` in the
    directory that the environment variable S3PRIVATE_ROUTES names.
    session: whose credentials sign. service_credential: the Unity Catalog service credential that signs instead;
    default: the Route's, else boto3's usual search. role_arn, external_id: a role to assume with those.
    connect_timeout, read_timeout: seconds to the connection, and without a byte. The second is also how
    long 16 KiB of a GET's answer may take, or its end.
    lean: let listing and reading speak to the Route's host with their own GETs, signed with the same credentials;
    False sends everything through boto3.

    Raises RouteError when the Route cannot be read or its service credential cannot be had here, PlatformError where
    Databricks refuses that credential. Its calls raise OutsideRoute for another host, PlatformError where the role
    cannot be assumed, and botocore's own errors otherwise.
    Path style: `bucket.vpce-…` serves every bucket in it; virtual style would make another host.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
    """
    from botocore.config import Config

    from s3private.guard import OneHost, Origin, guard, guard_s3

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
    verify = authorities(session)
    base, sts = session, None
    if role_arn:
        name = f"s3private-{chosen.path}"
        session, sts = role_session(base, role_arn, external_id, name, chosen.region, verify)
    options: dict[str, Any] = {
        "signature_version": "s3v4",
        "s3": {"addressing_style": "path", "use_accelerate_endpoint": False},
        "use_dualstack_endpoint": False,
        "use_fips_endpoint": False,
        "ignore_configured_endpoint_urls": True,
        "proxies": {},
        "retries": {"mode": "standard", "total_max_attempts": 4},
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "tcp_keepalive": True,
        "max_pool_connections": CONNECTIONS,
    }
    s3 = session.client(
        "s3", region_name=chosen.region, endpoint_url=chosen.origin, verify=verify, config=Config(**options)
    )
    origin = Origin("https", chosen.host, chosen.port, f"the path {chosen.path} ({chosen.host})")
    guard(
        s3,
        OneHost(
            origin,
            verify,
            connect_timeout=connect_timeout,
            read_timeout=read_timeout,
            connections=CONNECTIONS,
            idle_timeout=chosen.idle_timeout_seconds,
        ),
        session,
    )
    guard_s3(s3, origin)
    keep_raw_answers(s3)
    settings: Any = s3.meta.config
    counters = Counters()
    s3.meta.events.register("needs-retry.s3", counters.tried)
    wire = None
    if lean:
        agent = settings.user_agent
        wire = Wire(chosen, session, verify, connect_timeout, read_timeout, agent, counters=counters)
    signer = f"the role {role_arn}" if role_arn else _signer(recipe, base)
    _CONNECTED[s3] = _Connected(recipe, chosen, wire, session, base, verify, sts, counters, signer)
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
    """Every host that `s3` talks to or may ask for keys, and why; who signs; what of the environment it ignores; and
    what became of its requests so far: one fact per line, no secret.

    The last lines count, of this client in this process: own answers; what was asked
    again through boto3, and why; connections; retries; bodies whose checksum could not be verified. Why boto3 was asked
    is logged under `s3private.transport`, the first time as a warning.
    Raises RouteError for a client that `connect` did not make.
    """
    known = _known(s3)
    route = known.route
    credentials = known.session.get_credentials()
    signs = credentials.method if credentials else "none found: nothing can be signed"
    own = ", a name of this machine: nothing leaves it" if route.on_this_machine else ""
    lines = [
        f"path            {route.path}",
        f"host            {route.host}, and no other{own}",
        f"region          {route.region} (signed for)",
        f"vpc endpoint    {route.vpc_endpoint_id} (what aws:SourceVpce is to S3)",
        f"buckets         {', '.join(route.buckets)}",
        f"credentials     {signs}",
    ]
    if known.sts is not None:
        lines.append(f"role            {known.sts} (STS, asked for the role's keys; not on the private path)")
    lines += [f"keys            {where}" for where in keys_come_from(known.base)]
    lines += [
        f"certificates    {'the authorities that come with boto3' if known.verify is True else known.verify}",
        f"own GETs        {'on' if known.wire else 'off: everything goes through boto3'}",
        f"ignored         {', '.join(_ignored(known)) or 'nothing was set'}",
    ]
    return "\n".join(lines + known.counters.as_lines())


def _ignored(known: _Connected) -> list[str]:
    """Settings that would move another client's requests, as they are written; empty ones are none."""
    inner: Any = known.base._session
    settings = inner.get_scoped_config()
    profile = [name for name in ("endpoint_url", "services", "s3") if settings.get(name)]
    there = sorted(name for name, value in os.environ.items() if value)
    names = [name for family in _IGNORED for name in there if family.fullmatch(name)]
    if known.sts is not None:
        names = [f"{name} (but for STS)" if name in _OBEYED_BY_STS else name for name in names]
    return [*names, *(f"{name} in the AWS profile" for name in profile)]


def refuse_other_clients(s3: S3Client) -> None:
    """Raises RouteError for a client that `connect` did not make: it may go any way, and nobody would notice."""
    _known(s3)


def route_of(s3: S3Client) -> Route:
    """The Route of `s3`. Raises RouteError for a client that `connect` did not make."""
    return _known(s3).route


def verify_of(s3: S3Client) -> bool | str:
    """What `s3` verifies certificates against, as of `authorities`. Raises RouteError for a client that `connect` did
    not make."""
    return _known(s3).verify


def wire_of(s3: S3Client) -> Wire | None:
    """The lean transport beside `s3`, or None. Raises RouteError for a client that `connect` did not make."""
    return _known(s3).wire


def signer_of(s3: S3Client) -> str:
    """Whose keys sign for `s3`, in words and without a key. Raises RouteError for a client that `connect` did not
    make."""
    return _known(s3).signer


def counters_of(s3: S3Client) -> Counters:
    """What is counted of `s3`. Raises RouteError for a client that `connect` did not make."""
    return _known(s3).counters


def _signer(recipe: Recipe | None, base: boto3.Session) -> str:
    if recipe is not None and recipe.service_credential:
        return f"the service credential {recipe.service_credential}"
    keys = base.get_credentials()
    where = f"boto3's credentials from {keys.method}" if keys is not None and keys.method else "boto3's credentials"
    return where if base.profile_name == "default" else f"{where} of the profile {base.profile_name}"


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


def _in_child(s3: S3Client) -> None:
    renew(s3, _CONNECTED[s3].session)

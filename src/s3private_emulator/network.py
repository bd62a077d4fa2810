"""What a name means and where a connection ends up, decided anew at every question.

DNS (`resolve`) and reach are two questions, as in the field: the public zone answers the same everywhere, except that
serverless is told otherwise about the names that a rule of its workspace carries; whether the answer can be reached
depends on where one stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.black_hole import BlackHole
from s3private_emulator.certificates import Authority, s3_endpoint_names
from s3private_emulator.clock import Clock
from s3private_emulator.forwarder import Forwarder
from s3private_emulator.http_server import Crash, HttpServer
from s3private_emulator.place import Kind, Place
from s3private_emulator.wire import LOOPBACK, Wire

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

HTTPS = 443
INTERNET_VIA = "internet"
ENDPOINT_VIA = "endpoint:"
SERVICE_VIA = "service:"
PUBLIC_ZONES = ("amazonaws.com", "cloud.databricks.com")
PRIVATE_ZONE = "vpce.amazonaws.com"


@dataclass(frozen=True)
class Resolved:
    """`via` says what the name stands for; empty: NXDOMAIN."""

    via: str
    reason: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True)
class Reached:
    """Where on loopback to connect; a black hole when the real address could not be reached."""

    address: str
    port: int
    black_hole: bool
    reason: str

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An S3 interface endpoint, as DNS and a machine inside its VPC see it."""

    vpc_endpoint_id: str
    dns_names: tuple[str, ...]
    """As EC2 writes them: `*.vpce-<id>-<x>.s3.<region>.vpce.amazonaws.com`."""
    available: bool
    admits_vpc: bool
    """Its security groups let TCP 443 in from a machine of the VPC."""


@dataclass(frozen=True, kw_only=True)
class Clouds:
    """What the network asks of the clouds."""

    region: str
    hop: Callable[[str], Hop]
    """endpoint service name -> how its load balancer passes"""
    endpoint_views: Callable[[], list[EndpointView]]
    endpoint_app: Callable[[str], WSGIApplication]
    """VPC endpoint id -> S3 as seen through it"""
    carried_names: Callable[[int], Mapping[str, str]]
    """workspace id -> the names that its NCC's rules carry -> endpoint service name; KeyError: no such workspace"""


class Network:
    """`wildcards`: whether a rule's `*.` pattern carries the names below it. Reported as exact match only, and yet the
    pattern `*.s3.<region>.vpce.amazonaws.com` has been used with success: not settled, so it can be switched."""

    def __init__(
        self,
        *,
        wire: Wire,
        clock: Clock,
        authority: Authority,
        clouds: Clouds,
        internet_port: int,
        crash: Crash,
        wildcards: bool = True,
    ) -> None:
        self._wire = wire
        self._clock = clock
        self._authority = authority
        self._clouds = clouds
        self._internet_port = internet_port
        self._crash = crash
        self.wildcards = wildcards
        self._lock = threading.Lock()
        self._fronts: dict[str, HttpServer] = {}
        self._forwarders: dict[str, Forwarder] = {}
        self._hole = BlackHole()

    def resolve(self, place: Place, name: str) -> Resolved:
        """Raises KeyError for serverless of a workspace that is not there."""
        name = name.lower().rstrip(".")
        if place.kind is Kind.SERVERLESS and (service := self._carried(place.workspace_id, name)):
            return Resolved(SERVICE_VIA + service, f"a rule of workspace {place.workspace_id} carries {name}")
        if _within(name, PRIVATE_ZONE):
            for view in self._clouds.endpoint_views():
                if any(_within(name, dns.removeprefix("*.")) for dns in view.dns_names):
                    return Resolved(ENDPOINT_VIA + view.vpc_endpoint_id, f"{name} is a private address in the VPC")
            return Resolved("", f"no endpoint has the name {name}")
        if any(_within(name, zone) for zone in PUBLIC_ZONES):
            return Resolved(INTERNET_VIA, f"{name} is public")
        return Resolved("", f"{name} does not exist")

    def reach(self, place: Place, via: str, port: int) -> Reached:
        """`via` as `resolve` gave it, perhaps a while ago. Raises ValueError for another."""
        if port != HTTPS:
            return self._nowhere(f"nothing listens on port {port}")
        if via == INTERNET_VIA:
            return self._there(self._internet_port, "the internet")
        if via.startswith(SERVICE_VIA):
            service = via.removeprefix(SERVICE_VIA)
            hop = self._clouds.hop(service)
            if hop.passage is Passage.TIMEOUT:
                return self._nowhere(hop.reason)
            return self._there(self._forwarder(service).port, hop.reason)
        if via.startswith(ENDPOINT_VIA):
            return self._endpoint(place, via.removeprefix(ENDPOINT_VIA))
        raise ValueError(f"not a way: {via!r}")

    def close(self) -> None:
        with self._lock:
            servers: list[Forwarder | HttpServer] = [*self._forwarders.values(), *self._fronts.values()]
        for server in servers:
            server.close()
        self._hole.close()

    def _carried(self, workspace_id: int, name: str) -> str | None:
        carried = {pattern.lower(): service for pattern, service in self._clouds.carried_names(workspace_id).items()}
        if name in carried:
            return carried[name]
        if self.wildcards:
            for pattern, service in carried.items():
                if pattern.startswith("*.") and name.endswith(pattern[1:]):
                    return service
        return None

    def _endpoint(self, place: Place, vpc_endpoint_id: str) -> Reached:
        if place.kind is not Kind.VPC:
            return self._nowhere(f"{vpc_endpoint_id} has private addresses, which {place} cannot reach")
        for view in self._clouds.endpoint_views():
            if view.vpc_endpoint_id == vpc_endpoint_id:
                if not view.available:
                    return self._nowhere(f"{vpc_endpoint_id} is not available")
                if not view.admits_vpc:
                    return self._nowhere(f"the security groups of {vpc_endpoint_id} admit no TCP 443 from the VPC")
                return self._there(self._front_port(vpc_endpoint_id), vpc_endpoint_id)
        return self._nowhere(f"{vpc_endpoint_id} is gone")

    def _there(self, port: int, reason: str) -> Reached:
        return Reached(LOOPBACK, port, black_hole=False, reason=reason)

    def _nowhere(self, reason: str) -> Reached:
        return Reached(LOOPBACK, self._hole.port, black_hole=True, reason=reason)

    def _forwarder(self, service: str) -> Forwarder:
        with self._lock:
            if service not in self._forwarders:
                self._forwarders[service] = Forwarder(
                    self._wire, self._clock, lambda: self._clouds.hop(service), self._front_port
                )
            return self._forwarders[service]

    def _front_port(self, vpc_endpoint_id: str) -> int:
        """The TLS front of S3 behind that endpoint, made when first asked for."""
        names = [view.dns_names for view in self._clouds.endpoint_views() if view.vpc_endpoint_id == vpc_endpoint_id]
        with self._lock:
            if vpc_endpoint_id not in self._fronts:
                tls = self._authority.server(s3_endpoint_names(self._clouds.region, names[0] if names else ()))
                app = self._clouds.endpoint_app(vpc_endpoint_id)
                self._fronts[vpc_endpoint_id] = HttpServer(self._wire, app, tls=tls, crash=self._crash)
            return self._fronts[vpc_endpoint_id].port


def _within(name: str, zone: str) -> bool:
    return name == zone or name.endswith("." + zone)

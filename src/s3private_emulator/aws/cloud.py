"""Everything the emulated AWS remembers beside moto's own networks, roles and buckets, by account and region.

One lock guards it all: the emulator serves a handful of clients, and a request must not see half of another.
"""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_network_interfaces import NetworkInterface

from s3private_emulator.aws.credentials import CredentialStore
from s3private_emulator.delays import Delays, Transition
from s3private_emulator.log import RequestLog
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.serials import Serials
from s3private_emulator.world import World

CROSS_ZONE = "load_balancing.cross_zone.enabled"
"""An attribute of load balancers and of target groups."""


@dataclass
class Endpoint:
    """A VPC endpoint. `closing` is set once it is being deleted."""

    id: str
    type: str
    service_name: str
    vpc_id: str
    policy: str
    private_dns: bool
    groups: list[str]
    route_tables: list[str]
    created: datetime
    opening: Transition
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    """By subnet id."""
    closing: Transition | None = None

    @property
    def available(self) -> bool:
        return self.closing is None and self.opening.passed() and self.opening.ending is None


@dataclass
class Listener:
    arn: str
    load_balancer_arn: str
    protocol: str
    port: int
    actions: list[dict[str, object]]
    attributes: dict[str, str]
    tags: dict[str, str]

    @property
    def target_group_arns(self) -> list[str]:
        return [str(a["TargetGroupArn"]) for a in self.actions if a.get("TargetGroupArn")]


@dataclass
class LoadBalancer:
    arn: str
    name: str
    scheme: str
    vpc_id: str
    subnets: list[tuple[str, str]]
    """(subnet id, zone), in the order given."""
    groups: list[str]
    """Empty: made without, and none can be given later."""
    created: datetime
    opening: Transition
    attributes: dict[str, str]
    tags: dict[str, str]
    enforces_inbound_on_privatelink: bool
    interfaces: dict[str, NetworkInterface] = field(default_factory=dict)
    """By zone."""

    @property
    def settings(self) -> tuple[str, set[str], set[str], dict[str, str]]:
        """What tells a repeated call from a conflicting one."""
        return self.scheme, {subnet for subnet, _ in self.subnets}, set(self.groups), self.tags

    @property
    def carries(self) -> bool:
        ended = self.opening.ending
        return self.opening.passed() and (ended is None or ended.state != "failed")

    def crosses_zones(self, group: TargetGroup) -> bool:
        """What the target group says goes before what the load balancer says.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html#target-group-cross-zone"""
        own = group.attributes[CROSS_ZONE]
        return (self.attributes[CROSS_ZONE] if own == "use_load_balancer_configuration" else own) == "true"


@dataclass
class Target:
    ip: str
    port: int
    zone: str | None
    """None: the zone of the subnet the address lies in; `all`: outside the VPC."""
    checking: Transition | None = None
    """Set once the target group is in use."""
    draining: Transition | None = None


@dataclass
class TargetGroup:
    arn: str
    name: str
    settings: dict[str, object]
    health_check: dict[str, object]
    attributes: dict[str, str]
    tags: dict[str, str]
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(str(self.settings["Port"]))


@dataclass
class Service:
    """An endpoint service configuration."""

    id: str
    name: str
    load_balancer_arns: list[str]
    acceptance_required: bool
    private_dns_name: str | None
    opening: Transition
    zones: list[str]
    """Those of its load balancers when they were associated with it."""
    permissions: dict[str, str] = field(default_factory=dict)
    """principal -> permission id"""


@dataclass
class Lingering:
    """Interfaces of something deleted, that AWS has yet to release."""

    interface_ids: list[str]
    releasing: Transition


@dataclass
class Region:
    account: str
    name: str
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    load_balancers: dict[str, LoadBalancer] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)
    lingering: list[Lingering] = field(default_factory=list)
    tokens: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """(operation, client token) -> (what was asked, what was made)"""

    @property
    def network(self) -> EC2Backend:
        return ec2_backends[self.account][self.name]

    def listeners_of(self, load_balancer_arn: str) -> list[Listener]:
        return [x for x in self.listeners.values() if x.load_balancer_arn == load_balancer_arn]

    def users_of(self, target_group_arn: str) -> list[Listener]:
        return [x for x in self.listeners.values() if target_group_arn in x.target_group_arns]

    def service_over(self, load_balancer_arn: str) -> Service | None:
        return next((s for s in self.services.values() if load_balancer_arn in s.load_balancer_arns), None)

    def release(self) -> None:
        """Count one read of the interfaces that linger, and drop those whose time has come."""
        for lingering in list(self.lingering):
            if lingering.releasing.reached():
                self.lingering.remove(lingering)
                for interface_id in lingering.interface_ids:
                    self.network.enis.pop(interface_id, None)
        for endpoint in list(self.endpoints.values()):
            if endpoint.closing is not None and endpoint.closing.reached():
                self.forget(endpoint)

    def forget(self, endpoint: Endpoint) -> None:
        """A deleted endpoint vanishes, and its interfaces with it."""
        self.endpoints.pop(endpoint.id, None)
        self.network.tags.pop(endpoint.id, None)
        for interface in endpoint.interfaces.values():
            self.network.enis.pop(interface.id, None)


@dataclass
class Cloud:
    world: World
    delays: Delays
    privatelink: PrivateLink
    log: RequestLog
    credentials: CredentialStore
    lock: threading.RLock = field(default_factory=threading.RLock)
    _regions: dict[tuple[str, str], Region] = field(default_factory=dict)
    _numbers: Serials = field(default_factory=Serials)

    def contents(self) -> dict[str, Any]:
        """What it remembers, to be kept and given to `recall`."""
        return {"regions": self._regions, "numbers": self._numbers}

    def recall(self, contents: dict[str, Any]) -> None:
        self._regions, self._numbers = contents["regions"], contents["numbers"]

    def region(self, account: str, name: str) -> Region:
        return self._regions.setdefault((account, name), Region(account=account, name=name))

    def regions(self) -> list[Region]:
        return list(self._regions.values())

    def now(self) -> datetime:
        return datetime.now(UTC)

    def hex(self, length: int) -> str:
        """Looks random, and is the same in every run."""
        return hashlib.sha256(f"emulated {next(self._numbers)}".encode()).hexdigest()[:length]

    def id(self, prefix: str) -> str:
        """`prefix-` and 17 hexadecimal digits, as AWS numbers its resources."""
        return f"{prefix}-0{self.hex(16)}"

"""The internal network load balancer that gives PrivateLink something to knock at: TCP 443 to the endpoint's addresses.

It passes bytes through: TLS ends at S3, so certificate and host name are S3's own.
Targets come after the listener, because a target without a listener is never probed and so never healthy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from s3private.errors import Conflict, NotYet
from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Found, R, Resource, State, StillInUse, Unsure
from s3private.provision.steps.base import AwsStep, error_code, refusing_doubles
from s3private.provision.steps.endpoint import HTTPS, InterfaceEndpoint, SecurityGroup
from s3private.provision.steps.ownership import is_own_load_balancer
from s3private.provision.steps.placement import LoadBalancer, Subnets

if TYPE_CHECKING:
    from types_boto3_elbv2.type_defs import ListenerTypeDef, TargetDescriptionTypeDef, TargetGroupTypeDef

_IDLE_TIMEOUT = "tcp.idle_timeout.seconds"
_IDLE_TIMEOUT_DEFAULT = 350
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/network/update-idle-timeout.html"""
_CROSS_ZONE = "load_balancing.cross_zone.enabled"
_PROTECTION = "deletion_protection.enabled"
_DRAINING = "deregistration_delay.timeout_seconds"
_DRAINING_DEFAULT = 300
"""https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html"""


class _NamedStep(AwsStep[R]):
    """Load balancers and target groups are found by name; the tag says whether the name is ours."""

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._tagged_ours: set[str] = set()
        """ARNs, which are never used twice: a tag once seen on one, or given with it, is not read again."""

    def check_ours(self, arn: str) -> None:
        if arn in self._tagged_ours:
            return
        described = self.elbv2.describe_tags(ResourceArns=[arn])["TagDescriptions"]
        what = f"{self.title} {self.config.resource_name}"
        if not self.is_ours(what, [tag for d in described for tag in d["Tags"]]):
            raise self.mark.lost(what, arn, "exists")
        self._tagged_ours.add(arn)


_HEALTH_CHECK = ("TCP", "traffic-port", 10)
"""Protocol, port, and seconds between two checks."""
_BY_LOAD_BALANCER = "use_load_balancer_configuration"
_ATTRIBUTES = {
    "proxy_protocol_v2.enabled": ("false", "proxy protocol is on: S3 would get a header where TLS begins"),
    "preserve_client_ip.enabled": ("false", "client IP preservation is on: no endpoint's address answers through it"),
    _CROSS_ZONE: (_BY_LOAD_BALANCER, "cross-zone load balancing is off, whatever the load balancer says"),
}
"""Value that a group is born with, and what another one means. None of them is seen in the targets' health.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/edit-target-group-attributes.html"""


@dataclass(frozen=True, kw_only=True)
class TargetGroup(Resource):
    unseen_codes = ("TargetGroupNotFound",)

    drain_seconds: int
    """How long connections that are open may go on to an address that is taken out."""
    health_check: tuple[str, str, int]
    attributes: Mapping[str, str]
    """Those that differ from what the path needs."""


class EndpointTargetGroup(_NamedStep[TargetGroup]):
    kind = TargetGroup
    title = "target group"
    never_doubles = True

    def find(self, found: Found) -> TargetGroup | None:
        try:
            group = self.elbv2.describe_target_groups(Names=[self.config.resource_name])["TargetGroups"][0]
        except ClientError as error:
            if error_code(error) == "TargetGroupNotFound":
                return None
            raise
        arn = group["TargetGroupArn"]
        self.check_ours(arn)
        answer = self.elbv2.describe_target_group_attributes(TargetGroupArn=arn)
        return self._read(group, {a["Key"]: a["Value"] for a in answer["Attributes"]})

    def _read(self, group: TargetGroupTypeDef, attributes: Mapping[str, str]) -> TargetGroup:
        what = f"target group {self.config.resource_name}"
        shape, wanted = (group.get("Protocol"), group.get("Port"), group.get("TargetType")), ("TCP", HTTPS, "ip")
        if shape != wanted:
            raise self.of_another_shape(what, shape, wanted)
        if group.get("VpcId") != self.config.vpc_id:
            raise self.elsewhere(what, group.get("VpcId"))
        behind = group.get("LoadBalancerArns", [])
        if foreign := [arn for arn in behind if not is_own_load_balancer(arn, self.config)]:
            raise Unsure(
                f"target group {self.config.resource_name} carries this path's tag and is behind {', '.join(foreign)}, "
                "which is none of this path's: its targets are somebody else's. Take the tag off, or the listener"
            )
        check = (
            group.get("HealthCheckProtocol", ""),
            group.get("HealthCheckPort", ""),
            group.get("HealthCheckIntervalSeconds", 0),
        )
        return TargetGroup(
            id=group["TargetGroupArn"],
            drain_seconds=int(attributes.get(_DRAINING, _DRAINING_DEFAULT)),
            health_check=check,
            attributes=_differing(attributes),
        )

    def create(self, found: Found) -> TargetGroup:
        with refusing_doubles("DuplicateTargetGroupName"):
            answer = self.elbv2.create_target_group(
                Name=self.config.resource_name,
                Protocol="TCP",
                Port=HTTPS,
                VpcId=self.config.vpc_id,
                TargetType="ip",
                HealthCheckProtocol="TCP",
                HealthCheckPort="traffic-port",
                HealthCheckIntervalSeconds=10,
                Tags=self.mark.tags,
            )
        return self._read(answer["TargetGroups"][0], {})

    def drift(self, resource: TargetGroup, found: Found) -> str | None:
        if resource.attributes:
            return "; ".join(_ATTRIBUTES[key][1] for key in resource.attributes)
        if resource.health_check == _HEALTH_CHECK:
            return None
        protocol, port, seconds = resource.health_check
        return f"its health check is {protocol} on {port} every {seconds} s"

    def update(self, resource: TargetGroup, found: Found) -> TargetGroup:
        if resource.attributes:
            changed = self.elbv2.modify_target_group_attributes(
                TargetGroupArn=resource.id,
                Attributes=[{"Key": key, "Value": _ATTRIBUTES[key][0]} for key in resource.attributes],
            )
            now = {a["Key"]: a["Value"] for a in changed["Attributes"]}
            return replace(resource, attributes=_differing({key: now.get(key, "") for key in resource.attributes}))
        answer = self.elbv2.modify_target_group(
            TargetGroupArn=resource.id,
            HealthCheckProtocol="TCP",
            HealthCheckPort="traffic-port",
            HealthCheckIntervalSeconds=10,
        )
        return replace(self._read(answer["TargetGroups"][0], {}), drain_seconds=resource.drain_seconds)

    def delete(self, resource: TargetGroup, found: Found) -> None:
        try:
            self.elbv2.delete_target_group(TargetGroupArn=resource.id)
        except ClientError as error:
            if error_code(error) == "ResourceInUse":
                raise StillInUse(self.refusal(error)) from error
            raise


def _differing(attributes: Mapping[str, str]) -> dict[str, str]:
    """Of AWS's answer; switched on for the group, cross-zone is what the path needs too."""
    given = {key: attributes[key] for key in _ATTRIBUTES if key in attributes}
    fine = {(key, value) for key, (value, _) in _ATTRIBUTES.items()} | {(_CROSS_ZONE, "true")}
    return {key: value for key, value in given.items() if (key, value) not in fine}


_SHAPE = ("network", "internal")


class InternalLoadBalancer(_NamedStep[LoadBalancer]):
    kind = LoadBalancer
    title = "load balancer"
    never_doubles = True
    holds = (SecurityGroup,)

    def __init__(self, config: PathConfig, clients: Clients) -> None:
        super().__init__(config, clients)
        self._made: set[str] = set()

    def find(self, found: Found) -> LoadBalancer | None:
        balancer = self.leftover(found)
        if balancer is None:
            self._check_room(found, self.config.subnet_ids)
        return balancer

    def leftover(self, found: Found) -> LoadBalancer | None:
        try:
            seen = self.elbv2.describe_load_balancers(Names=[self.config.resource_name])["LoadBalancers"][0]
        except ClientError as error:
            if error_code(error) == "LoadBalancerNotFound":
                return None
            raise
        arn = seen["LoadBalancerArn"]
        self.check_ours(arn)
        what, shape, wanted = (
            f"load balancer {seen['LoadBalancerName']}",
            (seen.get("Type"), seen.get("Scheme")),
            _SHAPE,
        )
        if shape != wanted:
            raise self.of_another_shape(what, shape, wanted)
        if seen.get("VpcId") != self.config.vpc_id:
            raise self.elsewhere(what, seen.get("VpcId"))
        word = seen["State"]["Code"]
        state = {
            "active": State.READY,
            "active_impaired": State.READY,
            "provisioning": State.PENDING,
        }.get(word, State.FAILED)
        zones = {zone["ZoneName"]: zone["SubnetId"] for zone in seen.get("AvailabilityZones", [])}
        attributes = {}
        # One that this run made has AWS's default still, cross-zone off.
        if state is State.READY and arn not in self._made:
            answer = self.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)
            attributes = {a["Key"]: a["Value"] for a in answer["Attributes"]}
        return LoadBalancer(
            id=arn,
            state=state,
            detail=word,
            cross_zone=attributes.get(_CROSS_ZONE) == "true",
            inbound_rules_on_privatelink=_enforced(seen),
            group_ids=tuple(sorted(seen.get("SecurityGroups", []))),
            zones=zones,
            notes=self._notes(sorted(set(zones.values()) - set(self.config.subnet_ids))),
        )

    @staticmethod
    def _notes(besides: Sequence[str]) -> tuple[str, ...]:
        if not besides:
            return ()
        return (
            f"the load balancer is also in {', '.join(besides)}: AWS takes no subnet from one that VPC endpoints are "
            "connected to, and traffic comes in there: keep the subnets until the path is destroyed",
        )

    def _check_room(self, found: Found, subnets: Iterable[str]) -> None:
        """Before the endpoint takes an address there. Raises Conflict."""
        endpoint, given = found.get(InterfaceEndpoint), found.get(Subnets)
        if given is None:
            return
        for subnet in subnets:
            there = bool(self.config.endpoint_id) or (endpoint is not None and subnet in endpoint.subnet_ids)
            given.check_room(subnet, besides=0 if there else 1)

    def check(self, resource: LoadBalancer, found: Found) -> None:
        subnets = found[Subnets]
        for subnet, zone in subnets.zones.items():
            resource.check_zone(subnet, zone)
        self._check_room(found, [s for s in self.config.subnet_ids if s not in resource.subnet_ids])

    def create(self, found: Found) -> None:
        with refusing_doubles("DuplicateLoadBalancerName"):
            answer = self.elbv2.create_load_balancer(
                Name=self.config.resource_name,
                Type="network",
                Scheme="internal",
                IpAddressType="ipv4",
                Subnets=list(self.config.subnet_ids),
                SecurityGroups=[found[SecurityGroup].id],
                Tags=self.mark.tags,
            )
        made = {one["LoadBalancerArn"] for one in answer["LoadBalancers"]}
        self._made |= made
        self._tagged_ours |= made

    def drift(self, resource: LoadBalancer, found: Found) -> str | None:
        # AWS takes changes once the load balancer is active.
        if resource.state is not State.READY:
            return None
        if resource.inbound_rules_on_privatelink:
            return "inbound rules are enforced on PrivateLink traffic"
        group = found[SecurityGroup].id
        # One that was made without any can be given none, and lets everything through.
        if resource.group_ids and group not in resource.group_ids:
            return f"without security group {group}"
        if not resource.cross_zone:
            return "cross-zone load balancing is off"
        missing = [s for s in self.config.subnet_ids if s not in resource.subnet_ids]
        return f"not in {', '.join(missing)}: added, which interrupts nothing" if missing else None

    def update(self, resource: LoadBalancer, found: Found) -> LoadBalancer | None:
        group = found[SecurityGroup].id
        if resource.inbound_rules_on_privatelink or (resource.group_ids and group not in resource.group_ids):
            groups = self.elbv2.set_security_groups(
                LoadBalancerArn=resource.id,
                SecurityGroups=sorted({*resource.group_ids, group}),
                EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="off",
            )
            held = tuple(sorted(groups.get("SecurityGroupIds", [])))
            return replace(resource, inbound_rules_on_privatelink=_enforced(groups), group_ids=held)
        if not resource.cross_zone:
            self._made.discard(resource.id)
            answer = self.elbv2.modify_load_balancer_attributes(
                LoadBalancerArn=resource.id, Attributes=[{"Key": _CROSS_ZONE, "Value": "true"}]
            )
            attributes = {a["Key"]: a["Value"] for a in answer["Attributes"]}
            return replace(resource, cross_zone=attributes.get(_CROSS_ZONE) == "true")
        wanted = sorted({*resource.subnet_ids, *self.config.subnet_ids})
        self.elbv2.set_subnets(LoadBalancerArn=resource.id, Subnets=wanted)
        return None

    def delete(self, resource: LoadBalancer, found: Found) -> None:
        try:
            self.elbv2.delete_load_balancer(LoadBalancerArn=resource.id)
        except ClientError as error:
            if error_code(error) not in ("ResourceInUse", "OperationNotPermitted"):
                raise
            if self._protected(resource.id):
                raise NotYet(
                    f"load balancer {resource.short_id} has deletion protection, which somebody switched on. When it "
                    f"may go: aws elbv2 modify-load-balancer-attributes --load-balancer-arn {resource.id} "
                    f"--attributes Key={_PROTECTION},Value=false, then run destroy again"
                ) from error
            raise StillInUse(self.refusal(error)) from error

    def _protected(self, arn: str) -> bool:
        answer = self.elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn)
        return {"Key": _PROTECTION, "Value": "true"} in answer["Attributes"]


def _enforced(answer: Mapping[str, Any]) -> bool:
    return answer.get("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic") == "on"


@dataclass(frozen=True, kw_only=True)
class Listener(Resource):
    unseen_codes = ("ListenerNotFound",)

    target_group: str
    idle_timeout_seconds: int


class TcpListener(AwsStep[Listener]):
    kind = Listener
    title = "listener"
    never_doubles = True

    def find(self, found: Found) -> Listener | None:
        listeners = self.elbv2.describe_listeners(LoadBalancerArn=found[LoadBalancer].id)["Listeners"]
        seen = next((one for one in listeners if one.get("Port") == HTTPS), None)
        if seen is None:
            return None
        if seen.get("Protocol") != "TCP":
            raise Conflict(f"the listener on port {HTTPS} speaks {seen.get('Protocol')}, the path needs TCP; delete it")
        answer = self.elbv2.describe_listener_attributes(ListenerArn=seen["ListenerArn"])
        attributes = {a["Key"]: a["Value"] for a in answer["Attributes"]}
        return self._read(seen, int(attributes.get(_IDLE_TIMEOUT, _IDLE_TIMEOUT_DEFAULT)))

    def _read(self, seen: ListenerTypeDef, idle_timeout_seconds: int) -> Listener:
        actions = seen.get("DefaultActions", [])
        return Listener(
            id=seen["ListenerArn"],
            detail=f"TCP {HTTPS}",
            target_group=actions[0].get("TargetGroupArn", "") if actions else "",
            idle_timeout_seconds=idle_timeout_seconds,
        )

    def create(self, found: Found) -> Listener:
        with refusing_doubles("DuplicateListener"):
            answer = self.elbv2.create_listener(
                LoadBalancerArn=found[LoadBalancer].id,
                Protocol="TCP",
                Port=HTTPS,
                DefaultActions=[{"Type": "forward", "TargetGroupArn": found[TargetGroup].id}],
                Tags=self.mark.tags,
            )
        return self._read(answer["Listeners"][0], _IDLE_TIMEOUT_DEFAULT)

    def drift(self, resource: Listener, found: Found) -> str | None:
        if resource.target_group != found[TargetGroup].id:
            return f"forwards to {resource.target_group or 'nothing'}"
        if resource.idle_timeout_seconds != self.config.idle_timeout_seconds:
            return f"idle timeout is {resource.idle_timeout_seconds} s, not {self.config.idle_timeout_seconds}"
        return None

    def update(self, resource: Listener, found: Found) -> None:
        group = found[TargetGroup].id
        if resource.target_group != group:
            self.elbv2.modify_listener(
                ListenerArn=resource.id, DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]
            )
        else:
            value = str(self.config.idle_timeout_seconds)
            self.elbv2.modify_listener_attributes(
                ListenerArn=resource.id, Attributes=[{"Key": _IDLE_TIMEOUT, "Value": value}]
            )

    def delete(self, resource: Listener, found: Found) -> None:
        self.elbv2.delete_listener(ListenerArn=resource.id)


_UNHEALTHY = (
    "Waiting does not end this where something on the way was changed: `s3private plan` names what of the path was; "
    "else look at the network ACLs and the route tables of aws.subnet_ids"
)


@dataclass(frozen=True, kw_only=True)
class Targets(Resource):
    """An address stands for its port 443; any other port is said: `10.20.1.4:80`."""

    ips: frozenset[str]
    healthy: frozenset[str]


class EndpointTargets(AwsStep[Targets]):
    """The endpoint's addresses, which nothing in AWS keeps in step. New ones are healthy before old ones go out."""

    kind = Targets
    title = "targets"
    never_doubles = True

    def find(self, found: Found) -> Targets | None:
        group = found[TargetGroup].id
        described = self.elbv2.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        health = {_name(d["Target"]): d["TargetHealth"] for d in described}
        registered = {ip: h for ip, h in health.items() if h.get("State") != "draining"}
        if not registered:
            return None
        healthy = frozenset(ip for ip, h in registered.items() if h.get("State") == "healthy")
        endpoint = found.get(InterfaceEndpoint)
        wanted = self._wanted(endpoint) if endpoint else frozenset(registered)
        words = sorted({" ".join(filter(None, (h.get("State"), h.get("Reason")))) for h in registered.values()})
        ready = wanted <= healthy
        return Targets(
            id=", ".join(sorted(registered)),
            state=State.READY if ready else State.PENDING,
            detail=", ".join(words),
            ips=frozenset(registered),
            healthy=healthy,
            until=_UNHEALTHY if any(h.get("State") == "unhealthy" for h in registered.values()) else "",
        )

    def _wanted(self, endpoint: InterfaceEndpoint) -> frozenset[str]:
        """The endpoint's addresses; once it is in every subnet that is asked for, those in them alone: what it has
        besides, it is about to leave."""
        asked = set(self.config.subnet_ids)
        if endpoint.ours and asked <= {one.subnet_id for one in endpoint.addresses}:
            return frozenset(one.ip for one in endpoint.addresses if one.subnet_id in asked)
        return frozenset(endpoint.ips)

    def create(self, found: Found) -> None:
        self._register(found, sorted(self._wanted(found[InterfaceEndpoint])))

    def follows(self, resource: Targets, found: Found) -> str | None:
        endpoint = found[InterfaceEndpoint]
        moved = [s for s in self.config.subnet_ids if s not in endpoint.subnet_ids]
        if not (endpoint.ours and moved and endpoint.addresses):
            return None
        return (
            f"follow the endpoint into {', '.join(moved)}: its new addresses are healthy before an old one is taken "
            f"out, and what is open to that has {found[TargetGroup].drain_seconds} s to end"
        )

    def drift(self, resource: Targets, found: Found) -> str | None:
        wanted = self._wanted(found[InterfaceEndpoint])
        if not wanted:
            return None  # an endpoint that is not there yet has no addresses: that is no reason to take any out
        if missing := sorted(wanted - resource.ips):
            return f"without {', '.join(missing)}"
        if (extra := sorted(resource.ips - wanted)) and wanted <= resource.healthy:
            return f"still hold {', '.join(extra)}, where no endpoint answers"
        return None

    def update(self, resource: Targets, found: Found) -> None:
        wanted = self._wanted(found[InterfaceEndpoint])
        if missing := sorted(wanted - resource.ips):
            self._register(found, missing)
        else:
            self._deregister(found, resource.ips - wanted)

    def delete(self, resource: Targets, found: Found) -> None:
        self._deregister(found, resource.ips)

    def _register(self, found: Found, ips: Iterable[str]) -> None:
        self.elbv2.register_targets(TargetGroupArn=found[TargetGroup].id, Targets=[_target(ip) for ip in ips])

    def _deregister(self, found: Found, ips: frozenset[str]) -> None:
        targets = [_target(ip) for ip in sorted(ips)]
        self.elbv2.deregister_targets(TargetGroupArn=found[TargetGroup].id, Targets=targets)


def _name(target: TargetDescriptionTypeDef) -> str:
    port = target.get("Port", HTTPS)
    return target["Id"] if port == HTTPS else f"{target['Id']}:{port}"


def _target(name: str) -> TargetDescriptionTypeDef:
    ip, _, port = name.partition(":")
    return {"Id": ip, "Port": int(port or HTTPS)}

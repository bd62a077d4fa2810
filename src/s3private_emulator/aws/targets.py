"""Target groups of type ip, and their targets.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_RegisterTargets.html
"""

from __future__ import annotations

import ipaddress
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from s3private_emulator.aws import filters
from s3private_emulator.aws.cloud import CROSS_ZONE, Target, TargetGroup
from s3private_emulator.aws.elb_base import ElbAnswering, check_name, check_number
from s3private_emulator.aws.health import UNREGISTERED, Health, balancers_of, health_of, observe, zone_of
from s3private_emulator.aws.refusals import NotEmulated, Refusal
from s3private_emulator.delays import Takes

ATTRIBUTES = {
    "deregistration_delay.timeout_seconds": "300",
    "deregistration_delay.connection_termination.enabled": "false",
    CROSS_ZONE: "use_load_balancer_configuration",
    "preserve_client_ip.enabled": "false",
    "proxy_protocol_v2.enabled": "false",
    "stickiness.enabled": "false",
    "stickiness.type": "source_ip",
    "target_group_health.dns_failover.minimum_healthy_targets.count": "1",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage": "off",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count": "1",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage": "off",
    "target_health_state.unhealthy.connection_termination.enabled": "true",
    "target_health_state.unhealthy.draining_interval_seconds": "0",
}
"""Of a TCP group of addresses, as it is born: client IP preservation is off.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetGroupAttribute.html"""
HEALTH_CHECK: dict[str, tuple[object, tuple[int, int] | None]] = {
    "HealthCheckProtocol": ("TCP", None),
    "HealthCheckPort": ("traffic-port", None),
    "HealthCheckIntervalSeconds": ("30", (5, 300)),
    "HealthCheckTimeoutSeconds": ("10", (2, 120)),
    "HealthyThresholdCount": ("5", (2, 10)),
    "UnhealthyThresholdCount": ("2", (2, 10)),
}
"""name -> default, range"""
REGISTRABLE = tuple(map(ipaddress.ip_network, ("10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")))
"""Of addresses outside the VPC.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html#target-type"""


class TargetActions(ElbAnswering):
    def create_target_group(self) -> ActionResult:
        name = check_name("target group", self._get_param("Name"))
        if self._get_param("TargetType") != "ip":
            raise NotEmulated("elbv2:CreateTargetGroup of a target type other than ip")
        protocol = self._get_param("Protocol")
        if protocol not in ("TCP", "TLS", "UDP", "TCP_UDP"):
            raise NotEmulated(f"elbv2:CreateTargetGroup of protocol {protocol}")
        vpc_id = self._get_param("VpcId")
        if vpc_id not in self.here.network.vpcs:
            raise Refusal("ValidationError", f"The VPC ID '{vpc_id}' is not found")
        settings: dict[str, object] = {
            "Protocol": protocol,
            "Port": int(check_number("Port", self._get_param("Port"), 1, 65535)),
            "VpcId": vpc_id,
            "TargetType": "ip",
            "IpAddressType": self._get_param("IpAddressType") or "ipv4",
        }
        health_check = self._health_check({k: default for k, (default, _) in HEALTH_CHECK.items()})
        tags = self.tags_given()
        for existing in self.here.target_groups.values():
            if existing.name == name:
                if (existing.settings, existing.health_check, existing.tags) == (settings, health_check, tags):
                    return ActionResult({"TargetGroups": [self._group_row(existing)]})
                raise Refusal(
                    "DuplicateTargetGroupName",
                    f"A target group with the same name '{name}' exists, but with different settings",
                )
        group = TargetGroup(
            arn=self.arn("targetgroup", f"{name}/{self.cloud.hex(16)}"),
            name=name,
            settings=settings,
            health_check=health_check,
            attributes=dict(ATTRIBUTES),
            tags=tags,
        )
        self.here.target_groups[group.arn] = group
        return ActionResult({"TargetGroups": [self._group_row(group)]})

    def describe_target_groups(self) -> ActionResult:
        region = self.here
        arns, names = self._get_param("TargetGroupArns", []) or [], self._get_param("Names", []) or []
        balancer_arn = self._get_param("LoadBalancerArn")
        found = list(region.target_groups.values())
        if arns or names:
            known = {g.arn for g in found} | {g.name for g in found}
            if any(x not in known for x in [*arns, *names]):
                raise Refusal("TargetGroupNotFound", "One or more target groups not found")
            found = [g for g in found if g.arn in arns or g.name in names]
        if balancer_arn:
            self.balancer(balancer_arn)
            found = [g for g in found if balancer_arn in {b.arn for b in balancers_of(region, g)}]
        page, marker = filters.page(found, self._get_int_param("PageSize", 400), self._get_param("Marker"))
        return ActionResult({"TargetGroups": [self._group_row(g) for g in page], "NextMarker": marker})

    def modify_target_group(self) -> ActionResult:
        group = self.target_group(self._get_param("TargetGroupArn"))
        group.health_check = self._health_check(group.health_check)
        return ActionResult({"TargetGroups": [self._group_row(group)]})

    def delete_target_group(self) -> ActionResult:
        """Refused while a listener forwards to it.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteTargetGroup.html"""
        arn = self._get_param("TargetGroupArn")
        if self.here.users_of(arn):
            raise Refusal("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
        self.here.target_groups.pop(arn, None)
        return EmptyResult()

    def describe_target_group_attributes(self) -> ActionResult:
        group = self.target_group(self._get_param("TargetGroupArn"))
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in group.attributes.items()]})

    def modify_target_group_attributes(self) -> ActionResult:
        group = self.target_group(self._get_param("TargetGroupArn"))
        given = {a["Key"]: a.get("Value", "") for a in self._get_param("Attributes", [])}
        for key, value in given.items():
            if key not in ATTRIBUTES:
                raise Refusal("ValidationError", f"Target group attribute key '{key}' is not recognized")
            if ATTRIBUTES[key] in ("true", "false") and value not in ("true", "false"):
                raise Refusal("ValidationError", f"Target group attribute '{key}' must be true or false, not '{value}'")
            if key == CROSS_ZONE and value not in ("true", "false", ATTRIBUTES[CROSS_ZONE]):
                raise Refusal("ValidationError", f"Target group attribute '{key}' cannot be '{value}'")
            if key == "deregistration_delay.timeout_seconds":
                check_number(key, value, 0, 3600)
        group.attributes.update(given)
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in group.attributes.items()]})

    def register_targets(self) -> ActionResult:
        group = self.target_group(self._get_param("TargetGroupArn"))
        targets = [self._target(group, one) for one in self._get_param("Targets", [])]
        for target in targets:
            held = group.targets.get((target.ip, target.port))
            if held is None or held.draining is not None:
                group.targets[target.ip, target.port] = target
        observe(self.cloud, self.here, group)
        return EmptyResult()

    def deregister_targets(self) -> ActionResult:
        """A target that takes traffic drains first; one that is not registered is no error.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeregisterTargets.html"""
        group = self.target_group(self._get_param("TargetGroupArn"))
        in_use = bool(balancers_of(self.here, group))
        for one in self._get_param("Targets", []):
            key = (one["Id"], int(one.get("Port") or group.port))
            target = group.targets.get(key)
            if target is None:
                continue
            if not in_use:
                del group.targets[key]
            elif target.draining is None:
                target.draining = self.cloud.delays.begin(Takes.TARGET_DRAINED)
        return EmptyResult()

    def describe_target_health(self) -> ActionResult:
        group = self.target_group(self._get_param("TargetGroupArn"))
        asked = {(t["Id"], int(t.get("Port") or group.port)) for t in self._get_param("Targets", []) or []}
        rows = []
        for key, target in list(group.targets.items()):
            if asked and key not in asked:
                continue
            health = health_of(self.cloud, self.here, group, target, read=True)
            if health is None:
                del group.targets[key]
            else:
                rows.append(self._health_row(target, health))
        for ip, port in sorted(asked - set(group.targets)):
            rows.append(self._health_row(Target(ip=ip, port=port, zone=None), UNREGISTERED))
        return ActionResult({"TargetHealthDescriptions": rows})

    def _target(self, group: TargetGroup, one: dict[str, Any]) -> Target:
        """An address of the VPC, or with zone `all` a private one elsewhere.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_TargetDescription.html"""
        text, zone = str(one["Id"]), one.get("AvailabilityZone")
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise Refusal("ValidationError", f"The IP address '{text}' is not a valid IPv4 address") from None
        vpc = self.here.network.vpcs[str(group.settings["VpcId"])]
        inside = address in ipaddress.ip_network(vpc.cidr_block)
        if not inside and zone != "all":
            raise Refusal(
                "ValidationError",
                f"You must specify an Availability Zone of 'all' for the IP address '{text}', which is outside the VPC",
            )
        zones = self.here.network.subnets.values()
        own = [ipaddress.ip_network(s.cidr_block) for in_zone in zones for s in in_zone.values() if s.vpc_id == vpc.id]
        if not any(address in network for network in (own if inside else REGISTRABLE)):
            raise Refusal(
                "ValidationError",
                f"The IP address '{text}' is not within a range that can be registered: the subnets of the VPC "
                f"'{vpc.id}', or {', '.join(map(str, REGISTRABLE))}",
            )
        port = int(check_number("Port", one.get("Port") or group.port, 1, 65535))
        return Target(ip=text, port=port, zone=None if inside else zone)

    def _health_check(self, start: dict[str, object]) -> dict[str, object]:
        check = dict(start)
        for name, (_, bounds) in HEALTH_CHECK.items():
            given = self._get_param(name)
            if given is not None:
                check[name] = check_number(name, given, *bounds) if bounds else given
        if check["HealthCheckProtocol"] not in ("TCP", "HTTP", "HTTPS"):
            raise Refusal("ValidationError", f"Health check protocol '{check['HealthCheckProtocol']}' is not supported")
        if check["HealthCheckPort"] != "traffic-port":
            check_number("HealthCheckPort", check["HealthCheckPort"], 1, 65535)
        if int(str(check["HealthCheckTimeoutSeconds"])) > int(str(check["HealthCheckIntervalSeconds"])):
            raise Refusal("ValidationError", "Health check timeout must be smaller than or equal to the interval")
        return check

    def _group_row(self, group: TargetGroup) -> dict[str, Any]:
        return {
            "TargetGroupArn": group.arn,
            "TargetGroupName": group.name,
            **group.settings,
            **group.health_check,
            "HealthCheckEnabled": True,
            "LoadBalancerArns": [b.arn for b in balancers_of(self.here, group)],
        }

    def _health_row(self, target: Target, health: Health) -> dict[str, Any]:
        described = {"State": health.state, "Reason": health.reason, "Description": health.description}
        zone = zone_of(self.here, target)
        return {
            "Target": {"Id": target.ip, "Port": target.port, **({"AvailabilityZone": zone} if zone else {})},
            "HealthCheckPort": str(target.port),
            "TargetHealth": {k: v for k, v in described.items() if v is not None},
        }

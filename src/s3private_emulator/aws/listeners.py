"""Listeners of network load balancers: one per port, with an idle timeout of their own.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html
"""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from s3private_emulator.aws import filters
from s3private_emulator.aws.cloud import Listener
from s3private_emulator.aws.elb_base import ElbAnswering, check_number
from s3private_emulator.aws.health import observe
from s3private_emulator.aws.refusals import Refusal

IDLE_TIMEOUT = "tcp.idle_timeout.seconds"
"""350 s unless set, 60–6000.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_ListenerAttribute.html"""
PROTOCOLS = ("TCP", "TLS", "UDP", "TCP_UDP")


class ListenerActions(ElbAnswering):
    def create_listener(self) -> ActionResult:
        region = self.here
        balancer = self.balancer(self._get_param("LoadBalancerArn"))
        protocol = self._protocol(self._get_param("Protocol"))
        port = int(check_number("Port", self._get_param("Port"), 1, 65535))
        actions = self._actions(self._get_param("DefaultActions", []), protocol, balancer.arn)
        tags = self.tags_given()
        for existing in region.listeners_of(balancer.arn):
            if existing.port == port:
                if (existing.protocol, existing.actions, existing.tags) == (protocol, actions, tags):
                    return ActionResult({"Listeners": [self._listener_row(existing)]})
                raise Refusal("DuplicateListener", "A listener already exists on this port for this load balancer")
        stem = balancer.arn.split(":loadbalancer/")[1]
        listener = Listener(
            arn=self.arn("listener", f"{stem}/{self.cloud.hex(16)}"),
            load_balancer_arn=balancer.arn,
            protocol=protocol,
            port=port,
            actions=actions,
            attributes={IDLE_TIMEOUT: "350"},
            tags=tags,
        )
        region.listeners[listener.arn] = listener
        for arn in listener.target_group_arns:
            observe(self.cloud, region, region.target_groups[arn])
        return ActionResult({"Listeners": [self._listener_row(listener)]})

    def describe_listeners(self) -> ActionResult:
        arns = self._get_param("ListenerArns", []) or []
        balancer_arn = self._get_param("LoadBalancerArn")
        if arns:
            found = [self.listener(a) for a in arns]
        elif balancer_arn:
            found = self.here.listeners_of(self.balancer(balancer_arn).arn)
        else:
            raise Refusal("ValidationError", "You must specify either listener ARNs or a load balancer ARN")
        page, marker = filters.page(found, self._get_int_param("PageSize", 400), self._get_param("Marker"))
        return ActionResult({"Listeners": [self._listener_row(x) for x in page], "NextMarker": marker})

    def modify_listener(self) -> ActionResult:
        region = self.here
        listener = self.listener(self._get_param("ListenerArn"))
        protocol = self._protocol(self._get_param("Protocol") or listener.protocol)
        port = int(check_number("Port", self._get_param("Port") or listener.port, 1, 65535))
        given = self._get_param("DefaultActions", [])
        actions = self._actions(given, protocol, listener.load_balancer_arn) if given else listener.actions
        for other in region.listeners_of(listener.load_balancer_arn):
            if other is not listener and other.port == port:
                raise Refusal("DuplicateListener", "A listener already exists on this port for this load balancer")
        listener.protocol, listener.port, listener.actions = protocol, port, actions
        for arn in listener.target_group_arns:
            observe(self.cloud, region, region.target_groups[arn])
        return ActionResult({"Listeners": [self._listener_row(listener)]})

    def delete_listener(self) -> ActionResult:
        del self.here.listeners[self.listener(self._get_param("ListenerArn")).arn]
        return EmptyResult()

    def describe_listener_attributes(self) -> ActionResult:
        listener = self.listener(self._get_param("ListenerArn"))
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in listener.attributes.items()]})

    def modify_listener_attributes(self) -> ActionResult:
        listener = self.listener(self._get_param("ListenerArn"))
        given = {a["Key"]: a.get("Value", "") for a in self._get_param("Attributes", [])}
        for key, value in given.items():
            if key != IDLE_TIMEOUT or listener.protocol != "TCP":
                raise Refusal("InvalidConfigurationRequest", f"Listener attribute key '{key}' is not recognized")
            given[key] = check_number(key, value, 60, 6000)
        listener.attributes.update(given)
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in listener.attributes.items()]})

    def _protocol(self, protocol: str | None) -> str:
        if protocol not in PROTOCOLS:
            raise Refusal("UnsupportedProtocol", f"Protocol '{protocol}' is not supported for network load balancers")
        return protocol

    def _actions(self, given: list[dict[str, Any]], protocol: str, balancer: str) -> list[dict[str, object]]:
        """A network load balancer forwards to one target group of a protocol that fits, which no other forwards to.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html"""
        actions: list[dict[str, object]] = []
        for one in given:
            groups = one.get("ForwardConfig", {}).get("TargetGroups", [])
            arn = one.get("TargetGroupArn") or (groups[0].get("TargetGroupArn") if len(groups) == 1 else None)
            if one.get("Type") != "forward" or not arn:
                raise Refusal("InvalidLoadBalancerAction", "A network load balancer can only forward to a target group")
            group = self.target_group(arn)
            if protocol == "TCP" and group.settings["Protocol"] not in ("TCP", "TCP_UDP"):
                raise Refusal("IncompatibleProtocols", "The protocols of the listener and the target group do not fit")
            if any(other.load_balancer_arn != balancer for other in self.here.users_of(arn)):
                raise Refusal(
                    "TargetGroupAssociationLimit", f"Target group '{arn}' is associated with another load balancer"
                )
            actions.append({"Type": "forward", "TargetGroupArn": arn, "Order": 1})
        if not actions:
            raise Refusal("ValidationError", "A listener must have a default action")
        return actions

    def _listener_row(self, listener: Listener) -> dict[str, Any]:
        return {
            "ListenerArn": listener.arn,
            "LoadBalancerArn": listener.load_balancer_arn,
            "Port": listener.port,
            "Protocol": listener.protocol,
            "DefaultActions": [
                {**a, "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": a["TargetGroupArn"]}]}}
                for a in listener.actions
            ],
        }

"""Network load balancers. Repeating a call with the same settings returns what is there; other settings are refused.

https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html
"""

from __future__ import annotations

import ipaddress
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.subnets import Subnet

from s3private_emulator.aws import filters
from s3private_emulator.aws.cloud import CROSS_ZONE, Lingering, LoadBalancer
from s3private_emulator.aws.elb_base import ElbAnswering, check_name
from s3private_emulator.aws.network import find_subnet, free_addresses, make_interface
from s3private_emulator.aws.refusals import NotEmulated, Refusal
from s3private_emulator.delays import Takes

ATTRIBUTES = {
    "access_logs.s3.enabled": "false",
    "access_logs.s3.bucket": "",
    "access_logs.s3.prefix": "",
    "deletion_protection.enabled": "false",
    "ipv6.deny_all_igw_traffic": "false",
    CROSS_ZONE: "false",
    "dns_record.client_routing_policy": "any_availability_zone",
    "secondary_ips.auto_assigned.per_subnet": "0",
    "zonal_shift.config.enabled": "false",
}
"""A network load balancer's, as it is born: cross-zone is off.
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerAttribute.html"""

FREE_ADDRESSES = 8


class LoadBalancerActions(ElbAnswering):
    def create_load_balancer(self) -> ActionResult:
        name = check_name("load balancer", self._get_param("Name"))
        if self._get_param("Type") != "network":
            raise NotEmulated("elbv2:CreateLoadBalancer of a type other than network")
        scheme = self._get_param("Scheme") or "internet-facing"
        if scheme not in ("internal", "internet-facing"):
            raise Refusal("InvalidScheme", f"The scheme '{scheme}' is not valid")
        subnets, addresses = self._subnets()
        groups = list(self._get_param("SecurityGroups", []) or [])
        self._check_groups(groups, subnets[0].vpc_id)
        tags = self.tags_given()
        for existing in self.here.load_balancers.values():
            if existing.name == name:
                asked = (scheme, {s.id for s in subnets}, set(groups), tags)
                if asked == existing.settings:
                    return ActionResult({"LoadBalancers": [self._balancer_row(existing, read=False)]})
                raise Refusal(
                    "DuplicateLoadBalancerName",
                    f"A load balancer with the same name '{name}' exists, but with different settings",
                )
        balancer = LoadBalancer(
            arn=self.arn("loadbalancer", f"net/{name}/{self.cloud.hex(16)}"),
            name=name,
            scheme=scheme,
            vpc_id=subnets[0].vpc_id,
            subnets=[(s.id, s.availability_zone) for s in subnets],
            groups=groups,
            created=self.cloud.now(),
            opening=self.cloud.delays.begin(Takes.LOAD_BALANCER_ACTIVE),
            attributes=dict(ATTRIBUTES),
            tags=tags,
            enforces_inbound_on_privatelink=bool(groups),
        )
        for subnet in subnets:
            self._check_room(subnet, addresses.get(subnet.id))
        for subnet in subnets:
            self._add_node(balancer, subnet, addresses.get(subnet.id))
        self.here.load_balancers[balancer.arn] = balancer
        return ActionResult({"LoadBalancers": [self._balancer_row(balancer, state="provisioning")]})

    def describe_load_balancers(self) -> ActionResult:
        arns = self._get_param("LoadBalancerArns", []) or []
        names = self._get_param("Names", []) or []
        found = list(self.here.load_balancers.values())
        if arns or names:
            known = {b.arn for b in found} | {b.name for b in found}
            missing = [x for x in [*arns, *names] if x not in known]
            if missing:
                raise Refusal("LoadBalancerNotFound", f"Load balancers '[{', '.join(missing)}]' not found")
            found = [b for b in found if b.arn in arns or b.name in names]
        page, marker = filters.page(found, self._get_int_param("PageSize", 400), self._get_param("Marker"))
        return ActionResult({"LoadBalancers": [self._balancer_row(b) for b in page], "NextMarker": marker})

    def delete_load_balancer(self) -> ActionResult:
        """Refused while an endpoint service stands on it; a load balancer that is not there was deleted already. Its
        interfaces go later.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteLoadBalancer.html"""
        region, arn = self.here, self._get_param("LoadBalancerArn")
        balancer = region.load_balancers.get(arn)
        if balancer is None:
            return EmptyResult()
        if region.service_over(arn) is not None:
            raise Refusal(
                "ResourceInUse",
                f"Load balancer '{arn}' cannot be deleted because it is currently associated with another service",
            )
        if balancer.attributes["deletion_protection.enabled"] == "true":
            raise Refusal(
                "OperationNotPermitted",
                f"Load balancer '{arn}' cannot be deleted because deletion protection is enabled",
            )
        del region.load_balancers[arn]
        for listener in region.listeners_of(arn):
            del region.listeners[listener.arn]
        releasing = self.cloud.delays.begin(Takes.LOAD_BALANCER_INTERFACES_RELEASED)
        region.lingering.append(Lingering([i.id for i in balancer.interfaces.values()], releasing))
        return EmptyResult()

    def describe_load_balancer_attributes(self) -> ActionResult:
        balancer = self.balancer(self._get_param("LoadBalancerArn"))
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in balancer.attributes.items()]})

    def modify_load_balancer_attributes(self) -> ActionResult:
        balancer = self.balancer(self._get_param("LoadBalancerArn"))
        given = {a["Key"]: a.get("Value", "") for a in self._get_param("Attributes", [])}
        for key, value in given.items():
            if key not in ATTRIBUTES:
                raise Refusal("ValidationError", f"Load balancer attribute key '{key}' is not recognized")
            if ATTRIBUTES[key] in ("true", "false") and value not in ("true", "false"):
                raise Refusal(
                    "ValidationError", f"Load balancer attribute '{key}' must be true or false, not '{value}'"
                )
        balancer.attributes.update(given)
        return ActionResult({"Attributes": [{"Key": k, "Value": v} for k, v in balancer.attributes.items()]})

    def set_security_groups(self) -> ActionResult:
        """Only where groups were given at creation.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_SetSecurityGroups.html"""
        balancer = self.balancer(self._get_param("LoadBalancerArn"))
        groups = list(self._get_param("SecurityGroups", []) or [])
        if not balancer.groups:
            raise Refusal(
                "InvalidConfigurationRequest",
                "You cannot set security groups on a Network Load Balancer which was created without any "
                "security groups.",
            )
        if not groups:
            raise Refusal("InvalidConfigurationRequest", "You must specify at least one security group.")
        flag = self._get_param("EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic")
        if flag not in (None, "on", "off"):
            raise Refusal("ValidationError", "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic must be on or off")
        self._check_groups(groups, balancer.vpc_id)
        balancer.groups = groups
        if flag is not None:
            balancer.enforces_inbound_on_privatelink = flag == "on"
        held = [self.here.network.get_security_group_from_id(g) for g in groups]
        for interface in balancer.interfaces.values():
            interface._group_set = [g for g in held if g is not None]
        return ActionResult({"SecurityGroupIds": groups, **_privatelink_flag(balancer)})

    def set_subnets(self) -> ActionResult:
        """The subnets given replace those enabled; a node keeps its interface where its subnet stays. None goes while
        VPC endpoints are connected, and none is exchanged for another of its zone in one call.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_SetSubnets.html
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/availability-zones.html"""
        balancer = self.balancer(self._get_param("LoadBalancerArn"))
        subnets, addresses = self._subnets()
        if subnets[0].vpc_id != balancer.vpc_id:
            raise Refusal("InvalidConfigurationRequest", "All subnets must belong to the load balancer's VPC")
        kept = {s.id for s in subnets}
        self._check_leaving(balancer, [one for one in balancer.subnets if one[0] not in kept])
        self._check_exchanged(balancer, subnets)
        for subnet in subnets:
            if subnet.availability_zone not in balancer.interfaces:
                self._check_room(subnet, addresses.get(subnet.id))
        for subnet_id, zone in balancer.subnets:
            if subnet_id not in kept:
                self.here.network.enis.pop(balancer.interfaces.pop(zone).id, None)
        balancer.subnets = [(s.id, s.availability_zone) for s in subnets]
        for subnet in subnets:
            if subnet.availability_zone not in balancer.interfaces:
                self._add_node(balancer, subnet, addresses.get(subnet.id))
        return ActionResult({"AvailabilityZones": _zones(balancer), "IpAddressType": "ipv4"})

    def _check_leaving(self, balancer: LoadBalancer, leaving: list[tuple[str, str]]) -> None:
        service = self.here.service_over(balancer.arn)
        if leaving and service is not None and self.cloud.privatelink.holds(service.id):
            raise Refusal(
                "InvalidConfigurationRequest",
                f"Subnets cannot be removed from the load balancer '{balancer.arn}' while it has active VPC endpoint "
                f"associations: {', '.join(subnet for subnet, _ in leaving)}",
            )

    @staticmethod
    def _check_exchanged(balancer: LoadBalancer, subnets: list[Subnet]) -> None:
        held = {zone: subnet for subnet, zone in balancer.subnets}
        for subnet in subnets:
            if held.get(subnet.availability_zone, subnet.id) != subnet.id:
                raise Refusal(
                    "InvalidConfigurationRequest",
                    f"The subnet '{subnet.id}' is in the Availability Zone '{subnet.availability_zone}', which is "
                    "already associated with the load balancer: remove its present subnet first",
                )

    def _check_room(self, subnet: Subnet, address: str | None) -> None:
        """Asked for where AWS chooses the address.
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/availability-zones.html"""
        if not address and free_addresses(self.here.network, subnet) < FREE_ADDRESSES:
            raise Refusal(
                "InvalidSubnet",
                f"Not enough IP space available in {subnet.id}. ELB requires at least {FREE_ADDRESSES} free IP "
                "addresses in each subnet.",
            )

    def _add_node(self, balancer: LoadBalancer, subnet: Subnet, address: str | None) -> None:
        """https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html"""
        balancer.interfaces[subnet.availability_zone] = make_interface(
            self.here.network,
            subnet,
            groups=balancer.groups,
            description=f"ELB {balancer.arn.split(':loadbalancer/')[1]}",
            interface_type="network_load_balancer",
            requester_id="amazon-elb",
            address=address,
        )

    def _subnets(self) -> tuple[list[Subnet], dict[str, str]]:
        """At least one subnet, one per zone, all of one VPC; with the private addresses asked for."""
        mappings = self._get_param("SubnetMappings", []) or []
        ids = list(self._get_param("Subnets", []) or []) or [m["SubnetId"] for m in mappings]
        addresses = {m["SubnetId"]: m["PrivateIPv4Address"] for m in mappings if m.get("PrivateIPv4Address")}
        if not ids:
            raise Refusal("ValidationError", "At least one subnet must be specified")
        found = []
        for subnet_id in ids:
            subnet = find_subnet(self.here.network, subnet_id)
            if subnet is None:
                raise Refusal("SubnetNotFound", f"The subnet ID '{subnet_id}' does not exist")
            found.append(subnet)
        if len({s.vpc_id for s in found}) > 1:
            raise Refusal("InvalidConfigurationRequest", "All subnets must belong to the same VPC")
        if len({s.availability_zone for s in found}) < len(found):
            raise Refusal(
                "InvalidConfigurationRequest",
                "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
            )
        for subnet in found:
            address = addresses.get(subnet.id)
            if address and ipaddress.ip_address(address) not in ipaddress.ip_network(subnet.cidr_block):
                raise Refusal("InvalidConfigurationRequest", f"The address {address} is not in the subnet {subnet.id}")
        return found, addresses

    def _check_groups(self, groups: list[str], vpc_id: str) -> None:
        for group_id in groups:
            group = self.here.network.get_security_group_from_id(group_id)
            if group is None:
                raise Refusal("InvalidSecurityGroup", f"Security group '{group_id}' does not exist")
            if group.vpc_id != vpc_id:
                raise Refusal(
                    "InvalidConfigurationRequest", f"Security group '{group_id}' does not belong to '{vpc_id}'"
                )

    def _balancer_row(self, balancer: LoadBalancer, *, read: bool = True, state: str | None = None) -> dict[str, Any]:
        if state is None:
            opened = balancer.opening.reached() if read else balancer.opening.passed()
            ended = balancer.opening.ending.state if balancer.opening.ending else "active"
            state = ended if opened else "provisioning"
        tail = balancer.arn.rsplit("/", 1)[-1]
        row: dict[str, Any] = {
            "LoadBalancerArn": balancer.arn,
            "DNSName": f"{balancer.name}-{tail}.elb.{self.region}.amazonaws.com",
            "CanonicalHostedZoneId": "Z31USIVHYNEOWT",
            "CreatedTime": balancer.created,
            "LoadBalancerName": balancer.name,
            "Scheme": balancer.scheme,
            "VpcId": balancer.vpc_id,
            "State": _state(balancer, state),
            "Type": "network",
            "AvailabilityZones": _zones(balancer),
            "IpAddressType": "ipv4",
        }
        if balancer.groups:
            row |= {"SecurityGroups": balancer.groups, **_privatelink_flag(balancer)}
        return row


def _state(balancer: LoadBalancer, word: str) -> dict[str, str]:
    """https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerState.html"""
    ending = balancer.opening.ending
    return {"Code": word, **({"Reason": ending.message} if ending and ending.message and word == ending.state else {})}


def _privatelink_flag(balancer: LoadBalancer) -> dict[str, str]:
    """Applies, and is shown, only where the load balancer has security groups."""
    flag = "on" if balancer.enforces_inbound_on_privatelink else "off"
    return {"EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": flag}


def _zones(balancer: LoadBalancer) -> list[dict[str, Any]]:
    return [{"ZoneName": zone, "SubnetId": subnet, "LoadBalancerAddresses": []} for subnet, zone in balancer.subnets]

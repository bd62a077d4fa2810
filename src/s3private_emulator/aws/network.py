"""Network interfaces and security groups: made and asked over moto's, which has them right but unguarded."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_network_interfaces import NetworkInterface
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupRule
from moto.ec2.models.subnets import Subnet

from s3private_emulator.aws.refusals import Refusal


def make_interface(
    network: EC2Backend,
    subnet: Subnet,
    *,
    groups: list[str],
    description: str,
    interface_type: str,
    requester_id: str,
    address: str | None = None,
) -> NetworkInterface:
    """A requester-managed interface with an address of its subnet: seen by its owner, and not theirs to change.
    https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html"""
    interface = network.create_network_interface(
        subnet, address or free_address(network, subnet), group_ids=groups, description=description
    )
    if not groups:
        interface._group_set = []
    interface.requester_managed = True
    interface.requester_id = requester_id
    interface.interface_type = interface_type
    interface.status = "in-use"
    return interface


def free_address(network: EC2Backend, subnet: Subnet) -> str:
    """The first free one. AWS keeps the first four addresses and the last.
    https://docs.aws.amazon.com/vpc/latest/userguide/subnet-sizing.html"""
    taken = {i.private_ip_address for i in network.enis.values() if i.subnet_id == subnet.id}
    for address in list(ipaddress.ip_network(subnet.cidr_block))[4:-1]:
        if str(address) not in taken:
            return str(address)
    raise Refusal("InsufficientFreeAddressesInSubnet", f"There are not enough free addresses in subnet '{subnet.id}'")


def free_addresses(network: EC2Backend, subnet: Subnet) -> int:
    """How many are left in an IPv4 subnet, without the five that AWS keeps."""
    taken = sum(i.subnet_id == subnet.id for i in network.enis.values())
    return int(ipaddress.ip_network(subnet.cidr_block).num_addresses) - 5 - taken


def find_subnet(network: EC2Backend, subnet_id: str) -> Subnet | None:
    return next((zone[subnet_id] for zone in network.subnets.values() if subnet_id in zone), None)


def admits(
    network: EC2Backend, groups: Iterable[str], port: int, *, address: str, source_groups: Iterable[str] = ()
) -> bool:
    """Whether one of the groups lets TCP in on the port from an address, or from one of the groups of its interface."""
    sources = set(source_groups)
    return any(
        _passes(rule, port, address, sources) for group in _groups(network, groups) for rule in group.ingress_rules
    )


def admits_anyone(network: EC2Backend, groups: Iterable[str], port: int) -> bool:
    """Whether one of the groups lets TCP in on the port from any address at all."""
    return any(
        _covers(rule, port) and rule.ip_range.get("CidrIp") == "0.0.0.0/0"
        for group in _groups(network, groups)
        for rule in group.ingress_rules
    )


def lets_out(
    network: EC2Backend, groups: Iterable[str], port: int, *, address: str, target_groups: Iterable[str]
) -> bool:
    """Whether one of the groups lets TCP out on the port to an address, or to one of the groups of its interface."""
    sources = set(target_groups)
    return any(
        _passes(rule, port, address, sources) for group in _groups(network, groups) for rule in group.egress_rules
    )


def users_of(network: EC2Backend, group_id: str) -> list[str]:
    """What keeps a security group from being deleted: interfaces that have it, other groups whose rules name it."""
    interfaces = [i.id for i in network.enis.values() if group_id in {g.id for g in i.group_set}]
    rules = [
        other.id
        for groups in network.groups.values()
        for other in groups.values()
        if other.id != group_id
        and any(r.source_group.get("GroupId") == group_id for r in [*other.ingress_rules, *other.egress_rules])
    ]
    return interfaces + rules


def _groups(network: EC2Backend, ids: Iterable[str]) -> list[SecurityGroup]:
    found = (network.get_security_group_from_id(i) for i in ids)
    return [g for g in found if g is not None]


def _covers(rule: SecurityGroupRule, port: int) -> bool:
    if rule.ip_protocol == "-1":
        return True
    return rule.ip_protocol == "tcp" and rule.from_port is not None and rule.from_port <= port <= (rule.to_port or 0)


def _passes(rule: SecurityGroupRule, port: int, address: str, groups: set[str]) -> bool:
    if not _covers(rule, port):
        return False
    cidr = rule.ip_range.get("CidrIp")
    if cidr and ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False):
        return True
    return rule.source_group.get("GroupId") in groups

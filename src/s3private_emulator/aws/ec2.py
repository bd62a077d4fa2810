"""EC2: moto's, with the parts of the path in place of its own."""

from __future__ import annotations

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.ec2.responses import EC2Response

from s3private_emulator.aws.cloud import Cloud
from s3private_emulator.aws.connections import ConnectionActions
from s3private_emulator.aws.credentials import Credential
from s3private_emulator.aws.endpoints import EndpointActions
from s3private_emulator.aws.network import users_of
from s3private_emulator.aws.refusals import NotEmulated, Refusal, dry_run, not_found
from s3private_emulator.aws.services import ServiceActions
from s3private_emulator.aws.tags import TagActions

OWN = frozenset(
    name
    for part in (EndpointActions, ServiceActions, ConnectionActions)
    for name in vars(part)
    if not name.startswith("_")
)
"""The actions that check before they stop for DryRun; moto's stop before anything."""
INTERFACE_FILTERS = frozenset(
    [
        "addresses.private-ip-address",
        "availability-zone",
        "description",
        "group-id",
        "interface-type",
        "network-interface-id",
        "owner-id",
        "private-ip-address",
        "requester-id",
        "requester-managed",
        "status",
        "subnet-id",
        "tag-key",
        "vpc-id",
    ]
)
"""Those that moto answers; AWS has more, and an unknown one must not look like one that matches nothing."""
GROUP_FILTERS = frozenset(
    ["description", "group-id", "group-name", "owner-id", "tag-key", "vpc-id"]
    + [
        f"{side}ip-permission.{name}"
        for side in ("", "egress.")
        for name in (
            "cidr",
            "from-port",
            "group-id",
            "group-name",
            "ipv6-cidr",
            "prefix-list-id",
            "protocol",
            "to-port",
        )
    ]
)
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSecurityGroups.html"""


class Ec2(EndpointActions, ServiceActions, ConnectionActions, TagActions, EC2Response):
    def __init__(self, cloud: Cloud, caller: Credential | None, region: str) -> None:
        super().__init__()
        self.cloud, self.caller, self.signed_region = cloud, caller, region

    def call_action(self) -> TYPE_RESPONSE:
        if self.dry and self.action_name not in OWN:
            return self.serialized(ActionResult(dry_run()))
        return super().call_action()

    @property
    def action_name(self) -> str:
        """In snake case, as the methods are named."""
        return camelcase_to_underscores(self._get_action())

    def describe_network_interfaces(self) -> ActionResult:
        self.here.release()
        for one in self._get_param("Filters", []):
            if one["Name"] not in INTERFACE_FILTERS and not one["Name"].startswith("tag:"):
                raise NotEmulated(f"ec2:DescribeNetworkInterfaces with the filter '{one['Name']}'")
        return super().describe_network_interfaces()

    def create_security_group(self) -> ActionResult:
        """Only in a VPC of the caller's account and region.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html"""
        vpc_id = self._get_param("VpcId")
        if vpc_id is not None and vpc_id not in self.here.network.vpcs:
            raise not_found("InvalidVpcID.NotFound", "vpc ID", vpc_id)
        return super().create_security_group()

    def delete_network_interface(self) -> ActionResult:
        """One that a service made and still uses is not its viewer's to delete.
        https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/requester-managed-eni.html"""
        interface = self.here.network.enis.get(self._get_param("NetworkInterfaceId"))
        if interface is not None and interface.requester_managed:
            raise Refusal("InvalidParameterValue", f"Network interface '{interface.id}' is currently in use.")
        return super().delete_network_interface()

    def delete_subnet(self) -> ActionResult:
        """A subnet with an interface in it stays.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSubnet.html"""
        self.here.release()
        subnet_id = self._get_param("SubnetId")
        if any(i.subnet_id == subnet_id for i in self.here.network.enis.values()):
            raise Refusal("DependencyViolation", f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return super().delete_subnet()

    def describe_security_groups(self) -> ActionResult:
        for one in self._get_param("Filters", []):
            name = one["Name"]
            if name not in GROUP_FILTERS and not name.startswith("tag:"):
                raise Refusal("InvalidParameterValue", f"The filter '{name}' is invalid")
        for group_id in self._get_param("GroupIds", []):
            if self.here.network.get_security_group_from_id(group_id) is None:
                raise not_found("InvalidGroup.NotFound", "security group", group_id)
        return super().describe_security_groups()

    def delete_security_group(self) -> ActionResult:
        """A group that an interface has, or that another group's rule names, stays: DependencyViolation.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteSecurityGroup.html"""
        self.here.release()
        group_id = self._get_param("GroupId")
        if group_id is not None:
            group = self.here.network.get_security_group_from_id(group_id)
            if group is None:
                raise not_found("InvalidGroup.NotFound", "security group", group_id)
            if group.is_default:
                raise Refusal("CannotDelete", f"the specified group: '{group_id}' name: 'default' cannot be deleted")
            if users_of(self.here.network, group_id):
                raise Refusal("DependencyViolation", f"resource {group_id} has a dependent object")
        return super().delete_security_group()

"""What AWS asks of a VPC endpoint before it makes or changes one.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
"""

from __future__ import annotations

import json

from moto.ec2.models.subnets import Subnet

from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.network import find_subnet
from s3private_emulator.aws.refusals import NotEmulated, Refusal, not_found

POLICY_CHARACTERS = 20_480
"""https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"""
FULL_ACCESS = json.dumps(
    {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
"""What an endpoint made without a policy has (same page)."""
AWS_SERVICES = {
    "s3": ("Interface", "Gateway"),
    "dynamodb": ("Gateway", "Interface"),
    "sts": ("Interface",),
    "ec2": ("Interface",),
    "elasticloadbalancing": ("Interface",),
    "kms": ("Interface",),
    "secretsmanager": ("Interface",),
}


class EndpointRules(Answering):
    def known_vpc(self, vpc_id: str) -> str:
        if vpc_id not in self.here.network.vpcs:
            raise not_found("InvalidVpcID.NotFound", "vpc ID", vpc_id)
        return vpc_id

    def known_service(self, name: str, kind: str) -> str:
        if name.startswith(f"com.amazonaws.vpce.{self.region}."):
            raise NotEmulated("ec2:CreateVpcEndpoint to a customer's endpoint service")
        stem = f"com.amazonaws.{self.region}."
        kinds = AWS_SERVICES.get(name[len(stem) :], ()) if name.startswith(stem) else ()
        if not kinds:
            raise not_found("InvalidServiceName", "Vpc Endpoint Service", name)
        if kind not in kinds:
            raise Refusal("InvalidParameter", f"Endpoint type ({kind}) does not match available service types.")
        return name

    def fitting_subnets(self, vpc_id: str, ids: list[str], *, taken: set[str]) -> list[Subnet]:
        """One subnet per zone, all of the endpoint's VPC.
        https://docs.aws.amazon.com/vpc/latest/privatelink/interface-endpoints.html"""
        found = []
        zones = set(taken)
        for subnet_id in ids:
            subnet = find_subnet(self.here.network, subnet_id)
            if subnet is None:
                raise not_found("InvalidSubnetID.NotFound", "subnet ID", subnet_id)
            if subnet.vpc_id != vpc_id:
                raise Refusal("InvalidParameter", f"Subnet {subnet_id} does not belong to VPC {vpc_id}")
            if subnet.availability_zone in zones:
                raise Refusal(
                    "DuplicateSubnetsInSameZone",
                    f"Found another VPC endpoint subnet in the availability zone of {subnet_id}. "
                    "VPC endpoint subnets should be in different availability zones supported by the service.",
                )
            zones.add(subnet.availability_zone)
            found.append(subnet)
        return found

    def fitting_groups(self, vpc_id: str, ids: list[str], *, default: bool = True) -> list[str]:
        """Security groups of the endpoint's VPC; the VPC's default group when none are given."""
        network = self.here.network
        if not ids and default:
            return [g.id for g in network.groups[vpc_id].values() if g.name == "default"]
        for group_id in ids:
            group = network.get_security_group_from_id(group_id)
            if group is None:
                raise not_found("InvalidGroup.NotFound", "security group", group_id)
            if group.vpc_id != vpc_id:
                raise Refusal("InvalidParameter", f"Security group {group_id} does not belong to VPC {vpc_id}")
        return list(ids)

    def valid_policy(self, document: str | None) -> str:
        if document is None:
            return FULL_ACCESS
        try:
            policy = json.loads(document)
        except ValueError:
            policy = None
        statements = policy.get("Statement") if isinstance(policy, dict) else None
        if not all(map(_is_statement, statements if isinstance(statements, list) and statements else [statements])):
            raise Refusal("InvalidPolicyDocument", "The specified policy document is not a valid JSON policy document.")
        if len(document) > POLICY_CHARACTERS:
            raise Refusal("InvalidPolicyDocument", f"The policy is longer than {POLICY_CHARACTERS} characters.")
        return document

    def check_private_dns(self, vpc_id: str, service: str) -> None:
        """Private names need DNS in the VPC, and for S3 a gateway endpoint unless that is said not to matter.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html#private-dns"""
        vpc = self.here.network.vpcs[vpc_id]
        if not (_on(vpc.enable_dns_support) and _on(vpc.enable_dns_hostnames)):
            raise Refusal(
                "InvalidParameter",
                "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true "
                f"for {vpc_id}",
            )
        options = self._get_param("DnsOptions") or {}
        everywhere = str(options.get("PrivateDnsOnlyForInboundResolverEndpoint", True)).lower() == "false"
        gateway = any(
            e.vpc_id == vpc_id and e.type == "Gateway" and e.service_name == service and e.closing is None
            for e in self.here.endpoints.values()
        )
        if service.endswith(".s3") and not gateway and not everywhere:
            raise Refusal(
                "InvalidParameter",
                f"To set PrivateDnsOnlyForInboundResolverEndpoint to true, the VPC {vpc_id} must have a Gateway "
                "endpoint for the service.",
            )


def _is_statement(one: object) -> bool:
    """An endpoint's policy is a resource's: each statement says whom it lets through, to what.
    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"""
    return (
        isinstance(one, dict)
        and one.get("Effect") in ("Allow", "Deny")
        and all({name, f"Not{name}"} & set(one) for name in ("Principal", "Action", "Resource"))
    )


def _on(value: object) -> bool:
    return str(value).lower() == "true"

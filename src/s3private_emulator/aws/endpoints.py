"""VPC endpoints: born `pending`, deleted by way of `deleting`, with interfaces and DNS names shaped as AWS shapes them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.subnets import Subnet

from s3private_emulator.aws import filters
from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.cloud import Endpoint, Region
from s3private_emulator.aws.network import find_subnet, make_interface
from s3private_emulator.aws.refusals import NotEmulated, Refusal, not_found, unsuccessful
from s3private_emulator.aws.tags import specified
from s3private_emulator.delays import Takes

POLICY_CHARACTERS = 20_480
"""https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"""
FULL_ACCESS = json.dumps(
    {"Version": "2008-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]}
)
"""What an endpoint made without a policy has (same page)."""
HOSTED_ZONE = "Z2E726K9Y6RL4W"
AWS_SERVICES = {
    "s3": ("Interface", "Gateway"),
    "dynamodb": ("Gateway", "Interface"),
    "sts": ("Interface",),
    "ec2": ("Interface",),
    "elasticloadbalancing": ("Interface",),
    "kms": ("Interface",),
    "secretsmanager": ("Interface",),
}


def state_of(endpoint: Endpoint, *, read: bool) -> str:
    """`read`: a client asked, which counts as one poll."""
    if endpoint.closing is not None:
        return "deleting"
    opened = endpoint.opening.reached() if read else endpoint.opening.passed()
    return "available" if opened else "pending"


def dns_names(endpoint: Endpoint, region: str) -> list[str]:
    """The regional name, then one per zone: `*.vpce-<id>-<8>.s3.<region>.vpce.amazonaws.com`."""
    service = endpoint.service_name.rsplit(".", 1)[-1]
    star = "*." if service == "s3" else ""
    stem = f"{star}{endpoint.id}-{hashlib.sha256(endpoint.id.encode()).hexdigest()[:8]}"
    rest = f".{service}.{region}.vpce.amazonaws.com"
    zones = sorted({i.availability_zone for i in endpoint.interfaces.values()})
    return [stem + rest, *(f"{stem}-{zone}{rest}" for zone in zones)]


class EndpointActions(Answering):
    def create_vpc_endpoint(self) -> ActionResult:
        made = self.made_before("CreateVpcEndpoint")
        if made is not None and made in self.here.endpoints:
            return self._endpoint_created(self.here.endpoints[made])
        region = self.here
        kind = self._get_param("VpcEndpointType") or "Gateway"
        vpc_id = self._vpc(self._get_param("VpcId"))
        service = self._known_service(self._get_param("ServiceName"), kind)
        groups = self._groups_of(vpc_id, self._get_param("SecurityGroupIds", [])) if kind == "Interface" else []
        subnets = self._subnets(vpc_id, self._get_param("SubnetIds", []), taken=set())
        policy = self._policy(self._get_param("PolicyDocument"))
        private_dns = kind == "Interface" and bool(self._get_bool_param("PrivateDnsEnabled", True))
        if private_dns:
            self._private_dns(vpc_id, service)
        tags = specified(self._get_param("TagSpecifications", []), "vpc-endpoint")
        self.stop_if_dry()
        endpoint = Endpoint(
            id=self.cloud.id("vpce"),
            type=kind,
            service_name=service,
            vpc_id=vpc_id,
            policy=policy,
            private_dns=private_dns,
            groups=groups,
            route_tables=list(self._get_param("RouteTableIds", [])),
            created=self.cloud.now(),
            opening=self.cloud.delays.begin(Takes.ENDPOINT_AVAILABLE),
        )
        for subnet in subnets:
            self._add_interface(endpoint, subnet)
        region.endpoints[endpoint.id] = endpoint
        region.network.create_tags([endpoint.id], tags)
        self.remember("CreateVpcEndpoint", endpoint.id)
        return self._endpoint_created(endpoint)

    def describe_vpc_endpoints(self) -> ActionResult:
        region = self.here
        region.release()
        asked = self._get_param("VpcEndpointIds", [])
        for endpoint_id in asked:
            if endpoint_id not in region.endpoints:
                raise not_found("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", endpoint_id)
        rows = [(e, state_of(e, read=True)) for e in region.endpoints.values() if not asked or e.id in asked]
        kept = filters.keep(
            rows,
            self._get_param("Filters", []),
            {
                "ip-address-type": lambda row: "ipv4",
                "service-name": lambda row: row[0].service_name,
                "service-region": lambda row: region.name,
                "vpc-id": lambda row: row[0].vpc_id,
                "vpc-endpoint-id": lambda row: row[0].id,
                "vpc-endpoint-state": lambda row: row[1],
                "vpc-endpoint-type": lambda row: row[0].type,
            },
            tags=lambda row: region.network.tags.get(row[0].id, {}),
        )
        page, token = filters.page(kept, self._get_int_param("MaxResults"), self._get_param("NextToken"))
        return ActionResult({"VpcEndpoints": [self._endpoint_row(e, s) for e, s in page], "NextToken": token})

    def modify_vpc_endpoint(self) -> ActionResult:
        endpoint = self._endpoint(self._get_param("VpcEndpointId"))
        policy = self._get_param("PolicyDocument")
        if policy is not None:
            policy = self._policy(policy)
        if self._get_bool_param("ResetPolicy", False):
            policy = FULL_ACCESS
        removed = self._get_param("RemoveSubnetIds", [])
        for subnet_id in removed:
            if subnet_id not in endpoint.interfaces:
                raise not_found("InvalidSubnetID.NotFound", "subnet of the endpoint with ID", subnet_id)
        zones = {i.availability_zone for s, i in endpoint.interfaces.items() if s not in removed}
        added = self._subnets(endpoint.vpc_id, self._get_param("AddSubnetIds", []), taken=zones)
        joining = self._groups_of(endpoint.vpc_id, self._get_param("AddSecurityGroupIds", []), default=False)
        leaving = self._get_param("RemoveSecurityGroupIds", [])
        private_dns = self._get_bool_param("PrivateDnsEnabled", None)
        if private_dns:
            self._private_dns(endpoint.vpc_id, endpoint.service_name)
        self.stop_if_dry()
        if policy is not None:
            endpoint.policy = policy
        if private_dns is not None:
            endpoint.private_dns = private_dns
        endpoint.groups = [g for g in dict.fromkeys([*endpoint.groups, *joining]) if g not in leaving]
        for subnet_id in removed:
            self.here.network.enis.pop(endpoint.interfaces.pop(subnet_id).id, None)
        for subnet in added:
            self._add_interface(endpoint, subnet)
        for interface in endpoint.interfaces.values():
            held = (self.here.network.get_security_group_from_id(g) for g in endpoint.groups)
            interface._group_set = [g for g in held if g is not None]
        return ActionResult({"Return": True})

    def delete_vpc_endpoints(self) -> ActionResult:
        """One that does not exist is an `Unsuccessful` entry, with HTTP 200.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpcEndpoints.html"""
        ids = self._get_param("VpcEndpointIds", [])
        self.stop_if_dry()
        failed = []
        for endpoint_id in ids:
            endpoint = self.here.endpoints.get(endpoint_id)
            if endpoint is None:
                message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
                failed.append(unsuccessful(endpoint_id, "InvalidVpcEndpoint.NotFound", message))
            elif endpoint.closing is None:
                endpoint.closing = self.cloud.delays.begin(Takes.ENDPOINT_DELETED)
        return ActionResult({"Unsuccessful": failed})

    def describe_vpc_endpoint_services(self) -> ActionResult:
        """The services of AWS; those of customers are seen in their configurations."""
        names = self._get_param("ServiceNames", [])
        known = {f"com.amazonaws.{self.region}.{name}": kinds for name, kinds in AWS_SERVICES.items()}
        for name in names:
            if name not in known:
                raise not_found("InvalidServiceName", "Vpc Endpoint Service", name)
        zones = sorted(self.here.network.subnets)
        details: list[dict[str, Any]] = [
            {
                "ServiceName": name,
                "ServiceType": [{"ServiceType": kind}],
                "AvailabilityZones": zones,
                "Owner": "amazon",
                "VpcEndpointPolicySupported": True,
                "AcceptanceRequired": False,
                "ManagesVpcEndpoints": False,
            }
            for name, kinds in known.items()
            for kind in kinds
            if not names or name in names
        ]
        kept = filters.keep(
            details,
            self._get_param("Filters", []),
            {
                "owner": lambda row: str(row["Owner"]),
                "service-name": lambda row: str(row["ServiceName"]),
                "service-region": lambda row: self.region,
                "service-type": lambda row: row["ServiceType"][0]["ServiceType"],
            },
        )
        return ActionResult({"ServiceNames": sorted({str(d["ServiceName"]) for d in kept}), "ServiceDetails": kept})

    def _endpoint_created(self, endpoint: Endpoint) -> ActionResult:
        token = self._get_param("ClientToken")
        return ActionResult({"VpcEndpoint": self._endpoint_row(endpoint, "pending"), "ClientToken": token})

    def _endpoint(self, endpoint_id: str) -> Endpoint:
        endpoint = self.here.endpoints.get(endpoint_id)
        if endpoint is None or endpoint.closing is not None:
            raise not_found("InvalidVpcEndpointId.NotFound", "Vpc Endpoint Id", endpoint_id)
        return endpoint

    def _vpc(self, vpc_id: str) -> str:
        if vpc_id not in self.here.network.vpcs:
            raise not_found("InvalidVpcID.NotFound", "vpc ID", vpc_id)
        return vpc_id

    def _known_service(self, name: str, kind: str) -> str:
        if name.startswith(f"com.amazonaws.vpce.{self.region}."):
            raise NotEmulated("ec2:CreateVpcEndpoint to a customer's endpoint service")
        stem = f"com.amazonaws.{self.region}."
        kinds = AWS_SERVICES.get(name[len(stem) :], ()) if name.startswith(stem) else ()
        if not kinds:
            raise not_found("InvalidServiceName", "Vpc Endpoint Service", name)
        if kind not in kinds:
            raise Refusal("InvalidParameter", f"Endpoint type ({kind}) does not match available service types.")
        return name

    def _subnets(self, vpc_id: str, ids: list[str], *, taken: set[str]) -> list[Subnet]:
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

    def _groups_of(self, vpc_id: str, ids: list[str], *, default: bool = True) -> list[str]:
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

    def _policy(self, document: str | None) -> str:
        if document is None:
            return FULL_ACCESS
        try:
            policy = json.loads(document)
        except ValueError:
            policy = None
        if not isinstance(policy, dict) or "Statement" not in policy:
            raise Refusal("InvalidPolicyDocument", "The specified policy document is not a valid JSON policy document.")
        if len(document) > POLICY_CHARACTERS:
            raise Refusal("InvalidPolicyDocument", f"The policy is longer than {POLICY_CHARACTERS} characters.")
        return document

    def _private_dns(self, vpc_id: str, service: str) -> None:
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

    def _add_interface(self, endpoint: Endpoint, subnet: Subnet) -> None:
        endpoint.interfaces[subnet.id] = make_interface(
            self.here.network,
            subnet,
            groups=endpoint.groups,
            description=f"VPC Endpoint Interface {endpoint.id}",
            interface_type="vpc_endpoint",
            requester_id="727180483921",
        )

    def _endpoint_row(self, endpoint: Endpoint, state: str) -> dict[str, Any]:
        region: Region = self.here
        held = (region.network.get_security_group_from_id(g) for g in endpoint.groups)
        names = dns_names(endpoint, region.name) if endpoint.type == "Interface" else []
        return {
            "VpcEndpointId": endpoint.id,
            "VpcEndpointType": endpoint.type,
            "VpcId": endpoint.vpc_id,
            "ServiceName": endpoint.service_name,
            "ServiceRegion": region.name,
            "State": state,
            "PolicyDocument": endpoint.policy,
            "RouteTableIds": endpoint.route_tables,
            "SubnetIds": list(endpoint.interfaces),
            "Groups": [{"GroupId": g.id, "GroupName": g.name} for g in held if g is not None],
            "IpAddressType": "ipv4",
            "DnsOptions": {"DnsRecordIpType": "ipv4"},
            "PrivateDnsEnabled": endpoint.private_dns,
            "RequesterManaged": False,
            "NetworkInterfaceIds": [i.id for i in endpoint.interfaces.values()],
            "DnsEntries": [{"DnsName": n, "HostedZoneId": HOSTED_ZONE} for n in names],
            "CreationTimestamp": endpoint.created,
            "OwnerId": region.account,
            "Tags": [{"Key": k, "Value": v} for k, v in region.network.tags.get(endpoint.id, {}).items()],
        }


def _on(value: object) -> bool:
    return str(value).lower() == "true"

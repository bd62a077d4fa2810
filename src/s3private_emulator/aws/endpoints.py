"""VPC endpoints: born `pending`, deleted by way of `deleting`, with interfaces and DNS names shaped as AWS shapes them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import hashlib
from typing import Any

from moto.core.responses import ActionResult
from moto.ec2.models.subnets import Subnet

from s3private_emulator.aws import filters
from s3private_emulator.aws.cloud import Endpoint, Region
from s3private_emulator.aws.endpoint_rules import AWS_SERVICES, FULL_ACCESS, EndpointRules
from s3private_emulator.aws.network import make_interface
from s3private_emulator.aws.refusals import not_found, unsuccessful
from s3private_emulator.aws.tags import specified
from s3private_emulator.delays import Takes

HOSTED_ZONE = "Z2E726K9Y6RL4W"


def state_of(endpoint: Endpoint, *, read: bool) -> str:
    """`read`: a client asked, which counts as one poll."""
    if endpoint.closing is not None:
        return "deleting"
    opened = endpoint.opening.reached() if read else endpoint.opening.passed()
    if not opened:
        return "pending"
    return endpoint.opening.ending.state if endpoint.opening.ending else "available"


def dns_names(endpoint: Endpoint, region: str) -> list[str]:
    """The regional name, then one per zone: `*.vpce-<id>-<8>.s3.<region>.vpce.amazonaws.com`."""
    service = endpoint.service_name.rsplit(".", 1)[-1]
    star = "*." if service == "s3" else ""
    stem = f"{star}{endpoint.id}-{hashlib.sha256(endpoint.id.encode()).hexdigest()[:8]}"
    rest = f".{service}.{region}.vpce.amazonaws.com"
    zones = sorted({i.availability_zone for i in endpoint.interfaces.values()})
    return [stem + rest, *(f"{stem}-{zone}{rest}" for zone in zones)]


class EndpointActions(EndpointRules):
    def create_vpc_endpoint(self) -> ActionResult:
        made = self.made_before("CreateVpcEndpoint")
        if made is not None and made in self.here.endpoints:
            return self._endpoint_created(self.here.endpoints[made])
        region = self.here
        kind = self._get_param("VpcEndpointType") or "Gateway"
        vpc_id = self.known_vpc(self._get_param("VpcId"))
        service = self.known_service(self._get_param("ServiceName"), kind)
        groups = self.fitting_groups(vpc_id, self._get_param("SecurityGroupIds", [])) if kind == "Interface" else []
        subnets = self.fitting_subnets(vpc_id, self._get_param("SubnetIds", []), taken=set())
        policy = self.valid_policy(self._get_param("PolicyDocument"))
        # https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html (its own example)
        unless_said = service != f"com.amazonaws.{region.name}.s3"
        private_dns = kind == "Interface" and bool(self._get_bool_param("PrivateDnsEnabled", unless_said))
        if private_dns:
            self.check_private_dns(vpc_id, service)
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
            policy = self.valid_policy(policy)
        if self._get_bool_param("ResetPolicy", False):
            policy = FULL_ACCESS
        removed = self._get_param("RemoveSubnetIds", [])
        for subnet_id in removed:
            if subnet_id not in endpoint.interfaces:
                raise not_found("InvalidSubnetID.NotFound", "subnet of the endpoint with ID", subnet_id)
        zones = {i.availability_zone for s, i in endpoint.interfaces.items() if s not in removed}
        added = self.fitting_subnets(endpoint.vpc_id, self._get_param("AddSubnetIds", []), taken=zones)
        joining = self.fitting_groups(endpoint.vpc_id, self._get_param("AddSecurityGroupIds", []), default=False)
        leaving = self._get_param("RemoveSecurityGroupIds", [])
        private_dns = self._get_bool_param("PrivateDnsEnabled", None)
        if private_dns:
            self.check_private_dns(endpoint.vpc_id, endpoint.service_name)
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
            "LastError": _last_error(endpoint, state),
            "Tags": [{"Key": k, "Value": v} for k, v in region.network.tags.get(endpoint.id, {}).items()],
        }


def _last_error(endpoint: Endpoint, state: str) -> dict[str, str] | None:
    """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_LastError.html"""
    ending = endpoint.opening.ending
    if ending is None or state != ending.state or not ending.message:
        return None
    return {"Code": "InternalError", "Message": ending.message}

"""Endpoint services and who may knock at them.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpointServiceConfiguration.html
https://docs.aws.amazon.com/vpc/latest/privatelink/create-endpoint-service.html
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult

from s3private_emulator.aws import filters
from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.cloud import Cloud, Region, Service
from s3private_emulator.aws.refusals import Refusal, not_found, unsuccessful
from s3private_emulator.aws.tags import specified
from s3private_emulator.delays import Takes
from s3private_emulator.privatelink import ServiceView

PRINCIPAL = re.compile(r"\*|arn:aws[a-z-]*:iam::\d{12}:(root|(role|user)/[\w+=,.@/-]+)|[a-z0-9.-]+\.amazonaws\.com")


def service_named(cloud: Cloud, name: str) -> tuple[Region, Service] | None:
    for region in cloud.regions():
        for service in region.services.values():
            if service.name == name:
                return region, service
    return None


def view_of(cloud: Cloud, name: str) -> ServiceView | None:
    """An endpoint service as PrivateLink sees it."""
    with cloud.lock:
        found = service_named(cloud, name)
        if found is None:
            return None
        region, service = found
        return ServiceView(
            service_id=service.id,
            service_name=service.name,
            account=region.account,
            region=region.name,
            available=service.opening.passed() and service.opening.ending is None,
            acceptance_required=service.acceptance_required,
            principals=frozenset(service.permissions),
        )


class ServiceActions(Answering):
    def create_vpc_endpoint_service_configuration(self) -> ActionResult:
        made = self.made_before("CreateVpcEndpointServiceConfiguration")
        if made is not None and made in self.here.services:
            return self._service_created(self.here.services[made])
        arns = self._get_param("NetworkLoadBalancerArns", [])
        if not arns:
            raise Refusal(
                "InvalidParameter",
                "exactly one of network_load_balancer_arn or gateway_load_balancer_arn is a required member",
            )
        self._load_balancers(arns)
        tags = specified(self._get_param("TagSpecifications", []), "vpc-endpoint-service")
        self.stop_if_dry()
        service_id = self.cloud.id("vpce-svc")
        service = Service(
            id=service_id,
            name=f"com.amazonaws.vpce.{self.region}.{service_id}",
            load_balancer_arns=list(arns),
            acceptance_required=bool(self._get_bool_param("AcceptanceRequired", True)),
            private_dns_name=self._get_param("PrivateDnsName"),
            opening=self.cloud.delays.begin(Takes.SERVICE_AVAILABLE),
            zones=self._zones(arns),
        )
        self.here.services[service_id] = service
        self.here.network.create_tags([service_id], tags)
        self.remember("CreateVpcEndpointServiceConfiguration", service_id)
        return self._service_created(service)

    def describe_vpc_endpoint_service_configurations(self) -> ActionResult:
        region = self.here
        asked = self._get_param("ServiceIds", [])
        chosen = [self._service(i) for i in asked] if asked else list(region.services.values())
        rows = [(s, _state(s)) for s in chosen]
        kept = filters.keep(
            rows,
            self._get_param("Filters", []),
            {
                "service-name": lambda row: row[0].name,
                "service-id": lambda row: row[0].id,
                "service-state": lambda row: row[1],
                "supported-ip-address-types": lambda row: "ipv4",
            },
            tags=lambda row: region.network.tags.get(row[0].id, {}),
        )
        page, token = filters.page(kept, self._get_int_param("MaxResults"), self._get_param("NextToken"))
        return ActionResult(
            {"ServiceConfigurations": [self._service_row(s, state) for s, state in page], "NextToken": token}
        )

    def modify_vpc_endpoint_service_configuration(self) -> ActionResult:
        service = self._service(self._get_param("ServiceId"))
        added = self._get_param("AddNetworkLoadBalancerArns", [])
        removed = self._get_param("RemoveNetworkLoadBalancerArns", [])
        self._load_balancers(added)
        left = [a for a in [*service.load_balancer_arns, *added] if a not in removed]
        if not left:
            raise Refusal("InvalidParameter", "An endpoint service needs a load balancer.")
        self.stop_if_dry()
        service.load_balancer_arns = list(dict.fromkeys(left))
        service.zones = sorted({*service.zones, *self._zones(added)}) if not removed else self._zones(left)
        acceptance = self._get_bool_param("AcceptanceRequired", None)
        if acceptance is not None:
            service.acceptance_required = acceptance
        return ActionResult({"Return": True})

    def delete_vpc_endpoint_service_configurations(self) -> ActionResult:
        """While a connection is available or awaits acceptance, the service stays, and an `Unsuccessful` entry says so.
        https://docs.aws.amazon.com/vpc/latest/privatelink/delete-endpoint-service.html"""
        ids = self._get_param("ServiceIds", [])
        self.stop_if_dry()
        failed = []
        for service_id in ids:
            if service_id not in self.here.services:
                message = f"The VpcEndpointService Id '{service_id}' does not exist"
                failed.append(unsuccessful(service_id, "InvalidVpcEndpointService.NotFound", message))
            elif self.cloud.privatelink.holds(service_id):
                message = "Service has existing active VPC Endpoint connections!"
                failed.append(unsuccessful(service_id, "ExistingVpcEndpointConnections", message))
            else:
                del self.here.services[service_id]
                self.here.network.tags.pop(service_id, None)
        return ActionResult({"Unsuccessful": failed})

    def describe_vpc_endpoint_service_permissions(self) -> ActionResult:
        service = self._service(self._get_param("ServiceId"))
        kept = filters.keep(
            list(service.permissions.items()),
            self._get_param("Filters", []),
            {"principal": lambda row: row[0], "principal-type": lambda row: _principal_type(row[0])},
        )
        page, token = filters.page(kept, self._get_int_param("MaxResults"), self._get_param("NextToken"))
        rows = [self._permission(service, principal, permission) for principal, permission in page]
        return ActionResult({"AllowedPrincipals": rows, "NextToken": token})

    def modify_vpc_endpoint_service_permissions(self) -> ActionResult:
        """https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVpcEndpointServicePermissions.html"""
        service = self._service(self._get_param("ServiceId"))
        added = self._get_param("AddAllowedPrincipals", [])
        removed = self._get_param("RemoveAllowedPrincipals", [])
        for principal in added:
            if not PRINCIPAL.fullmatch(principal):
                raise Refusal("InvalidPrincipal", f"Invalid Principal: '{principal}'")
        self.stop_if_dry()
        new = [p for p in added if p not in service.permissions]
        for principal in new:
            service.permissions[principal] = self.cloud.id("vpce-svc-perm")
        for principal in removed:
            service.permissions.pop(principal, None)
        rows = [self._permission(service, p, service.permissions[p]) for p in new if p in service.permissions]
        return ActionResult({"AddedPrincipals": rows, "ReturnValue": True})

    def _service_created(self, service: Service) -> ActionResult:
        token = self._get_param("ClientToken")
        return ActionResult({"ServiceConfiguration": self._service_row(service, "Pending"), "ClientToken": token})

    def _service(self, service_id: str) -> Service:
        service = self.here.services.get(service_id)
        if service is None:
            raise not_found("InvalidVpcEndpointServiceId.NotFound", "VpcEndpointService Id", service_id)
        return service

    def _load_balancers(self, arns: list[str]) -> None:
        """A network load balancer serves one endpoint service only.
        https://docs.aws.amazon.com/vpc/latest/privatelink/create-endpoint-service.html"""
        for arn in arns:
            if arn not in self.here.load_balancers:
                raise not_found("InvalidParameter", "Network Load Balancer", arn)
            if self.here.service_over(arn) is not None:
                raise Refusal(
                    "InvalidParameter", f"The load balancer {arn} is already associated with another service."
                )

    def _zones(self, arns: list[str]) -> list[str]:
        """A service is in the zones that its load balancers had when they were associated with it."""
        balancers = [self.here.load_balancers[arn] for arn in arns if arn in self.here.load_balancers]
        return sorted({zone for balancer in balancers for _, zone in balancer.subnets})

    def _permission(self, service: Service, principal: str, permission: str) -> dict[str, Any]:
        return {
            "PrincipalType": _principal_type(principal),
            "Principal": principal,
            "ServicePermissionId": permission,
            "ServiceId": service.id,
        }

    def _service_row(self, service: Service, state: str) -> dict[str, Any]:
        return {
            "ServiceType": [{"ServiceType": "Interface"}],
            "ServiceId": service.id,
            "ServiceName": service.name,
            "ServiceState": state,
            "AvailabilityZones": service.zones,
            "AcceptanceRequired": service.acceptance_required,
            "ManagesVpcEndpoints": False,
            "NetworkLoadBalancerArns": service.load_balancer_arns,
            "SupportedIpAddressTypes": ["ipv4"],
            "BaseEndpointDnsNames": [f"{service.id}.{self.region}.vpce.amazonaws.com"],
            "PrivateDnsName": service.private_dns_name,
            "Tags": [{"Key": k, "Value": v} for k, v in self.here.network.tags.get(service.id, {}).items()],
        }


def _state(service: Service) -> str:
    """A client asks, which counts as one poll."""
    if not service.opening.reached():
        return "Pending"
    return service.opening.ending.state if service.opening.ending else "Available"


def _principal_type(principal: str) -> str:
    if principal == "*":
        return "All"
    if ":role/" in principal:
        return "Role"
    if ":user/" in principal:
        return "User"
    return "Account" if principal.endswith(":root") else "Service"

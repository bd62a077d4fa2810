"""Connections to endpoint services, over PrivateLink: described, accepted, rejected by the service's owner.

A connection that cannot be answered is an `Unsuccessful` entry with HTTP 200, never an error of the call.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AcceptVpcEndpointConnections.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RejectVpcEndpointConnections.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from moto.core.responses import ActionResult

from s3private_emulator.aws import filters
from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.refusals import not_found, unsuccessful
from s3private_emulator.privatelink import Connection, WrongState


class ConnectionActions(Answering):
    def describe_vpc_endpoint_connections(self) -> ActionResult:
        region = self.here
        found = [c for i in region.services for c in self.cloud.privatelink.connections_of(i, read=True)]
        kept = filters.keep(
            found,
            self._get_param("Filters", []),
            {
                "ip-address-type": lambda c: "ipv4",
                "service-id": lambda c: c.service_id,
                "vpc-endpoint-owner": lambda c: c.vpc_endpoint_owner,
                "vpc-endpoint-region": lambda c: region.name,
                "vpc-endpoint-state": lambda c: c.state.value,
                "vpc-endpoint-id": lambda c: c.vpc_endpoint_id,
            },
        )
        page, token = filters.page(kept, self._get_int_param("MaxResults"), self._get_param("NextToken"))
        return ActionResult({"VpcEndpointConnections": [self._connection(c) for c in page], "NextToken": token})

    def accept_vpc_endpoint_connections(self) -> ActionResult:
        return self._each(self.cloud.privatelink.accept)

    def reject_vpc_endpoint_connections(self) -> ActionResult:
        return self._each(self.cloud.privatelink.reject)

    def _each(self, act: Callable[[str, str], None]) -> ActionResult:
        service_id = self._get_param("ServiceId")
        if service_id not in self.here.services:
            raise not_found("InvalidVpcEndpointServiceId.NotFound", "VpcEndpointService Id", service_id)
        self.stop_if_dry()
        failed = []
        for endpoint_id in self._get_param("VpcEndpointIds", []):
            try:
                act(service_id, endpoint_id)
            except WrongState as state:
                message = f"The connection of {endpoint_id} is in state {state}, which does not allow this."
                failed.append(unsuccessful(endpoint_id, "InvalidState", message))
            except LookupError:
                message = f"The Vpc Endpoint Id '{endpoint_id}' does not exist"
                failed.append(unsuccessful(endpoint_id, "InvalidVpcEndpointId.NotFound", message))
        return ActionResult({"Unsuccessful": failed})

    def _connection(self, connection: Connection) -> dict[str, Any]:
        service = self.here.services[connection.service_id]
        age = timedelta(seconds=self.cloud.delays.clock.now() - connection.created)
        number = hashlib.sha256(connection.vpc_endpoint_id.encode()).hexdigest()[:16]
        return {
            "ServiceId": connection.service_id,
            "VpcEndpointId": connection.vpc_endpoint_id,
            "VpcEndpointOwner": connection.vpc_endpoint_owner,
            "VpcEndpointState": connection.state.value,
            "CreationTimestamp": self.cloud.now() - age,
            "NetworkLoadBalancerArns": service.load_balancer_arns,
            "IpAddressType": "ipv4",
            "VpcEndpointConnectionId": f"vpce-con-0{number}",
            "VpcEndpointRegion": self.region,
        }

"""Connections to an endpoint service, as its owner sees and answers them.
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AcceptVpcEndpointConnections.html"""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import DATABRICKS_ROLE, STRANGER, Site, code_of, where
from s3private_emulator.delays import Takes
from s3private_emulator.privatelink import EXPIRY_SECONDS


@pytest.fixture
def service(aws: Site) -> tuple[str, str]:
    made, name = aws.service(aws.balancer())
    aws.allow(made)
    return made, name


def states(aws: Site) -> dict[str, str]:
    found = aws.ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    return {c["VpcEndpointId"]: str(c["VpcEndpointState"]) for c in found}


def test_a_knock_awaits_acceptance_and_opens_after_it(aws: Site, service: tuple[str, str]) -> None:
    aws.takes(Takes.CONNECTION_AVAILABLE, polls=1)
    aws.knock(service[1])
    assert states(aws) == {STRANGER: "pendingAcceptance"}
    answer = aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    assert answer["Unsuccessful"] == []
    assert [states(aws)[STRANGER] for _ in range(2)] == ["pending", "available"]


def test_a_connection_shows_whose_it_is(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    found = aws.ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"][0]
    assert found["ServiceId"] == service[0]
    assert found["VpcEndpointOwner"] == DATABRICKS_ROLE.split(":")[4]
    assert found["CreationTimestamp"].tzinfo is not None
    assert found["NetworkLoadBalancerArns"]


def test_accepting_one_leaves_the_others_pending(aws: Site, service: tuple[str, str]) -> None:
    ours = aws.knock(service[1])
    strangers = aws.knock(service[1], "vpce-00000000000000002")
    aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[ours])
    assert states(aws) == {ours: "available", strangers: "pendingAcceptance"}


def test_what_cannot_be_accepted_is_an_unsuccessful_entry_and_the_rest_is_accepted(
    aws: Site, service: tuple[str, str]
) -> None:
    knocked = aws.knock(service[1])
    missing = "vpce-00000000000000000"
    answer = aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[missing, knocked])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert [(u["ResourceId"], u["Error"]["Code"]) for u in answer["Unsuccessful"]] == [
        (missing, "InvalidVpcEndpointId.NotFound")
    ]
    assert states(aws) == {knocked: "available"}


def test_accepting_twice_is_an_unsuccessful_entry(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    again = aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    assert again["Unsuccessful"][0]["Error"]["Code"] == "InvalidState"


def test_a_rejected_connection_stays_rejected(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    answer = aws.ec2.reject_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    assert answer["Unsuccessful"] == []
    assert states(aws) == {STRANGER: "rejected"}
    late = aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    assert late["Unsuccessful"][0]["ResourceId"] == STRANGER
    twice = aws.ec2.reject_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    assert twice["Unsuccessful"][0]["Error"]["Code"] == "InvalidState"


def test_a_connection_nobody_accepts_expires(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    aws.clock.advance(EXPIRY_SECONDS)
    assert states(aws) == {STRANGER: "expired"}


def test_filters_are_honoured(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    other, other_name = aws.service(aws.balancer("other"))
    aws.allow(other)
    aws.knock(other_name, "vpce-00000000000000002")
    aws.ec2.accept_vpc_endpoint_connections(ServiceId=service[0], VpcEndpointIds=[STRANGER])
    for name, value in {
        "service-id": service[0],
        "vpc-endpoint-id": STRANGER,
        "vpc-endpoint-state": "available",
    }.items():
        found = aws.ec2.describe_vpc_endpoint_connections(Filters=[{"Name": name, "Values": [value]}])
        assert [c["VpcEndpointId"] for c in found["VpcEndpointConnections"]] == [STRANGER], name
    others = where("vpc-endpoint-owner", "999999999999")
    assert aws.ec2.describe_vpc_endpoint_connections(Filters=others)["VpcEndpointConnections"] == []


def test_dry_run_neither_accepts_nor_rejects(aws: Site, service: tuple[str, str]) -> None:
    aws.knock(service[1])
    for call in (aws.ec2.accept_vpc_endpoint_connections, aws.ec2.reject_vpc_endpoint_connections):
        with pytest.raises(ClientError) as refused:
            call(ServiceId=service[0], VpcEndpointIds=[STRANGER], DryRun=True)
        assert code_of(refused.value) == "DryRunOperation"
    assert states(aws) == {STRANGER: "pendingAcceptance"}

"""Endpoint services, and who may knock.
https://docs.aws.amazon.com/vpc/latest/privatelink/create-endpoint-service.html"""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import DATABRICKS_ROLE, Site, code_of, status_of, where
from s3private_emulator.delays import Takes
from s3private_emulator.privatelink import NoSuchService, NotAllowed


def described(aws: Site, service: str) -> dict[str, Any]:
    return dict(aws.ec2.describe_vpc_endpoint_service_configurations(ServiceIds=[service])["ServiceConfigurations"][0])


def test_a_service_is_pending_before_it_is_available(aws: Site) -> None:
    aws.takes(Takes.SERVICE_AVAILABLE, polls=1)
    service, name = aws.service(aws.balancer())
    aws.allow(service)
    with pytest.raises(NoSuchService):
        aws.knock(name)
    assert [described(aws, service)["ServiceState"] for _ in range(2)] == ["Pending", "Available"]
    aws.knock(name)


def test_a_service_is_named_as_aws_names_it(aws: Site) -> None:
    balancer = aws.balancer()
    service, name = aws.service(balancer)
    assert re.fullmatch(r"vpce-svc-[0-9a-f]{17}", service)
    assert name == f"com.amazonaws.vpce.{aws.world.region}.{service}"
    found = described(aws, service)
    assert found["NetworkLoadBalancerArns"] == [balancer]
    assert found["AcceptanceRequired"] is True
    assert found["AvailabilityZones"] == [s.zone for s in aws.world.vpc.subnets]


def test_filters_and_tags_are_honoured(aws: Site) -> None:
    tags = [{"ResourceType": "vpc-endpoint-service", "Tags": [{"Key": "s3private:path", "Value": "demo"}]}]
    ours, name = aws.service(aws.balancer("one"), TagSpecifications=tags)
    aws.service(aws.balancer("two"))
    for filter_name, value in {
        "tag:s3private:path": "demo",
        "tag-key": "s3private:path",
        "service-id": ours,
        "service-name": name,
    }.items():
        found = aws.ec2.describe_vpc_endpoint_service_configurations(
            Filters=[{"Name": filter_name, "Values": [value]}]
        )["ServiceConfigurations"]
        assert [s["ServiceId"] for s in found] == [ours], filter_name
    assert found[0]["Tags"] == [{"Key": "s3private:path", "Value": "demo"}]
    pending = where("service-state", "Pending")
    assert not aws.ec2.describe_vpc_endpoint_service_configurations(Filters=pending)["ServiceConfigurations"]


def test_the_same_client_token_makes_one_service(aws: Site) -> None:
    balancer = aws.balancer()
    assert aws.service(balancer, ClientToken="once") == aws.service(balancer, ClientToken="once")
    assert len(aws.ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]) == 1


def test_the_same_client_token_with_other_parameters_is_refused(aws: Site) -> None:
    aws.service(aws.balancer("one"), ClientToken="once")
    with pytest.raises(ClientError) as refused:
        aws.service(aws.balancer("two"), ClientToken="once")
    assert code_of(refused.value) == "IdempotentParameterMismatch"


def test_a_load_balancer_serves_one_endpoint_service_only(aws: Site) -> None:
    balancer = aws.balancer()
    aws.service(balancer)
    with pytest.raises(ClientError) as refused:
        aws.service(balancer)
    assert code_of(refused.value) == "InvalidParameter"


def test_a_load_balancer_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.service("arn:aws:elasticloadbalancing:ap-northeast-1:222222222222:loadbalancer/net/none/0")
    assert code_of(refused.value) == "InvalidParameter"


def test_a_service_without_a_load_balancer_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.ec2.create_vpc_endpoint_service_configuration(AcceptanceRequired=True)
    assert code_of(refused.value) == "InvalidParameter"


def test_dry_run_makes_changes_and_deletes_nothing(aws: Site) -> None:
    balancer = aws.balancer()
    with pytest.raises(ClientError) as refused:
        aws.service(balancer, DryRun=True)
    assert (code_of(refused.value), status_of(refused.value)) == ("DryRunOperation", 412)
    service, _ = aws.service(balancer)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("modify_vpc_endpoint_service_configuration", {"ServiceId": service, "AcceptanceRequired": False}),
        ("modify_vpc_endpoint_service_permissions", {"ServiceId": service, "AddAllowedPrincipals": ["*"]}),
        ("delete_vpc_endpoint_service_configurations", {"ServiceIds": [service]}),
    ]
    for call, asked in calls:
        with pytest.raises(ClientError) as refused:
            getattr(aws.ec2, call)(DryRun=True, **asked)
        assert code_of(refused.value) == "DryRunOperation"
    assert described(aws, service)["AcceptanceRequired"] is True
    assert aws.ec2.describe_vpc_endpoint_service_permissions(ServiceId=service)["AllowedPrincipals"] == []


def test_acceptance_is_switched_in_place(aws: Site) -> None:
    made = aws.path()
    aws.ec2.modify_vpc_endpoint_service_configuration(ServiceId=made["service"], AcceptanceRequired=False)
    assert described(aws, made["service"])["AcceptanceRequired"] is False
    aws.knock(made["service_name"])
    found = aws.ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    assert [c["VpcEndpointState"] for c in found] == ["available"]


def test_only_an_allowed_principal_may_knock(aws: Site) -> None:
    service, name = aws.service(aws.balancer())
    with pytest.raises(NotAllowed):
        aws.knock(name)
    aws.allow(service)
    aws.knock(name)
    rows = aws.ec2.describe_vpc_endpoint_service_permissions(ServiceId=service)["AllowedPrincipals"]
    assert [(r["Principal"], r["PrincipalType"]) for r in rows] == [(DATABRICKS_ROLE, "Role")]
    aws.ec2.modify_vpc_endpoint_service_permissions(ServiceId=service, RemoveAllowedPrincipals=[DATABRICKS_ROLE])
    with pytest.raises(NotAllowed):
        aws.knock(name, "vpce-00000000000000002")


def test_allowing_twice_is_allowing_once(aws: Site) -> None:
    service, _ = aws.service(aws.balancer())
    aws.allow(service)
    aws.allow(service)
    assert len(aws.ec2.describe_vpc_endpoint_service_permissions(ServiceId=service)["AllowedPrincipals"]) == 1


def test_a_principal_that_is_none_is_refused(aws: Site) -> None:
    service, _ = aws.service(aws.balancer())
    with pytest.raises(ClientError) as refused:
        aws.allow(service, "Databricks")
    assert code_of(refused.value) == "InvalidPrincipal"


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("describe_vpc_endpoint_service_permissions", {}),
        ("modify_vpc_endpoint_service_permissions", {"AddAllowedPrincipals": ["*"]}),
        ("modify_vpc_endpoint_service_configuration", {"AcceptanceRequired": True}),
        ("accept_vpc_endpoint_connections", {"VpcEndpointIds": ["vpce-00000000000000000"]}),
        ("reject_vpc_endpoint_connections", {"VpcEndpointIds": ["vpce-00000000000000000"]}),
    ],
)
def test_a_service_that_is_not_there_is_refused(aws: Site, call: str, asked: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws.ec2, call)(ServiceId="vpce-svc-00000000000000000", **asked)
    assert code_of(refused.value) == "InvalidVpcEndpointServiceId.NotFound"


def test_a_service_with_a_connection_stays_until_it_is_rejected(aws: Site) -> None:
    made = aws.path()
    knocked = aws.knock(made["service_name"])
    for answer in ("pending", "accepted"):
        if answer == "accepted":
            aws.ec2.accept_vpc_endpoint_connections(ServiceId=made["service"], VpcEndpointIds=[knocked])
        failed = aws.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[made["service"]])["Unsuccessful"]
        assert failed[0]["Error"]["Code"] == "ExistingVpcEndpointConnections"
        assert failed[0]["ResourceId"] == made["service"]
    aws.ec2.reject_vpc_endpoint_connections(ServiceId=made["service"], VpcEndpointIds=[knocked])
    assert not aws.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[made["service"]])["Unsuccessful"]
    with pytest.raises(ClientError) as refused:
        described(aws, made["service"])
    assert code_of(refused.value) == "InvalidVpcEndpointServiceId.NotFound"


def test_deleting_what_is_not_there_is_an_unsuccessful_entry(aws: Site) -> None:
    service = "vpce-svc-00000000000000000"
    answer = aws.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert answer["Unsuccessful"][0]["Error"]["Code"] == "InvalidVpcEndpointService.NotFound"

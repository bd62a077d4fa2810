"""Interface endpoints: what AWS makes of them, and what it refuses.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, policy, status_of, where
from s3private_emulator.delays import Takes


def described(aws: Site, endpoint: str) -> dict[str, Any]:
    return dict(aws.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0])


def other_vpc(aws: Site) -> tuple[str, str]:
    vpc = str(aws.ec2.create_vpc(CidrBlock="10.99.0.0/16")["Vpc"]["VpcId"])
    zone = aws.world.vpc.subnets[0].zone
    made = aws.ec2.create_subnet(VpcId=vpc, CidrBlock="10.99.1.0/24", AvailabilityZone=zone)
    return vpc, str(made["Subnet"]["SubnetId"])


def test_the_seeded_network_has_the_ids_the_world_names(aws: Site) -> None:
    vpcs = aws.ec2.describe_vpcs(VpcIds=[aws.world.vpc.id])["Vpcs"]
    subnets = aws.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [aws.world.vpc.id]}])["Subnets"]
    assert vpcs[0]["CidrBlock"] == aws.world.vpc.cidr
    assert {(s["SubnetId"], s["AvailabilityZone"], s["CidrBlock"]) for s in subnets} == {
        (s.id, s.zone, s.cidr) for s in aws.world.vpc.subnets
    }


def test_an_endpoint_is_pending_before_it_is_available(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_AVAILABLE, polls=2)
    endpoint = aws.endpoint()
    assert [described(aws, endpoint)["State"] for _ in range(3)] == ["pending", "pending", "available"]


def test_an_endpoint_can_take_seconds(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_AVAILABLE, seconds=60)
    endpoint = aws.endpoint()
    assert described(aws, endpoint)["State"] == "pending"
    aws.clock.advance(60)
    assert described(aws, endpoint)["State"] == "available"


def test_the_answer_to_create_says_pending_however_fast_the_endpoint_is(aws: Site) -> None:
    made = aws.ec2.create_vpc_endpoint(
        VpcId=aws.world.vpc.id,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{aws.world.region}.s3",
        PrivateDnsEnabled=False,
    )
    assert str(made["VpcEndpoint"]["State"]) == "pending"


def test_dns_names_are_shaped_as_s3_shapes_them(aws: Site) -> None:
    endpoint = aws.endpoint()
    entries = described(aws, endpoint)["DnsEntries"]
    region = aws.world.region
    stem = re.escape(f"*.{endpoint}-") + "[0-9a-z]{8}"
    zones = [re.escape(f"-{s.zone}") for s in aws.world.vpc.subnets]
    shapes = [stem + zone + re.escape(f".s3.{region}.vpce.amazonaws.com") for zone in ["", *zones]]
    assert len(entries) == len(shapes)
    for entry, shape in zip(entries, shapes, strict=True):
        assert re.fullmatch(shape, entry["DnsName"])
        assert entry["HostedZoneId"]
    assert re.fullmatch(r"vpce-[0-9a-f]{17}", endpoint)


def test_interfaces_lie_inside_their_subnets_and_carry_the_groups_asked_for(aws: Site) -> None:
    group = aws.group()
    found = described(aws, aws.endpoint(group))
    assert found["Groups"] == [{"GroupId": group, "GroupName": "endpoint"}]
    interfaces = aws.ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])
    cidrs = {s.id: ipaddress.ip_network(s.cidr) for s in aws.world.vpc.subnets}
    assert {i["SubnetId"] for i in interfaces["NetworkInterfaces"]} == set(cidrs)
    for interface in interfaces["NetworkInterfaces"]:
        assert ipaddress.ip_address(interface["PrivateIpAddress"]) in cidrs[interface["SubnetId"]]
        assert [g["GroupId"] for g in interface["Groups"]] == [group]
        assert interface["Description"] == f"VPC Endpoint Interface {found['VpcEndpointId']}"
        assert interface["RequesterManaged"]
        assert interface["InterfaceType"] == "vpc_endpoint"


def test_without_groups_an_endpoint_has_the_default_one_of_its_vpc(aws: Site) -> None:
    groups = described(aws, aws.endpoint())["Groups"]
    assert [g["GroupName"] for g in groups] == ["default"]


def test_two_endpoints_never_share_an_address(aws: Site) -> None:
    first, second = aws.addresses(aws.endpoint()), aws.addresses(aws.endpoint())
    assert not set(first) & set(second)


def test_an_interface_of_an_endpoint_is_not_the_owners_to_delete(aws: Site) -> None:
    interface = described(aws, aws.endpoint())["NetworkInterfaceIds"][0]
    with pytest.raises(ClientError) as refused:
        aws.ec2.delete_network_interface(NetworkInterfaceId=interface)
    assert code_of(refused.value) == "InvalidParameterValue"


def test_filters_and_tags_are_honoured(aws: Site) -> None:
    ours = aws.endpoint(
        TagSpecifications=[{"ResourceType": "vpc-endpoint", "Tags": [{"Key": "s3private:path", "Value": "demo"}]}]
    )
    aws.endpoint()
    for name, value in {
        "tag:s3private:path": "demo",
        "tag-key": "s3private:*",
        "vpc-endpoint-id": ours,
    }.items():
        found = aws.ec2.describe_vpc_endpoints(Filters=[{"Name": name, "Values": [value]}])["VpcEndpoints"]
        assert [e["VpcEndpointId"] for e in found] == [ours], name
    assert found[0]["Tags"] == [{"Key": "s3private:path", "Value": "demo"}]
    both = where("vpc-id", aws.world.vpc.id) + where("vpc-endpoint-type", "Interface")
    assert len(aws.ec2.describe_vpc_endpoints(Filters=both)["VpcEndpoints"]) == 2
    none = where("vpc-endpoint-state", "pending")
    assert aws.ec2.describe_vpc_endpoints(Filters=none)["VpcEndpoints"] == []


def test_tags_put_on_later_are_found_too(aws: Site) -> None:
    endpoint = aws.endpoint()
    aws.ec2.create_tags(Resources=[endpoint], Tags=[{"Key": "a", "Value": "b"}])
    found = aws.ec2.describe_vpc_endpoints(Filters=[{"Name": "tag:a", "Values": ["b"]}])["VpcEndpoints"]
    assert [e["VpcEndpointId"] for e in found] == [endpoint]


def test_a_tag_on_an_endpoint_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.ec2.create_tags(Resources=["vpce-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])
    assert code_of(refused.value) == "InvalidVpcEndpointId.NotFound"


@pytest.mark.parametrize(
    "call",
    [
        "describe_vpc_endpoints",
        "describe_vpc_endpoint_services",
        "describe_vpc_endpoint_service_configurations",
        "describe_vpc_endpoint_connections",
    ],
)
def test_an_unknown_filter_is_refused(aws: Site, call: str) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(aws.ec2, call)(Filters=[{"Name": "colour", "Values": ["red"]}])
    assert code_of(refused.value) == "InvalidParameterValue"


def test_pages_are_followed_by_the_paginator(aws: Site) -> None:
    made = {aws.endpoint() for _ in range(3)}
    pages = list(aws.ec2.get_paginator("describe_vpc_endpoints").paginate(PaginationConfig={"PageSize": 2}))
    assert len(pages) == 2
    assert {e["VpcEndpointId"] for p in pages for e in p["VpcEndpoints"]} == made


def test_the_same_client_token_makes_one_endpoint(aws: Site) -> None:
    assert aws.endpoint(ClientToken="once") == aws.endpoint(ClientToken="once")
    assert aws.endpoint(ClientToken="twice") != aws.endpoint(ClientToken="once")
    assert len(aws.ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 2


def test_the_same_client_token_with_other_parameters_is_refused(aws: Site) -> None:
    aws.endpoint(ClientToken="once")
    with pytest.raises(ClientError) as refused:
        aws.endpoint(ClientToken="once", SubnetIds=aws.subnets[:1])
    assert code_of(refused.value) == "IdempotentParameterMismatch"


def test_a_deleted_endpoint_is_deleting_and_then_gone(aws: Site) -> None:
    aws.takes(Takes.ENDPOINT_DELETED, polls=1)
    endpoint = aws.endpoint()
    assert aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"] == []
    assert described(aws, endpoint)["State"] == "deleting"
    with pytest.raises(ClientError) as refused:
        described(aws, endpoint)
    assert code_of(refused.value) == "InvalidVpcEndpointId.NotFound"
    assert aws.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    assert aws.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


def test_deleting_what_is_not_there_is_an_unsuccessful_entry(aws: Site) -> None:
    answer = aws.ec2.delete_vpc_endpoints(VpcEndpointIds=["vpce-00000000000000000"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    entry = answer["Unsuccessful"][0]
    assert (entry["ResourceId"], entry["Error"]["Code"]) == ("vpce-00000000000000000", "InvalidVpcEndpoint.NotFound")


def test_dry_run_makes_nothing(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(DryRun=True)
    assert (code_of(refused.value), status_of(refused.value)) == ("DryRunOperation", 412)
    assert aws.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    assert aws.ec2.describe_network_interfaces()["NetworkInterfaces"] == []


@pytest.mark.parametrize("call", ["create_vpc", "create_security_group"])
def test_dry_run_makes_nothing_in_motos_part_either(aws: Site, call: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "create_vpc": {"CidrBlock": "10.50.0.0/16"},
        "create_security_group": {"GroupName": "dry", "Description": "dry", "VpcId": aws.world.vpc.id},
    }
    before = (aws.ec2.describe_vpcs()["Vpcs"], aws.ec2.describe_security_groups()["SecurityGroups"])
    with pytest.raises(ClientError) as refused:
        getattr(aws.ec2, call)(DryRun=True, **more[call])
    assert (code_of(refused.value), status_of(refused.value)) == ("DryRunOperation", 412)
    assert (aws.ec2.describe_vpcs()["Vpcs"], aws.ec2.describe_security_groups()["SecurityGroups"]) == before


def test_a_vpc_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(VpcId="vpc-00000000000000000")
    assert code_of(refused.value) == "InvalidVpcID.NotFound"


@pytest.mark.parametrize(
    "service", ["com.amazonaws.us-east-1.s3", "com.amazonaws.ap-northeast-1.nosuch", "com.amazonaws.ap-northeast-1"]
)
def test_a_service_that_is_not_in_the_region_is_refused(aws: Site, service: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(ServiceName=service)
    assert code_of(refused.value) == "InvalidServiceName"


def test_two_subnets_of_one_zone_are_refused(aws: Site) -> None:
    first = aws.world.vpc.subnets[0]
    second = aws.ec2.create_subnet(VpcId=aws.world.vpc.id, CidrBlock="10.20.9.0/24", AvailabilityZone=first.zone)
    with pytest.raises(ClientError) as refused:
        aws.endpoint(SubnetIds=[first.id, second["Subnet"]["SubnetId"]])
    assert code_of(refused.value) == "DuplicateSubnetsInSameZone"


def test_a_subnet_of_another_vpc_is_refused(aws: Site) -> None:
    _, subnet = other_vpc(aws)
    with pytest.raises(ClientError) as refused:
        aws.endpoint(SubnetIds=[subnet])
    assert code_of(refused.value) == "InvalidParameter"


def test_a_subnet_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(SubnetIds=["subnet-00000000000000000"])
    assert code_of(refused.value) == "InvalidSubnetID.NotFound"


def test_a_security_group_of_another_vpc_is_refused(aws: Site) -> None:
    vpc, _ = other_vpc(aws)
    group = aws.ec2.create_security_group(GroupName="far", Description="far", VpcId=vpc)["GroupId"]
    with pytest.raises(ClientError) as refused:
        aws.endpoint(group)
    assert code_of(refused.value) == "InvalidParameter"


def test_a_security_group_that_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint("sg-00000000000000000")
    assert code_of(refused.value) == "InvalidGroup.NotFound"


@pytest.mark.parametrize("document", ["not json", '"a string"', '{"Version": "2012-10-17"}'])
def test_a_policy_that_is_none_is_refused(aws: Site, document: str) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(PolicyDocument=document)
    assert code_of(refused.value) == "InvalidPolicyDocument"


def test_a_policy_has_at_most_20480_characters(aws: Site) -> None:
    short = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})
    aws.endpoint(PolicyDocument=short.ljust(20_480))
    with pytest.raises(ClientError) as refused:
        aws.endpoint(PolicyDocument=short.ljust(20_481))
    assert code_of(refused.value) == "InvalidPolicyDocument"


def test_without_a_policy_an_endpoint_allows_everything(aws: Site) -> None:
    statement = json.loads(described(aws, aws.endpoint())["PolicyDocument"])["Statement"][0]
    assert (statement["Effect"], statement["Action"], statement["Resource"]) == ("Allow", "*", "*")


def dns_hostnames(aws: Site) -> None:
    aws.ec2.modify_vpc_attribute(VpcId=aws.world.vpc.id, EnableDnsHostnames={"Value": True})


def test_an_endpoint_of_s3_has_no_private_dns_unless_it_is_asked_for(aws: Site) -> None:
    dns_hostnames(aws)
    made = aws.ec2.create_vpc_endpoint(
        VpcId=aws.world.vpc.id,
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{aws.world.region}.s3",
        SubnetIds=aws.subnets,
    )["VpcEndpoint"]
    assert made["PrivateDnsEnabled"] is False


def test_private_dns_is_refused_without_a_gateway_endpoint(aws: Site) -> None:
    dns_hostnames(aws)
    with pytest.raises(ClientError) as refused:
        aws.endpoint(PrivateDnsEnabled=True)
    assert code_of(refused.value) == "InvalidParameter"
    assert "must have a Gateway endpoint" in str(refused.value)


def test_private_dns_is_taken_with_a_gateway_endpoint(aws: Site) -> None:
    dns_hostnames(aws)
    aws.ec2.create_vpc_endpoint(VpcId=aws.world.vpc.id, ServiceName=f"com.amazonaws.{aws.world.region}.s3")
    assert described(aws, aws.endpoint(PrivateDnsEnabled=True))["PrivateDnsEnabled"]


def test_private_dns_is_refused_where_the_vpc_has_no_dns_hostnames(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.endpoint(PrivateDnsEnabled=True)
    assert "enableDnsHostnames" in str(refused.value)


def test_policy_subnets_and_groups_change_in_place(aws: Site) -> None:
    endpoint = aws.endpoint(aws.group("one"), SubnetIds=aws.subnets[:1])
    before = described(aws, endpoint)
    second = aws.group("two")
    document = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"})
    aws.ec2.modify_vpc_endpoint(
        VpcEndpointId=endpoint,
        PolicyDocument=document,
        AddSubnetIds=aws.subnets[1:],
        AddSecurityGroupIds=[second],
        RemoveSecurityGroupIds=[before["Groups"][0]["GroupId"]],
    )
    after = described(aws, endpoint)
    assert after["PolicyDocument"] == document
    assert after["SubnetIds"] == aws.subnets
    assert [g["GroupId"] for g in after["Groups"]] == [second]
    assert len(aws.addresses(endpoint)) == 2
    assert before["NetworkInterfaceIds"][0] in after["NetworkInterfaceIds"]
    interfaces = aws.ec2.describe_network_interfaces(NetworkInterfaceIds=after["NetworkInterfaceIds"])
    assert {g["GroupId"] for i in interfaces["NetworkInterfaces"] for g in i["Groups"]} == {second}
    aws.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=aws.subnets[:1], ResetPolicy=True)
    assert described(aws, endpoint)["SubnetIds"] == aws.subnets[1:]
    assert described(aws, endpoint)["PolicyDocument"] != document


def test_a_change_with_dry_run_changes_nothing(aws: Site) -> None:
    endpoint = aws.endpoint()
    before = described(aws, endpoint)
    with pytest.raises(ClientError) as refused:
        aws.ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=aws.subnets[:1], DryRun=True)
    assert status_of(refused.value) == 412
    with pytest.raises(ClientError) as refused:
        aws.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint], DryRun=True)
    assert status_of(refused.value) == 412
    assert described(aws, endpoint) == before


def test_a_change_to_what_is_not_there_is_refused(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.ec2.modify_vpc_endpoint(VpcEndpointId="vpce-00000000000000000", ResetPolicy=True)
    assert code_of(refused.value) == "InvalidVpcEndpointId.NotFound"


def test_s3_is_offered_as_interface_and_gateway(aws: Site) -> None:
    name = f"com.amazonaws.{aws.world.region}.s3"
    details = aws.ec2.describe_vpc_endpoint_services(ServiceNames=[name])["ServiceDetails"]
    assert {d["ServiceType"][0]["ServiceType"] for d in details} == {"Interface", "Gateway"}
    only = aws.ec2.describe_vpc_endpoint_services(
        ServiceNames=[name], Filters=[{"Name": "service-type", "Values": ["Interface"]}]
    )
    assert len(only["ServiceDetails"]) == 1


def test_an_interface_lies_between_the_addresses_aws_keeps(aws: Site) -> None:
    hosts = [int(a.rsplit(".", 1)[1]) for a in aws.addresses(aws.endpoint())]
    assert all(4 <= h <= 254 for h in hosts)

"""Every request is in the log, under AWS's own name for it, and what is not emulated fails loudly."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator.aws.site import Site, code_of, site, status_of, where


def since(aws: Site, mark: int) -> list[tuple[str, bool]]:
    return [(r.operation, r.writes) for r in aws.log.since(mark)]


def test_reads_and_writes_are_told_apart(aws: Site) -> None:
    keys = aws.keys
    mark = aws.log.mark()
    endpoint = aws.endpoint()
    aws.ec2.describe_vpc_endpoints()
    aws.elb.describe_load_balancers()
    aws.elb.create_target_group(Name="a", Protocol="TCP", Port=443, VpcId=aws.world.vpc.id, TargetType="ip")
    aws.client("sts", keys).get_caller_identity()
    aws.s3.list_objects_v2(Bucket="sales-records")
    aws.s3.get_object(Bucket="sales-records", Key="2026/01/orders.csv")
    aws.s3.put_object(Bucket="sales-records", Key="new", Body=b"")
    aws.through(endpoint).head_object(Bucket="sales-records", Key="new")
    assert since(aws, mark) == [
        ("ec2:CreateVpcEndpoint", True),
        ("ec2:DescribeVpcEndpoints", False),
        ("elbv2:DescribeLoadBalancers", False),
        ("elbv2:CreateTargetGroup", True),
        ("sts:GetCallerIdentity", False),
        ("s3:GET sales-records", False),
        ("s3:GET sales-records/2026/01/orders.csv", False),
        ("s3:PUT sales-records/new", True),
        ("s3:HEAD sales-records/new", False),
    ]
    assert {r.account for r in aws.log.since(mark)} == {aws.world.data_account}
    assert all(r.known and r.status == 200 for r in aws.log.since(mark))


def test_assuming_a_role_and_a_dry_run_write_nothing(aws: Site) -> None:
    aws.ec2.describe_vpcs()
    with pytest.raises(ClientError):
        aws.endpoint(DryRun=True)
    assert aws.log.writes() == []
    assert [r.operation for r in aws.log][:1] == ["sts:AssumeRole"]
    assert [r.account for r in aws.log][:1] == [aws.world.base_account]


def test_a_refusal_is_logged_with_its_status(aws: Site) -> None:
    with pytest.raises(ClientError):
        aws.endpoint(VpcId="vpc-00000000000000000")
    last = aws.log.since()[-1]
    assert (last.operation, last.status, last.known) == ("ec2:CreateVpcEndpoint", 400, True)
    assert last.params["VpcId"] == "vpc-00000000000000000"


@pytest.mark.parametrize(
    ("service", "call", "asked", "named"),
    [
        ("ec2", "describe_verified_access_groups", {}, "ec2:DescribeVerifiedAccessGroups"),
        ("ec2", "start_vpc_endpoint_service_private_dns_verification", {"ServiceId": "x"}, "PrivateDnsVerification"),
        ("elbv2", "describe_ssl_policies", {}, "elbv2:DescribeSSLPolicies"),
        ("elbv2", "describe_rules", {}, "elbv2:DescribeRules"),
        ("sts", "get_session_token", {}, "sts:GetSessionToken"),
        ("sqs", "list_queues", {}, "sqs:"),
        ("dynamodb", "list_tables", {}, "dynamodb:"),
    ],
)
def test_what_is_not_emulated_answers_501_and_names_itself(
    aws: Site, service: str, call: str, asked: dict[str, Any], named: str
) -> None:
    client = aws.client(service)
    with pytest.raises(ClientError) as refused:
        getattr(client, call)(**asked)
    assert status_of(refused.value) == 501
    assert [r.known for r in aws.log.unknown()] == [False]
    assert named in aws.log.unknown()[0].operation


@pytest.mark.parametrize("action", ["KnownVpc", "StopIfDry", "Answer", "_Action", "NoSuchThing"])
def test_an_action_that_aws_has_not_is_not_one(aws: Site, action: str) -> None:
    client = aws.client("ec2")

    def rename(params: dict[str, Any], **_: Any) -> None:
        params["body"]["Action"] = action

    client.meta.events.register("before-call.ec2.DescribeVpcs", rename)
    with pytest.raises(ClientError) as refused:
        client.describe_vpcs()
    assert status_of(refused.value) == 501
    assert [r.operation for r in aws.log.unknown()] == [f"ec2:{action}"]


def test_a_load_balancer_of_another_type_is_not_emulated(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.balancer(Type="application")
    assert (code_of(refused.value), status_of(refused.value)) == ("NotImplemented", 501)
    assert aws.log.unknown()


def test_a_filter_that_is_not_emulated_is_not_passed_over(aws: Site) -> None:
    with pytest.raises(ClientError) as refused:
        aws.ec2.describe_network_interfaces(Filters=where("colour", "red"))
    assert status_of(refused.value) == 501
    assert "colour" in str(refused.value)


def test_many_clients_at_once_each_get_their_own(aws: Site) -> None:
    clients = [aws.client("ec2") for _ in range(8)]
    elb = aws.elb

    def make(number: int) -> str:
        clients[number].describe_vpc_endpoints()
        elb.create_target_group(
            Name=f"group-{number}", Protocol="TCP", Port=443, VpcId=aws.world.vpc.id, TargetType="ip"
        )
        made = clients[number].create_vpc_endpoint(
            VpcId=aws.world.vpc.id,
            VpcEndpointType="Interface",
            ServiceName=f"com.amazonaws.{aws.world.region}.s3",
            SubnetIds=aws.subnets,
            PrivateDnsEnabled=False,
            ClientToken="one" if number % 2 else f"own-{number}",
        )
        return str(made["VpcEndpoint"]["VpcEndpointId"])

    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(make, range(8)))
    assert len(set(made)) == 5
    interfaces = aws.ec2.describe_network_interfaces()["NetworkInterfaces"]
    assert len({i["PrivateIpAddress"] for i in interfaces}) == len(interfaces) == 10
    assert len(aws.elb.describe_target_groups()["TargetGroups"]) == 8


def test_one_aws_leaves_nothing_to_the_next() -> None:
    with site() as first:
        first.path()
        first.s3.put_object(Bucket="sales-records", Key="left-behind", Body=b"")
        first.client("iam").create_role(RoleName="left-behind", AssumeRolePolicyDocument="{}")
        old_keys = first.keys
    with site() as second:
        assert second.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
        assert second.ec2.describe_network_interfaces()["NetworkInterfaces"] == []
        assert {g["GroupName"] for g in second.ec2.describe_security_groups()["SecurityGroups"]} == {"default"}
        assert second.elb.describe_load_balancers()["LoadBalancers"] == []
        keys = [o["Key"] for o in second.s3.list_objects_v2(Bucket="sales-records")["Contents"]]
        assert keys == sorted(second.world.buckets["sales-records"])
        assert "left-behind" not in {r["RoleName"] for r in second.client("iam").list_roles()["Roles"]}
        with pytest.raises(ClientError) as refused:
            second.client("sts", old_keys).get_caller_identity()
        assert code_of(refused.value) == "InvalidClientTokenId"


def test_two_runs_give_the_same_ids() -> None:
    made = []
    for _ in range(2):
        with site() as one:
            made.append(one.path() | {"group": ""})
    assert made[0] == made[1]

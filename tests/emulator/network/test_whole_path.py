"""The article's path, laid by hand with the platforms' own SDKs, and what a boto3 client in serverless meets on it."""

from __future__ import annotations

import json
import textwrap
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from databricks.sdk import AccountClient
from databricks.sdk.service.provisioning import Workspace
from databricks.sdk.service.settings import CreateNetworkConnectivityConfiguration, CreatePrivateEndpointRule

from s3private_emulator.emulator import Emulator
from s3private_emulator.place import VPC, Place, serverless
from s3private_emulator.serverless import run

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

READ = textwrap.dedent("""
    import boto3, botocore.config, botocore.exceptions, json, sys
    quick = botocore.config.Config(
        connect_timeout=0.5, read_timeout=2, retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
    s3 = boto3.client("s3", region_name="ap-northeast-1", endpoint_url=sys.argv[1] or None, config=quick)
    try:
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket="sales-records")["Contents"]]
        body = s3.get_object(Bucket="sales-records", Key="readme.txt")["Body"].read().decode()
        print(json.dumps({"keys": keys, "body": body}))
    except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
        print(type(error).__name__)
""")


@dataclass
class Laid:
    """A whole path, attached to nothing yet."""

    emulator: Emulator
    keys: dict[str, str]
    ec2: EC2Client
    elb: ElasticLoadBalancingv2Client
    account: AccountClient
    vpc_endpoint_id: str
    target_group: str
    targets: list[str]
    listener: str
    service_id: str
    service_name: str
    host: str
    ncc_id: str
    rule_id: str

    def attach(self, workspace_id: int) -> None:
        workspace = Workspace(network_connectivity_config_id=self.ncc_id)
        self.account.workspaces.update(workspace_id, workspace, update_mask="network_connectivity_config_id")

    def read(self, place: Place, *, endpoint: bool = True) -> Any:
        ended = run(self.emulator, [f"https://{self.host}" if endpoint else ""], code=READ, place=place, env=self.keys)
        assert ended.returncode == 0, ended.stderr
        said = ended.stdout.strip()
        return json.loads(said) if said.startswith("{") else said


def _session(emulator: Emulator) -> tuple[boto3.Session, dict[str, str]]:
    world = emulator.world
    base = boto3.Session(world.access_key_id, world.secret_access_key, region_name=world.region)
    sts = base.client("sts", endpoint_url=emulator.aws_url)
    role, external = world.administrator_role_arn, world.external_id
    given = sts.assume_role(RoleArn=role, RoleSessionName="test", ExternalId=external)["Credentials"]
    sts.close()
    keys = {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    session = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name=world.region
    )
    return session, keys


@pytest.fixture
def path(emulator: Emulator) -> Iterator[Laid]:
    world = emulator.world
    session, keys = _session(emulator)
    ec2 = session.client("ec2", endpoint_url=emulator.aws_url)
    elb = session.client("elbv2", endpoint_url=emulator.aws_url)
    subnets = [subnet.id for subnet in world.vpc.subnets]

    group = ec2.create_security_group(GroupName="s3", Description="443 from the VPC", VpcId=world.vpc.id)["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": world.vpc.cidr}]}],
    )
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        ServiceName=f"com.amazonaws.{world.region}.s3",
        VpcId=world.vpc.id,
        SubnetIds=subnets,
        SecurityGroupIds=[group],
        PrivateDnsEnabled=False,
        ClientToken=str(uuid.uuid4()),
    )["VpcEndpoint"]["VpcEndpointId"]
    endpoint = ec2.describe_vpc_endpoints(VpcEndpointIds=[made])["VpcEndpoints"][0]
    host = endpoint["DnsEntries"][0]["DnsName"].replace("*", "bucket")
    interfaces = ec2.describe_network_interfaces(NetworkInterfaceIds=endpoint["NetworkInterfaceIds"])
    targets = [interface["PrivateIpAddress"] for interface in interfaces["NetworkInterfaces"]]

    target_group = elb.create_target_group(Name="s3", Protocol="TCP", Port=443, VpcId=world.vpc.id, TargetType="ip")[
        "TargetGroups"
    ][0]["TargetGroupArn"]
    elb.register_targets(TargetGroupArn=target_group, Targets=[{"Id": address, "Port": 443} for address in targets])
    balancer = elb.create_load_balancer(Name="s3", Type="network", Scheme="internal", Subnets=subnets)["LoadBalancers"][
        0
    ]["LoadBalancerArn"]
    listener = elb.create_listener(
        LoadBalancerArn=balancer,
        Protocol="TCP",
        Port=443,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
    )["Listeners"][0]["ListenerArn"]

    service = ec2.create_vpc_endpoint_service_configuration(
        NetworkLoadBalancerArns=[balancer], AcceptanceRequired=True, ClientToken=str(uuid.uuid4())
    )["ServiceConfiguration"]
    ec2.modify_vpc_endpoint_service_permissions(
        ServiceId=service["ServiceId"],
        AddAllowedPrincipals=[f"arn:aws:iam::565502421330:role/private-connectivity-role-{world.region}"],
    )

    account = AccountClient(
        host=emulator.account_url,
        account_id=world.databricks_account,
        client_id=world.client_id,
        client_secret=world.client_secret,
        auth_type="oauth-m2m",
    )
    ncc = account.network_connectivity.create_network_connectivity_configuration(
        CreateNetworkConnectivityConfiguration(name="s3-path", region=world.region)
    )
    ncc_id = ncc.network_connectivity_config_id or ""
    rule = account.network_connectivity.create_private_endpoint_rule(
        ncc_id, CreatePrivateEndpointRule(endpoint_service=service["ServiceName"], domain_names=[host])
    )
    rule = account.network_connectivity.get_private_endpoint_rule(ncc_id, rule.rule_id or "")
    ec2.accept_vpc_endpoint_connections(ServiceId=service["ServiceId"], VpcEndpointIds=[rule.vpc_endpoint_id or ""])
    rule = account.network_connectivity.get_private_endpoint_rule(ncc_id, rule.rule_id or "")
    assert str(rule.connection_state).endswith("ESTABLISHED")
    yield Laid(
        emulator=emulator,
        keys=keys,
        ec2=ec2,
        elb=elb,
        account=account,
        vpc_endpoint_id=made,
        target_group=target_group,
        targets=targets,
        listener=listener,
        service_id=service["ServiceId"],
        service_name=service["ServiceName"],
        host=host,
        ncc_id=ncc_id,
        rule_id=rule.rule_id or "",
    )
    ec2.close()
    elb.close()


def workspace(path: Laid, number: int = 0) -> Place:
    return serverless(path.emulator.world.workspaces[number].id)


def test_the_articles_three_tests_and_then_the_attachment(path: Laid) -> None:
    read = {
        "keys": sorted(path.emulator.world.buckets["sales-records"]),
        "body": "Sales records, one folder a month.\n",
    }
    assert path.read(workspace(path), endpoint=False) == read
    assert path.read(workspace(path)) == "ConnectTimeoutError"
    assert path.read(VPC) == read
    path.attach(workspace(path).workspace_id)
    assert path.read(workspace(path)) == read
    assert path.read(workspace(path, 1)) == "ConnectTimeoutError"


def test_without_its_listener_the_path_resets(path: Laid) -> None:
    path.attach(workspace(path).workspace_id)
    path.elb.delete_listener(ListenerArn=path.listener)
    assert path.read(workspace(path)) in ("ConnectionClosedError", "EndpointConnectionError")


def test_without_its_targets_the_path_resets(path: Laid) -> None:
    path.attach(workspace(path).workspace_id)
    path.elb.deregister_targets(
        TargetGroupArn=path.target_group, Targets=[{"Id": address, "Port": 443} for address in path.targets]
    )
    assert path.read(workspace(path)) in ("ConnectionClosedError", "EndpointConnectionError")


def test_without_its_endpoint_the_path_times_out(path: Laid) -> None:
    path.attach(workspace(path).workspace_id)
    path.ec2.delete_vpc_endpoints(VpcEndpointIds=[path.vpc_endpoint_id])
    assert path.read(workspace(path)) == "ConnectTimeoutError"


def test_behind_proxy_protocol_tls_fails_and_switched_off_again_the_path_reads(path: Laid) -> None:
    path.attach(workspace(path).workspace_id)
    for value, seen in (("true", "SSLError"), ("false", None)):
        path.elb.modify_target_group_attributes(
            TargetGroupArn=path.target_group, Attributes=[{"Key": "proxy_protocol_v2.enabled", "Value": value}]
        )
        read = path.read(workspace(path))
        assert read == seen if seen else "readme.txt" in read["keys"]


def test_a_rejected_connection_carries_nothing(path: Laid) -> None:
    path.attach(workspace(path).workspace_id)
    rule = path.account.network_connectivity.get_private_endpoint_rule(path.ncc_id, path.rule_id)
    path.ec2.reject_vpc_endpoint_connections(ServiceId=path.service_id, VpcEndpointIds=[rule.vpc_endpoint_id or ""])
    assert path.read(workspace(path)) == "ConnectTimeoutError"


def test_a_stranger_waits_among_the_connections(path: Laid) -> None:
    stranger = path.emulator.stranger(path.service_name)
    connections = path.ec2.describe_vpc_endpoint_connections()["VpcEndpointConnections"]
    states = {connection["VpcEndpointId"]: connection["VpcEndpointState"].lower() for connection in connections}
    assert states[stranger] == "pendingacceptance"
    owners = {connection["VpcEndpointOwner"] for connection in connections}
    assert owners == {"565502421330"}

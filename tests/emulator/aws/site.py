"""The emulated AWS on a loopback port, with real boto3 clients, and the path's pieces built by one call each."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from werkzeug.serving import WSGIRequestHandler, make_server

from s3private_emulator.aws import Aws
from s3private_emulator.clock import HandClock
from s3private_emulator.delays import Delay, Delays, Takes
from s3private_emulator.log import RequestLog
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.world import DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT, World

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_ec2.type_defs import FilterTypeDef
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_s3 import S3Client
    from types_boto3_sts import STSClient

DATABRICKS_ROLE = (
    f"arn:aws:iam::{DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT}:role/private-connectivity-role-ap-northeast-1"
)
SESSION = boto3.Session()
"""One for all: it reads botocore's models once."""
STRANGER = "vpce-0feedfeedfeedfeed"


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the request log says it better."""


@contextlib.contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code"))


def status_of(error: ClientError) -> int:
    return int(error.response["ResponseMetadata"]["HTTPStatusCode"])


@dataclass
class Keys:
    access_key_id: str
    secret_access_key: str
    session_token: str | None = None


@dataclass
class Site:
    aws: Aws
    world: World
    clock: HandClock
    delays: Delays
    privatelink: PrivateLink
    log: RequestLog
    url: str
    extras: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str, keys: Keys | None = None, *, url: str | None = None, **config: Any) -> Any:
        keys = keys or self.keys
        settings: dict[str, Any] = {"retries": {"total_max_attempts": 1}, "s3": {"addressing_style": "path"}, **config}
        make: Any = SESSION.client  # the service is a name here, not a literal: any client
        return make(
            service,
            aws_access_key_id=keys.access_key_id,
            aws_secret_access_key=keys.secret_access_key,
            aws_session_token=keys.session_token,
            region_name=settings.pop("region_name", self.world.region),
            endpoint_url=url or self.url,
            config=Config(**settings),
        )

    @property
    def base_keys(self) -> Keys:
        return Keys(self.world.access_key_id, self.world.secret_access_key)

    @cached_property
    def keys(self) -> Keys:
        """A session of who may do everything in the data account."""
        return self.keys_of(self.world.administrator_role_arn)

    def keys_of(self, role_arn: str) -> Keys:
        made = self.sts.assume_role(RoleArn=role_arn, RoleSessionName="site", ExternalId=self.world.external_id)
        given = made["Credentials"]
        return Keys(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])

    @cached_property
    def sts(self) -> STSClient:
        client: STSClient = self.client("sts", self.base_keys)
        return client

    @cached_property
    def ec2(self) -> EC2Client:
        client: EC2Client = self.client("ec2")
        return client

    @cached_property
    def elb(self) -> ElasticLoadBalancingv2Client:
        client: ElasticLoadBalancingv2Client = self.client("elbv2")
        return client

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self.client("s3")
        return client

    def through(self, endpoint_id: str, keys: Keys | None = None, **config: Any) -> S3Client:
        """An S3 client whose requests arrive through the endpoint."""
        url = self.extras["stack"].enter_context(served(self.aws.endpoint_app(endpoint_id)))
        client: S3Client = self.client("s3", keys, url=url, **config)
        return client

    @property
    def subnets(self) -> list[str]:
        return [s.id for s in self.world.vpc.subnets]

    def group(self, name: str = "endpoint", cidr: str | None = "10.20.0.0/16", port: int = 443) -> str:
        group = self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.world.vpc.id)["GroupId"]
        if cidr:
            self.ec2.authorize_security_group_ingress(
                GroupId=group,
                IpPermissions=[{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": cidr}]}],
            )
        return group

    def endpoint(self, group: str | None = None, **more: Any) -> str:
        asked: dict[str, Any] = {
            "VpcId": self.world.vpc.id,
            "VpcEndpointType": "Interface",
            "ServiceName": f"com.amazonaws.{self.world.region}.s3",
            "SubnetIds": self.subnets,
            "PrivateDnsEnabled": False,
            **more,
        }
        if group:
            asked["SecurityGroupIds"] = [group]
        return self.ec2.create_vpc_endpoint(**asked)["VpcEndpoint"]["VpcEndpointId"]

    def addresses(self, endpoint_id: str) -> list[str]:
        found = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint_id])["VpcEndpoints"][0]
        interfaces = self.ec2.describe_network_interfaces(NetworkInterfaceIds=found["NetworkInterfaceIds"])
        return [i["PrivateIpAddress"] for i in interfaces["NetworkInterfaces"]]

    def target_group(self, name: str = "s3private-demo", **more: Any) -> str:
        made = self.elb.create_target_group(
            **{
                "Name": name,
                "Protocol": "TCP",
                "Port": 443,
                "VpcId": self.world.vpc.id,
                "TargetType": "ip",
                **more,
            }
        )
        return made["TargetGroups"][0]["TargetGroupArn"]

    def balancer(self, name: str = "s3private-demo", **more: Any) -> str:
        made = self.elb.create_load_balancer(
            **{"Name": name, "Type": "network", "Scheme": "internal", "Subnets": self.subnets, **more}
        )
        return made["LoadBalancers"][0]["LoadBalancerArn"]

    def listener(self, balancer: str, group: str, port: int = 443) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=balancer,
            Protocol="TCP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
        )
        return made["Listeners"][0]["ListenerArn"]

    def register(self, group: str, addresses: list[str]) -> None:
        self.elb.register_targets(TargetGroupArn=group, Targets=[{"Id": a} for a in addresses])

    def health(self, group: str) -> list[tuple[str, str | None]]:
        found = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return [(t["TargetHealth"]["State"], t["TargetHealth"].get("Reason")) for t in found]

    def service(self, balancer: str, **more: Any) -> tuple[str, str]:
        """(id, name)"""
        made = self.ec2.create_vpc_endpoint_service_configuration(
            NetworkLoadBalancerArns=[balancer], AcceptanceRequired=True, **more
        )["ServiceConfiguration"]
        return made["ServiceId"], made["ServiceName"]

    def allow(self, service_id: str, principal: str = DATABRICKS_ROLE) -> None:
        self.ec2.modify_vpc_endpoint_service_permissions(ServiceId=service_id, AddAllowedPrincipals=[principal])

    def knock(self, service_name: str, endpoint_id: str = STRANGER) -> str:
        self.privatelink.knock(
            vpc_endpoint_id=endpoint_id,
            owner=DATABRICKS_PRIVATE_CONNECTIVITY_ACCOUNT,
            principal=DATABRICKS_ROLE,
            service_name=service_name,
        )
        return endpoint_id

    def takes(self, what: Takes, *, polls: int = 0, seconds: float = 0.0) -> None:
        self.delays.set(what, Delay(polls=polls, seconds=seconds))

    def path(self) -> dict[str, str]:
        """The whole AWS side of a path, as it should be."""
        group = self.group()
        endpoint = self.endpoint(group)
        targets = self.target_group()
        self.register(targets, self.addresses(endpoint))
        balancer = self.balancer()
        listener = self.listener(balancer, targets)
        service_id, service_name = self.service(balancer)
        self.allow(service_id)
        return {
            "group": group,
            "endpoint": endpoint,
            "targets": targets,
            "balancer": balancer,
            "listener": listener,
            "service": service_id,
            "service_name": service_name,
        }


def where(name: str, *values: str) -> list[FilterTypeDef]:
    """EC2's `Filters` of one."""
    return [{"Name": name, "Values": list(values)}]


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@contextlib.contextmanager
def site(world: World | None = None) -> Iterator[Site]:
    world = world or World()
    clock, log = HandClock(), RequestLog()
    delays = Delays(clock)
    privatelink = PrivateLink(delays)
    aws = Aws(world, delays, privatelink, log)
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(served(aws.app))
        yield Site(aws, world, clock, delays, privatelink, log, url, {"stack": stack})

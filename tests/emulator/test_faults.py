"""Faults do what they say, to the call they name, and a fault that never came to pass is seen."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError

from s3private_emulator.delays import Delay, Ending, Takes
from s3private_emulator.emulator import Emulator
from s3private_emulator.faults import Fault, Faults, Planned

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

GROUP = "ec2:CreateSecurityGroup"
NCCS = "network-connectivity-configs"
RULES = f"{NCCS}/{{ncc_id}}/private-endpoint-rules"


class Bench:
    """Clients that ask once. impatient: one that gives up soon, for what is never answered."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.world = emulator.world
        sts = self._client("sts", self.world.access_key_id, self.world.secret_access_key, None)
        given = sts.assume_role(
            RoleArn=self.world.administrator_role_arn, RoleSessionName="bench", ExternalId=self.world.external_id
        )["Credentials"]
        keys = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
        self.ec2: EC2Client = self._client("ec2", *keys)
        self.impatient: EC2Client = self._client("ec2", *keys, seconds=0.2)
        self.elbv2: ElasticLoadBalancingv2Client = self._client("elbv2", *keys)
        self.token = ""
        self.sign_in()

    def _client(self, service: str, key: str, secret: str, token: str | None, seconds: float = 60) -> Any:
        make: Any = boto3.client
        return make(
            service,
            region_name=self.world.region,
            endpoint_url=self.emulator.aws_url,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, read_timeout=seconds),
        )

    def sign_in(self) -> None:
        answer = requests.post(
            f"{self.emulator.account_url}/oidc/v1/token",
            data={"grant_type": "client_credentials"},
            auth=(self.world.client_id, self.world.client_secret),
            timeout=60,
        )
        self.token = answer.json()["access_token"]

    def account(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return requests.request(
            method,
            f"{self.emulator.account_url}/api/2.0/accounts/{self.world.databricks_account}/{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )

    def make_group(self, name: str = "made", ec2: EC2Client | None = None) -> str:
        made = (ec2 or self.ec2).create_security_group(GroupName=name, Description="made", VpcId=self.world.vpc.id)
        return made["GroupId"]

    def groups(self) -> list[str]:
        described = self.ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["made"]}])
        return [group["GroupId"] for group in described["SecurityGroups"]]

    def make_ncc(self, name: str = "an-ncc") -> requests.Response:
        return self.account("POST", NCCS, {"name": name, "region": self.world.region})

    def nccs(self) -> list[str]:
        return [ncc.name for ncc in self.emulator.account.nccs()]


@pytest.fixture
def bench(emulator: Emulator) -> Bench:
    return Bench(emulator)


def plan(bench: Bench, operation: str, fault: Fault, **more: Any) -> None:
    bench.emulator.faults.add(Planned(operation=operation, fault=fault, **more))


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault.ERROR, "InternalError", 500),
        (Fault.THROTTLED, "RequestLimitExceeded", 503),
        (Fault.QUOTA, "SecurityGroupLimitExceeded", 400),
    ],
)
def test_ec2_refuses_before_the_effect_in_its_own_words(bench: Bench, fault: Fault, code: str, status: int) -> None:
    plan(bench, GROUP, fault)
    with pytest.raises(ClientError) as refused:
        bench.make_group()
    assert code_of(refused) == (code, status)
    assert bench.groups() == []
    assert [(r.status, r.writes) for r in bench.emulator.log if r.operation == GROUP] == [(status, True)]


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault.ERROR, "InternalFailure", 500),
        (Fault.THROTTLED, "Throttling", 400),
        (Fault.QUOTA, "TooManyTargetGroups", 400),
    ],
)
def test_load_balancing_refuses_in_its_own_words(bench: Bench, fault: Fault, code: str, status: int) -> None:
    plan(bench, "elbv2:CreateTargetGroup", fault)
    with pytest.raises(ClientError) as refused:
        bench.elbv2.create_target_group(Name="a", Protocol="TCP", Port=443, VpcId=bench.world.vpc.id, TargetType="ip")
    assert code_of(refused) == (code, status)
    assert bench.elbv2.describe_target_groups()["TargetGroups"] == []


@pytest.mark.parametrize(
    ("fault", "code", "status"),
    [
        (Fault.ERROR, "INTERNAL_ERROR", 500),
        (Fault.THROTTLED, "REQUEST_LIMIT_EXCEEDED", 429),
        (Fault.QUOTA, "QUOTA_EXCEEDED", 400),
    ],
)
def test_the_account_refuses_before_the_effect_in_its_own_words(
    bench: Bench, fault: Fault, code: str, status: int
) -> None:
    plan(bench, f"account:POST {NCCS}", fault, retry_after="3")
    refused = bench.make_ncc()
    assert (refused.status_code, refused.json()["error_code"], refused.headers["Retry-After"]) == (status, code, "3")
    assert bench.nccs() == []


def test_an_error_is_the_one_that_was_asked_for(bench: Bench) -> None:
    plan(bench, GROUP, Fault.ERROR, code="UnauthorizedOperation", message="You may not.", status=403)
    with pytest.raises(ClientError, match="You may not") as refused:
        bench.make_group()
    assert code_of(refused) == ("UnauthorizedOperation", 403)


def test_a_lost_request_has_no_effect_and_no_answer(bench: Bench) -> None:
    plan(bench, GROUP, Fault.REQUEST_LOST)
    plan(bench, f"account:POST {NCCS}", Fault.REQUEST_LOST)
    with pytest.raises(ConnectionClosedError):
        bench.make_group()
    with pytest.raises(requests.ConnectionError):
        bench.make_ncc()
    assert (bench.groups(), bench.nccs()) == ([], [])


def test_a_lost_reply_leaves_the_effect_and_no_answer(bench: Bench) -> None:
    plan(bench, GROUP, Fault.REPLY_LOST)
    plan(bench, f"account:POST {NCCS}", Fault.REPLY_LOST)
    with pytest.raises(ConnectionClosedError):
        bench.make_group()
    with pytest.raises(requests.ConnectionError):
        bench.make_ncc()
    assert (len(bench.groups()), bench.nccs()) == (1, ["an-ncc"])
    assert [r.status for r in bench.emulator.log if r.operation == GROUP] == [200]


def test_a_gateway_times_out_although_the_effect_is_kept(bench: Bench) -> None:
    plan(bench, GROUP, Fault.GATEWAY_TIMEOUT)
    plan(bench, f"account:POST {NCCS}", Fault.GATEWAY_TIMEOUT)
    with pytest.raises(ClientError) as refused:
        bench.make_group()
    late = bench.make_ncc()
    assert (code_of(refused)[1], late.status_code, late.json()["error_code"]) == (504, 504, "DEADLINE_EXCEEDED")
    assert (len(bench.groups()), bench.nccs()) == (1, ["an-ncc"])


def test_a_timeout_holds_the_client_until_it_gives_up(bench: Bench) -> None:
    plan(bench, GROUP, Fault.TIMEOUT)
    plan(bench, f"account:POST {NCCS}", Fault.TIMEOUT, seconds=0.1)
    with pytest.raises(ReadTimeoutError):
        bench.make_group(ec2=bench.impatient)
    with pytest.raises(requests.ConnectionError):
        bench.make_ncc()
    assert (len(bench.groups()), bench.nccs()) == (1, ["an-ncc"])


def test_the_emulator_ends_at_once_while_a_client_is_held() -> None:
    with Emulator() as emulator:
        bench = Bench(emulator)
        plan(bench, GROUP, Fault.TIMEOUT)
        with pytest.raises(ReadTimeoutError):
            bench.make_group(ec2=bench.impatient)
        began = time.monotonic()
    assert time.monotonic() - began < Planned(operation=GROUP, fault=Fault.TIMEOUT).seconds / 2


def test_an_unsuccessful_entry_comes_with_200_and_nothing_was_carried_out(bench: Bench) -> None:
    made = bench.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=bench.world.vpc.id,
        ServiceName=f"com.amazonaws.{bench.world.region}.s3",
        SubnetIds=[bench.world.vpc.subnets[0].id],
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]["VpcEndpointId"]
    plan(bench, "ec2:DeleteVpcEndpoints", Fault.UNSUCCESSFUL, code="DependencyViolation", message="Not <now>.")
    answer = bench.ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    assert answer["Unsuccessful"] == [
        {"ResourceId": made, "Error": {"Code": "DependencyViolation", "Message": "Not <now>."}}
    ]
    assert [e["State"] for e in bench.ec2.describe_vpc_endpoints()["VpcEndpoints"]] == ["available"]


def test_only_the_call_named_is_struck_and_as_often_as_named(bench: Bench) -> None:
    plan(bench, f"account:POST {NCCS}", Fault.ERROR, call=2, times=2)
    assert [bench.make_ncc(f"ncc-{n}").status_code for n in range(4)] == [200, 500, 500, 200]
    assert bench.nccs() == ["ncc-0", "ncc-3"]


def test_reads_after_a_write_are_stale_as_often_as_said_and_then_true(bench: Bench) -> None:
    plan(bench, GROUP, Fault.STALE, reads=2)
    plan(bench, f"account:POST {NCCS}", Fault.STALE)
    assert (bench.groups(), bench.account("GET", NCCS).json()) == ([], {"items": []})
    group = bench.make_group()
    bench.make_ncc()
    assert [bench.groups() for _ in range(3)] == [[], [], [group]]
    assert [len(bench.account("GET", NCCS).json()["items"]) for _ in range(2)] == [0, 1]


def test_staleness_that_nobody_read_never_came_to_pass(bench: Bench) -> None:
    plan(bench, GROUP, Fault.STALE)
    bench.make_group()
    assert [planned.fault for planned in bench.emulator.faults.unstruck()] == [Fault.STALE]
    bench.emulator.faults.clear()


def test_what_is_forgotten_leaves_nothing_stale(bench: Bench) -> None:
    plan(bench, GROUP, Fault.STALE, reads=2)
    assert bench.groups() == []
    group = bench.make_group()
    assert bench.groups() == []
    bench.emulator.faults.clear()
    assert bench.groups() == [group]


def test_sessions_and_tokens_run_out_in_the_middle(bench: Bench) -> None:
    plan(bench, GROUP, Fault.EXPIRED)
    with pytest.raises(ClientError) as refused:
        bench.make_group()
    assert code_of(refused)[0] == "RequestExpired"
    plan(bench, f"account:GET {NCCS}", Fault.EXPIRED)
    assert bench.account("GET", NCCS).status_code == 401
    bench.sign_in()
    assert bench.account("GET", NCCS).status_code == 200


def test_a_list_comes_in_pages(bench: Bench) -> None:
    for number in range(3):
        bench.make_ncc(f"ncc-{number}")
    plan(bench, f"account:GET {NCCS}", Fault.PAGED, page_size=2)
    page = bench.account("GET", NCCS).json()
    assert ([ncc["name"] for ncc in page["items"]], bool(page["next_page_token"])) == (["ncc-0", "ncc-1"], True)


@contextlib.contextmanager
def asking(emulator: Emulator) -> Iterator[subprocess.Popen[str]]:
    """A process that, once told, makes an NCC."""
    code = (
        "import sys, urllib.request\n"
        "url, token, body = sys.argv[1:4]\n"
        "headers = {'Authorization': f'Bearer {token}', 'Content-Type': 'application/json'}\n"
        "sys.stdin.readline()\n"
        "urllib.request.urlopen(urllib.request.Request(url, body.encode(), headers), timeout=20).read()\n"
        "print('answered')\n"
    )
    bench = Bench(emulator)
    url = f"{emulator.account_url}/api/2.0/accounts/{emulator.world.databricks_account}/{NCCS}"
    body = json.dumps({"name": "an-ncc", "region": emulator.world.region})
    command = [sys.executable, "-S", "-c", code, url, bench.token, body]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process


@pytest.mark.parametrize(("fault", "left"), [(Fault.KILLED_BEFORE, []), (Fault.KILLED_AFTER, ["an-ncc"])])
def test_the_caller_is_killed_before_or_after_the_effect(emulator: Emulator, fault: Fault, left: list[str]) -> None:
    with asking(emulator) as process:
        emulator.faults.add(Planned(operation=f"account:POST {NCCS}", fault=fault, pid=process.pid))
        said, _ = process.communicate("go\n", timeout=20)
    assert (process.returncode, said) == (-signal.SIGKILL, "")
    assert [ncc.name for ncc in emulator.account.nccs()] == left


def control(emulator: Emulator, method: str, path: str, body: object = None) -> tuple[int, Any]:
    request = urllib.request.Request(
        f"{emulator.control_url}/_emulator/{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
    )
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_people_plan_faults_through_the_door_and_see_whether_they_struck(bench: Bench) -> None:
    wanted = {"operation": f"account:POST {NCCS}", "fault": "gateway-timeout", "call": 2}
    assert control(bench.emulator, "POST", "faults", wanted)[0] == 200
    bench.make_ncc("first")
    [planned] = control(bench.emulator, "GET", "faults")[1]["faults"]
    assert (planned["seen"], planned["struck"]) == (1, 0)
    assert bench.make_ncc("second").status_code == 504
    [planned] = control(bench.emulator, "GET", "faults")[1]["faults"]
    assert (planned["seen"], planned["struck"]) == (2, 1)
    assert control(bench.emulator, "DELETE", "faults")[1] == {"faults": [], "endings": []}


@pytest.mark.parametrize(
    ("path", "wrong", "said"),
    [
        ("faults", {"operation": "ec2:*"}, "needs operation and fault"),
        ("faults", {"operation": "ec2:*", "fault": "bad luck"}, "bad luck"),
        ("faults", {"operation": "ec2:*", "fault": "error", "cal": 2}, "'cal'"),
        ("faults", {"operation": "ec2:*", "fault": "error", "call": "2"}, "call"),
        ("faults", {"operation": "ec2:*", "fault": "killed-after"}, "pid"),
        ("faults", ["error"], "JSON object"),
        ("endings", {"takes": "rule-endpoint-id", "state": "SAD"}, "CREATE_FAILED"),
        ("endings", {"takes": "moon-full", "state": "FAILED"}, "moon-full"),
        ("endings", {"takes": "rule-endpoint-id", "stat": "FAILED"}, "stat"),
    ],
)
def test_a_wrong_fault_is_refused_and_plans_nothing(emulator: Emulator, path: str, wrong: object, said: str) -> None:
    status, text = control(emulator, "POST", path, wrong)
    assert status == 400
    assert said in text
    assert control(emulator, "GET", "faults")[1] == {"faults": [], "endings": []}


def test_wildcards_meet_every_operation_they_fit() -> None:
    faults = Faults()
    faults.add(Planned(operation="ec2:Create*", fault=Fault.ERROR, call=2))
    met = [faults.due(operation) for operation in ("ec2:CreateTags", "ec2:DeleteTags", "ec2:CreateSecurityGroup")]
    assert [bool(planned) for planned in met] == [False, False, True]
    assert faults.unstruck() == []


def test_an_endpoint_a_load_balancer_and_a_service_end_as_planned(bench: Bench) -> None:
    emulator = bench.emulator
    emulator.delays.set(Takes.ENDPOINT_AVAILABLE, Delay(polls=1))
    planned = [
        {"takes": "interface-endpoint-available", "state": "failed", "message": "No capacity."},
        {"takes": "load-balancer-active", "state": "failed", "message": "No addresses."},
        {"takes": "endpoint-service-available", "state": "Failed"},
    ]
    assert len(control(emulator, "POST", "endings", planned)[1]["endings"]) == 3
    vpc = bench.world.vpc
    subnets = [subnet.id for subnet in vpc.subnets]
    for _ in range(2):
        bench.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=vpc.id,
            ServiceName=f"com.amazonaws.{bench.world.region}.s3",
            SubnetIds=subnets,
            PrivateDnsEnabled=False,
        )
    states = [
        sorted((e["State"].lower(), e.get("LastError", {}).get("Message", "")) for e in answer["VpcEndpoints"])
        for answer in (bench.ec2.describe_vpc_endpoints(), bench.ec2.describe_vpc_endpoints())
    ]
    assert states == [[("pending", ""), ("pending", "")], [("available", ""), ("failed", "No capacity.")]]
    balancer = bench.elbv2.create_load_balancer(Name="a", Type="network", Scheme="internal", Subnets=subnets)
    arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    [seen] = bench.elbv2.describe_load_balancers()["LoadBalancers"]
    assert seen["State"] == {"Code": "failed", "Reason": "No addresses."}
    bench.ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[arn])
    [service] = bench.ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"]
    assert service["ServiceState"] == "Failed"


@pytest.mark.parametrize(
    ("takes", "state"),
    [
        (Takes.RULE_ENDPOINT_ID, "CREATE_FAILED"),
        (Takes.RULE_ENDPOINT_ID, "REJECTED"),
        (Takes.RULE_ENDPOINT_ID, "EXPIRED"),
        (Takes.RULE_ESTABLISHED, "DISCONNECTED"),
    ],
)
def test_a_rule_ends_as_planned(bench: Bench, takes: Takes, state: str) -> None:
    emulator = bench.emulator
    emulator.delays.end_badly(Ending(takes=takes, state=state, message="No."))
    vpc = bench.world.vpc
    balancer = bench.elbv2.create_load_balancer(
        Name="a", Type="network", Scheme="internal", Subnets=[subnet.id for subnet in vpc.subnets]
    )["LoadBalancers"][0]["LoadBalancerArn"]
    service = bench.ec2.create_vpc_endpoint_service_configuration(NetworkLoadBalancerArns=[balancer])
    made = service["ServiceConfiguration"]
    principal = f"arn:aws:iam::565502421330:role/private-connectivity-role-{bench.world.region}"
    bench.ec2.modify_vpc_endpoint_service_permissions(ServiceId=made["ServiceId"], AddAllowedPrincipals=[principal])
    ncc = bench.make_ncc().json()["network_connectivity_config_id"]
    rules = RULES.replace("{ncc_id}", ncc)
    body = {"endpoint_service": made["ServiceName"], "domain_names": ["bucket.example.com"]}
    rule = bench.account("POST", rules, body).json()["rule_id"]
    if takes is Takes.RULE_ESTABLISHED:
        [connection] = emulator.privatelink.connections_of(made["ServiceId"])
        emulator.privatelink.accept(made["ServiceId"], connection.vpc_endpoint_id)
    seen = [bench.account("GET", f"{rules}/{rule}").json() for _ in range(3)][-1]
    assert seen["connection_state"] == state
    assert seen.get("error_message", "") == ("No." if state == "CREATE_FAILED" else "")

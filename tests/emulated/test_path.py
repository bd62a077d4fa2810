"""Promises of plan, provision and destroy, kept over the wire against the emulated clouds."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from emulated.ground import Ground, PollingClock
from s3private.cli import main
from s3private.provision import engine
from s3private.provision.engine import Action, AnyStep, Outcome, Report
from s3private.provision.steps import path_steps
from s3private.route import Route
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator
from s3private_emulator.faults import Fault, Planned

WORKSPACE = 1001001001001001


def everything_takes_polls(emulator: Emulator, polls: int = 3) -> None:
    for takes in Takes:
        if takes is not Takes.ATTACHMENT_IN_FORCE:
            emulator.delays.set(takes, Delay(polls=polls))


def test_plan_makes_no_writing_call_before_or_after(ground: Ground) -> None:
    assert ground.plan().outcome is Outcome.PLANNED
    assert ground.emulator.log.writes() == []
    ground.provision()
    mark = ground.emulator.log.mark()
    assert ground.plan().outcome is Outcome.SETTLED
    assert ground.emulator.log.writes(mark) == []


_SIGN_IN = ("account:GET .well-known/", "account:GET oidc/", "account:POST oidc/", "sts:AssumeRole")


def test_the_first_provision_makes_at_most_45_calls_and_the_second_twenty_and_writes_nothing(ground: Ground) -> None:
    for most, writes in ((45, 15), (20, 0)):
        mark = ground.emulator.log.mark()
        assert ground.provision().outcome is Outcome.SETTLED
        calls = [r.operation for r in ground.emulator.log.since(mark) if not r.operation.startswith(_SIGN_IN)]
        assert len(calls) <= most, calls
        assert len(ground.emulator.log.writes(mark)) == writes


def test_what_another_run_makes_between_plan_and_create_is_taken_and_not_made_twice(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step whose double the platform refuses finds the other run's when it comes to create its own."""
    steps = path_steps(ground.config, ground.clients)
    real = engine.plan

    def overtaken(planned: Sequence[AnyStep]) -> Report:
        report = real(planned)
        monkeypatch.setattr(engine, "plan", real)
        assert ground.provision().outcome is Outcome.SETTLED
        return report

    monkeypatch.setattr(engine, "plan", overtaken)
    report = engine.provision(steps, clock=PollingClock(), timeout=3600)
    assert report.outcome is Outcome.SETTLED, report.message
    made = {c.reason for c in report.changes if c.step in ("security group", "target group", "load balancer")}
    ec2, elbv2 = ground.clients.ec2, ground.clients.elbv2
    assert len(ec2.describe_vpc_endpoints()["VpcEndpoints"]) == 1
    assert len(elbv2.describe_load_balancers()["LoadBalancers"]) == 1
    assert any(reason.startswith("made meanwhile by another run") for reason in made)
    assert ground.plan().outcome is Outcome.SETTLED


def test_the_path_is_built_while_every_state_takes_its_time(ground: Ground) -> None:
    everything_takes_polls(ground.emulator)
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    assert ground.plan().outcome is Outcome.SETTLED


def test_the_route_says_what_a_notebook_needs(ground: Ground) -> None:
    ground.provision()
    route = Route.load(ground.route)
    assert route.endpoint_url.startswith("https://bucket.vpce-")
    assert route.region == "ap-northeast-1"
    assert route.buckets == ("sales-records",)
    assert list(ground.emulator.account.carried_names(WORKSPACE)) == [route.host]


def test_a_timeout_leaves_it_resumable(ground: Ground) -> None:
    everything_takes_polls(ground.emulator, polls=8)
    stopped = ground.provision(timeout=20)
    assert stopped.outcome is Outcome.RUN_AGAIN
    runs = 0
    while (report := ground.provision(timeout=60)).outcome is Outcome.RUN_AGAIN:
        runs += 1
        assert runs < 40, report.message
    assert report.outcome is Outcome.SETTLED, report.message
    creates = [r.operation for r in ground.emulator.log.writes() if "Create" in r.operation or "POST" in r.operation]
    assert len(creates) == len(set(creates)), creates


def test_a_workspace_that_has_an_ncc_gets_the_rule_in_that_ncc(ground: Ground) -> None:
    theirs = ground.make_ncc("the-companys-own")
    ground.attach(WORKSPACE, theirs)
    assert ground.provision().outcome is Outcome.SETTLED
    assert [rule.ncc_id for rule in ground.emulator.account.rules()] == [theirs]
    assert [ncc.id for ncc in ground.emulator.account.nccs()] == [theirs]
    ground.destroy()
    assert [ncc.id for ncc in ground.emulator.account.nccs()] == [theirs]
    assert {w.id: w.ncc_id for w in ground.emulator.account.workspaces()}[WORKSPACE] == theirs


def test_a_workspace_on_another_ncc_than_the_named_one_is_refused_before_the_first_write(ground: Ground) -> None:
    theirs, named = ground.make_ncc("the-companys-own"), ground.make_ncc("the-named-one")
    ground.attach(WORKSPACE, theirs)
    ground.write(workspace_ids=f'[{WORKSPACE}]\nncc_id = "{named}"')
    mark = ground.emulator.log.mark()
    for report in (ground.plan(), ground.provision()):
        assert report.outcome is Outcome.REFUSED
        assert theirs in report.message
        assert named in report.message
    assert ground.emulator.log.writes(mark) == []


def test_a_strangers_connection_stays_pending_and_is_named(ground: Ground) -> None:
    ground.provision()
    (service,) = [rule.endpoint_service for rule in ground.emulator.account.rules()]
    stranger = ground.emulator.stranger(service)
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED
    assert any(stranger in note for note in report.notes)
    connection = ground.emulator.privatelink.connection(stranger)
    assert connection is not None
    assert connection.state == "pendingAcceptance"


def test_only_our_own_connection_is_accepted_while_a_strangers_is_pending_too(ground: Ground) -> None:
    no_right = Planned(operation="ec2:Accept*", fault=Fault.ERROR, code="UnauthorizedOperation", status=403)
    ground.emulator.faults.add(no_right)
    assert ground.provision().outcome is Outcome.FAILED
    (rule,) = ground.emulator.account.rules()
    stranger = ground.emulator.stranger(rule.endpoint_service)
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    assert any(stranger in note for note in report.notes)
    connection = ground.emulator.privatelink.connection(stranger)
    assert connection is not None
    assert connection.state == "pendingAcceptance"


def test_drift_made_by_hand_is_planned_and_mended(ground: Ground) -> None:
    ground.provision()
    clients = ground.clients
    service = clients.ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]["ServiceId"]
    clients.ec2.modify_vpc_endpoint_service_configuration(ServiceId=service, AcceptanceRequired=False)
    balancer = clients.elbv2.describe_load_balancers()["LoadBalancers"][0]
    arn, groups = balancer["LoadBalancerArn"], balancer["SecurityGroups"]
    clients.elbv2.set_security_groups(
        LoadBalancerArn=arn, SecurityGroups=groups, EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic="on"
    )
    listener = clients.elbv2.describe_listeners(LoadBalancerArn=arn)["Listeners"][0]["ListenerArn"]
    clients.elbv2.modify_listener_attributes(
        ListenerArn=listener, Attributes=[{"Key": "tcp.idle_timeout.seconds", "Value": "60"}]
    )
    updates = {c.step for c in ground.plan().changes if c.action is Action.UPDATE}
    assert updates == {"endpoint service", "load balancer", "listener"}
    assert ground.provision().outcome is Outcome.SETTLED
    assert ground.plan().outcome is Outcome.SETTLED


def test_a_star_principal_added_by_hand_is_refused(ground: Ground) -> None:
    ground.provision()
    ec2 = ground.clients.ec2
    service = ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"][0]["ServiceId"]
    ec2.modify_vpc_endpoint_service_permissions(ServiceId=service, AddAllowedPrincipals=["*"])
    report = ground.plan()
    assert report.outcome is Outcome.REFUSED
    assert "'*'" in report.message


def test_destroy_removes_what_it_made_and_says_what_the_platform_keeps(ground: Ground) -> None:
    ground.provision()
    report = ground.destroy()
    assert report.outcome is Outcome.RUN_AGAIN
    remains = {c.step for c in report.changes if c.action is Action.REMAINS}
    expected = {f"attachment of workspace {WORKSPACE}", "private endpoint rule", "network connectivity config"}
    assert remains == expected
    assert not ground.route.exists()
    ec2, elbv2 = ground.clients.ec2, ground.clients.elbv2
    assert ec2.describe_vpc_endpoints()["VpcEndpoints"] == []
    assert ec2.describe_vpc_endpoint_service_configurations()["ServiceConfigurations"] == []
    assert elbv2.describe_load_balancers()["LoadBalancers"] == []
    assert elbv2.describe_target_groups()["TargetGroups"] == []


def test_provision_works_again_while_a_deactivated_rule_lingers(ground: Ground) -> None:
    ground.provision()
    ground.destroy()
    assert ground.provision().outcome is Outcome.SETTLED
    live = [r for r in ground.emulator.account.rules() if r.deactivated_at is None]
    assert [rule.state for rule in live] == ["ESTABLISHED"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", '"Bad Name"'),
        ("region", '"mars-north-1"'),
        ("subnet_ids", '["subnet-0a1b2c3d4e5f6000a"]'),
        ("vpc_id", '"vpc-0a1b2c3d4e5f60001"\nallowed_principal = "*"'),
        ("external_id", '"x-y"\nexternal_ip = "1"'),
    ],
)
def test_a_wrong_path_file_is_one_line_exit_2_and_no_call(
    ground: Ground, capsys: pytest.CaptureFixture[str], key: str, value: str
) -> None:
    ground.write(**{key: value})
    for verb in (["plan"], ["provision"], ["destroy", "--confirm", "demo"]):
        assert main([verb[0], str(ground.file), *verb[1:]]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert len(printed.err.splitlines()) == 1
        assert str(ground.file) in printed.err
    assert ground.emulator.log.since() == []


def test_a_wrong_external_id_is_the_platforms_own_word_and_exit_1(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.write(external_id='"not-the-one"')
    assert main(["plan", str(ground.file)]) == 1
    assert "AccessDenied" in capsys.readouterr().err


def test_json_output_is_one_document(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["provision", str(ground.file), "-o", "json", "--poll", "0.01"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["outcome"] == "settled"
    assert {c["action"] for c in document["changes"]} == {"keep", "create"}


def test_destroy_asks_for_the_paths_name(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["destroy", str(ground.file)]) == 2
    assert "--confirm demo" in capsys.readouterr().err
    assert ground.emulator.log.since() == []


def test_the_ncc_and_the_rule_are_asked_for_exactly_once(ground: Ground) -> None:
    ground.provision()
    posts = [r.operation for r in ground.emulator.log.writes() if r.operation.startswith("account:POST")]
    assert posts == [
        "account:POST network-connectivity-configs",
        "account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules",
    ]


@pytest.mark.parametrize(
    "operation", ["network-connectivity-configs", "network-connectivity-configs/{ncc_id}/private-endpoint-rules"]
)
@pytest.mark.parametrize(("status", "code"), [(429, "RESOURCE_EXHAUSTED"), (429, "QUOTA_EXCEEDED"), (400, "")])
def test_a_quota_is_said_at_once_in_the_platforms_words_however_it_is_answered(
    ground: Ground, operation: str, status: int, code: str
) -> None:
    whole = f"account:POST {operation}"
    quota = Planned(operation=whole, fault=Fault.QUOTA, status=status, code=code, retry_after="1")
    ground.emulator.faults.add(quota)
    clock = PollingClock()
    report = engine.provision(path_steps(ground.config, ground.clients), clock=clock, timeout=3600)
    assert report.outcome is Outcome.FAILED
    assert report.message.endswith(f"{code or 'QUOTA_EXCEEDED'}: The account has reached the limit.")
    assert clock.now() == 0, "nothing was waited out"
    assert len([r for r in ground.emulator.log.writes() if r.operation == whole]) == 1


@pytest.mark.parametrize(
    "operation", ["network-connectivity-configs", "network-connectivity-configs/{ncc_id}/private-endpoint-rules"]
)
def test_a_lost_reply_is_answered_by_finding_not_by_asking_again(ground: Ground, operation: str) -> None:
    whole = f"account:POST {operation}"
    ground.emulator.faults.add(Planned(operation=whole, fault=Fault.GATEWAY_TIMEOUT))
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    assert len([r for r in ground.emulator.log.writes() if r.operation == whole]) == 1

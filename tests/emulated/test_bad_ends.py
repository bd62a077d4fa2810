"""States that end badly, limits reached, credentials that run out: said in the platform's words, and mended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulated.ground import Ground
from emulated.inspection import count, not_settled
from emulated.interruptions import DAY, Interrupted, world
from s3private.cli import main
from s3private.provision.engine import Action, Outcome, Report
from s3private_emulator.clock import HandClock
from s3private_emulator.delays import Ending, Takes
from s3private_emulator.faults import Fault, Planned

RULES = "network-connectivity-configs/{ncc_id}/private-endpoint-rules"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Interrupted]:
    with world(tmp_path) as run:
        yield run


def provision(run: Interrupted) -> Report:
    report = run.run(run.ground.provision)
    assert report is not None
    return report


def wait_a_day(run: Interrupted) -> None:
    clock = run.ground.emulator.clock
    assert isinstance(clock, HandClock)
    clock.advance(DAY)


@pytest.mark.parametrize(
    ("takes", "state", "step"),
    [
        (Takes.ENDPOINT_AVAILABLE, "failed", "interface endpoint"),
        (Takes.LOAD_BALANCER_ACTIVE, "failed", "load balancer"),
        (Takes.SERVICE_AVAILABLE, "Failed", "endpoint service"),
    ],
)
def test_what_failed_stops_the_run_is_refused_at_plan_and_goes_with_destroy(
    run: Interrupted, takes: Takes, state: str, step: str
) -> None:
    emulator = run.ground.emulator
    emulator.delays.end_badly(Ending(takes=takes, state=state))
    stopped = provision(run)
    assert stopped.outcome is Outcome.FAILED
    assert state in stopped.message
    [seen] = run.ground.plan().conflicts
    assert (seen.step, state in seen.reason) == (step, True)
    run.run(run.ground.destroy)
    assert not {"endpoints", "load balancers", "services", "security groups"} & set(count(emulator))
    run.until_settled(run.ground.provision, runs=1)
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize("state", ["CREATE_FAILED", "EXPIRED"])
def test_a_rule_that_never_carried_traffic_is_made_anew(run: Interrupted, state: str) -> None:
    emulator = run.ground.emulator
    emulator.delays.end_badly(Ending(takes=Takes.RULE_ENDPOINT_ID, state=state, message="No capacity."))
    assert provision(run).outcome is Outcome.SETTLED
    live = [rule for rule in emulator.account.rules() if not rule.deactivated]
    assert [rule.state for rule in live] == ["ESTABLISHED"]
    wait_a_day(run)
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize(
    ("takes", "state"), [(Takes.RULE_ENDPOINT_ID, "REJECTED"), (Takes.RULE_ESTABLISHED, "DISCONNECTED")]
)
def test_what_a_person_has_rejected_stops_the_run_in_the_platforms_word(
    run: Interrupted, takes: Takes, state: str
) -> None:
    emulator = run.ground.emulator
    emulator.delays.end_badly(Ending(takes=takes, state=state))
    first, second = provision(run), provision(run)
    assert {first.outcome, second.outcome} <= {Outcome.FAILED, Outcome.REFUSED}
    assert any(word in second.message for word in (state, "rejected")), second.message
    assert len(emulator.account.rules()) == 1, "nobody's no is answered with another rule"
    run.run(run.ground.destroy)
    wait_a_day(run)
    run.until_settled(run.ground.provision, runs=1)
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize(
    "operation",
    [
        "ec2:CreateVpcEndpoint",
        "elbv2:CreateLoadBalancer",
        pytest.param("ec2:CreateSecurityGroup", marks=pytest.mark.matrix),
        pytest.param("elbv2:CreateTargetGroup", marks=pytest.mark.matrix),
        pytest.param("elbv2:CreateListener", marks=pytest.mark.matrix),
        pytest.param("elbv2:RegisterTargets", marks=pytest.mark.matrix),
    ],
)
def test_a_limit_is_said_at_once_and_once_raised_the_next_run_goes_on(run: Interrupted, operation: str) -> None:
    run.ground.emulator.faults.add(Planned(operation=operation, fault=Fault.QUOTA))
    stopped = provision(run)
    assert stopped.outcome is Outcome.FAILED
    assert "maximum number" in stopped.message
    run.until_settled(run.ground.provision, runs=1)
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize("operation", ["ec2:CreateVpcEndpoint", "elbv2:CreateLoadBalancer", f"account:POST {RULES}"])
def test_credentials_that_run_out_in_the_middle_lose_nothing(run: Interrupted, operation: str) -> None:
    run.ground.emulator.faults.add(Planned(operation=operation, fault=Fault.EXPIRED))
    provision(run)
    run.until_settled(run.ground.provision, runs=1)
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize("operation", ["ec2:*", "elbv2:*", "account:*"])
def test_throttling_is_waited_out_by_the_sdk(run: Interrupted, operation: str) -> None:
    pattern = operation if operation != "account:*" else "account:GET *"
    run.ground.emulator.faults.add(Planned(operation=pattern, fault=Fault.THROTTLED, call=3, times=3))
    assert provision(run).outcome is Outcome.SETTLED
    assert not_settled(run.ground) == ""


@pytest.mark.parametrize(
    "operation",
    ["ec2:RejectVpcEndpointConnections", "ec2:DeleteVpcEndpointServiceConfigurations", "ec2:DeleteVpcEndpoints"],
)
def test_an_unsuccessful_entry_is_no_success(run: Interrupted, operation: str) -> None:
    run.until_settled(run.ground.provision, runs=1)
    refused = Planned(operation=operation, fault=Fault.UNSUCCESSFUL, code="OperationNotPermitted", message="Not now.")
    run.ground.emulator.faults.add(refused)
    report = run.run(run.ground.destroy)
    assert report is not None
    said = [c.reason for c in report.changes if c.action is Action.REMAINS and "OperationNotPermitted" in c.reason]
    assert said
    run.run(run.ground.destroy)
    assert not {"endpoints", "load balancers", "services", "security groups"} & set(count(run.ground.emulator))


def test_an_acceptance_that_was_unsuccessful_is_said_and_asked_for_again_by_the_next_run(run: Interrupted) -> None:
    refused = Planned(operation="ec2:AcceptVpcEndpointConnections", fault=Fault.UNSUCCESSFUL, message="Not now.")
    run.ground.emulator.faults.add(refused)
    stopped = provision(run)
    assert (stopped.outcome, "Not now." in stopped.message) == (Outcome.FAILED, True), stopped.message
    run.until_settled(run.ground.provision, runs=1)
    assert not_settled(run.ground) == ""


def test_the_rule_is_found_on_whatever_page_it_is(run: Interrupted) -> None:
    run.until_settled(run.ground.provision, runs=1)
    emulator = run.ground.emulator
    emulator.faults.add(
        Planned(operation=f"account:GET {RULES}", fault=Fault.PAGED, page_size=1, times=50),
        Planned(operation="account:GET network-connectivity-configs", fault=Fault.PAGED, page_size=1, times=50),
    )
    [rule] = emulator.account.rules()
    api = run.ground.clients.account.network_connectivity
    ncc = run.ground.make_ncc("somebody-elses")
    # A deactivated rule to the same service comes first on the list once ours is made anew behind it.
    api.delete_private_endpoint_rule(rule.ncc_id, rule.id)
    run.until_settled(run.ground.provision, runs=1)
    mark = emulator.log.mark()
    assert provision(run).outcome is Outcome.SETTLED
    assert emulator.log.writes(mark) == []
    assert [r.deactivated for r in emulator.account.rules()] == [True, False]
    assert ncc in [n.id for n in emulator.account.nccs()]


def test_what_databricks_throttles_is_waited_out_aloud(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    look = Planned(operation="account:GET workspaces/{workspace_id}", fault=Fault.THROTTLED, retry_after="0")
    ground.emulator.faults.add(look)
    assert main(["provision", str(ground.file), "--poll", "0.01"]) == 0
    said = [line for line in capsys.readouterr().err.splitlines() if "Databricks throttles" in line]
    assert len(said) == 1
    assert said[0].endswith("  Databricks throttles, fails or does not answer: asked again in 1 s")


def test_a_workspace_that_never_answers_is_one_line(
    ground: Ground, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asked for the secrets, as a job does."""
    monkeypatch.setattr("s3private.provision.clients.RETRY_SECONDS", 1)
    monkeypatch.setenv("DATABRICKS_TOKEN", "any")
    monkeypatch.setenv("DATABRICKS_AUTH_TYPE", "pat")
    ground.write(workspace_ids='[]\nworkspace_host = "http://127.0.0.1:1"')
    assert main(["plan", str(ground.file), "--secret-scope", "s3p"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert said[-1].startswith("s3private: secret client-id of scope s3p: ")
    assert "refused" in said[-1]
    assert all("asked again" in line for line in said[:-1])

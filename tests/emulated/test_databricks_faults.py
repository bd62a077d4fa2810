"""What fails for once at the Databricks account ends no run and makes nothing twice, whichever request it strikes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from databricks.sdk.service.settings import UpdatePrivateEndpointRule

from emulated.ground import Ground
from emulated.inspection import not_settled
from emulated.interruptions import hurried, world
from s3private.cli import main
from s3private.provision.engine import Action, Outcome, Report
from s3private_emulator.faults import Fault, Planned

NCCS = "network-connectivity-configs"
RULES = f"{NCCS}/{{ncc_id}}/private-endpoint-rules"
PAGE = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
FAULTS = {
    "500": Planned(operation="", fault=Fault.ERROR),
    "502, a page": Planned(operation="", fault=Fault.FOREIGN, status=502, message=PAGE, content_type="text/html"),
    "502, a page without a title": Planned(
        operation="", fault=Fault.FOREIGN, status=502, message="<html><body>oops</body></html>"
    ),
    "502, nothing": Planned(operation="", fault=Fault.FOREIGN, status=502),
    "503": Planned(operation="", fault=Fault.ERROR, status=503, code="TEMPORARILY_UNAVAILABLE"),
    "409, aborted": Planned(operation="", fault=Fault.ERROR, status=409, code="ABORTED", message="Sequencer."),
    "409, in progress": Planned(
        operation="", fault=Fault.ERROR, status=409, code="RESOURCE_CONFLICT", message="An update is in progress."
    ),
    "reset": Planned(operation="", fault=Fault.REQUEST_LOST),
    "reset after it was done": Planned(operation="", fault=Fault.REPLY_LOST),
}
SHORT = ("502, a page", "409, in progress")
"""In `make test`; the others in `make test-matrix`."""


def settled(report: Report | None) -> None:
    assert report is not None
    assert report.outcome is Outcome.SETTLED, report.message


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in SHORT else pytest.mark.matrix) for name in FAULTS]
)
def test_one_failure_of_each_request_of_every_verb_ends_no_run(tmp_path: Path, name: str) -> None:
    """Each request's first and third call fails: of building, of mending, and of taking away."""

    def struck(*operations: str) -> list[Planned]:
        return [replace(FAULTS[name], operation=f"account:{one}", call=call) for one in operations for call in (1, 3)]

    with world(tmp_path, strict=False) as run:
        ground, emulator = run.ground, run.ground.emulator
        first = [
            *struck("GET workspaces/{workspace_id}", f"GET {NCCS}", f"GET {RULES}"),
            *struck(f"POST {NCCS}", f"POST {RULES}", "PATCH workspaces/{workspace_id}"),
        ]
        emulator.faults.add(*first)
        settled(run.run(ground.provision))
        assert not_settled(ground) == ""
        assert not [str(one) for one in first if one.call == 1 and not one.struck]

        emulator.faults.clear()
        [rule] = emulator.account.rules()
        ground.make_ncc(ground.config.ncc_name)
        ground.clients.account.network_connectivity.update_private_endpoint_rule(
            rule.ncc_id, rule.id, UpdatePrivateEndpointRule(domain_names=["other.example.com"]), "domain_names"
        )
        mending = struck(f"GET {NCCS}", f"PATCH {RULES}/{{rule_id}}", f"DELETE {NCCS}/{{ncc_id}}")
        emulator.faults.add(*mending)
        settled(run.run(ground.provision))
        assert not_settled(ground) == ""
        assert not [str(one) for one in mending if one.call == 1 and not one.struck]

        emulator.faults.clear()
        away = struck(f"GET {NCCS}", f"GET {RULES}", "GET workspaces/{workspace_id}", f"DELETE {RULES}/{{rule_id}}")
        emulator.faults.add(*away)
        assert ground.plan().outcome is Outcome.SETTLED
        report = run.run(ground.destroy)
        assert report is not None
        assert report.outcome is Outcome.RUN_AGAIN, report.message
        assert next(c.step for c in report.changes if c.action is Action.REMAINS).startswith("attachment")
        assert [rule.deactivated for rule in emulator.account.rules()] == [True]
        assert not [str(one) for one in away if one.call == 1 and not one.struck]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("500", "INTERNAL_ERROR: An internal error has occurred."),
        ("502, a page", ": 502 Bad Gateway"),
        ("502, a page without a title", "HTTP 502"),
        ("409, in progress", "RESOURCE_CONFLICT: An update is in progress."),
    ],
)
@pytest.mark.parametrize("verb", ["plan", "destroy"])
def test_what_goes_on_failing_is_one_line_after_two_minutes(
    ground: Ground, capsys: pytest.CaptureFixture[str], name: str, says: str, verb: str
) -> None:
    ground.emulator.faults.add(replace(FAULTS[name], operation="account:GET workspaces/*", times=10_000))
    words = [verb, str(ground.file), *(["--confirm", "demo", "--poll", "0.01"] if verb == "destroy" else [])]
    with hurried():
        assert main(words) == 1
    *before, last = capsys.readouterr().err.splitlines()
    assert last.startswith("s3private: workspaces: find: ")
    assert says in last
    assert len(last) < 300
    assert [line for line in before if "asked again in" in line]
    assert not ground.emulator.log.writes()
    assert (
        10
        < len([r for r in ground.emulator.log.since() if r.operation == "account:GET workspaces/{workspace_id}"])
        < 30
    )

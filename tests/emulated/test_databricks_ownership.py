"""Others' things in the Databricks account: what does not show that it is this path's is left alone."""

from __future__ import annotations

import pytest
from databricks.sdk.service.settings import CreatePrivateEndpointRule

from emulated.ground import Ground
from s3private.provision.engine import Outcome
from s3private.provision.steps.network_connectivity import NetworkConnectivityConfig


def test_an_ncc_of_the_paths_name_that_is_somebody_elses_is_neither_used_nor_deleted(ground: Ground) -> None:
    theirs = ground.make_ncc("s3private-demo")
    assert ground.destroy().outcome is Outcome.SETTLED
    assert [ncc.id for ncc in ground.emulator.account.nccs()] == [theirs]
    done = ground.provision()
    assert done.outcome is Outcome.SETTLED
    assert done.found[NetworkConnectivityConfig].id != theirs
    assert theirs in [ncc.id for ncc in ground.emulator.account.nccs()]


def test_the_nccs_name_tells_account_owner_region_and_path_apart_and_fits(ground: Ground) -> None:
    config = ground.config
    names = {config.ncc_name, config.owned_by("prod", "x").ncc_name}
    for old, new in (
        ("222222222222", "111111111111"),
        ('"demo"', '"demo-with-a-long-nam"'),
        ('"demo"', '"demo-with-a-long-nan"'),
    ):
        text = ground.file.read_text(encoding="utf-8")
        ground.file.write_text(text.replace(old, new), encoding="utf-8")
        names.add(ground.config.ncc_name)
        ground.file.write_text(text, encoding="utf-8")
    assert len(names) == 5
    assert all(3 <= len(name) <= 30 and name.startswith("s3private-demo") for name in names)


WORKSPACE = 1001001001001001
THEIRS = "com.amazonaws.vpce.ap-northeast-1.vpce-svc-0123456789abcdef0"
WIDE = "*.s3.ap-northeast-1.vpce.amazonaws.com"


def make_rule(ground: Ground, ncc: str, *names: str) -> None:
    wanted = CreatePrivateEndpointRule(endpoint_service=THEIRS, domain_names=list(names))
    ground.clients.account.network_connectivity.create_private_endpoint_rule(ncc, wanted)


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("FAILED", "mended"),
        ("BANNED", "ask Databricks' support"),
        ("PROVISIONING", "run the same command again once it is RUNNING"),
        ("CANCELLING", "being deleted"),
        ("CANCELLED", "only a RUNNING workspace is attached"),
    ],
)
def test_a_workspace_that_cannot_be_attached_is_said_before_anything_is_made(
    ground: Ground, status: str, advice: str
) -> None:
    ground.emulator.account.force_workspace_status(WORKSPACE, status)
    mark = ground.emulator.log.mark()
    done = ground.provision()
    assert done.outcome is Outcome.REFUSED
    assert advice in done.message
    assert "remove it" not in done.message
    assert ground.emulator.log.writes(mark) == []


def test_a_name_that_the_ncc_carries_already_is_refused_before_the_paths_service_is_there(ground: Ground) -> None:
    ncc = ground.make_ncc("the-companys-own")
    ground.attach(WORKSPACE, ncc)
    make_rule(ground, ncc, WIDE)
    ground.write(buckets=f'["sales-records"]\ndomain_names = ["{WIDE}"]')
    mark = ground.emulator.log.mark()
    done = ground.provision()
    assert done.outcome is Outcome.REFUSED
    assert f"already carries {WIDE} to {THEIRS}" in done.message
    assert ground.emulator.log.writes(mark) == []


def test_plan_notes_that_the_ncc_is_others_and_a_wildcard_rule_in_it_that_takes_the_name_in(ground: Ground) -> None:
    ncc = ground.make_ncc("the-companys-own")
    ground.attach(WORKSPACE, ncc)
    make_rule(ground, ncc, WIDE, "files.example.com")
    notes = "\n".join(ground.plan().notes)
    assert f"NCC {ncc} (the-companys-own) was not made by this path" in notes
    assert f"carries {WIDE} to {THEIRS}, which overlaps with the name of this path" in notes


@pytest.mark.parametrize(("what", "limit"), [("NCCs", 10), ("private endpoint rules", 30)])
def test_an_account_at_a_default_limit_is_noted_and_not_refused_for_it_may_have_been_raised(
    ground: Ground, what: str, limit: int
) -> None:
    nccs = [ground.make_ncc(f"theirs-{n}") for n in range(limit if what == "NCCs" else 1)]
    for n in range(limit if what != "NCCs" else 0):
        make_rule(ground, nccs[0], f"files-{n}.example.com")
    seen = ground.plan()
    assert seen.outcome is Outcome.PLANNED
    [ncc] = [change for change in seen.changes if change.step == "network connectivity config"]
    assert ncc.reason.startswith("not there; ")
    assert f"the account has {limit} {what} in ap-northeast-1" in ncc.reason
    assert "unless Databricks has raised it" in ncc.reason

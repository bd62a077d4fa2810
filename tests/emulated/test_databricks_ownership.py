"""Others' things in the Databricks account: what does not show that it is this path's is left alone."""

from __future__ import annotations

import pytest
from databricks.sdk.service.settings import CreatePrivateEndpointRule

from emulated.ground import Ground
from emulated.hand import Hand
from s3private.provision.engine import Action, Outcome
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


def test_names_that_do_not_take_in_the_routes_are_refused_before_anything_is_made(ground: Ground) -> None:
    """Else the path settles, and the Route's name leads nowhere."""
    asked = '["sales-records"]\ndomain_names = {}'
    ground.write(buckets=asked.format('["files.example.com"]'))
    mark = ground.emulator.log.mark()
    done = ground.provision()
    assert done.outcome is Outcome.REFUSED
    assert "none of files.example.com takes in bucket.<endpoint DNS name>, which is known once" in done.message
    assert f"add {WIDE}," in done.message
    assert ground.emulator.log.writes(mark) == []
    ground.write(buckets=asked.format(f'["files.example.com", "{WIDE}"]'))
    assert ground.provision().outcome is Outcome.SETTLED
    host = Hand(ground.clients).endpoint["DnsEntries"][0]["DnsName"].replace("*", "bucket", 1)
    ground.write(buckets=asked.format('["files.example.com"]'))
    assert f"takes in {host}, and the Route goes by it: add {host}," in ground.plan().message
    ground.write(buckets=asked.format(f'["{host}"]'))
    assert ground.plan().outcome is Outcome.PLANNED


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


@pytest.mark.parametrize("whose", ["own", "theirs"])
def test_a_rule_whose_service_is_gone_is_found_by_the_path_files_names(ground: Ground, whose: str) -> None:
    """Removed where the NCC is the path's; named, with the command, where another path's rule may carry them."""
    names = f'["sales-records"]\ndomain_names = ["{WIDE}"]'
    ncc = ground.make_ncc("the-companys-own") if whose == "theirs" else ""
    ground.write(buckets=names, workspace_ids=f'[]\nncc_id = "{ncc}"' if ncc else "[]")
    assert ground.provision().outcome is Outcome.SETTLED
    [rule] = ground.emulator.account.rules()
    hand = Hand(ground.clients)
    service = hand.service
    hand.ec2.reject_vpc_endpoint_connections(ServiceId=service, VpcEndpointIds=[str(rule.vpc_endpoint_id)])
    assert not hand.ec2.delete_vpc_endpoint_service_configurations(ServiceIds=[service])["Unsuccessful"]
    report = ground.destroy()
    [change] = [change for change in report.changes if change.step == "private endpoint rule"]
    gone = [one.deactivated for one in ground.emulator.account.rules()]
    if whose == "own":
        assert (change.action, gone) == (Action.REMAINS, [True])
        assert "Databricks has deactivated it" in change.reason
    else:
        assert (change.action, gone) == (Action.KEEP, [False])
        assert f"rule {rule.id} carries {WIDE} to {rule.endpoint_service}" in change.reason
        assert f"network-connectivity delete-private-endpoint-rule {ncc} {rule.id}" in change.reason


def test_plan_says_who_is_cut_off_where_the_endpoint_is_made_anew(ground: Ground) -> None:
    assert ground.provision().outcome is Outcome.SETTLED
    hand = Hand(ground.clients)
    hand.ec2.delete_vpc_endpoints(VpcEndpointIds=[hand.endpoint["VpcEndpointId"]])
    [rule] = [change for change in ground.plan().changes if change.step == "private endpoint rule"]
    assert (rule.action, "who reads is cut off until the new name has reached" in rule.reason) == (Action.UPDATE, True)

"""Workspaces: one NCC each, switched silently, never removed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from databricks.sdk.errors import BadRequest, InvalidParameterValue, InvalidState, NotFound, OperationFailed
from databricks.sdk.service.provisioning import Workspace, WorkspaceStatus

from emulator.account.desk import ANALYTICS, NAME, REGION, RESEARCH, SERVICE, Desk, opened
from s3private_emulator.delays import Delay
from s3private_emulator.world import Workspace as SeededWorkspace
from s3private_emulator.world import World

MASK = "network_connectivity_config_id"


def ncc_of(desk: Desk, workspace_id: int) -> str | None:
    return desk.client.workspaces.get(workspace_id).network_connectivity_config_id


def test_workspaces_are_listed_and_read(desk: Desk) -> None:
    assert [workspace.workspace_id for workspace in desk.client.workspaces.list()] == [ANALYTICS, RESEARCH]
    found = desk.client.workspaces.get(ANALYTICS)
    assert (found.workspace_name, found.aws_region) == ("analytics", REGION)
    assert found.workspace_status is WorkspaceStatus.RUNNING
    assert found.network_connectivity_config_id is None


def test_an_unknown_workspace_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.client.workspaces.get(1)


def test_attaching_provisions_the_workspace_and_then_it_runs() -> None:
    with opened(workspace_running=Delay(polls=1)) as desk:
        ncc = desk.make_ncc()
        wanted = Workspace(network_connectivity_config_id=ncc)

        desk.client.workspaces.update(ANALYTICS, wanted, update_mask=MASK)

        seen = [desk.client.workspaces.get(ANALYTICS).workspace_status for _ in range(2)]
        assert seen == [WorkspaceStatus.PROVISIONING, WorkspaceStatus.RUNNING]
        assert ncc_of(desk, ANALYTICS) == ncc


def test_attaching_another_ncc_silently_replaces_the_first(desk: Desk) -> None:
    first, second = desk.make_ncc("first"), desk.make_ncc("second")
    desk.attach(ANALYTICS, first)
    desk.establish(first)
    desk.account.rules()
    assert desk.account.carried_names(ANALYTICS) == {NAME: SERVICE}

    desk.attach(ANALYTICS, second)

    assert ncc_of(desk, ANALYTICS) == second
    assert desk.account.carried_names(ANALYTICS) == {}


def test_attaching_one_workspace_leaves_the_others(desk: Desk) -> None:
    desk.attach(ANALYTICS, desk.make_ncc())

    assert ncc_of(desk, RESEARCH) is None


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_ncc_cannot_be_removed_from_a_workspace(desk: Desk, nothing: str | None) -> None:
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)
    detached = Workspace(network_connectivity_config_id=nothing)

    with pytest.raises(InvalidParameterValue, match="switched but not removed"):
        desk.client.workspaces.update(ANALYTICS, detached, update_mask=MASK)
    assert ncc_of(desk, ANALYTICS) == ncc


def test_a_mask_of_a_star_clears_what_the_body_leaves_out(desk: Desk) -> None:
    ncc = desk.make_ncc()
    before = desk.client.workspaces.get(ANALYTICS)
    assert before.private_access_settings_id
    assert before.custom_tags

    desk.client.workspaces.update(ANALYTICS, Workspace(network_connectivity_config_id=ncc), update_mask="*")

    after = desk.client.workspaces.get(ANALYTICS)
    assert (after.private_access_settings_id, after.custom_tags) == (None, None)


def test_a_mask_of_one_field_leaves_the_others(desk: Desk) -> None:
    before = desk.client.workspaces.get(ANALYTICS)
    desk.attach(ANALYTICS, desk.make_ncc())

    after = desk.client.workspaces.get(ANALYTICS)
    assert (after.private_access_settings_id, after.custom_tags) == (
        before.private_access_settings_id,
        before.custom_tags,
    )


def test_a_mask_with_a_field_that_stays_is_refused(desk: Desk) -> None:
    with pytest.raises(InvalidParameterValue, match="aws_region"):
        desk.client.workspaces.update(ANALYTICS, Workspace(aws_region="eu-west-1"), update_mask="aws_region")


def test_an_ncc_of_another_region_is_refused(desk: Desk) -> None:
    elsewhere = desk.make_ncc(region="eu-west-1")

    with pytest.raises(InvalidParameterValue, match="eu-west-1"):
        desk.attach(ANALYTICS, elsewhere)
    assert ncc_of(desk, ANALYTICS) is None


def test_an_ncc_that_is_not_there_is_not_found(desk: Desk) -> None:
    with pytest.raises(NotFound):
        desk.attach(ANALYTICS, "00000000-0000-0000-0000-000000000000")


def test_an_ncc_is_attached_to_at_most_50_workspaces() -> None:
    many = tuple(SeededWorkspace(id=number, name=f"w{number}", deployment_name=f"d{number}") for number in range(1, 52))
    with opened(replace(World(), workspaces=many)) as desk:
        ncc = desk.make_ncc()
        for workspace in many[:50]:
            desk.attach(workspace.id, ncc)

        with pytest.raises(BadRequest, match="limit is 50"):
            desk.attach(many[50].id, ncc)
        desk.attach(many[0].id, ncc)


@pytest.mark.parametrize("status", ["FAILED", "BANNED"])
def test_a_workspace_can_be_made_to_fail(desk: Desk, status: str) -> None:
    wanted = Workspace(network_connectivity_config_id=desk.make_ncc())
    under_way = desk.client.workspaces.update(ANALYTICS, wanted, update_mask=MASK)
    desk.account.force_workspace_status(ANALYTICS, status, "because the test says so")

    with pytest.raises(OperationFailed, match="because the test says so"):
        under_way.result()


@pytest.mark.parametrize("status", ["PROVISIONING", "BANNED", "CANCELLING"])
def test_a_workspace_that_is_neither_running_nor_failed_is_not_changed(desk: Desk, status: str) -> None:
    desk.account.force_workspace_status(ANALYTICS, status)
    with pytest.raises(InvalidState, match=f"is {status}"):
        desk.attach(ANALYTICS, desk.make_ncc())
    desk.account.force_workspace_status(ANALYTICS, "FAILED")
    desk.attach(ANALYTICS, desk.make_ncc())


def test_an_attachment_is_in_force_after_some_looks_by_serverless() -> None:
    with opened(attachment_in_force=Delay(polls=2)) as desk:
        ncc = desk.make_ncc()
        desk.establish(ncc)
        desk.attach(ANALYTICS, ncc)
        assert desk.client.workspaces.get(ANALYTICS).workspace_status is WorkspaceStatus.RUNNING

        looks = [desk.account.carried_names(ANALYTICS) for _ in range(3)]

        assert looks == [{}, {}, {NAME: SERVICE}]


def test_the_ncc_before_stays_in_force_until_the_new_one_is() -> None:
    with opened(attachment_in_force=Delay(seconds=600)) as desk:
        first, second = desk.make_ncc("first"), desk.make_ncc("second")
        desk.establish(first)
        desk.attach(ANALYTICS, first)
        desk.clock.advance(600)
        desk.attach(ANALYTICS, second)

        assert desk.account.carried_names(ANALYTICS) == {NAME: SERVICE}
        desk.clock.advance(600)
        assert desk.account.carried_names(ANALYTICS) == {}


def test_a_rule_carries_its_names_only_once_established(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)
    rule = desk.make_rule(ncc, (NAME, f"*.s3.{REGION}.vpce.amazonaws.com"))
    assert desk.account.carried_names(ANALYTICS) == {}
    desk.accept(ncc, rule)

    assert desk.account.carried_names(ANALYTICS) == {NAME: SERVICE, f"*.s3.{REGION}.vpce.amazonaws.com": SERVICE}
    assert desk.account.carried_names(RESEARCH) == {}


def test_a_disconnected_rule_carries_nothing(desk: Desk) -> None:
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)
    rule = desk.establish(ncc)
    assert desk.account.carried_names(ANALYTICS)
    desk.reject(ncc, rule)

    assert desk.account.carried_names(ANALYTICS) == {}


def test_the_public_s3_name_is_taken_and_carries_every_attached_workspace_off(desk: Desk) -> None:
    """Nothing documents a refusal, so whoever writes rules must not ask for it."""
    public = f"s3.{REGION}.amazonaws.com"
    ncc = desk.make_ncc()
    desk.attach(ANALYTICS, ncc)
    desk.attach(RESEARCH, ncc)
    desk.establish(ncc, (public,))

    assert desk.account.carried_names(ANALYTICS) == desk.account.carried_names(RESEARCH) == {public: SERVICE}


def test_an_unknown_workspaces_names_are_a_key_error(desk: Desk) -> None:
    with pytest.raises(KeyError):
        desk.account.carried_names(1)

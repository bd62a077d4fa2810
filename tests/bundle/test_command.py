"""The real `databricks` command deploys this bundle to the emulated workspace; test_command_runs.py runs its jobs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bundle.typed import Typed, needs_command
from s3private_emulator.emulator import Emulator

pytestmark = needs_command

NOTHING = "Plan: 0 to add, 0 to change, 0 to delete"


@pytest.fixture
def typed(emulator: Emulator, tmp_path: Path) -> Typed:
    exports = {**emulator.exports(), **emulator.workspace_exports()}
    return Typed(exports, tmp_path / "bundle", tmp_path / "home")


@pytest.mark.parametrize("target", ["dev", "prod"])
def test_each_target_is_valid_with_no_warning(typed: Typed, target: str) -> None:
    said = typed(f"databricks bundle validate --strict -t {target}")
    assert "Validation OK!" in said
    assert "Warning" not in said
    assert "Recommendation" not in said


@pytest.mark.parametrize(
    "variable", ["run_as_service_principal", "readers_group", "operators_group", "destroyers_group"]
)
def test_prod_is_refused_without_a_variable_that_it_needs_and_names_it(typed: Typed, variable: str) -> None:
    del typed.environment[f"BUNDLE_VAR_{variable}"]
    said = typed("databricks bundle validate -t prod", status=1)
    assert f"no value assigned to required variable {variable}" in said
    typed("databricks bundle validate -t dev")


def test_dev_and_prod_lie_side_by_side_and_a_second_plan_is_empty(typed: Typed) -> None:
    overrides = typed.folder / ".databricks" / "bundle" / "prod" / "variable-overrides.json"
    overrides.parent.mkdir(parents=True)
    overrides.write_text('{"failure_emails": ["ops@example.com"]}', encoding="utf-8")
    for target in ("dev", "prod"):
        typed(f"databricks bundle deploy -t {target}")
    for target in ("dev", "prod"):
        assert NOTHING in typed(f"databricks bundle plan -t {target}")
    jobs = json.loads(typed("databricks jobs list -o json"))
    names = [job["settings"]["name"] for job in jobs]
    assert len(names) == len(set(names)) == 14
    assert len([name for name in names if name.startswith("[dev ")]) == 7
    mailed = {job["settings"]["name"]: job["settings"].get("email_notifications") for job in jobs}
    assert mailed["s3private maintain"]["on_failure"] == ["ops@example.com"]
    assert not mailed["[dev operator] s3private maintain"].get("on_failure")
    schemas = {schema["name"] for schema in json.loads(typed("databricks schemas list main -o json"))}
    assert {"s3private", "dev_operator_s3private"} <= schemas
    paused = {job["settings"]["schedule"]["pause_status"] for job in jobs if "schedule" in job["settings"]}
    assert paused == {"PAUSED", "UNPAUSED"}


def test_an_edit_changes_the_plan_and_the_wheel_whatever_is_left_in_dist(typed: Typed) -> None:
    typed("databricks bundle deploy")
    before = typed.version()
    (typed.folder / "dist" / "s3private-0.1.0+ffffffffffff-py3-none-any.whl").write_bytes(b"left from long ago")
    module = typed.folder / "src" / "s3private" / "route.py"
    module.write_text(module.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    assert "update jobs.list" in typed("databricks bundle plan")
    typed("databricks bundle deploy")
    after = typed.version()
    assert before != after != "0.1.0+ffffffffffff"
    job = next(j for j in json.loads(typed("databricks jobs list -o json")) if "list" in j["settings"]["name"])
    settings = json.loads(typed(f"databricks jobs get {job['job_id']} -o json"))["settings"]
    (dependency,) = settings["environments"][0]["spec"]["dependencies"]
    assert f"s3private-{after}-" in dependency
    assert NOTHING in typed("databricks bundle plan")


def test_destroy_stops_at_the_storage_and_leaves_it_when_it_was_let_go(typed: Typed) -> None:
    typed("databricks bundle deploy")
    said = typed("databricks bundle destroy --auto-approve", status=1)
    assert "resources.schemas.storage has lifecycle.prevent_destroy" in said
    assert "resources.volumes.files has lifecycle.prevent_destroy" in said
    assert json.loads(typed("databricks jobs list -o json"))
    typed("databricks bundle deployment unbind files")
    typed("databricks bundle deployment unbind storage")
    typed("databricks bundle destroy --auto-approve")
    assert json.loads(typed("databricks jobs list -o json")) == []
    assert "files" in typed("databricks volumes list main dev_operator_s3private")
    typed("databricks bundle deployment bind storage main.dev_operator_s3private --auto-approve")
    typed("databricks bundle deployment bind files main.dev_operator_s3private.files --auto-approve")
    typed("databricks bundle deploy")
    assert NOTHING in typed("databricks bundle plan")

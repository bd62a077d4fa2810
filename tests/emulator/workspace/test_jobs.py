"""Jobs that the service refuses are refused, at create and at reset, and nothing of them is kept."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk.errors import InvalidParameterValue, ResourceDoesNotExist
from databricks.sdk.errors.base import DatabricksError

from emulator.workspace.site import HOME, Site, wheel_task

NOTE = {"notebook_path": f"{HOME}/note"}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "environment key": ({"tasks": [{**wheel_task("t"), "environment_key": "f"}]}, "environment_key 'f'"),
    "no environment": (
        {"tasks": [{k: v for k, v in wheel_task("t").items() if k != "environment_key"}]},
        "needs an environment_key",
    ),
    "unknown dependency": ({"tasks": [wheel_task("t", "main", "gone")]}, "unknown task 'gone'"),
    "itself": ({"tasks": [wheel_task("t", "main", "t")]}, "depends on itself"),
    "a circle": ({"tasks": [wheel_task("t", "main", "u"), wheel_task("u", "main", "t")]}, "in a circle"),
    "a key twice": ({"tasks": [wheel_task("t"), wheel_task("t")]}, "Duplicate task key found: t"),
    "a bad key": ({"tasks": [wheel_task("t u")]}, "Invalid task key"),
    "no entry point": ({"tasks": [wheel_task("t", "")]}, "entry_point is required"),
    "two kinds": ({"tasks": [{**wheel_task("t"), "notebook_task": NOTE}]}, "exactly one of"),
    "both parameters": (
        {"tasks": [wheel_task("t", parameters=["a"], named_parameters={"b": "c"})]},
        "leave named_parameters empty",
    ),
    "libraries": (
        {"tasks": [wheel_task("t", libraries=[{"whl": "x.whl"}])]},
        "please specify libraries in environment",
    ),
    "run_if": ({"tasks": [wheel_task("t", run_if="SOMETIMES")]}, "Invalid run_if"),
    "a reference": ({"tasks": [wheel_task("t", parameters=["{{job.naem}}"])]}, "{{job.naem}}"),
    "a parameter twice": (
        {"tasks": [], "parameters": [{"name": "p", "default": ""}, {"name": "p", "default": ""}]},
        "Duplicate job parameter",
    ),
    "an unquoted version": (
        {"tasks": [], "environments": [{"environment_key": "e", "spec": {"environment_version": 4}}]},
        "environment_version",
    ),
    "no version": ({"tasks": [], "environments": [{"environment_key": "e", "spec": {}}]}, "environment_version"),
    "a loop in a loop": (
        {
            "tasks": [
                {
                    "task_key": "t",
                    "for_each_task": {
                        "inputs": "[]",
                        "task": {"task_key": "u", "for_each_task": {"inputs": "[]", "task": wheel_task("v")}},
                    },
                }
            ]
        },
        "cannot be nested",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_job_is_refused_by_name(here: Site, name: str) -> None:
    settings, words = WRONG[name]
    jobs = here.call("GET", "/api/2.2/jobs/list")["jobs"]
    with pytest.raises(DatabricksError) as refused:
        here.job(*settings["tasks"], **_rest(settings))
    assert words in str(refused.value)
    assert here.call("GET", "/api/2.2/jobs/list")["jobs"] == jobs
    number = here.job(wheel_task("t"))
    with pytest.raises(DatabricksError):
        here.call("POST", "/api/2.2/jobs/reset", {"job_id": number, "new_settings": {"name": "wrong", **settings}})
    assert here.call("GET", "/api/2.2/jobs/get", job_id=number)["settings"]["name"] == "job"
    here.call("POST", "/api/2.2/jobs/delete", {"job_id": number})


def _rest(settings: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "tasks"}


def test_a_job_that_is_not_there_does_not_exist(here: Site) -> None:
    with pytest.raises((InvalidParameterValue, ResourceDoesNotExist), match="Job 7 does not exist"):
        here.call("GET", "/api/2.2/jobs/get", job_id=7)
    for verb in ("run-now", "delete"):
        with pytest.raises((InvalidParameterValue, ResourceDoesNotExist), match="Job 7 does not exist"):
            here.call("POST", f"/api/2.2/jobs/{verb}", {"job_id": 7})


def test_a_reset_keeps_who_the_job_runs_as_and_replaces_the_rest(here: Site) -> None:
    client_id = here.emulator.world.client_id
    number = here.job(wheel_task("t", "whoami"), run_as={"service_principal_name": client_id}, description="old")
    new = {"name": "new", "tasks": [wheel_task("t", "whoami")], "environments": _environments(here, number)}
    here.call("POST", "/api/2.2/jobs/reset", {"job_id": number, "new_settings": new})
    told = here.call("GET", "/api/2.2/jobs/get", job_id=number)
    assert told["run_as_user_name"] == client_id
    assert "description" not in told["settings"]
    run = here.ended(here.start(number))
    assert here.outputs(run)["t"]["logs"].startswith(client_id)


def _environments(here: Site, number: int) -> Any:
    return here.call("GET", "/api/2.2/jobs/get", job_id=number)["settings"]["environments"]


def test_a_job_has_exactly_one_owner(here: Site) -> None:
    number = here.job(wheel_task("t"))
    told = here.call("GET", f"/api/2.0/permissions/jobs/{number}")
    owners = [
        entry["user_name"]
        for entry in told["access_control_list"]
        if entry["all_permissions"][0]["permission_level"] == "IS_OWNER"
    ]
    assert owners == ["operator@example.com"]
    entries = [{"group_name": "users", "permission_level": "CAN_VIEW"}]
    with pytest.raises(DatabricksError, match="exactly one owner"):
        here.call("PUT", f"/api/2.0/permissions/jobs/{number}", {"access_control_list": entries})

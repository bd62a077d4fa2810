"""What a task finds around it, and what becomes of how it ends."""

from __future__ import annotations

import json

import pytest

from emulator.workspace.site import HOME, Site, wheel, wheel_task
from s3private_emulator.workspace.identity import OPERATOR


def logs_of(here: Site, task: dict[str, object], **more: object) -> str:
    run = here.ended(here.start(here.job(task, **more)))
    (output,) = here.outputs(run).values()
    assert run["state"]["result_state"] == "SUCCESS", output
    return str(output["logs"]).strip()


def test_a_wheel_task_gets_its_positional_parameters_as_argv(here: Site) -> None:
    said = logs_of(here, wheel_task("t", parameters=["a", "--b", "c d"]))
    assert json.loads(said.removeprefix("argv ")) == ["tiny", "a", "--b", "c d"]


def test_named_parameters_come_as_options_and_job_parameters_with_them(here: Site) -> None:
    task = wheel_task("t", named_parameters={"own": "1", "both": "task"})
    said = logs_of(here, task, parameters=[{"name": "both", "default": "job"}, {"name": "other", "default": "x"}])
    assert json.loads(said.removeprefix("argv "))[1:] == ["--own=1", "--both=job", "--other=x"]


def test_the_wheel_that_runs_is_the_one_deployed_last_under_the_same_name(here: Site) -> None:
    spec = {"environment_version": "4", "dependencies": [f"{HOME}/again.whl"]}
    job = here.job(wheel_task("t"), environments=[{"environment_key": "e", "spec": spec}])
    for text in ("first", "second"):
        here.put(f"{HOME}/again.whl", wheel(f"def main():\n    print('{text}')\n", main="tiny:main"))
        (output,) = here.outputs(here.ended(here.start(job))).values()
        assert output["logs"].strip() == text


def test_a_task_writes_to_its_volume_and_the_files_api_reads_it(here: Site) -> None:
    said = logs_of(here, wheel_task("t", "in-volume", parameters=["/Volumes/main/default/files/out.txt"]))
    assert said == "['out.txt'] True"
    read = here.client.files.download("/Volumes/main/default/files/out.txt").contents
    assert read is not None
    assert read.read() == b"from a task"


def test_a_task_asks_its_own_workspace_as_the_one_who_runs_it(here: Site) -> None:
    assert logs_of(here, wheel_task("t", "whoami")) == f"{OPERATOR} https://dbc-analytics.cloud.databricks.com"


def test_account_calls_with_a_tasks_own_token_answer_404(here: Site) -> None:
    account = here.emulator.world.databricks_account
    assert logs_of(here, wheel_task("t", "account", parameters=[account])) == "ResourceDoesNotExist"


def test_dbutils_of_an_entry_point_gives_secrets(here: Site) -> None:
    here.client.secrets.create_scope("keep")
    here.client.secrets.put_secret("keep", "key", string_value="the secret")
    assert logs_of(here, wheel_task("t", "secret", parameters=["keep", "key"])) == "the secret"


def test_a_service_credential_vends_a_session_of_its_role(here: Site) -> None:
    world = here.emulator.world
    said = logs_of(here, wheel_task("t", "vended", parameters=[world.reader_service_credential]))
    assert said.startswith(
        f"arn:aws:sts::{world.data_account}:assumed-role/{world.reader_role_arn.rpartition('/')[2]}/"
    )


@pytest.mark.parametrize(
    ("entry_point", "error"),
    [("fails", "ValueError: no such luck"), ("exits", "SystemExit: 3"), ("nowhere", "has no entry point nowhere")],
)
def test_a_task_that_raises_fails_with_its_own_last_words(here: Site, entry_point: str, error: str) -> None:
    run = here.ended(here.start(here.job(wheel_task("t", entry_point))))
    output = here.outputs(run)["t"]
    assert run["state"]["result_state"] == "FAILED"
    assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
    assert run["state"]["state_message"] == ("Task t failed with message: Workload failed, see run output for details.")
    assert error in output["error"]
    assert "launch.py" not in output["error_trace"]


@pytest.mark.parametrize("entry_point", ["says-one", "exits-well"])
def test_what_an_entry_point_returns_is_not_looked_at(here: Site, entry_point: str) -> None:
    assert logs_of(here, wheel_task("t", entry_point)) == ""


def test_a_wheel_that_is_not_there_is_an_installation_that_failed(here: Site) -> None:
    spec = {"environment_version": "4", "dependencies": [f"{HOME}/gone.whl"]}
    job = here.job(wheel_task("t"), environments=[{"environment_key": "e", "spec": spec}])
    run = here.ended(here.start(job))
    assert "gone.whl" in here.outputs(run)["t"]["error"]
    assert run["tasks"][0]["status"]["termination_details"]["code"] == "LIBRARY_INSTALLATION_ERROR"


NOTEBOOK = b"""# Databricks notebook source
# MAGIC %md
# MAGIC # A title

# COMMAND ----------

dbutils.widgets.text("who", "nobody")
who = dbutils.widgets.get("who")

# COMMAND ----------

import helper_module
print(helper_module.NAME)
dbutils.notebook.exit(f"bye {who}")
raise RuntimeError("never reached")
"""


def test_a_notebook_has_widgets_its_neighbours_and_a_result(here: Site) -> None:
    here.put(f"{HOME}/note.py", NOTEBOOK)
    here.put(f"{HOME}/helper_module.py", b"NAME = 'beside it'\n")
    task = {"task_key": "n", "notebook_task": {"notebook_path": f"{HOME}/note", "base_parameters": {"who": "me"}}}
    run = here.ended(here.start(here.job(task)))
    output = here.outputs(run)["n"]
    assert output["notebook_output"] == {"result": "bye me", "truncated": False}
    assert output["logs"] == "beside it\n"


def test_an_error_in_a_notebook_names_its_line(here: Site) -> None:
    here.put(f"{HOME}/broken.py", b"# Databricks notebook source\nprint(1)\n\n# COMMAND ----------\n\n1 / 0\n")
    run = here.ended(here.start(here.job({"task_key": "n", "notebook_task": {"notebook_path": f"{HOME}/broken"}})))
    output = here.outputs(run)["n"]
    assert output["error"] == "ZeroDivisionError: division by zero"
    assert 'broken", line 6' in output["error_trace"]


def test_a_python_file_runs_with_its_parameters(here: Site) -> None:
    here.put(f"{HOME}/plain.py", b"import sys\nprint(__name__, sys.argv[1:])\n")
    spec = {"python_file": f"{HOME}/plain.py", "parameters": ["x"]}
    said = logs_of(here, {"task_key": "p", "environment_key": "e", "spark_python_task": spec})
    assert said == "__main__ ['x']"

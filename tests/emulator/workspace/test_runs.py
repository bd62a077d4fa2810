"""How tasks of a run follow each other, fail, are tried again, stopped, and stand in line."""

from __future__ import annotations

from pathlib import Path

import pytest
from databricks.sdk.errors.base import DatabricksError

from emulator.workspace.site import Site, wheel_task


def test_tasks_run_after_those_they_depend_on_in_whatever_order_they_are_listed(here: Site) -> None:
    said = wheel_task("a", "main", "z", parameters=["{{tasks.z.values.greeting}}", "{{tasks.z.result_state}}"])
    run = here.ended(here.start(here.job(said, wheel_task("z", "sets"))))
    assert here.results(run) == {"a": "SUCCESS", "z": "SUCCESS"}
    assert here.outputs(run)["a"]["logs"].endswith('["tiny", "hello", "success"]\n')


def test_references_are_resolved_when_the_task_starts(here: Site) -> None:
    references = [
        "{{job.id}}",
        "{{job.run_id}}",
        "{{job.name}}",
        "{{task.name}}",
        "{{job.parameters.who}}",
        "{{workspace.id}}",
        "{{ job.parameters.`dry-run` }}",
        "{{no.such}} {{job.id}",
    ]
    parameters = [{"name": "who", "default": "nobody"}, {"name": "dry-run", "default": "{{job.run_id}}"}]
    job = here.job(wheel_task("t", parameters=references), parameters=parameters)
    run = here.ended(here.start(job, job_parameters={"who": "me"}))
    number = run["run_id"]
    wanted = [job, number, "job", "t", "me", here.workspace_id, number, "{{no.such}} {{job.id}"]
    told = here.outputs(run)["t"]["logs"]
    assert told.strip() == "argv " + str(["tiny", *map(str, wanted)]).replace("'", '"')
    assert run["job_parameters"] == [
        {"name": "who", "default": "nobody", "value": "me"},
        {"name": "dry-run", "default": "{{job.run_id}}", "value": "{{job.run_id}}"},
    ]


def test_a_reference_to_a_value_nobody_set_fails_the_task(here: Site) -> None:
    task = wheel_task("b", "main", "a", parameters=["{{tasks.a.values.nothing}}"])
    run = here.ended(here.start(here.job(wheel_task("a"), task)))
    assert here.results(run) == {"a": "SUCCESS", "b": "FAILED"}
    assert "{{tasks.a.values.nothing}}" in here.outputs(run)["b"]["error"]


@pytest.mark.parametrize(
    ("run_if", "result"),
    [
        ("ALL_SUCCESS", "UPSTREAM_FAILED"),
        ("NONE_FAILED", "UPSTREAM_FAILED"),
        ("ALL_DONE", "SUCCESS"),
        ("AT_LEAST_ONE_SUCCESS", "SUCCESS"),
        ("AT_LEAST_ONE_FAILED", "SUCCESS"),
        ("ALL_FAILED", "EXCLUDED"),
    ],
)
def test_run_if_decides_by_the_results_before(here: Site, run_if: str, result: str) -> None:
    last = wheel_task("last", "main", "good", "bad", run_if=run_if)
    run = here.ended(here.start(here.job(wheel_task("good"), wheel_task("bad", "fails"), last)))
    assert here.results(run) == {"good": "SUCCESS", "bad": "FAILED", "last": result}
    leaf_failed = result == "UPSTREAM_FAILED"
    assert run["state"]["result_state"] == ("FAILED" if leaf_failed else "SUCCESS_WITH_FAILURES")


def test_a_task_is_tried_again_as_often_as_it_says(here: Site) -> None:
    mark = "/Volumes/main/default/files/once"
    run = here.ended(here.start(here.job(wheel_task("t", "once", parameters=[mark], max_retries=1))))
    assert here.results(run) == {"t": "SUCCESS"}
    assert run["tasks"][0]["attempt_number"] == 1
    assert here.outputs(run)["t"]["logs"] == "the second time\n"


def test_serverless_tries_a_failed_task_again_unless_told_not_to(here: Site) -> None:
    for disabled, attempts in ((False, 2), (True, 1)):
        run = here.ended(here.start(here.job(wheel_task("t", "fails", disable_auto_optimization=disabled))))
        assert run["tasks"][0]["attempt_number"] == attempts - 1
        assert run["state"]["result_state"] == "FAILED"


def test_a_task_past_its_time_is_stopped(here: Site) -> None:
    run = here.ended(here.start(here.job(wheel_task("t", "sleeps", timeout_seconds=1))))
    assert here.results(run) == {"t": "TIMEDOUT"}
    assert run["state"]["result_state"] == "FAILED"


def test_a_run_past_its_time_is_stopped_whole(here: Site) -> None:
    run = here.ended(here.start(here.job(wheel_task("t", "sleeps"), wheel_task("u", "main", "t"), timeout_seconds=1)))
    assert run["state"]["result_state"] == "TIMEDOUT"
    assert here.results(run) == {"t": "CANCELED", "u": "CANCELED"}


def test_a_cancelled_run_ends_at_once_and_says_so(here: Site) -> None:
    number = here.start(here.job(wheel_task("t", "sleeps"), wheel_task("u", "main", "t")))
    here.until(number, lambda run: run["tasks"][0]["state"]["life_cycle_state"] == "RUNNING")
    here.call("POST", "/api/2.2/jobs/runs/cancel", {"run_id": number})
    run = here.ended(number)
    assert run["state"] == {
        "life_cycle_state": "TERMINATED",
        "result_state": "CANCELED",
        "state_message": "Run cancelled.",
        "user_cancelled_or_timedout": True,
    }
    assert here.results(run) == {"t": "CANCELED", "u": "CANCELED"}


def test_a_run_too_many_is_skipped_unless_the_job_queues(here: Site, tmp_path: Path) -> None:
    gate = tmp_path / "open"
    task = wheel_task("t", "waits-for", parameters=[str(gate)])
    skipping, queueing = here.job(task), here.job(task, queue={"enabled": True})
    first, second = here.start(skipping), here.start(skipping)
    third, fourth = here.start(queueing), here.start(queueing)
    assert here.run(second)["state"]["life_cycle_state"] == "SKIPPED"
    assert here.run(fourth)["status"]["state"] == "QUEUED"
    active = here.call("GET", "/api/2.2/jobs/runs/list", job_id=queueing, active_only="true")["runs"]
    assert [run["run_id"] for run in active] == [fourth, third]
    gate.touch()
    for number in (first, third, fourth):
        assert here.ended(number)["state"]["result_state"] == "SUCCESS"


def test_a_loop_runs_its_task_for_each_input(here: Site) -> None:
    loop = {
        "task_key": "each",
        "depends_on": [{"task_key": "first"}],
        "for_each_task": {
            "inputs": "{{tasks.first.values.items}}",
            "concurrency": 2,
            "task": wheel_task("one", parameters=["{{input}}"]),
        },
    }
    run = here.ended(here.start(here.job(wheel_task("first", "sets"), loop)))
    assert here.results(run) == {"first": "SUCCESS", "each": "SUCCESS"}
    iterations = next(task for task in run["tasks"] if task["task_key"] == "each")["iterations"]
    assert [here.output(one)["logs"] for one in iterations] == [f'argv ["tiny", "{value}"]\n' for value in "abc"]


def test_a_loop_with_objects_takes_their_fields(here: Site) -> None:
    task = wheel_task("one", parameters=["{{input.key}}"])
    loop = {"task_key": "each", "for_each_task": {"inputs": '[{"key": "v"}]', "task": task}}
    run = here.ended(here.start(here.job(loop)))
    (one,) = run["tasks"][0]["iterations"]
    assert here.output(one)["logs"] == 'argv ["tiny", "v"]\n'


def test_a_loop_fails_with_an_iteration(here: Site) -> None:
    loop = {"task_key": "each", "for_each_task": {"inputs": "[1]", "task": wheel_task("one", "fails")}}
    run = here.ended(here.start(here.job(loop)))
    assert here.results(run) == {"each": "FAILED"}


def test_the_same_idempotency_token_starts_one_run(here: Site) -> None:
    job = here.job(wheel_task("t"))
    numbers = {here.start(job, idempotency_token="only-once") for _ in range(2)}
    assert len(numbers) == 1
    here.ended(numbers.pop())


def test_the_output_of_a_run_with_several_tasks_is_asked_task_by_task(here: Site) -> None:
    number = here.start(here.job(wheel_task("t"), wheel_task("u")))
    with pytest.raises(DatabricksError, match="multiple tasks is not supported"):
        here.call("GET", "/api/2.2/jobs/runs/get-output", run_id=number)
    here.ended(number)


def test_a_token_of_a_run_ends_with_the_run(here: Site) -> None:
    run = here.ended(here.start(here.job(wheel_task("t", "token"))))
    token = here.outputs(run)["t"]["logs"].strip()
    with pytest.raises(DatabricksError, match="Invalid access token"):
        here.client_with(token).current_user.me()

"""Runs: start, look, read the output, cancel. A run goes on in its own thread while requests look at its record.

https://docs.databricks.com/api/workspace/jobs/runnow
"""

from __future__ import annotations

import contextlib
import copy
import json
import time
from typing import Any

from s3private_emulator.workspace import states
from s3private_emulator.workspace.attempt import LOG, RESULT, Compute
from s3private_emulator.workspace.identity import Tokens
from s3private_emulator.workspace.jobs import Jobs, run_as
from s3private_emulator.workspace.permissions import Permissions
from s3private_emulator.workspace.refusals import Refusal, invalid
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.sight import Sight
from s3private_emulator.workspace.store import Record, Store, Table
from s3private_emulator.workspace.walk import Walk

V = ("2.1", "2.2")
LOG_BYTES = 5 * 1024 * 1024
"""What get-output gives of a log: its end. https://docs.databricks.com/api/workspace/jobs/getrunoutput"""
OVERRIDES = ("notebook_params", "python_params", "python_named_params")
NOT_HERE = ("jar_params", "spark_submit_params", "dbt_commands", "pipeline_params", "sql_params")
HIDDEN = ("job_settings", "attempts", "overriding_parameters")
STOP_SECONDS = 10.0


class Runs:
    def __init__(
        self, store: Store, jobs: Jobs, permissions: Permissions, tokens: Tokens, sight: Sight, compute: Compute
    ) -> None:
        self._store = store
        self._jobs = jobs
        self._permissions = permissions
        self._tokens = tokens
        self._sight = sight
        self._compute = compute
        self._walks: dict[int, Walk] = {}
        self._end_interrupted()

    def add_routes(self, router: Router) -> None:
        router.add("POST", "jobs/run-now", self._run_now, versions=V)
        router.add("GET", "jobs/runs/get", self._get, versions=V)
        router.add("GET", "jobs/runs/get-output", self._get_output, versions=V)
        router.add("GET", "jobs/runs/list", self._list, versions=V)
        router.add("POST", "jobs/runs/cancel", self._cancel, versions=V)
        router.add("POST", "jobs/runs/cancel-all", self._cancel_all, versions=V)
        router.add("POST", "jobs/runs/delete", self._delete, versions=V)

    def close(self) -> None:
        """End every run that is under way, and wait until it has."""
        walks = list(self._walks.values())
        for walk in walks:
            walk.cancel()
        for walk in walks:
            walk.join(STOP_SECONDS)

    def _table(self) -> Table:
        return self._store.table("runs")

    def _end_interrupted(self) -> None:
        """Runs that were under way when an earlier emulator on this store ended."""
        ending = states.ended(
            states.FAILED, "The run was interrupted: its workspace went away.", internal=True, code="INTERNAL_ERROR"
        )
        now = int(time.time() * 1000)
        for run in self._table().values():
            for record in [run, *run["tasks"], *(i for task in run["tasks"] for i in task.get("iterations", []))]:
                if not states.is_over(record):
                    record.update({**copy.deepcopy(ending), "end_time": now})

    def _run_now(self, call: Call) -> Answer:
        body = call.body
        job = self._jobs.permitted(call, need(body, "job_id"), "CAN_MANAGE_RUN")
        token = body.get("idempotency_token")
        if token:
            for run in self._table().values():
                if run.get("idempotency_token") == token:
                    return {"run_id": run["run_id"], "number_in_job": run["number_in_job"]}
        for name in NOT_HERE:
            if body.get(name):
                raise invalid(f"{name} is for tasks that the emulated workspace does not have")
        run = self._record(job, call, body)
        self._table()[str(run["run_id"])] = run
        active = [r for r in self._table().values() if r["job_id"] == job["job_id"] and not states.is_over(r)]
        if len(active) > int(job["settings"].get("max_concurrent_runs", 1)):
            if (job["settings"].get("queue") or {}).get("enabled"):
                run |= states.going("QUEUED")
            else:
                run |= {**states.skipped("Maximum concurrent runs reached."), "end_time": run["start_time"]}
                run["tasks"] = []
        else:
            self._begin(run)
        return {"run_id": run["run_id"], "number_in_job": run["number_in_job"]}

    def _record(self, job: Record, call: Call, body: dict[str, Any]) -> Record:
        now = int(time.time() * 1000)
        number = self._store.next_id()
        settings = copy.deepcopy(job["settings"])
        given = body.get("job_parameters") or {}
        overrides = {name: body[name] for name in OVERRIDES if body.get(name)}
        if overrides and settings.get("parameters"):
            # https://docs.databricks.com/api/workspace/jobs/runnow (job_parameters)
            raise invalid(f"{', '.join(overrides)} cannot be given to a job that has job parameters.")
        parameters = {
            p["name"]: {"name": p["name"], "default": p.get("default", "")} for p in settings.get("parameters") or []
        }
        for name in parameters:
            parameters[name]["value"] = str(given.get(name, parameters[name]["default"]))
        for name, value in given.items():
            parameters.setdefault(name, {"name": name, "value": str(value)})
        return {
            "run_id": number,
            "job_id": job["job_id"],
            "run_name": settings["name"],
            "number_in_job": number,
            "original_attempt_run_id": number,
            "creator_user_name": call.principal.name,
            "run_as_user_name": run_as(job),
            "run_type": "JOB_RUN",
            "trigger": "ONE_TIME",
            "format": "MULTI_TASK",
            "start_time": now,
            "run_page_url": f"{call.root}/?o={self._compute.workspace_id}#job/{job['job_id']}/run/{number}",
            "job_parameters": list(parameters.values()),
            "overriding_parameters": overrides,
            "idempotency_token": body.get("idempotency_token"),
            "tasks": [self._task_record(task, now) for task in settings["tasks"]],
            "attempts": [],
            "job_settings": settings,
            **states.going("PENDING"),
        }

    def _task_record(self, task: Record, now: int) -> Record:
        return {
            **copy.deepcopy(task),
            "run_id": self._store.next_id(),
            "attempt_number": 0,
            "start_time": now,
            **states.going("PENDING"),
        }

    def _begin(self, run: Record) -> None:
        walk = Walk(
            run,
            store=self._store,
            tokens=self._tokens,
            sight=self._sight,
            compute=self._compute,
            over=self._next_queued,
        )
        self._walks[run["run_id"]] = walk
        walk.start()

    def _next_queued(self, ended: Record) -> None:
        """A run is over: the oldest that waits for a place gets it."""
        with self._store.lock:
            self._walks.pop(ended["run_id"], None)
            for run in self._table().values():
                if run["job_id"] == ended["job_id"] and run["status"]["state"] == "QUEUED":
                    self._begin(run)
                    return

    def _known(self, run_id: object) -> tuple[Record, Record | None]:
        """The run, and its task (or iteration) where the id is a task's. Raises Refusal."""
        number = str(run_id)
        if number in self._table():
            return self._table()[number], None
        for run in self._table().values():
            for task in [*run["tasks"], *(i for t in run["tasks"] for i in t.get("iterations", []))]:
                if str(task["run_id"]) == number:
                    return run, task
            if number in map(str, run["attempts"]):
                return run, {"run_id": int(number), **states.ended(states.FAILED, states.WORKLOAD_FAILED)}
        # https://docs.databricks.com/api/workspace/jobs/getrun
        raise Refusal(400, "INVALID_PARAMETER_VALUE", f"Run {run_id} does not exist.")

    def _permitted(self, call: Call, run_id: object, level: str) -> tuple[Record, Record | None]:
        """As `_known`, for a principal that has this level on the run's job. Raises Refusal."""
        run, task = self._known(run_id)
        self._permissions.need_on_job(call.principal, run["job_id"], level)
        return run, task

    def _get(self, call: Call) -> Answer:
        run, task = self._permitted(call, call.need("run_id"), "CAN_VIEW")
        return _told(run) if task is None else {**_told(run), **_told(task), "tasks": [_told(task)]}

    def _list(self, call: Call) -> Answer:
        """Newest first, of jobs that may be viewed; without tasks unless asked to expand them."""
        found = []
        for run in reversed(list(self._table().values())):
            if not self._permissions.has_on_job(call.principal, run["job_id"], "CAN_VIEW"):
                continue
            over = states.is_over(run)
            if call.args.get("job_id", str(run["job_id"])) != str(run["job_id"]):
                continue
            if (call.is_true("active_only") and over) or (call.is_true("completed_only") and not over):
                continue
            told = _told(run)
            if not call.is_true("expand_tasks"):
                told.pop("tasks")
            found.append(told)
        return {"runs": found, "has_more": False}

    def _get_output(self, call: Call) -> Answer:
        run, task = self._permitted(call, call.need("run_id"), "CAN_VIEW")
        if task is None:
            if len(run["tasks"]) != 1:
                raise invalid(
                    "Retrieving the output of runs with multiple tasks is not supported. Please retrieve the output of "
                    "each individual task run instead."
                )
            task = run["tasks"][0]
        told: dict[str, Any] = {"metadata": {**_told(run), **_told(task)}}
        folder = self._compute.runs / str(task["run_id"])
        with contextlib.suppress(FileNotFoundError):
            log = (folder / LOG).read_bytes()
            told["logs"] = log[-LOG_BYTES:].decode("utf-8", "replace")
            told["logs_truncated"] = len(log) > LOG_BYTES
        if "notebook_task" in task:
            told["notebook_output"] = {"truncated": False}
        with contextlib.suppress(FileNotFoundError):
            ended = json.loads((folder / RESULT).read_text(encoding="utf-8"))
            told |= {name: ended[name] for name in ("error", "error_trace") if ended.get(name)}
            if "notebook_result" in ended:
                told["notebook_output"]["result"] = ended["notebook_result"]
        if states.is_over(task) and "error" not in told and states.result_of(task) != states.SUCCESS:
            told["error"] = task["state"]["state_message"]
        return told

    def _cancel(self, call: Call) -> Answer:
        """Asked for, not waited for: look until it is over."""
        run, _ = self._permitted(call, need(call.body, "run_id"), "CAN_MANAGE_RUN")
        self._stop(run)
        return {}

    def _cancel_all(self, call: Call) -> Answer:
        job_id = self._jobs.permitted(call, need(call.body, "job_id"), "CAN_MANAGE_RUN")["job_id"]
        for run in self._table().values():
            if run["job_id"] == job_id:
                self._stop(run)
        return {}

    def _stop(self, run: Record) -> None:
        walk = self._walks.get(run["run_id"])
        if walk is not None:
            walk.cancel()
        elif not states.is_over(run):  # it waits for a place
            run |= {**states.ended(states.CANCELED, "Run cancelled."), "end_time": int(time.time() * 1000)}

    def _delete(self, call: Call) -> Answer:
        run, task = self._permitted(call, need(call.body, "run_id"), "IS_OWNER")
        if task is not None or not states.is_over(run):
            raise invalid(f"Run {call.body['run_id']} is active, or a task of one: it cannot be deleted.")
        del self._table()[str(run["run_id"])]
        return {}


def _told(record: Record) -> Record:
    told = {name: value for name, value in record.items() if name not in HIDDEN and value is not None}
    if record.get("overriding_parameters"):
        told["overriding_parameters"] = record["overriding_parameters"]
    if "tasks" in told:
        told["tasks"] = [_told(task) for task in told["tasks"]]
    return told

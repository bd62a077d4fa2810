"""A run under way: a thread per task, which waits for those before it, runs, tries again, and says how it ended."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from s3private_emulator.workspace import states
from s3private_emulator.workspace.attempt import Attempt, Compute, Outcome
from s3private_emulator.workspace.folders import Denied
from s3private_emulator.workspace.identity import Tokens
from s3private_emulator.workspace.job_settings import kind_of
from s3private_emulator.workspace.order import GOOD, instead_of_running, run_result
from s3private_emulator.workspace.references import Unresolved, resolved
from s3private_emulator.workspace.sight import Sight
from s3private_emulator.workspace.store import Record, Store
from s3private_emulator.workspace.work import job_values, work_of

AUTO_OPTIMIZATION_RETRIES = 1
"""Serverless tries a failed task again unasked, a few times, unless the task says `disable_auto_optimization`.
https://docs.databricks.com/aws/en/jobs/run-serverless-jobs#auto-optimization"""


class Walk:
    """`run`: the record in the store, which this walk alone writes until it calls `over` with it."""

    def __init__(
        self,
        run: Record,
        *,
        store: Store,
        tokens: Tokens,
        sight: Sight,
        compute: Compute,
        over: Callable[[Record], None],
    ) -> None:
        self._run = run
        self._store = store
        self._tokens = tokens
        self._sight = sight
        self._compute = compute
        self._settings: Record = run["job_settings"]
        self._token = tokens.issue(run["run_as_user_name"], run["run_id"])
        self._principal = tokens.bearer(f"Bearer {self._token}")
        self._done = {task["task_key"]: threading.Event() for task in run["tasks"]}
        self._values: dict[str, dict[str, Any]] = {}
        self._canceled = threading.Event()
        self._timed_out = threading.Event()
        self._attempts: set[Attempt] = set()
        self._lock = threading.Lock()
        self._over = over
        self._thread = threading.Thread(target=self._go, name=f"run-{run['run_id']}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def cancel(self, *, timed_out: bool = False) -> None:
        """Ask it to stop; it has when it calls `over`."""
        if timed_out:
            self._timed_out.set()
        self._canceled.set()
        with self._lock:
            attempts = list(self._attempts)
        for attempt in attempts:
            attempt.cancel()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _go(self) -> None:
        self._change(self._run, states.going("RUNNING"))
        seconds = int(self._settings.get("timeout_seconds") or 0)
        timer = threading.Timer(seconds, self.cancel, kwargs={"timed_out": True}) if seconds else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        threads = [
            threading.Thread(target=self._task, args=(task,), name=f"task-{task['run_id']}", daemon=True)
            for task in self._run["tasks"]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if timer is not None:
            timer.cancel()
        self._tokens.revoke(self._token)
        self._change(self._run, self._ending())
        self._over(self._run)

    def _ending(self) -> Record:
        results = {task["task_key"]: states.result_of(task) for task in self._run["tasks"]}
        if self._timed_out.is_set():
            return states.ended(
                states.TIMEDOUT, f"Run exceeded timeout of {self._settings['timeout_seconds']} seconds."
            )
        if self._canceled.is_set():
            return states.ended(states.CANCELED, "Run cancelled.")
        depended_on = {d["task_key"] for task in self._run["tasks"] for d in task.get("depends_on") or []}
        result = run_result(results, depended_on)
        if result in GOOD:
            return states.ended(result)
        bad = next(task for task in self._run["tasks"] if states.result_of(task) in ("FAILED", "TIMEDOUT", "CANCELED"))
        message = f"Task {bad['task_key']} failed with message: {bad['state']['state_message'].rstrip('.')}."
        # The old state of a run with a failed task is INTERNAL_ERROR, although its tasks are TERMINATED.
        return states.ended(result, message, internal=result == states.FAILED)

    def _change(self, record: Record, change: Record) -> None:
        with self._store.lock:
            record |= change
            now = int(time.time() * 1000)
            if states.is_over(record):
                record["end_time"] = now
                record["execution_duration"] = now - record["start_time"]
            self._store.save()

    def _task(self, task: Record) -> None:
        try:
            before = [d["task_key"] for d in task.get("depends_on") or []]
            if before:
                self._change(task, states.going("BLOCKED"))
            for key in before:
                self._done[key].wait()
            results = {t["task_key"]: states.result_of(t) for t in self._run["tasks"]}
            skipped = instead_of_running(task["run_if"], [results[key] for key in before])
            if self._canceled.is_set():
                self._change(task, states.ended(states.CANCELED, "Run cancelled."))
            elif skipped is not None:
                self._change(task, states.ended(skipped, f"Not run: run_if {task['run_if']} of {', '.join(before)}."))
            else:
                self._run_task(task)
        finally:
            self._done[task["task_key"]].set()

    def _run_task(self, task: Record) -> None:
        if kind_of(task) == "for_each_task":
            self._change(task, self._loop(task))
            return
        outcome = self._until_it_works(task, task["task_key"], {})
        self._values[task["task_key"]] = outcome.values
        self._change(task, _ended(outcome))

    def _until_it_works(self, task: Record, key: str, more: Record) -> Outcome:
        """Try, and try again as the task's settings say. `more`: values for its references, such as `input`."""
        retries = int(task.get("max_retries", 0))
        if retries >= 0 and not task.get("disable_auto_optimization"):
            retries += AUTO_OPTIMIZATION_RETRIES
        while True:
            self._change(task, {**states.going("RUNNING"), "start_time": int(time.time() * 1000)})
            outcome = self._try(task, key, more)
            number = int(task["attempt_number"])
            again = outcome.result == states.FAILED or (
                outcome.result == states.TIMEDOUT and task.get("retry_on_timeout", False)
            )
            if not again or self._canceled.is_set() or (0 <= retries <= number):
                return outcome
            self._change(task, _ended(outcome))
            with self._store.lock:
                task |= {**states.going("PENDING"), "attempt_number": number + 1, "run_id": self._store.next_id()}
                self._run["attempts"].append(task["run_id"])
            self._canceled.wait(int(task.get("min_retry_interval_millis", 0)) / 1000)

    def _try(self, task: Record, key: str, more: Record) -> Outcome:
        kind = kind_of(task)
        try:
            values = self._values_for(task, key, more)
            work = work_of(kind, task[kind], self._run["overriding_parameters"], values)
        except Unresolved as error:
            return Outcome(states.FAILED, str(error), internal=True, code="INTERNAL_ERROR")
        problem = self._locate(work)
        if problem is not None:
            return Outcome(states.FAILED, problem, internal=True, code="RESOURCE_NOT_FOUND")
        work["values"] = dict(self._values)
        spec = self._environment(task)
        attempt = Attempt(self._compute, task["run_id"], self._token)
        with self._lock:
            self._attempts.add(attempt)
        try:
            if self._canceled.is_set():
                return Outcome(states.CANCELED, "Run cancelled.")
            return attempt.run(
                work,
                version=spec.get("environment_version", spec.get("client")),
                dependencies=spec.get("dependencies") or [],
                read=self._read,
                denied=self._denied(),
                timeout_seconds=int(task.get("timeout_seconds") or 0),
            )
        finally:
            with self._lock:
                self._attempts.discard(attempt)

    def _values_for(self, task: Record, key: str, more: Record) -> Record:
        """Raises Unresolved."""
        told = job_values(self._run, self._compute.workspace_id, self._compute.host)
        tasks = {
            other["task_key"]: {
                "values": self._values.get(other["task_key"], {}),
                "result_state": states.result_of(other).lower(),
                "run_id": other["run_id"],
            }
            for other in self._run["tasks"]
        }
        own = {"name": key, "run_id": task["run_id"], "execution_count": int(task["attempt_number"]) + 1}
        return {**told, "tasks": tasks, "task": own, **more}

    def _environment(self, task: Record) -> Record:
        for environment in self._settings.get("environments") or []:
            if environment["environment_key"] == task.get("environment_key"):
                return dict(environment.get("spec") or {})
        return {}

    def _read(self, path: str) -> Path:
        """A file that the environment needs. Raises LookupError where the run's identity sees none."""
        with self._store.lock:
            if not self._sight.reads(self._principal, path):
                raise LookupError(path)
        return self._compute.folders.on_disk(path)

    def _denied(self) -> Denied:
        with self._store.lock:
            return self._sight.denied(self._principal)

    def _locate(self, work: dict[str, Any]) -> str | None:
        """Put the path at which the task finds its file; the reason where there is none."""
        if "file" not in work:
            return None
        wanted = work["file"]
        with self._store.lock:
            place = self._sight.place(self._principal, wanted)
        if place is None:
            return (
                f'Unable to access the notebook or file "{wanted}": it does not exist in the workspace, or the '
                f"identity used to run this job, {self._principal.name}, lacks the permission to view it."
            )
        work["file"] = place
        return None

    def _loop(self, task: Record) -> Record:
        """One run of the inner task for each input, so many at a time.
        https://docs.databricks.com/aws/en/jobs/for-each"""
        self._change(task, {**states.going("RUNNING"), "start_time": int(time.time() * 1000)})
        loop = task["for_each_task"]
        try:
            inputs = json.loads(resolved(str(loop["inputs"]), self._values_for(task, task["task_key"], {})))
        except (Unresolved, ValueError) as error:
            return states.ended(states.FAILED, f"for_each_task.inputs: {error}", internal=True)
        if not isinstance(inputs, list):
            return states.ended(states.FAILED, "for_each_task.inputs is not a JSON array.", internal=True)
        turns = threading.Semaphore(int(loop.get("concurrency", 1)))
        outcomes: list[Outcome] = []
        iterations: list[Record] = []
        with self._store.lock:
            for value in inputs:
                iterations.append(
                    {
                        **loop["task"],
                        **states.going("PENDING"),
                        "run_id": self._store.next_id(),
                        "task_key": f"{loop['task'].get('task_key', task['task_key'])}_{len(iterations)}",
                        "attempt_number": 0,
                        "start_time": int(time.time() * 1000),
                        "for_each_input": value,
                    }
                )
            task["iterations"] = iterations
        threads = [
            threading.Thread(target=self._iteration, args=(one, turns, outcomes), daemon=True) for one in iterations
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bad = [outcome for outcome in outcomes if outcome.result not in GOOD]
        if self._canceled.is_set():
            return states.ended(states.CANCELED, "Run cancelled.")
        if bad:
            return states.ended(states.FAILED, f"{len(bad)} of {len(iterations)} iterations failed.")
        return states.ended(states.SUCCESS)

    def _iteration(self, one: Record, turns: threading.Semaphore, outcomes: list[Outcome]) -> None:
        with turns:
            outcome = self._until_it_works(one, one["task_key"], {"input": one["for_each_input"]})
            outcomes.append(outcome)
            self._change(one, _ended(outcome))


def _ended(outcome: Outcome) -> Record:
    return states.ended(outcome.result, outcome.message, internal=outcome.internal, code=outcome.code)

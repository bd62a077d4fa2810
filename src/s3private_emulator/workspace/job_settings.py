"""A job's settings: what the service refuses at create and reset, and what it fills in.

https://docs.databricks.com/api/workspace/jobs/create
"""

from __future__ import annotations

import re
from typing import Any

from s3private_emulator.workspace import references
from s3private_emulator.workspace.environments import VERSIONS
from s3private_emulator.workspace.refusals import Refusal, invalid, not_emulated

Settings = dict[str, Any]
Task = dict[str, Any]

KINDS = ("python_wheel_task", "notebook_task", "spark_python_task", "for_each_task")
"""The kinds of task that run here."""
RUN_IFS = ("ALL_SUCCESS", "ALL_DONE", "NONE_FAILED", "AT_LEAST_ONE_SUCCESS", "ALL_FAILED", "AT_LEAST_ONE_FAILED")
CLUSTERS = ("new_cluster", "existing_cluster_id", "job_cluster_key")
TASK_KEY = re.compile(r"[\w-]{1,100}")
MAX_TASKS = 1000


def checked(settings: Settings) -> Settings:
    """The settings as the service keeps them. Raises Refusal."""
    tasks = settings.get("tasks") or []
    if len(tasks) > MAX_TASKS:
        raise invalid(f"A job has at most {MAX_TASKS} tasks.")
    if settings.get("git_source") or settings.get("job_clusters"):
        raise not_emulated("git_source and job_clusters: jobs here are serverless and run from the workspace")
    environments = _environments(settings)
    keys = [str(task.get("task_key", "")) for task in tasks]
    for key in keys:
        if not TASK_KEY.fullmatch(key):
            raise invalid(f"Invalid task key '{key}': letters, digits, - and _ only, at most 100.")
        if keys.count(key) > 1:
            raise invalid(f"Duplicate task key found: {key}")
    for task in tasks:
        _check_dependencies(task, keys)
        _check_task(task, environments)
    _check_order(tasks)
    _check_parameters(settings)
    references.check([settings.get("parameters"), tasks])
    return {
        "email_notifications": {},
        "webhook_notifications": {},
        "timeout_seconds": 0,
        "max_concurrent_runs": 1,
        "format": "MULTI_TASK",
        **settings,
        "name": settings.get("name") or "Untitled",
        "tasks": [_filled(task) for task in tasks],
    }


def kind_of(task: Task) -> str:
    return next(kind for kind in KINDS if kind in task)


def _environments(settings: Settings) -> list[str]:
    keys = []
    for environment in settings.get("environments") or []:
        key = str(environment.get("environment_key", ""))
        if not key:
            raise invalid("Missing required field: environment_key")
        if key in keys:
            raise invalid(f"Duplicate environment key found: {key}")
        keys.append(key)
        spec = environment.get("spec") or {}
        version = spec.get("environment_version", spec.get("client"))
        if version is not None and not isinstance(version, str):
            # A quoted string: https://docs.databricks.com/api/workspace/jobs/create (environments)
            raise Refusal(400, "MALFORMED_REQUEST", f"Could not parse request object: environment_version {version!r}")
        if version is None and not spec.get("base_environment"):
            raise invalid(f"Environment {key}: either environment_version or base_environment must be provided.")
        if version not in VERSIONS:
            raise not_emulated(f"environment_version {version!r}; it has {', '.join(VERSIONS)}")
    return keys


def _check_dependencies(task: Task, keys: list[str]) -> None:
    for dependency in task.get("depends_on") or []:
        other = dependency.get("task_key")
        if other not in keys:
            raise invalid(f"Invalid dependency: task '{task['task_key']}' depends on unknown task '{other}'.")
        if other == task["task_key"]:
            raise invalid(f"Task '{other}' depends on itself.")
        if "outcome" in dependency:
            raise not_emulated("condition_task outcomes")
    if task.get("run_if", "ALL_SUCCESS") not in RUN_IFS:
        raise invalid(f"Invalid run_if: {task['run_if']}")


def _check_task(task: Task, environments: list[str], *, nested: bool = False) -> None:
    key = task["task_key"]
    unknown = [name for name in task if name.endswith("_task") and name not in KINDS]
    if unknown:
        raise not_emulated(f"{unknown[0]} (task {key})")
    kinds = [kind for kind in KINDS if kind in task]
    if len(kinds) != 1:
        raise invalid(f"Task {key} must have exactly one of {', '.join(KINDS)}.")
    if any(name in task for name in CLUSTERS):
        raise not_emulated(f"clusters (task {key}): jobs here are serverless")
    if task.get("libraries"):
        raise invalid("Libraries field is not supported for serverless task, please specify libraries in environment.")
    if kinds == ["for_each_task"]:
        if nested:
            raise invalid(f"Task {key}: a for_each_task cannot be nested in another.")
        loop = task["for_each_task"]
        if "inputs" not in loop or not isinstance(loop.get("task"), dict):
            raise invalid(f"Task {key}: for_each_task needs inputs and task.")
        if not 1 <= int(loop.get("concurrency", 1)) <= 100:
            # https://docs.databricks.com/aws/en/jobs/for-each
            raise invalid(f"Task {key}: concurrency must be between 1 and 100.")
        _check_task({"task_key": f"{key}_iteration", **loop["task"]}, environments, nested=True)
        return
    environment = task.get("environment_key")
    if environment is None and kinds != ["notebook_task"]:
        raise invalid(f"Task {key} needs an environment_key: it runs on serverless compute.")
    if environment is not None and environment not in environments:
        raise invalid(
            f"Task {key} refers to environment_key '{environment}', which the job's environments do not have."
        )
    _check_kind(key, kinds[0], task[kinds[0]])


def _check_kind(key: str, kind: str, spec: dict[str, Any]) -> None:
    needed = {
        "python_wheel_task": ("package_name", "entry_point"),
        "notebook_task": ("notebook_path",),
        "spark_python_task": ("python_file",),
    }[kind]
    for name in needed:
        if not spec.get(name):
            raise invalid(f"Task {key}: {kind}.{name} is required.")
    if kind == "python_wheel_task" and spec.get("parameters") and spec.get("named_parameters"):
        # https://docs.databricks.com/api/workspace/jobs/create (named_parameters)
        raise invalid(f"Task {key}: leave named_parameters empty when parameters is not.")
    if spec.get("source", "WORKSPACE") != "WORKSPACE":
        raise not_emulated(f"source {spec['source']} (task {key})")


def _check_order(tasks: list[Task]) -> None:
    """Refuse a circle."""
    left = {task["task_key"]: {d["task_key"] for d in task.get("depends_on") or []} for task in tasks}
    while left:
        free = [key for key, needs in left.items() if not needs & left.keys()]
        if not free:
            raise invalid(f"The tasks {', '.join(sorted(left))} depend on each other in a circle.")
        for key in free:
            del left[key]


def _check_parameters(settings: Settings) -> None:
    names = [str(parameter.get("name", "")) for parameter in settings.get("parameters") or []]
    for name in names:
        if not re.fullmatch(r"[\w\-.]+", name):
            # https://docs.databricks.com/api/workspace/jobs/create (parameters)
            raise invalid(f"Invalid job parameter name '{name}': letters, digits, _, - and . only.")
        if names.count(name) > 1:
            raise invalid(f"Duplicate job parameter found: {name}")


def _filled(task: Task) -> Task:
    filled = {"run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}, **task}
    if task.get("depends_on"):
        filled["depends_on"] = sorted(task["depends_on"], key=lambda d: str(d["task_key"]))
    for kind in ("notebook_task", "spark_python_task"):
        if kind in task:
            filled[kind] = {"source": "WORKSPACE", **task[kind]}
    return filled

"""What `databricks bundle validate` lets through and the service refuses later, or a reader pays for: one line each.

Seen to pass validation: an environment_key that names no environment, a task key twice, an unknown depends_on, a wrong
cron expression, a parameter that is not there, an entry point that the wheel does not have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

_ACCOUNT = re.compile(
    r"https?://|@|arn:|\bdbc-|\badb-|\b\d{12,}\b|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b(vpce?|subnet|sg)-[0-9a-f]{8,}"
)
_CRON_FIELDS = ("second", "minute", "hour", "day of month", "month", "day of week", "year")
_CRON_RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_CRON_WORDS = {
    "month": ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
    "day of week": ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"],
}


def bundle_findings(root: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Of the whole bundle. resources: kind -> key -> resource, as in all files together."""
    variables = root.get("variables", {})
    for name, variable in variables.items():
        if not variable.get("description"):
            yield f"variable {name}: no description"
        if _ACCOUNT.search(str(variable.get("default", ""))):
            yield f"variable {name}: its default points at somebody's account"
    text = [*_strings(root), *_strings(resources)]
    for string in text:
        for name in re.findall(r"\$\{var\.([\w.-]+)\}", string):
            if name.split(".")[0] not in variables:
                yield f"${{var.{name}}}: no such variable"
        for kind, key in re.findall(r"\$\{resources\.([\w-]+)\.([\w-]+)\.", string):
            if key not in resources.get(kind, {}):
                yield f"${{resources.{kind}.{key}…}}: no such resource"
    for name in variables:
        if not any(f"${{var.{name}}}" in string for string in text):
            yield f"variable {name}: nothing uses it"
    if "host" in root.get("workspace", {}) or any("host" in t.get("workspace", {}) for t in root["targets"].values()):
        yield "workspace.host: whose workspace it is, is said by the environment"


def job_findings(job: Mapping[str, Any], entry_points: Sequence[str], folder: Path) -> Iterator[str]:
    """Of one job. folder: where its file lies, from which relative paths begin."""
    tasks: Sequence[Mapping[str, Any]] = job.get("tasks", [])
    keys = [task["task_key"] for task in tasks]
    environments = [environment["environment_key"] for environment in job.get("environments", [])]
    parameters = [parameter["name"] for parameter in job.get("parameters", [])]
    for what, names in (("task_key", keys), ("environment_key", environments), ("parameter", parameters)):
        yield from (f"{what} {name}: twice" for name, count in Counter(names).items() if count > 1)
    for environment in job.get("environments", []):
        yield from _environment_findings(environment)
    for task in tasks:
        yield from (f"{task['task_key']}: {finding}" for finding in _task_findings(task, entry_points, folder))
        key = task.get("environment_key")
        if key not in environments:
            yield f"{task['task_key']}: environment_key {key}: no such environment"
    yield from (f"environment {key}: nothing uses it" for key in environments if key not in _used(tasks))
    yield from _order_findings(tasks)
    for string in _strings(job):
        for name in re.findall(r"\{\{job\.parameters\.(\w+)\}\}", string):
            if name not in parameters:
                yield f"{{{{job.parameters.{name}}}}}: no such parameter"
    if "schedule" in job:
        yield from _schedule_findings(job["schedule"])


def _used(tasks: Sequence[Mapping[str, Any]]) -> set[str]:
    return {str(task.get("environment_key")) for task in tasks}


def _environment_findings(environment: Mapping[str, Any]) -> Iterator[str]:
    spec = environment.get("spec", {})
    if "client" in spec:
        yield f"environment {environment['environment_key']}: client is the old name of environment_version"
    if not isinstance(spec.get("environment_version"), str):
        yield f"environment {environment['environment_key']}: environment_version must be a string in quotes"


def _task_findings(task: Mapping[str, Any], entry_points: Sequence[str], folder: Path) -> Iterator[str]:
    if {"new_cluster", "existing_cluster_id", "job_cluster_key", "libraries"} & set(task):
        yield "not serverless"
    wheel = task.get("python_wheel_task")
    if wheel is not None:
        if wheel["package_name"] != "s3private":
            yield f"package_name {wheel['package_name']}: not this wheel"
        if wheel["entry_point"] not in entry_points:
            yield f"entry_point {wheel['entry_point']}: the wheel has no such entry point"
        if "named_parameters" in wheel:
            # https://docs.databricks.com/aws/en/jobs/parameter-use
            yield "named_parameters: the service hands them every job parameter too; parameters says which"
    notebook = task.get("notebook_task")
    if notebook is not None:
        file = folder / notebook["notebook_path"]
        if not file.is_file() or not file.read_text(encoding="utf-8").startswith("# Databricks notebook source\n"):
            yield f"notebook_path {notebook['notebook_path']}: no such notebook"
    # The platform may not repeat what writes, and "auto optimization" repeats what failed.
    if task.get("max_retries") != 0 or task.get("disable_auto_optimization") is not True:
        yield "may be retried by the platform: max_retries: 0 and disable_auto_optimization: true"


def _order_findings(tasks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    after = {task["task_key"]: [d["task_key"] for d in task.get("depends_on", [])] for task in tasks}
    for key, earlier in after.items():
        yield from (f"{key}: depends_on {name}: no such task" for name in earlier if name not in after)
    done: set[str] = set()
    while ready := {key for key in after.keys() - done if all(n in done or n not in after for n in after[key])}:
        done |= ready
    yield from (f"{key}: waits for itself" for key in after if key not in done)


def _schedule_findings(schedule: Mapping[str, Any]) -> Iterator[str]:
    if schedule["timezone_id"] not in available_timezones():
        yield f"timezone_id {schedule['timezone_id']}: no such time zone"
    expression = schedule["quartz_cron_expression"]
    yield from (f"cron {expression!r}: {finding}" for finding in cron_findings(expression))


def cron_findings(expression: str) -> Iterator[str]:
    """Of a Quartz expression. http://www.quartz-scheduler.org/documentation/quartz-2.3.0/tutorials/crontrigger.html"""
    fields = expression.split()
    if len(fields) not in (6, 7):
        yield f"{len(fields)} fields instead of 6 or 7: seconds come first"
        return
    for name, limits, field in zip(_CRON_FIELDS, _CRON_RANGES, fields, strict=False):
        for part in field.split(","):
            if not _cron_part(name, limits, part):
                yield f"{name}: {part!r}"
    if (fields[3] == "?") == (fields[5] == "?"):
        yield "exactly one of day of month and day of week must be ?"


def _cron_part(name: str, limits: tuple[int, int], part: str) -> bool:
    if part == "?":
        return name in ("day of month", "day of week")
    words = _CRON_WORDS.get(name, [])
    match = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
    if not match or (match[3] is not None and int(match[3]) == 0):
        return False

    def value(text: str) -> bool:
        return text in words or (text.isdigit() and limits[0] <= int(text) <= limits[1])

    return (match[1] == "*" and match[2] is None) or all(value(text) for text in match.group(1, 2) if text)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _strings(item)

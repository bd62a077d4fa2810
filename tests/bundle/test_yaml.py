"""The bundle's YAML is what the service takes: no unknown key, and nothing that validation misses."""

from __future__ import annotations

import argparse
import tomllib
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
import yaml
from databricks.bundles.jobs import Job
from databricks.bundles.schemas import Schema
from databricks.bundles.volumes import Volume

from bundle.lint import bundle_findings, cron_findings, job_findings

REPOSITORY = Path(__file__).parents[2]
RESOURCES = REPOSITORY / "resources"
KINDS: dict[str, tuple[str, Any]] = {
    "job": ("jobs", Job),
    "schema": ("schemas", Schema),
    "volume": ("volumes", Volume),
}
JOBS = ["destroy", "list", "maintain", "notebooks", "provision", "read", "tests"]
WRITING = {"provision", "destroy", "maintain", "notebooks"}


class OnceLoader(yaml.SafeLoader):
    """Refuses a key that is there twice, of which YAML would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if key.value != "<<"]
        assert len(names) == len(set(names)), f"{node.start_mark}: a key twice in {names}"
        return super().construct_mapping(node, deep)


def load(file: Path) -> Any:
    return yaml.load(file.read_text(encoding="utf-8"), OnceLoader)


def resources() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for file in RESOURCES.iterdir():
        for kind, body in load(file)["resources"].items():
            found.setdefault(kind, {}).update(body)
    return found


def entry_points() -> dict[str, str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points: dict[str, str] = project["entry-points"]["packages"]
    return points


@pytest.mark.parametrize("file", sorted(RESOURCES.iterdir()), ids=lambda file: file.name)
def test_each_file_holds_one_resource_of_its_name_and_no_unknown_key(file: Path) -> None:
    key, kind, suffix = file.name.split(".")
    plural, model = KINDS[kind]
    assert suffix == "yml"
    document = load(file)
    assert list(document) == ["resources"]
    assert list(document["resources"]) == [plural]
    assert list(document["resources"][plural]) == [key]
    model.from_dict(document["resources"][plural][key])


def test_the_jobs_are_those_that_the_readme_explains() -> None:
    assert sorted(resources()["jobs"]) == JOBS
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert [job for job in JOBS if f"\n| `{job}` |" not in readme] == []


def test_the_bundle_is_clean() -> None:
    assert list(bundle_findings(load(REPOSITORY / "databricks.yml"), resources())) == []


@pytest.mark.parametrize("key", JOBS)
def test_the_job_is_clean(key: str) -> None:
    assert list(job_findings(resources()["jobs"][key], list(entry_points()), RESOURCES)) == []


@pytest.mark.parametrize("key", JOBS)
def test_a_job_waits_its_turn_and_says_what_destroying_the_bundle_leaves(key: str) -> None:
    job = resources()["jobs"][key]
    assert job["queue"] == {"enabled": True}
    assert job["timeout_seconds"] > 0
    if key in WRITING:
        assert job["max_concurrent_runs"] == 1
    if key in WRITING - {"notebooks"}:
        assert job["email_notifications"]["on_failure"] == "${var.failure_emails}"
        assert [rule["metric"] for rule in job["health"]["rules"]] == ["RUN_DURATION_SECONDS"]
    if key in ("provision", "destroy", "notebooks"):
        assert "bundle destroy" in job["description"]


class Parsed(Exception):
    """Raised in place of running the job: its parameters were taken."""


@pytest.mark.parametrize("key", ["destroy", "list", "maintain", "provision", "read"])
def test_the_entry_points_take_the_parameters_that_the_tasks_give(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(_job: Callable[..., Any], parameters: argparse.ArgumentParser, argv: list[str]) -> None:
        raise Parsed(parameters.parse_args(argv))

    numbers = dict.fromkeys(("--limit", "--min-size", "--max-size", "--modified-after", "--modified-before"), "")
    values = {**numbers, "--timeout": "90m", "--poll": "1s", "--dry-run": "false"}
    for task in resources()["jobs"][key]["tasks"]:
        wheel = task["python_wheel_task"]
        target = EntryPoint(wheel["entry_point"], entry_points()[wheel["entry_point"]], "packages").load()
        monkeypatch.setitem(target.__globals__, "run_job", parse)
        # By position: with named_parameters the service would hand every job parameter to every task.
        given = [str(parameter).partition("=")[::2] for parameter in wheel["parameters"]]
        with pytest.raises(Parsed):
            target([f"{name}={values.get(name, value)}" for name, value in given])


def test_the_schema_and_the_volume_outlive_the_bundle() -> None:
    found = resources()
    for resource in (found["schemas"]["storage"], found["volumes"]["files"]):
        assert resource["lifecycle"] == {"prevent_destroy": True}


WHEEL = {"package_name": "s3private", "entry_point": "plan"}
TASK = {
    "task_key": "a",
    "environment_key": "e",
    "max_retries": 0,
    "disable_auto_optimization": True,
    "python_wheel_task": WHEEL,
}
JOB = {"tasks": [TASK], "environments": [{"environment_key": "e", "spec": {"environment_version": "4"}}]}
SCHEDULE = {"quartz_cron_expression": "0 0 6 * * ?", "timezone_id": "UTC"}


@pytest.mark.parametrize(
    ("job", "finding"),
    [
        ({"tasks": [{**TASK, "environment_key": "f"}]}, "environment_key f: no such environment"),
        ({"tasks": [TASK, TASK]}, "task_key a: twice"),
        ({"tasks": [{**TASK, "depends_on": [{"task_key": "b"}]}]}, "depends_on b: no such task"),
        ({"tasks": [{**TASK, "depends_on": [{"task_key": "a"}]}]}, "a: waits for itself"),
        ({"tasks": [{**TASK, "max_retries": 1}]}, "may be retried"),
        ({"tasks": [{**TASK, "python_wheel_task": {"package_name": "x", "entry_point": "y"}}]}, "entry_point y"),
        (
            {"tasks": [{**TASK, "python_wheel_task": {**WHEEL, "named_parameters": {}}}]},
            "the service hands them every job parameter",
        ),
        ({"tasks": [{**TASK, "notebook_task": {"notebook_path": "../no.py"}}]}, "no such notebook"),
        ({"tasks": [{**TASK, "job_cluster_key": "c"}]}, "not serverless"),
        ({"description": "{{job.parameters.x}}"}, "no such parameter"),
        ({"schedule": {**SCHEDULE, "timezone_id": "Mars/North"}}, "no such time zone"),
        ({"schedule": {**SCHEDULE, "quartz_cron_expression": "0 6 * * *"}}, "5 fields"),
        ({"environments": [{"environment_key": "e", "spec": {"client": "1"}}]}, "client is the old name"),
        ({"environments": [{"environment_key": "e", "spec": {"environment_version": 4}}]}, "a string in quotes"),
    ],
)
def test_the_lint_sees_what_is_wrong_in_a_job(job: dict[str, Any], finding: str) -> None:
    assert list(job_findings(JOB, ["plan"], RESOURCES)) == []
    assert finding in "\n".join(job_findings({**JOB, **job}, ["plan"], RESOURCES))


@pytest.mark.parametrize(
    ("variable", "finding"),
    [
        ({"description": ""}, "no description"),
        ({"description": "d", "default": "ops@example.com"}, "somebody's account"),
        ({"description": "d", "default": "222222222222"}, "somebody's account"),
        ({"description": "d", "default": "https://dbc-1.cloud.databricks.com"}, "somebody's account"),
        ({"description": "d"}, "nothing uses it"),
    ],
)
def test_the_lint_sees_what_is_wrong_in_a_variable(variable: dict[str, Any], finding: str) -> None:
    assert finding in "\n".join(bundle_findings({"variables": {"v": variable}, "targets": {}}, {}))


def test_the_lint_sees_a_reference_to_nothing() -> None:
    seen = "\n".join(bundle_findings({"targets": {}, "a": "${var.b}", "c": ["${resources.jobs.d.id}"]}, {}))
    assert "${var.b}: no such variable" in seen
    assert "no such resource" in seen


@pytest.mark.parametrize("expression", ["0 0/15 * * * ?", "0 0 6 ? * MON-FRI", "0 0 6 1,15 JAN ? 2027"])
def test_a_right_cron_expression_passes(expression: str) -> None:
    assert list(cron_findings(expression)) == []


@pytest.mark.parametrize(
    "expression", ["60 0 6 * * ?", "0 0 25 * * ?", "0 0 6 * * *", "0 0/0 6 * * ?", "0 0 6 ? * NOW"]
)
def test_a_wrong_cron_expression_is_named(expression: str) -> None:
    assert list(cron_findings(expression)) != []

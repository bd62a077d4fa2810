"""What a task's process is given to do: its parameters with every reference resolved.

https://docs.databricks.com/aws/en/jobs/parameters
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from s3private_emulator.workspace.references import resolved, resolved_in

Record = dict[str, Any]


def job_values(run: Record, workspace_id: int, host: str) -> Record:
    """The values behind `{{job.…}}` and `{{workspace.…}}`. Raises Unresolved for a job parameter's own value."""
    began = datetime.fromtimestamp(run["start_time"] / 1000, UTC)
    told: Record = {
        "job": {
            "id": run["job_id"],
            "name": run["run_name"],
            "run_id": run["run_id"],
            "repair_count": 0,
            "trigger": {"type": "one_time"},
            "start_time": {"iso_date": began.date().isoformat(), "iso_datetime": began.isoformat(timespec="seconds")},
        },
        "workspace": {"id": workspace_id, "url": host},
    }
    told["job"]["parameters"] = {p["name"]: resolved(p["value"], told) for p in run["job_parameters"]}
    return told


def work_of(kind: str, spec: Record, overrides: Record, values: Record) -> dict[str, Any]:
    """`spec`: the task's `notebook_task` or the like. `overrides`: what run-now gave by task type. `values`: for
    `resolved_in`. Raises Unresolved.

    Job parameters go on to every task that takes parameters by name, and win over its own.
    """
    job_parameters = values["job"]["parameters"]
    if kind == "notebook_task":
        own = {**spec.get("base_parameters", {}), **overrides.get("notebook_params", {})}
        widgets = {**resolved_in(own, values), **job_parameters}
        path = spec["notebook_path"]
        return {"kind": kind, "file": path, "widgets": {name: str(value) for name, value in widgets.items()}}
    positional = overrides.get("python_params") or spec.get("parameters") or []
    if kind == "spark_python_task":
        return {"kind": kind, "file": spec["python_file"], "argv": resolved_in(positional, values)}
    named = {**spec.get("named_parameters", {}), **overrides.get("python_named_params", {})}
    if named:
        named = {**resolved_in(named, values), **job_parameters}
    return {
        "kind": kind,
        "package_name": spec["package_name"],
        "entry_point": spec["entry_point"],
        "argv": [*resolved_in(positional, values), *(f"--{name}={value}" for name, value in named.items())],
    }

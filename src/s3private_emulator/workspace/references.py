"""`{{…}}` in parameters: replaced when a task starts, refused where a known namespace has no such value.

What is not a reference of a known namespace stays as it is written.
https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from s3private_emulator.workspace.refusals import invalid

_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_PART = re.compile(r"`([^`]+)`|([^.`]+)")

_JOB = ("id", "name", "run_id", "repair_count", "trigger.type", "start_time.iso_date", "start_time.iso_datetime")
_TASK = ("name", "run_id", "execution_count", "notebook_path")
_WORKSPACE = ("id", "url")
_OF_TASKS = ("run_id", "result_state", "error_code", "execution_count")


class Unresolved(Exception):
    """The reference is well formed, and there is no such value in this run."""


def check(value: Any) -> None:
    """Look through a job's settings for references that no run could resolve. Raises Refusal."""
    if isinstance(value, str):
        for found in _REFERENCE.finditer(value):
            _check_reference(found.group(1))
    elif isinstance(value, Mapping):
        for inner in value.values():
            check(inner)
    elif isinstance(value, list):
        for inner in value:
            check(inner)


def _parts(reference: str) -> list[str]:
    return [quoted or plain for quoted, plain in _PART.findall(reference)]


def _check_reference(reference: str) -> None:
    parts = _parts(reference)
    rest = ".".join(parts[1:])
    known = {
        "job": rest in _JOB or (parts[1:2] == ["parameters"] and len(parts) == 3),
        "task": rest in _TASK,
        "workspace": rest in _WORKSPACE,
        "tasks": (len(parts) == 4 and parts[2] == "values") or (len(parts) == 3 and parts[2] in _OF_TASKS),
    }
    if len(parts) > 1 and not known.get(parts[0], True):
        raise invalid(f"The dynamic value reference {{{{{reference}}}}} is not valid.")


def resolved(text: str, values: Mapping[str, Any]) -> str:
    """`values`: nested by namespace, as in `{"job": {"id": 1, "parameters": {"x": "y"}}, "input": …}`. What is no
    string is written as JSON. Raises Unresolved."""

    def value(found: re.Match[str]) -> str:
        parts = _parts(found.group(1))
        if parts[0] not in values:
            return found.group(0)
        here: Any = values
        for part in parts:
            if not isinstance(here, Mapping) or part not in here:
                raise Unresolved(f"Unable to resolve the reference {found.group(0)}.")
            here = here[part]
        return here if isinstance(here, str) else json.dumps(here)

    return _REFERENCE.sub(value, text)


def resolved_in(value: Any, values: Mapping[str, Any]) -> Any:
    """`resolved`, in every string of lists and objects."""
    if isinstance(value, str):
        return resolved(value, values)
    if isinstance(value, Mapping):
        return {name: resolved_in(inner, values) for name, inner in value.items()}
    if isinstance(value, list):
        return [resolved_in(inner, values) for inner in value]
    return value

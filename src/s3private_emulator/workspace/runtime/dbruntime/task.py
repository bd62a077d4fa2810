"""The task that this process runs, as the emulator wrote it down, and its calls back to its workspace."""

from __future__ import annotations

import functools
import json
import os
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


@functools.cache
def task() -> dict[str, Any]:
    told: dict[str, Any] = json.loads(Path(os.environ["S3PRIVATE_EMULATOR_TASK"]).read_text(encoding="utf-8"))
    return told


class RestError(Exception):
    """The workspace said no, in its own words."""


def call(method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Raises RestError."""
    request = urllib.request.Request(
        f"{task()['host']}{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {task()['token']}", "Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        told = json.loads(error.read() or b"{}")
        raise RestError(f"{told.get('error_code', error.code)}: {told.get('message', error.reason)}") from None

"""How databricks-sdk finds its host and token on Databricks compute: those of the notebook, or of the run."""

from __future__ import annotations

from collections.abc import Callable

from dbruntime.task import task


def init_runtime_native_auth() -> tuple[str, Callable[[], dict[str, str]]]:
    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {task()['token']}"}

    return task()["host"], headers

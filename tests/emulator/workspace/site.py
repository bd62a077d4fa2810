"""A workspace to work in: the emulator with tasks on this interpreter, and databricks-sdk as its client."""

from __future__ import annotations

import contextlib
import io
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from databricks.sdk import WorkspaceClient
from databricks.sdk.config import Config

from s3private_emulator.emulator import Emulator
from s3private_emulator.workspace.environments import GivenEnvironment
from s3private_emulator.workspace.identity import OPERATOR, TOKEN

HOME = f"/Workspace/Users/{OPERATOR}"
WHEEL = "/Workspace/Shared/tiny-0.1-py3-none-any.whl"
SERVERLESS: list[dict[str, Any]] = [
    {"environment_key": "e", "spec": {"environment_version": "4", "dependencies": [WHEEL]}}
]
PATIENCE_SECONDS = 60.0


def wheel(code: str, **entry_points: str) -> bytes:
    """A wheel `tiny` of one module, with these console scripts."""
    file = io.BytesIO()
    points = "".join(f"{name} = {function}\n" for name, function in entry_points.items())
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("tiny.py", code)
        archive.writestr("tiny-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 0.1\n")
        archive.writestr("tiny-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-0.1.dist-info/entry_points.txt", f"[console_scripts]\n{points}")
        archive.writestr("tiny-0.1.dist-info/RECORD", "")
    return file.getvalue()


class Site:
    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.workspace_id = emulator.world.workspaces[0].id
        self.client = self.client_with(TOKEN)

    def client_with(self, token: str) -> WorkspaceClient:
        url = self.emulator.workspace_urls[self.workspace_id]
        return WorkspaceClient(config=Config(host=url, token=token, auth_type="pat", retry_timeout_seconds=1))

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """As any REST client. Raises DatabricksError."""
        return self.client.api_client.do(method, path, body=body, query=query)

    def put(self, path: str, content: bytes) -> None:
        self.client.api_client.do(
            "POST",
            f"/api/2.0/workspace-files/import-file/{quote(path.lstrip('/'), safe='')}",
            query={"overwrite": "true"},
            data=content,
        )

    def job(self, *tasks: dict[str, Any], **settings: Any) -> int:
        body = {"name": "job", "tasks": list(tasks), "environments": SERVERLESS, **settings}
        return int(self.call("POST", "/api/2.2/jobs/create", body)["job_id"])

    def start(self, job_id: int, **more: Any) -> int:
        return int(self.call("POST", "/api/2.2/jobs/run-now", {"job_id": job_id, **more})["run_id"])

    def run(self, run_id: int) -> dict[str, Any]:
        told: dict[str, Any] = self.call("GET", "/api/2.2/jobs/runs/get", run_id=run_id)
        return told

    def ended(self, run_id: int) -> dict[str, Any]:
        """The run, once it is over."""
        return self.until(run_id, lambda run: bool(run["status"]["state"] == "TERMINATED"))

    def until(self, run_id: int, reached: Any) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_SECONDS
        while not reached(run := self.run(run_id)):
            assert time.monotonic() < until, run
            time.sleep(0.03)
        return run

    def output(self, task: dict[str, Any]) -> dict[str, Any]:
        told: dict[str, Any] = self.call("GET", "/api/2.2/jobs/runs/get-output", run_id=task["run_id"])
        return told

    def outputs(self, run: dict[str, Any]) -> dict[str, dict[str, Any]]:
        return {task["task_key"]: self.output(task) for task in run["tasks"]}

    def results(self, run: dict[str, Any]) -> dict[str, str]:
        return {task["task_key"]: task["state"]["result_state"] for task in run["tasks"]}


def wheel_task(key: str, entry_point: str = "main", *after: str, **more: Any) -> dict[str, Any]:
    spec = {"package_name": "tiny", "entry_point": entry_point}
    spec |= {name: more.pop(name) for name in ("parameters", "named_parameters") if name in more}
    once = {"disable_auto_optimization": True}
    task: dict[str, Any] = {"task_key": key, "environment_key": "e", "python_wheel_task": spec, **once, **more}
    if after:
        task["depends_on"] = [{"task_key": other} for other in after]
    return task


@contextlib.contextmanager
def site(folder: Path, state: Path | None = None, private_roots: bool | None = None) -> Iterator[Site]:
    environments = GivenEnvironment(Path(sys.executable), folder / "wheels")
    with Emulator(environments=environments, state=state, private_roots=private_roots) as emulator:
        yield Site(emulator)
        unknown = [request.operation for request in emulator.log.unknown()]
    assert not unknown, f"the emulator was asked what it does not know: {unknown}"

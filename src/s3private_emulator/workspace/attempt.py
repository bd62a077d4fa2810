"""One attempt at a task: a child process inside the emulated serverless network, in its own environment and session.

What it prints is its log; what `launch.py` writes when it ends (error, notebook result, task values) lies beside it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s3private_emulator.place import serverless
from s3private_emulator.serverless import environment
from s3private_emulator.workspace import states
from s3private_emulator.workspace.environments import (
    DEFAULT_VERSION,
    Environment,
    Environments,
    NotInstalled,
    ReadFile,
)
from s3private_emulator.workspace.folders import Denied, Folders

RUNTIME = Path(__file__).parent / "runtime"
LAUNCH = RUNTIME / "launch.py"
LOG, RESULT, VALUES = "log", "result.json", "values.json"


@dataclass(frozen=True)
class Outcome:
    result: str
    """As `states` names it."""
    message: str = ""
    code: str = ""
    internal: bool = False
    values: dict[str, Any] = field(default_factory=dict)
    """Task values that it set."""


@dataclass(frozen=True, kw_only=True)
class Compute:
    """What every task of a workspace runs on."""

    workspace_id: int
    host: str
    """The workspace's own address, `https://…`, as serverless compute knows it."""
    control_url: Callable[[], str]
    environments: Environments
    folders: Folders
    runs: Path
    """Each attempt has a folder here, named by its run id."""


class Attempt:
    """`cancel` may be called from another thread, before, while and after it runs."""

    def __init__(self, compute: Compute, run_id: int, token: str) -> None:
        self._compute = compute
        self._token = token
        self.folder = compute.runs / str(run_id)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._canceled = False

    def cancel(self) -> None:
        with self._lock:
            self._canceled = True
            self._kill()

    def _kill(self) -> None:
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def run(
        self,
        work: Mapping[str, Any],
        *,
        version: str | None,
        dependencies: Sequence[str],
        read: ReadFile,
        denied: Denied,
        timeout_seconds: int,
    ) -> Outcome:
        """`work`: what `launch.py` is to run. `timeout_seconds`: 0 for none. `version`, `dependencies`: of its
        environment, whose files `read` gives. `denied`: what its identity has no right to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        version = version or DEFAULT_VERSION
        try:
            environment = self._compute.environments.prepare(version, dependencies, read)
        except NotInstalled as error:
            self._write_error(str(error))
            return Outcome(states.FAILED, str(error), code="LIBRARY_INSTALLATION_ERROR", internal=True)
        with (self.folder / LOG).open("wb") as log:
            with self._lock:
                if self._canceled:
                    return Outcome(states.CANCELED, "Run cancelled.")
                self._process = self._start(environment, version, work, log, denied)
            try:
                self._process.wait(timeout_seconds or None)
            except subprocess.TimeoutExpired:
                with self._lock:
                    self._kill()
                self._process.wait()
                return Outcome(states.TIMEDOUT, f"Run exceeded timeout of {timeout_seconds} seconds.")
        if self._canceled:
            return Outcome(states.CANCELED, "Run cancelled.")
        return self._outcome()

    def _start(
        self, environment_: Environment, version: str, work: Mapping[str, Any], log: Any, denied: Denied
    ) -> subprocess.Popen[bytes]:
        compute = self._compute
        task = {
            **work,
            "host": compute.host,
            "token": self._token,
            "workspace_id": compute.workspace_id,
            "emulator": os.getpid(),
            "result_file": str(self.folder / RESULT),
            "values_file": str(self.folder / VALUES),
        }
        file = self.folder / "task.json"
        file.write_text(json.dumps(task), encoding="utf-8")
        file.chmod(0o600)
        own = {
            "DATABRICKS_RUNTIME_VERSION": f"client.{version}.0",
            "IS_SERVERLESS": "TRUE",
            "PYTHONPATH": os.pathsep.join(str(path) for path in environment_.path),
            "PYTHONUNBUFFERED": "1",
            "S3PRIVATE_EMULATOR_TASK": str(file),
            **compute.folders.environment(denied),
        }
        root = self.folder / "root"
        root.mkdir(exist_ok=True)
        command = [*compute.folders.command(root, denied), str(environment_.python), str(LAUNCH)]
        return subprocess.Popen(
            command,
            env=environment(compute.control_url(), serverless(compute.workspace_id), own),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _outcome(self) -> Outcome:
        assert self._process is not None
        values = self._read(VALUES)
        told = self._read(RESULT)
        if not told:
            self._write_error(f"The Python process exited with exit code {self._process.returncode}.")
            return Outcome(states.FAILED, states.WORKLOAD_FAILED, values=values)
        if told.get("error"):
            return Outcome(states.FAILED, states.WORKLOAD_FAILED, values=values)
        return Outcome(states.SUCCESS, values=values)

    def _read(self, name: str) -> dict[str, Any]:
        file = self.folder / name
        read: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return read

    def _write_error(self, error: str) -> None:
        (self.folder / RESULT).write_text(json.dumps({"error": error, "error_trace": ""}), encoding="utf-8")

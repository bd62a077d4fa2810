"""Runs a Python program as serverless compute of a workspace, as a machine inside the VPC, or on the internet.

    python -m s3private_emulator.serverless --workspace ID -- script.py args...
    python -m s3private_emulator.serverless --vpc -- script.py args...

The program is a child process whose environment is built from nothing: credentials and settings of this machine do not
reach it unless given. What puts it into the emulated network is `child/sitecustomize.py` on its PYTHONPATH, so do not
run it with `-I`, `-E` or `-S`.

On serverless compute of a workspace whose token is exported (DATABRICKS_TOKEN), the program has `dbutils`, as whoever
the token is, and /Volumes and /Workspace by Python's own file functions. A source notebook runs cell by cell, and what
follows it are widgets: `-- notebook.py route=… volume=…`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from s3private_emulator.place import INTERNET, VPC, Kind, Place, serverless

CHILD_PATH = Path(__file__).parent / "child"
CONTROL_VARIABLE = "S3PRIVATE_EMULATOR"
"""Names the emulator's control address to the command."""
PLACE_VARIABLE = "S3PRIVATE_EMULATOR_PLACE"
TASK_VARIABLE = "S3PRIVATE_EMULATOR_TASK"
"""Names the file from which Databricks' runtime takes who it acts as."""
RUNTIME = Path(__file__).parent / "workspace" / "runtime"
NOTEBOOK = "# Databricks notebook source"
RUNTIME_VERSION = "client.4.9"
"""What serverless environment 4 says in DATABRICKS_RUNTIME_VERSION."""

KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
CREDENTIAL_VARIABLES = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Emulated(Protocol):
    @property
    def control_url(self) -> str: ...


def environment(control_url: str, place: Place, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a child process there; what `env` names comes on top (its PYTHONPATH after ours)."""
    world = _world(control_url)
    ca_file = world["ca_file"]
    built = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    built |= {
        "HOME": world["home"],
        "AWS_CA_BUNDLE": ca_file,
        "SSL_CERT_FILE": ca_file,
        "REQUESTS_CA_BUNDLE": ca_file,
        PLACE_VARIABLE: f"{place}@{control_url.removeprefix('http://')}",
    }
    if place.kind is Kind.SERVERLESS:
        built["DATABRICKS_RUNTIME_VERSION"] = RUNTIME_VERSION
    built |= env or {}
    built["PYTHONPATH"] = os.pathsep.join(filter(None, [str(CHILD_PATH), built.get("PYTHONPATH", "")]))
    return built


def run(
    emulated: Emulated | str,
    argv: Sequence[str] = (),
    *,
    place: Place,
    code: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] | None = None,
    timeout: float = 60.0,
    python: str | os.PathLike[str] = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run `python -c code argv...`, or `python argv...`, at that place and wait.

    emulated: the Emulator, or its control address. timeout: seconds; subprocess.TimeoutExpired beyond.
    """
    control_url = emulated if isinstance(emulated, str) else emulated.control_url
    command = [os.fspath(python), *(["-c", code] if code is not None else []), *argv]
    return subprocess.run(
        command,
        env=environment(control_url, place, env),
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        check=False,
    )


def _world(control_url: str) -> dict[str, Any]:
    return _asked(f"{control_url}/_emulator/world")


def _asked(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    # The address is on loopback, whatever proxy this machine uses for the rest.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, None if body is None else json.dumps(body).encode(), timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m s3private_emulator.serverless",
        description="Run a Python program inside the emulated network.",
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--workspace", type=int, metavar="ID", help="as serverless compute of this workspace")
    where.add_argument("--vpc", action="store_true", help="as a machine inside the VPC")
    where.add_argument("--internet", action="store_true", help="as any machine on the internet")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=value", help="an environment variable more")
    parser.add_argument("program", nargs="+", metavar="script.py args...", help="what python is to run; after --")
    args = parser.parse_args(argv)
    control_url = os.environ.get(CONTROL_VARIABLE)
    if not control_url:
        parser.error(f"{CONTROL_VARIABLE} is not set: run `make emulate` and paste the exports that it prints")
    for setting in args.env:
        if "=" not in setting:
            parser.error(f"--env {setting}: write NAME=value")
    place = serverless(args.workspace) if args.workspace is not None else VPC if args.vpc else INTERNET
    env = {name: os.environ[name] for name in CREDENTIAL_VARIABLES if name in os.environ}
    env |= dict(setting.split("=", 1) for setting in args.env)
    token = os.environ.get("DATABRICKS_TOKEN") if place.kind is Kind.SERVERLESS else None
    with tempfile.TemporaryDirectory(prefix="s3private-session-") as folder:
        session = Session(Path(folder), args.program)
        try:
            if token:
                env |= session.begin(control_url, args.workspace, token)
            child_env = environment(control_url, place, env)
        except OSError as error:
            parser.error(f"no emulator at {control_url} ({error}): run `make emulate` and paste its exports again")
        except LookupError as error:
            parser.error(str(error))
        try:
            done = subprocess.run([sys.executable, *session.command], env=child_env, check=False)
        except KeyboardInterrupt:
            return 130  # Ctrl-C reached the program too
        session.say_how_it_ended()
        return done.returncode


class Session:
    """What a person's program has on serverless compute besides Python: see the module."""

    def __init__(self, folder: Path, program: Sequence[str]) -> None:
        self._folder = folder
        self._result = folder / "result.json"
        self.command = list(program)

    def begin(self, control_url: str, workspace_id: int, token: str) -> dict[str, str]:
        """Returns the environment that it needs. Raises LookupError for a workspace that is not there or lets the token
        not in, OSError where there is no emulator."""
        workspaces = {each["id"]: each for each in _world(control_url)["workspaces"]}
        if workspace_id not in workspaces:
            raise LookupError(f"no workspace {workspace_id}: there are {', '.join(map(str, workspaces))}")
        workspace = workspaces[workspace_id]
        file = Path(self.command[0])
        task: dict[str, Any] = {}
        if file.suffix == ".py" and file.is_file() and file.read_text(encoding="utf-8").startswith(NOTEBOOK):
            widgets = dict(given.partition("=")[::2] for given in self.command[1:])
            task = {"kind": "notebook_task", "file": str(file.resolve()), "widgets": widgets}
            self.command = [str(RUNTIME / "launch.py")]
        task |= {
            "host": workspace["host"],
            "token": token,
            "workspace_id": workspace_id,
            "emulator": os.getpid(),
            "result_file": str(self._result),
            "values_file": str(self._folder / "values.json"),
        }
        written = self._folder / "task.json"
        written.write_text(json.dumps(task), encoding="utf-8")
        written.chmod(0o600)
        try:
            folders = _asked(f"{control_url}/_emulator/session", {"workspace": workspace_id, "token": token})
        except urllib.error.HTTPError as error:
            raise LookupError(f"workspace {workspace_id}: {error.read().decode().strip()}") from error
        return {TASK_VARIABLE: str(written), **folders}

    def say_how_it_ended(self) -> None:
        """A notebook's error, which its own process has only written down."""
        told = json.loads(self._result.read_text(encoding="utf-8")) if self._result.exists() else {}
        if told.get("error"):
            print(told.get("error_trace") or told["error"], file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

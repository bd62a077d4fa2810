"""A task's Python environment: what its environment version has installed, and its dependencies on top.

Environments are kept by content (version, wheels' bytes, requirements), so that a second run is quick, and a wheel is
the one that was deployed, whatever its name. `uv` makes them where it is there, else venv and pip.
https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

VERSIONS: dict[str, tuple[str, ...]] = {
    "3": ("boto3==1.34.69", "databricks-sdk==0.49.0"),
    "4": ("boto3==1.36.2", "databricks-sdk==0.49.0"),
    "5": ("boto3==1.40.45", "databricks-sdk==0.67.0"),
}
"""What matters here of what is preinstalled, by environment version."""
DEFAULT_VERSION = "4"
"""Of a notebook task that names no environment."""
SERVERLESS_PYTHON = (3, 12)
INSTALL_SECONDS = 600

_WHEEL = re.compile(r"(?P<path>/(?:Workspace|Volumes)/.+\.whl)(?P<extras>\[[\w,\s.-]+\])?$")

ReadFile = Callable[[str], Path]
"""`/Workspace/…` or `/Volumes/…` -> the file on this machine; raises LookupError."""


class NotInstalled(Exception):
    """The environment could not be made; the message says why."""


@dataclass(frozen=True)
class Environment:
    python: Path
    path: tuple[Path, ...] = ()
    """Goes before everything on sys.path."""


class Environments(Protocol):
    def prepare(self, version: str, dependencies: Sequence[str], read: ReadFile) -> Environment:
        """Raises NotInstalled."""


class BuiltEnvironments:
    """One virtual environment for each content. `root` may be shared by emulators."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def prepare(self, version: str, dependencies: Sequence[str], read: ReadFile) -> Environment:
        content = hashlib.sha256(repr((version, sys.version_info[:2])).encode())
        requirements = []
        for dependency in dependencies:
            wheel = _WHEEL.match(dependency.strip())
            if wheel is None:
                requirements.append(dependency)
                content.update(dependency.encode())
            else:
                file = _wheel_file(wheel["path"], read)
                requirements.append(f"{file}{wheel['extras'] or ''}")
                content.update(file.name.encode() + (wheel["extras"] or "").encode() + file.read_bytes())
        name = content.hexdigest()[:20]
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            place = self._root / name
            if not (place / "ready").exists():
                shutil.rmtree(place, ignore_errors=True)
                self._build(place, VERSIONS[version], requirements)
                (place / "ready").touch()
        return Environment(place / "bin" / "python")

    def _build(self, place: Path, preinstalled: Sequence[str], requirements: Sequence[str]) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        uv = _uv()
        base = _serverless_python()
        if uv is not None:
            _run([uv, "venv", "--quiet", "--python", base, str(place)])
            install = [uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python")]
        else:
            _run([base, "-m", "venv", str(place)])
            install = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*install, *preinstalled])
        if requirements:
            _run([*install, *requirements])


class GivenEnvironment:
    """Tasks run on one interpreter that is there: wheels are unpacked beside it, by content, and requirements are taken
    to be installed. Quick; for pure Python wheels."""

    def __init__(self, python: Path, root: Path) -> None:
        self._python = python
        self._root = root
        self._lock = threading.Lock()

    def prepare(self, version: str, dependencies: Sequence[str], read: ReadFile) -> Environment:
        paths = []
        for dependency in dependencies:
            wheel = _WHEEL.match(dependency.strip())
            if wheel is not None:
                paths.append(self._unpacked(_wheel_file(wheel["path"], read)))
        return Environment(self._python, tuple(paths))

    def _unpacked(self, wheel: Path) -> Path:
        place = self._root / hashlib.sha256(wheel.read_bytes()).hexdigest()[:20]
        with self._lock:
            if not place.exists():
                new = place.with_suffix(".new")
                shutil.rmtree(new, ignore_errors=True)
                with zipfile.ZipFile(wheel) as archive:
                    archive.extractall(new)
                new.rename(place)
        return place


def _wheel_file(path: str, read: ReadFile) -> Path:
    try:
        return read(path)
    except LookupError as error:
        raise NotInstalled(f"Invalid requirement: {path}: no such file") from error


def _uv() -> str | None:
    beside = Path(sys.executable).parent / "uv"
    return shutil.which("uv") or (str(beside) if beside.exists() else None)


def _serverless_python() -> str:
    """A Python 3.12 where there is one, else this one."""
    if sys.version_info[:2] == SERVERLESS_PYTHON:
        return sys.executable
    found = shutil.which("python3.12")
    if found is not None:
        asked = subprocess.run([found, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True)
        if asked.returncode == 0 and asked.stdout.strip() == str(SERVERLESS_PYTHON):
            return found
    return sys.executable


def _run(command: Sequence[str]) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        ended = subprocess.run(command, capture_output=True, text=True, env=kept, timeout=INSTALL_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotInstalled(f"{command[0]}: {error}") from error
    if ended.returncode:
        raise NotInstalled(f"Library installation failed: {(ended.stderr or ended.stdout).strip()[-4000:]}")

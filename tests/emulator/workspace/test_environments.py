"""Environments as serverless builds them: what the version has preinstalled, then the dependencies, by content."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from emulator.workspace.site import wheel
from s3private_emulator.workspace.environments import BuiltEnvironments, NotInstalled

VERSIONS = "import boto3, databricks.sdk.version as sdk; print(boto3.__version__, sdk.__version__)"
TINY = "/Workspace/Users/me/tiny-0.1-py3-none-any.whl"


def said(python: Path, code: str) -> str:
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_version_decides_what_is_there_and_the_wheels_bytes_which_code_runs(tmp_path: Path) -> None:
    file = tmp_path / "tiny-0.1-py3-none-any.whl"
    asked: list[str] = []

    def read(path: str) -> Path:
        asked.append(path)
        return file

    built = BuiltEnvironments(tmp_path / "environments")
    file.write_bytes(wheel("NAME = 'first'\n"))
    first = built.prepare("4", [f"{TINY}[more]"], read)
    assert asked == [TINY]
    assert said(first.python, VERSIONS) == "1.36.2 0.49.0"
    assert said(first.python, "import tiny; print(tiny.NAME)") == "first"
    made = first.python.lstat().st_mtime_ns
    assert built.prepare("4", [f"{TINY}[more]"], read) == first
    assert first.python.lstat().st_mtime_ns == made
    file.write_bytes(wheel("NAME = 'second'\n"))
    second = built.prepare("4", [f"{TINY}[more]"], read)
    assert said(second.python, "import tiny; print(tiny.NAME)") == "second"


def test_an_environment_that_cannot_be_made_says_why_and_is_tried_anew(tmp_path: Path) -> None:
    file = tmp_path / "tiny-0.1-py3-none-any.whl"
    file.write_bytes(b"not a wheel")
    built = BuiltEnvironments(tmp_path / "environments")
    for _ in range(2):
        with pytest.raises(NotInstalled, match="Library installation failed"):
            built.prepare("4", [TINY], lambda _path: file)

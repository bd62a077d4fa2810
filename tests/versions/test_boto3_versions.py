"""The notebook half works on the boto3 of every serverless environment, and on the newest: `make test-versions`.

https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SUITE = (
    "client",
    "credentials",
    "download",
    "faults",
    "forks",
    "guard",
    "listing",
    "notebook_half",
    "opening",
    "reading",
    "route",
    "secrets",
    "signing",
    "what_is_said",
    "wire",
)


@pytest.mark.versions
@pytest.mark.timeout(900)
@pytest.mark.parametrize("boto3", ["boto3==1.34.69", "boto3==1.36.2", "boto3==1.40.45", "boto3"])
def test_the_notebook_half_works_on(boto3: str, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    wanted = ["--editable", str(REPOSITORY), boto3, "pytest", "pytest-timeout", "trustme", "pyarrow", "pandas"]
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    files = [f"tests/unit/test_{name}.py" for name in SUITE]
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files], cwd=REPOSITORY)
    assert done.returncode == 0

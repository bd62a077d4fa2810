"""The notebook half works on the boto3 of every serverless environment, and on the newest: `make test-versions`.

https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from versions.environments import REPOSITORY, VERSIONS, environment

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


TOOLS = ("pytest", "pytest-timeout", "pytest-xdist", "trustme", "pyarrow", "pandas")


@pytest.mark.versions
@pytest.mark.timeout(900)
@pytest.mark.parametrize("boto3", VERSIONS)
def test_the_notebook_half_works_on(boto3: str, tmp_path: Path) -> None:
    python = environment(tmp_path, boto3, *TOOLS)
    files = [f"tests/unit/test_{name}.py" for name in SUITE]
    together = ["-n", "4", "--dist", "loadfile"]
    done = subprocess.run([python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *together, *files], cwd=REPOSITORY)
    assert done.returncode == 0

"""The wheel holds the library alone, and works on what a serverless environment has: boto3 and nothing else."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_CONNECTS = """\
import importlib.util, s3private
assert importlib.util.find_spec("databricks") is None
route = s3private.Route(path="demo", region="eu-west-1", vpc_endpoint_id="vpce-1", buckets=("b",),
                        endpoint_url="https://bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com")
print(type(s3private.connect(route)).__name__, __import__("boto3").__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_library_alone(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "s3private/provision/steps/__init__.py" in names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"s3private"}


def test_the_wheel_alone_with_the_boto3_of_serverless_4_imports_and_connects(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "boto3==1.36.2", str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    done = subprocess.run([str(python), "-c", _CONNECTS], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr == ""
    assert done.stdout.split() == ["S3", "1.36.2"]
    plan = [str(python), "-m", "s3private", "plan", "x.toml"]
    refused = subprocess.run(plan, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "s3private[provision]" in refused.stderr

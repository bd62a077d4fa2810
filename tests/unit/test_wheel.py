"""The wheel is what serverless compute gets: s3private alone, working on the boto3 that is installed there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from s3private.errors import PlatformError
from s3private.jobs import wheel as wheel_in_volume

REPOSITORY = Path(__file__).resolve().parents[2]
# What serverless environment 4 has: https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/four
BOTO3 = "boto3==1.36.2"
BOTO3_AND_ITS_OWN = {"boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six", "urllib3"}

CONNECT = """
import importlib.metadata, json, socket, sys

def no_network(*args, **kwargs):
    raise AssertionError("the network was asked for")

socket.socket.connect = socket.getaddrinfo = no_network
import s3private
s3 = s3private.connect(s3private.Route(
    path="demo", region="eu-west-1", vpc_endpoint_id="vpce-1", buckets=("b",),
    endpoint_url="https://bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com",
))
import boto3, botocore.client
print(json.dumps({
    "from": s3private.__file__,
    "boto3": boto3.__version__,
    "real": isinstance(s3, botocore.client.BaseClient),
    "endpoint_url": s3.meta.endpoint_url,
    "region": s3.meta.region_name,
    "installed": sorted({d.metadata["Name"].lower() for d in importlib.metadata.distributions()}),
}))
"""


def run(*command: str | Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=env, cwd=Path.home())
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def bare_environment() -> dict[str, str]:
    """No PYTHONPATH to this tree, no credentials, and no metadata service to look for them at."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)],
        check=True,
        capture_output=True,
        cwd=REPOSITORY,
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def fresh_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python in which the wheel and serverless compute's boto3 are installed, and nothing else."""
    place = tmp_path_factory.mktemp("fresh") / "venv"
    python = place / "bin" / "python"
    if uv := shutil.which("uv"):
        run(uv, "venv", "--python", sys.executable, place)
        run(uv, "pip", "install", "--python", python, wheel, BOTO3)
    else:
        run(sys.executable, "-m", "venv", place)
        run(python, "-m", "pip", "install", "--quiet", wheel, BOTO3)
    return python


def test_the_wheel_holds_s3private_alone_and_all_of_it(wheel: Path) -> None:
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    source = REPOSITORY / "src"
    ours = {file.relative_to(source).as_posix() for file in (source / "s3private").rglob("*.py")}
    assert names == ours | {"s3private/py.typed"}


def test_the_wheel_needs_boto3_and_nothing_else_without_extras(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(metadata).decode().splitlines()
    needs = [line.partition(": ")[2] for line in lines if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert needs == ["boto3>=1.34.69"]


def test_the_wheel_alone_with_serverless_boto3_connects_without_the_network(fresh_python: Path) -> None:
    said = json.loads(run(fresh_python, "-c", CONNECT, env=bare_environment()).stdout)
    assert Path(said.pop("from")).is_relative_to(fresh_python.parents[1])
    assert set(said.pop("installed")) - {"pip", "setuptools"} == BOTO3_AND_ITS_OWN | {"s3private"}
    assert said == {
        "boto3": "1.36.2",
        "real": True,
        "endpoint_url": "https://bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com",
        "region": "eu-west-1",
    }


@pytest.fixture
def running(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The version that the job runs: the built wheel's."""
    found = wheel.name.split("-")[1]
    monkeypatch.setattr(wheel_in_volume, "version", lambda _name: found)
    return found


def test_pip_itself_installs_the_running_wheel_by_the_line_that_stays_the_same(
    wheel: Path, running: str, tmp_path: Path
) -> None:
    volume = tmp_path / "Volumes" / "main" / "s3private" / "files"
    requirements = wheel_in_volume.place_wheel(wheel.parent, volume)
    assert requirements == volume / "wheels" / "requirements.txt"
    options = ("--no-index", "--no-deps", "--disable-pip-version-check", "--target", tmp_path / "site")
    run(sys.executable, "-m", "pip", "install", *options, "-r", requirements)
    metadata = tmp_path / "site" / f"s3private-{running}.dist-info" / "METADATA"
    assert f"Version: {running}\n" in metadata.read_text("utf-8")
    assert sorted(file.name for file in requirements.parent.iterdir()) == ["requirements.txt", wheel.name]


def test_an_older_wheel_stays_and_a_spoilt_copy_is_replaced(wheel: Path, running: str, tmp_path: Path) -> None:
    requirements = wheel_in_volume.place_wheel(wheel.parent, tmp_path)
    older = requirements.with_name("s3private-0.0.1-py3-none-any.whl")
    older.write_bytes(b"older")
    (requirements.parent / wheel.name).write_bytes(b"half")
    wheel_in_volume.place_wheel(wheel.parent, tmp_path)
    assert (requirements.parent / wheel.name).read_bytes() == wheel.read_bytes()
    assert older.read_bytes() == b"older"
    assert requirements.read_text("utf-8") == f"# s3private {running}\n{requirements.parent / wheel.name}\n"


def test_a_wheel_that_another_deployment_took_away_leaves_what_was_there(
    wheel: Path, running: str, tmp_path: Path
) -> None:
    requirements = wheel_in_volume.place_wheel(wheel.parent, tmp_path)
    before = requirements.read_bytes()
    with pytest.raises(PlatformError, match=r"cannot be copied from .*No such file or directory\. The path is settled"):
        wheel_in_volume.place_wheel(tmp_path / "artifacts", tmp_path)
    assert requirements.read_bytes() == before


def test_the_grants_are_those_that_the_bundle_does_not_give() -> None:
    volume = "/Volumes/main/s3private/files"
    assert wheel_in_volume.grants(volume, "readers", "s3private_reader") == [
        "GRANT USE CATALOG ON CATALOG `main` TO `readers`;",
        "GRANT ACCESS ON SERVICE CREDENTIAL `s3private_reader` TO `readers`;",
    ]
    assert wheel_in_volume.grants(volume, "", None) == [
        "GRANT USE CATALOG ON CATALOG `main` TO `<group>`;",
        "GRANT USE SCHEMA ON SCHEMA `main`.`s3private` TO `<group>`;",
        "GRANT READ VOLUME ON VOLUME `main`.`s3private`.`files` TO `<group>`;",
    ]

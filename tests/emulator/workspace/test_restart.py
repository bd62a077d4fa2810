"""An emulator that is killed and started again on the same state goes on where it was, on the same ports."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import boto3

from emulator.workspace.site import WHEEL, site, wheel_task

STARTED = """
import sys, threading
from pathlib import Path
from s3private_emulator.emulator import Emulator
from s3private_emulator.workspace.environments import GivenEnvironment
folder = Path(sys.argv[1])
with Emulator(state=folder, environments=GivenEnvironment(Path(sys.executable), folder / "wheels")) as emulator:
    print("ready", flush=True)
    threading.Event().wait()
"""


@contextlib.contextmanager
def killed(state: Path) -> Iterator[None]:
    """An emulator of its own process, which is killed at the end."""
    source = Path(__file__).parents[3] / "src"
    with subprocess.Popen(
        [sys.executable, "-c", STARTED, str(state)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(source)},
    ) as emulating:
        assert emulating.stdout is not None
        assert emulating.stdout.readline() == "ready\n"
        try:
            yield
        finally:
            emulating.send_signal(signal.SIGKILL)


def vpcs_with_one_more(exports: dict[str, str]) -> set[str]:
    ec2 = boto3.client(
        "ec2",
        region_name="ap-northeast-1",
        endpoint_url=exports["AWS_ENDPOINT_URL"],
        aws_access_key_id=exports["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=exports["AWS_SECRET_ACCESS_KEY"],
    )
    ec2.create_vpc(CidrBlock="10.9.0.0/16")
    return {vpc["VpcId"] for vpc in ec2.describe_vpcs()["Vpcs"]}


def test_a_run_that_was_under_way_is_over_and_a_new_one_settles(tmp_path: Path, tiny_wheel: bytes) -> None:
    state = tmp_path / "state"
    with site(tmp_path, state) as first:
        urls = first.emulator.workspace_urls
        exports = first.emulator.exports()
        first.put(WHEEL, tiny_wheel)
        gone = tmp_path / "never"
        job = first.job(wheel_task("t", "waits-for", parameters=[str(gone)]))
    with killed(state):
        number = first.start(job)
        runs = state / f"workspace-{first.workspace_id}" / "runs"
        pid = _pid_in(runs / str(first.run(number)["tasks"][0]["run_id"]) / "log")
        made = vpcs_with_one_more(exports)
    _wait_until_gone(pid)
    with site(tmp_path, state) as again:
        assert again.emulator.workspace_urls == urls
        assert again.emulator.exports() == exports
        run = again.run(number)
        assert run["state"]["life_cycle_state"] == "INTERNAL_ERROR"
        assert run["tasks"][0]["state"]["result_state"] == "FAILED"
        gone.touch()
        assert again.ended(again.start(job))["state"]["result_state"] == "SUCCESS"
        assert made < vpcs_with_one_more(exports)


def _pid_in(log: Path) -> int:
    """What the task printed of itself, once it has."""
    until = time.monotonic() + 30
    while not (log.exists() and log.read_text().endswith("\n")):
        assert time.monotonic() < until, "the task never began"
        time.sleep(0.02)
    return int(log.read_text())


def _wait_until_gone(pid: int) -> None:
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < until, f"process {pid} outlived its emulator"
        time.sleep(0.02)


def test_clouds_that_another_version_kept_are_not_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with site(tmp_path, state) as first:
        exports = first.emulator.exports()
        before = vpcs_with_one_more(exports)
    kept = state / "clouds.pickle"
    kept.write_bytes(b"another\n" + kept.read_bytes().partition(b"\n")[2])
    with site(tmp_path, state):
        after = vpcs_with_one_more(exports)
    assert len(after) == len(before)
    assert before != after

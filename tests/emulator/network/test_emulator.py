"""The whole emulator: what it exports works, what it does not know fails loudly, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from s3private_emulator.__main__ import DEMO_DELAYS, delays_of
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.emulator import Emulator
from s3private_emulator.place import VPC, serverless
from s3private_emulator.serverless import run

SHOW = """
import boto3, botocore.config, os
import botocore.exceptions
s3 = boto3.client("s3", region_name="ap-northeast-1", config=botocore.config.Config(retries={"total_max_attempts": 1}))
try:
    print(sorted(bucket["Name"] for bucket in s3.list_buckets()["Buckets"]))
except botocore.exceptions.ClientError as error:
    print(error.response["Error"]["Code"])
"""


def keys(emulator: Emulator) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": emulator.world.access_key_id,
        "AWS_SECRET_ACCESS_KEY": emulator.world.secret_access_key,
    }


def test_starting_and_stopping_leaves_no_thread_and_no_folder() -> None:
    with Emulator():
        pass  # the first one loads moto's models
    before = threading.active_count()
    for _ in range(3):
        with Emulator() as emulator:
            home = emulator.home
    assert threading.active_count() == before
    assert not home.exists()


def test_boto3_in_serverless_meets_aws_by_its_own_public_names(emulator: Emulator) -> None:
    code = """
import boto3, os
sts = boto3.client("sts", region_name="ap-northeast-1")
print(sts.meta.endpoint_url, sts.get_caller_identity()["Account"])
"""
    ended = run(emulator, code=code, place=serverless(emulator.world.workspaces[0].id), env=keys(emulator))
    assert ended.stdout.split() == ["https://sts.ap-northeast-1.amazonaws.com", emulator.world.base_account], ended


def test_databricks_public_host_is_there_from_serverless(emulator: Emulator) -> None:
    code = """
import urllib.request
url = "https://accounts.cloud.databricks.com/.well-known/databricks-config"
print(urllib.request.urlopen(url, timeout=5).status)
"""
    ended = run(emulator, code=code, place=serverless(emulator.world.workspaces[0].id))
    assert ended.stdout.strip() == "200", ended


def test_a_host_nobody_serves_is_answered_501_and_kept_as_unknown() -> None:
    with Emulator() as emulator:
        code = """
import urllib.error, urllib.request
try:
    urllib.request.urlopen("https://nobody.cloud.databricks.com/api/2.0/thing", timeout=5)
except urllib.error.HTTPError as error:
    print(error.code, error.read().decode())
"""
        ended = run(emulator, code=code, place=VPC)
        assert "501" in ended.stdout
        assert "nobody.cloud.databricks.com" in ended.stdout
        assert [request.operation for request in emulator.log.unknown()] == ["GET nobody.cloud.databricks.com"]


def test_delays_are_given_in_words() -> None:
    assert delays_of(["none"]) == {}
    assert delays_of(["demo", "rule-established=4 polls"]) == {**DEMO_DELAYS, Takes.RULE_ESTABLISHED: Delay(polls=4)}
    for wrong in ("rule=1 s", "rule-established", "rule-established=soon"):
        with pytest.raises(ValueError, match="not a delay"):
            delays_of([wrong])


def test_make_emulates_command_prints_exports_that_a_shell_takes_and_ends_at_ctrl_c(tmp_path: Path) -> None:
    exports = tmp_path / "exports.sh"
    with subprocess.Popen(
        [sys.executable, "-m", "s3private_emulator", "--delays", "demo", "--exports-file", str(exports)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as emulating:
        assert emulating.stdout is not None
        lines = []
        while "Ctrl-C" not in (line := emulating.stdout.readline()):
            assert line, emulating.stderr.read() if emulating.stderr else ""
            lines.append(line)
        said = subprocess.run(
            [
                "sh",
                "-c",
                f'. "{exports}"; "{sys.executable}" -m s3private_emulator.serverless --vpc -- -c "$1"',
                "sh",
                SHOW,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        emulating.send_signal(signal.SIGINT)
        _, errors = emulating.communicate(timeout=20)
    assert emulating.returncode == 0
    assert errors == ""
    assert said.stdout.strip().startswith("["), said
    text = "".join(lines)
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:" in text
    for part in ("vpc-", "subnet-", "arn:aws:iam::", "sales-records", "analytics"):
        assert part in text


def test_without_its_exports_the_serverless_command_says_how_to_get_them() -> None:
    env = {name: value for name, value in os.environ.items() if name != "S3PRIVATE_EMULATOR"}
    ended = subprocess.run(
        [sys.executable, "-m", "s3private_emulator.serverless", "--vpc", "--", "-c", "pass"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "make emulate" in ended.stderr

"""Whatever settings and handlers say, only the Route's host is asked, and STS's where a role was asked for.

In a network that is loopback alone, with a name server that notes every name: `make test-hosts`. Each boto3 has awscrt
beside it, with which boto3 hands transfers to a client of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from versions.environments import REPOSITORY, VERSIONS, environment

INSIDE = Path(__file__).with_name("inside.py")
ALONE = ["unshare", "--net", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]


def alone() -> bool:
    """Whether a network of one's own can be made here."""
    try:
        return subprocess.run([*ALONE, "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0
    except OSError:
        return False


@pytest.mark.hosts
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not alone(), reason="no network of its own can be made here: unshare and ip, as root, can")
@pytest.mark.parametrize("boto3", VERSIONS)
def test_no_other_host_is_asked_with(boto3: str, tmp_path: Path) -> None:
    python = environment(tmp_path, boto3, "awscrt", "trustme")
    done = subprocess.run(
        [*ALONE, python, "-W", "ignore", INSIDE, tmp_path],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(REPOSITORY / "tests")},
        capture_output=True,
        text=True,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    seen = json.loads(done.stdout.splitlines()[-1])
    found, host, sts = seen["found"], seen["host"], seen["sts"]
    assert seen["failed"] == {}
    # The name server notes what it is asked, and awscrt is in use: a client of another maker leaves by it.
    assert found.pop("plain boto3 with the endpoint") == [host]
    assert found.pop("the same, upload_file by the CRT") == ["s3.eu-west-1.amazonaws.com"]
    assert len(found) > 100
    elsewhere = {what: set(asked) - {host, *({sts} if "role" in what else ())} for what, asked in found.items()}
    assert {what: asked for what, asked in elsewhere.items() if asked} == {}
    assert sum(host in asked for asked in found.values()) > 100
    assert found["a role"] == sorted([host, sts])
    assert seen["unnamed"] == {}, "explain names each"

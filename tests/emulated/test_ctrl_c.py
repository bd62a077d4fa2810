"""Ctrl-C, in a real process: one line, exit 130, and running again goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from emulated.ground import Ground
from s3private.provision.engine import Outcome
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.faults import Fault, Planned

# A test runner in the background has Ctrl-C switched off, and its children would inherit that.
_COMMAND = (
    "import runpy, signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "runpy.run_module('s3private', run_name='__main__', alter_sys=True)"
)


def interrupted(ground: Ground, verb: list[str], when: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """Run the command, and press Ctrl-C as soon as `when` says so."""
    words = [sys.executable, "-c", _COMMAND, verb[0], str(ground.file), "--poll", "0.05", *verb[1:]]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not when():
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(words, process.returncode, out, err)


def called(ground: Ground, operation: str, times: int = 1) -> Callable[[], bool]:
    mark = ground.emulator.log.mark()
    return lambda: sum(r.operation == operation for r in ground.emulator.log.since(mark)) >= times


def says_so(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        "s3private: interrupted. Nothing is lost and nothing is kept open: run the same command again to go on."
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("takes", "operation"),
    [
        (Takes.ENDPOINT_AVAILABLE, "ec2:DescribeVpcEndpoints"),
        (Takes.RULE_ENDPOINT_ID, "account:GET network-connectivity-configs/{ncc_id}/private-endpoint-rules"),
    ],
)
def test_ctrl_c_in_a_wait_ends_with_130_and_running_again_settles(ground: Ground, takes: Takes, operation: str) -> None:
    ground.emulator.delays.set(takes, Delay(polls=60))
    says_so(interrupted(ground, ["provision"], called(ground, operation, times=5)))
    report = ground.provision()
    assert report.outcome is Outcome.SETTLED, report.message
    writes = [r.operation for r in ground.emulator.log.writes()]
    assert len(writes) == len(set(writes)) == 15, "each was made once, in one run or the other"


def test_ctrl_c_while_the_role_is_assumed_ends_with_130_and_nothing_is_made(ground: Ground) -> None:
    slow = Planned(operation="sts:AssumeRole", fault=Fault.TIMEOUT, seconds=30)
    ground.emulator.faults.add(slow)
    says_so(interrupted(ground, ["provision"], lambda: slow.struck > 0))
    assert ground.emulator.log.writes() == []
    assert ground.provision().outcome is Outcome.SETTLED


def test_ctrl_c_in_destroy_ends_with_130_and_running_again_goes_on(ground: Ground) -> None:
    ground.provision()
    ground.emulator.delays.set(Takes.ENDPOINT_DELETED, Delay(polls=60))
    says_so(interrupted(ground, ["destroy", "--confirm", "demo"], called(ground, "ec2:DeleteVpcEndpoints")))
    assert not ground.route.exists()
    assert ground.destroy().outcome is Outcome.RUN_AGAIN, "a workspace stays attached"
    assert ground.clients.ec2.describe_vpc_endpoints()["VpcEndpoints"] == []

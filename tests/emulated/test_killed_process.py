"""The command itself, killed with SIGKILL at a request, and run again.

At every write in `make test-matrix`, at some in `make test`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from emulated.inspection import count, not_settled
from emulated.interruptions import Interrupted, Write, world
from emulated.scenarios import SCENARIOS
from s3private.provision.engine import Outcome
from s3private_emulator.faults import Fault, Planned

KILLS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)
SOME: list[tuple[str, Write, Fault]] = [
    ("provision", ("account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules", 1), Fault.KILLED_AFTER),
    ("destroy", ("ec2:DeleteVpcEndpointServiceConfigurations", 1), Fault.KILLED_AFTER),
]


def kill(run: Interrupted, verb: str, write: Write, fault: Fault) -> None:
    """Run the command in a process of its own and kill it at its write."""
    ground = run.ground
    words = [sys.executable, "-m", "s3private", verb, str(ground.file), "--poll", "0.01"]
    words += ["--confirm", ground.config.name] if verb == "destroy" else []
    # The shell waits for a line and then becomes the command, so that its pid is known before its first request.
    command = ["sh", "-c", 'read -r _ && exec "$@"', "sh", *words]
    with subprocess.Popen(
        command,
        env=dict(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        operation, call = write
        ground.emulator.faults.add(Planned(operation=operation, call=call, fault=fault, pid=process.pid))
        said, _ = process.communicate("\n", timeout=60)
    assert process.returncode == -signal.SIGKILL, said


def ends_well(directory: Path, scenario: str, write: Write, fault: Fault) -> str:
    """What is wrong in the end, or nothing."""
    with world(directory, workspaces=SCENARIOS[scenario].workspaces, kill_in_process=False) as run:
        if scenario == "provision":
            kill(run, "provision", write, fault)
            run.until_settled(run.ground.provision, runs=2)
            left = run.ground.plan()
            return not_settled(run.ground) if left.outcome is Outcome.SETTLED else f"plan still says {left.pending}"
        run.until_settled(run.ground.provision, runs=1)
        kill(run, "destroy", write, fault)
        run.remove(again=1)
        return (
            "" if run.reports[-1].outcome is Outcome.SETTLED and not count(run.ground.emulator) else "not all is gone"
        )


@pytest.mark.parametrize(("scenario", "write", "fault"), SOME)
def test_a_killed_command_run_again_doubles_and_loses_nothing(
    tmp_path: Path, scenario: str, write: Write, fault: Fault
) -> None:
    assert ends_well(tmp_path, scenario, write, fault) == ""


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("fault", KILLS)
@pytest.mark.parametrize("scenario", ["provision", "destroy"])
def test_killed_at_any_write_and_run_again_nothing_is_doubled_or_lost(
    tmp_path: Path, scenario: str, fault: Fault
) -> None:
    wrong = {}
    for number, write in enumerate(SCENARIOS[scenario].clean(tmp_path / "clean")):
        if write[1] > 1:
            continue  # the second destroy's, after the day in which the platform keeps the rule
        try:
            said = ends_well(tmp_path / str(number), scenario, write, fault)
        except AssertionError as error:
            said = str(error)
        if said:
            wrong[write] = said
    assert not wrong, "\n".join(f"{scenario}, {fault} at {write}: {said}" for write, said in wrong.items())

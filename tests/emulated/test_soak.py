"""Random interleavings of faults, delays, provision and destroy: in the end one of each, and after destroy nothing.

Every failure names its seed; `seed` decides everything. Bounded: so many runs, and no real waiting. 200 seeds in
`make test-matrix`, a few in `make test`.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from emulated.inspection import count, not_settled
from emulated.interruptions import DAY, Interrupted, world
from s3private.provision.engine import Outcome
from s3private_emulator.clock import HandClock
from s3private_emulator.delays import Delay, Takes
from s3private_emulator.faults import Fault, Planned

CALM_RUNS = 6
"""How many runs it may take to settle once nothing more goes wrong: reads may still be stale in the first of them."""
READS = ("ec2:Describe*", "elbv2:Describe*", "account:GET *")
WRITES = (
    "ec2:Create*",
    "ec2:Modify*",
    "ec2:Delete*",
    "ec2:A*",
    "ec2:Reject*",
    "elbv2:Create*",
    "elbv2:[MRDS]*",
    "account:POST *",
    "account:PATCH *",
    "account:DELETE *",
)
ON_READS = (Fault.ERROR, Fault.THROTTLED, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.GATEWAY_TIMEOUT, Fault.EXPIRED)
ON_WRITES = (*ON_READS, Fault.STALE, Fault.KILLED_BEFORE, Fault.KILLED_AFTER)


def unlucky(chance: random.Random) -> Planned:
    """A fault at some call of the next run or two."""
    on_write = chance.random() < 0.75
    fault = chance.choice(ON_WRITES if on_write else ON_READS)
    return Planned(
        operation=chance.choice(WRITES if on_write else READS),
        fault=fault,
        call=chance.randint(1, 3 if on_write else 12),
        times=1 if fault is Fault.EXPIRED else chance.choice((1, 1, 2, 8)),
        reads=chance.randint(1, 3) if fault in (Fault.STALE, Fault.KILLED_AFTER) else 0,
    )


def slow(chance: random.Random, run: Interrupted) -> None:
    for takes in Takes:
        if takes is not Takes.ATTACHMENT_IN_FORCE:
            run.ground.emulator.delays.set(takes, Delay(polls=chance.choice((0, 0, 1, 3))))


def let_go(run: Interrupted) -> None:
    """The day passes after which the platform removes deactivated rules."""
    clock = run.ground.emulator.clock
    assert isinstance(clock, HandClock)
    clock.advance(DAY)


def interleave(directory: Path, seed: int) -> int:
    """Returns how many faults struck."""
    chance = random.Random(seed)
    with world(directory, workspaces="[]" if seed % 2 else None, strict=False) as run:
        ground, emulator = run.ground, run.ground.emulator
        attached = bool(ground.config.workspace_ids)
        slow(chance, run)
        for _ in range(chance.randint(2, 5)):
            emulator.faults.add(*[unlucky(chance) for _ in range(chance.randint(1, 4))])
            run.run(ground.destroy if chance.random() < 0.3 else ground.provision)
        struck = sum(planned.struck > 0 for planned in emulator.faults.every())
        emulator.faults.clear()
        run.until_settled(ground.provision, runs=CALM_RUNS)
        let_go(run)
        if attached:
            said = not_settled(ground)
            assert not said, f"seed {seed}: {said}"
        else:
            counted = count(emulator)
            assert counted.pop("targets") == 2, f"seed {seed}"
            assert set(counted.values()) == {1}, f"seed {seed}: {counted}"
        # A read that is still stale shows what is no more.
        settled = next((p for p in (ground.plan() for _ in range(4)) if p.outcome is Outcome.SETTLED), None)
        assert settled is not None, f"seed {seed}: plan says {ground.plan().pending}"
        for _ in range(2):
            run.run(ground.destroy)
            let_go(run)
        run.run(ground.destroy)
        left = count(emulator)
        kept = {"NCCs": 1, "attached workspaces": 1} if attached else {}
        assert left == kept, f"seed {seed}: left {left}"
        return struck


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_one_of_each_is_left_and_nothing_after_destroy(tmp_path: Path, seed: int) -> None:
    interleave(tmp_path, seed)


@pytest.mark.matrix
@pytest.mark.timeout(3000)
def test_two_hundred_interleavings_double_and_orphan_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong: dict[int, str] = {}
    struck = 0
    for seed in range(1000, 1200):
        try:
            struck += interleave(tmp_path / str(seed), seed)
        except AssertionError as error:
            wrong[seed] = str(error)
    with capsys.disabled():
        print(f"\nsoak: seeds 1000 to 1199, {struck} faults struck, {len(wrong)} seeds failed")
    assert not wrong, "\n".join(f"seed {seed}: {said}" for seed, said in wrong.items())

"""What `--help` says of each command and option, and how tables and times are written for people."""

from __future__ import annotations

import argparse
import shlex

import pytest

from s3private import cli
from s3private.provision.engine import Action, Change, Outcome, Report, span
from s3private.provision.render import as_table

COMMANDS = ("plan", "provision", "maintain", "destroy", "list", "read", "verify")


def commands() -> dict[str, argparse.ArgumentParser]:
    (verbs,) = [one for one in cli.parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return dict(verbs.choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_says_what_a_command_does_and_its_example_is_one_that_it_takes(command: str) -> None:
    assert set(commands()) == set(COMMANDS)
    parser = commands()[command]
    assert len(parser.description or "") > 60
    example = parser.format_help().splitlines()[-1].removeprefix("example: s3private ")
    assert cli.parser().parse_args(shlex.split(example)).verb == command


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_a_text(command: str) -> None:
    assert [one.dest for one in commands()[command]._actions if not one.help] == []


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (119.9, "119 s"), (120, "2 min"), (543, "9 min"), (3600, "1 h"), (7500, "2 h 5 min")],
)
def test_a_time_is_said_in_the_unit_that_a_person_counts_in(seconds: float, said: str) -> None:
    assert span(seconds) == said


IDS = ("subnet-0a1b2c3d4e5f6000a", "subnet-0a1b2c3d4e5f6000c", "listener/net/s3private-demo/" + "0" * 60)


@pytest.mark.parametrize("width", [40, 80, 100, 300, None])
def test_a_table_is_no_wider_than_the_terminal_and_cuts_no_id(width: int | None) -> None:
    changes = (
        Change(step="subnets", action=Action.KEEP, id=", ".join(IDS[:2]), reason="a reason of many words " * 6),
        Change(step="listener", action=Action.CREATE, id=IDS[2], reason="after the load balancer"),
    )
    said = as_table(Report(verb="plan", changes=changes, outcome=Outcome.PLANNED), "demo", width)
    assert all(one in said for one in IDS)
    table = said.split("\n\n")[0].splitlines()
    if width is not None:
        assert [line for line in table if len(line) > width and len(line.split()) > 1] == []
    assert (len(table) == 3) == (width in (300, None))


def test_the_marks_that_are_there_are_explained_and_no_others() -> None:
    changes = (
        Change(step="a", action=Action.CREATE),
        Change(step="b", action=Action.REMAINS),
        Change(step="c", action=Action.KEEP),
    )
    assert "\nmarks: + make, ! stays for now\n" in as_table(Report(verb="plan", changes=changes), "demo")
    assert "marks" not in as_table(Report(verb="plan", changes=changes[2:]), "demo")


def test_one_sides_destroy_says_what_the_other_side_keeps() -> None:
    said = as_table(Report(verb="destroy", where="AWS account 1", elsewhere="The other side stays."), "demo")
    assert said.endswith("nothing of it is left in AWS account 1. The other side stays.")

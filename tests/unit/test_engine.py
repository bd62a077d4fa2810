"""The walk: plan writes nothing, provision resumes, destroy goes on past what remains. No cloud, no sleeping."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from s3private.errors import Conflict, NotYet, PlatformError
from s3private.provision.engine import (
    Action,
    AnyStep,
    Found,
    Outcome,
    Remains,
    Resource,
    State,
    Step,
    StillInUse,
    destroy,
    plan,
    provision,
)


class StandingClock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.001)


@dataclass
class Shelf:
    """What the pretended platform holds, and what it was asked to write."""

    things: dict[str, str] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    reads_until_ready: int = 0
    reads_until_visible: int = 0


@dataclass(frozen=True, kw_only=True)
class Base(Resource):
    colour: str = ""


@dataclass(frozen=True, kw_only=True)
class Top(Resource):
    base: str = ""


class BaseStep(Step[Base]):
    kind = Base
    title = "base"
    refusals = (OSError,)

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf

    def find(self, found: Found) -> Base | None:
        if "base" not in self.shelf.things:
            return None
        if self.shelf.reads_until_visible > 0:
            self.shelf.reads_until_visible -= 1
            return None
        word = self.shelf.things["base"]
        if word == "foreign":
            raise Conflict("base is somebody else's")
        state = State.READY
        if self.shelf.reads_until_ready > 0:
            self.shelf.reads_until_ready -= 1
            state = State.PENDING
        if word == "failed":
            state = State.FAILED
        return Base(id="base-1", state=state, detail=word, colour=word)

    def create(self, found: Found) -> None:
        self.shelf.writes.append("create base")
        self.shelf.things["base"] = "blue"

    def drift(self, resource: Base, found: Found) -> str | None:
        return f"is {resource.colour}, not blue" if resource.colour == "red" else None

    def update(self, resource: Base, found: Found) -> None:
        self.shelf.writes.append("update base")
        self.shelf.things["base"] = "blue"

    def delete(self, resource: Base, found: Found) -> None:
        if "top" in self.shelf.things and self.shelf.things["top"] == "kept":
            raise Remains("top stands on it", "tomorrow")
        self.shelf.writes.append("delete base")
        del self.shelf.things["base"]


class TopStep(Step[Top]):
    kind = Top
    title = "top"

    def __init__(self, shelf: Shelf) -> None:
        self.shelf = shelf
        self.in_use = 0

    def find(self, found: Found) -> Top | None:
        base = found[Base]
        return Top(id="top-1", base=base.id) if "top" in self.shelf.things else None

    def create(self, found: Found) -> None:
        self.shelf.writes.append("create top")
        self.shelf.things["top"] = "made"

    def delete(self, resource: Top, found: Found) -> None:
        if self.in_use > 0:
            self.in_use -= 1
            raise StillInUse("a user")
        if self.shelf.things["top"] == "kept":
            raise Remains("the platform keeps it", "tomorrow")
        self.shelf.writes.append("delete top")
        del self.shelf.things["top"]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def steps(shelf: Shelf) -> list[AnyStep]:
    return [BaseStep(shelf), TopStep(shelf)]


def test_plan_writes_nothing_and_names_what_waits_for_what(shelf: Shelf, steps: list[AnyStep]) -> None:
    report = plan(steps)
    assert [c.action for c in report.changes] == [Action.CREATE, Action.CREATE]
    assert report.changes[1].reason == "after the base"
    assert report.outcome is Outcome.PLANNED
    assert shelf.writes == []


def test_provision_makes_each_once_and_a_second_run_makes_nothing(shelf: Shelf, steps: list[AnyStep]) -> None:
    clock = StandingClock()
    assert provision(steps, clock=clock, timeout=60).outcome is Outcome.SETTLED
    assert shelf.writes == ["create base", "create top"]
    again = provision(steps, clock=clock, timeout=60)
    assert again.outcome is Outcome.SETTLED
    assert [c.action for c in again.changes] == [Action.KEEP, Action.KEEP]
    assert shelf.writes == ["create base", "create top"]


def test_a_conflict_anywhere_is_refused_before_the_first_write(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.things["base"] = "foreign"
    report = provision(steps, clock=StandingClock(), timeout=60)
    assert report.outcome is Outcome.REFUSED
    assert report.message == "base is somebody else's"
    assert shelf.writes == []


def test_what_is_created_but_not_visible_yet_is_not_created_again(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.reads_until_visible = 3
    assert provision(steps, clock=StandingClock(), timeout=60).outcome is Outcome.SETTLED
    assert shelf.writes.count("create base") == 1


def test_what_appeared_since_the_plan_is_found_and_not_made_again(shelf: Shelf, steps: list[AnyStep]) -> None:
    def another_run(line: str) -> None:
        if line.startswith("base: create"):
            shelf.things["top"] = "made"

    report = provision(steps, clock=StandingClock(), timeout=60, progress=another_run)
    assert report.outcome is Outcome.SETTLED
    assert shelf.writes == ["create base"]
    assert report.notes == ("top top-1 was made meanwhile by another run, or by a request whose reply was lost",)


def test_a_refused_creation_is_believed_only_after_looking_again(shelf: Shelf, steps: list[AnyStep]) -> None:
    class Refused(BaseStep):
        def create(self, found: Found) -> None:
            super().create(found)
            raise OSError("there is one already")

    assert provision([Refused(shelf)], clock=StandingClock(), timeout=60).outcome is Outcome.SETTLED


def test_a_refused_deletion_of_what_is_gone_is_no_failure(shelf: Shelf) -> None:
    class Refused(BaseStep):
        def delete(self, resource: Base, found: Found) -> None:
            super().delete(resource, found)
            raise OSError("there is none")

    shelf.things = {"base": "blue"}
    assert destroy([Refused(shelf)], clock=StandingClock(), timeout=60).outcome is Outcome.SETTLED


def test_a_timeout_means_run_again_and_running_again_ends_settled(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.reads_until_ready = 10
    stopped = provision(steps, clock=StandingClock(), timeout=35, poll=10)
    assert stopped.outcome is Outcome.RUN_AGAIN
    assert "run the same command again" in stopped.message
    assert provision(steps, clock=StandingClock(), timeout=600).outcome is Outcome.SETTLED
    assert shelf.writes == ["create base", "create top"]


def test_a_long_wait_says_so_every_thirty_seconds(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.reads_until_ready = 12
    lines: list[str] = []
    provision(steps, clock=StandingClock(), timeout=600, poll=10, progress=lines.append)
    assert [line for line in lines if line.startswith("base: blue")] == [
        "base: blue",
        "base: blue, 30 s",
        "base: blue, 60 s",
        "base: blue, 90 s",
    ]


def test_drift_is_mended_in_place(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.things = {"base": "red", "top": "made"}
    assert plan(steps).changes[0].reason == "is red, not blue"
    assert provision(steps, clock=StandingClock(), timeout=60).outcome is Outcome.SETTLED
    assert shelf.writes == ["update base"]


def test_a_failed_resource_stops_the_run_with_its_own_word(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.things["base"] = "failed"
    report = provision(steps, clock=StandingClock(), timeout=60)
    assert report.outcome is Outcome.REFUSED
    assert "base-1 is failed" in report.message


def test_destroy_goes_backwards_and_waits_for_what_is_in_use(shelf: Shelf) -> None:
    top = TopStep(shelf)
    top.in_use = 2
    shelf.things = {"base": "blue", "top": "made"}
    lines: list[str] = []
    report = destroy([BaseStep(shelf), top], clock=StandingClock(), timeout=600, progress=lines.append)
    assert report.outcome is Outcome.SETTLED
    assert shelf.writes == ["delete top", "delete base"]
    assert lines == ["top top-1: delete", "top: in use: a user", "base base-1: delete"], "said once, then waited"


def test_destroy_leaves_alone_what_something_that_stays_stands_on(shelf: Shelf) -> None:
    class Held(TopStep):
        holds = (Base,)

        def delete(self, resource: Top, found: Found) -> None:
            raise NotYet("top is held by a stranger")

    shelf.things = {"base": "blue", "top": "made"}
    clock = StandingClock()
    report = destroy([BaseStep(shelf), Held(shelf)], clock=clock, timeout=600)
    assert (report.outcome, report.message) == (Outcome.RUN_AGAIN, "top is held by a stranger")
    assert [(c.step, c.action, c.reason) for c in report.changes] == [
        ("top", Action.REMAINS, "top is held by a stranger"),
        ("base", Action.REMAINS, "under the top"),
    ]
    assert (shelf.writes, clock.now()) == ([], 0)


def test_destroy_reports_what_remains_and_until_when(shelf: Shelf, steps: list[AnyStep]) -> None:
    shelf.things = {"base": "blue", "top": "kept"}
    report = destroy(steps, clock=StandingClock(), timeout=60)
    assert report.outcome is Outcome.RUN_AGAIN
    assert [(c.step, c.action, c.until) for c in report.changes] == [
        ("top", Action.REMAINS, "tomorrow"),
        ("base", Action.REMAINS, "tomorrow"),
    ]
    assert shelf.writes == []


def test_a_deletion_that_failed_ends_the_walk_and_the_rest_is_reported(shelf: Shelf) -> None:
    class Stuck(TopStep):
        refusals = (OSError,)

        def delete(self, resource: Top, found: Found) -> None:
            raise OSError("no")

    shelf.things = {"base": "blue", "top": "made"}
    report = destroy([BaseStep(shelf), Stuck(shelf)], clock=StandingClock(), timeout=60)
    assert report.outcome is Outcome.FAILED
    assert [(c.step, c.action, c.reason) for c in report.changes] == [
        ("top", Action.REMAINS, "top: delete: no"),
        ("base", Action.REMAINS, "not tried yet"),
    ]
    assert shelf.writes == []


class OddStep(BaseStep):
    def find(self, found: Found) -> Base | None:
        answer: dict[str, str] = {}
        return Base(id=answer["CidrBlock"])


def test_an_answer_without_a_field_that_was_taken_as_there_is_one_line(shelf: Shelf) -> None:
    with pytest.raises(PlatformError, match=r"^base: find: .*it lacks CidrBlock$"):
        plan([OddStep(shelf)])
    for walk in (provision, destroy):
        report = walk([OddStep(shelf)], clock=StandingClock(), timeout=100)
        assert report.outcome is Outcome.FAILED
        assert "base: find: " in report.message


class LateStep(BaseStep):
    arrives_late = True


@pytest.mark.parametrize(
    ("there", "until_ready", "late"),
    [("", 0, True), ("red", 0, True), ("green", 2, True), ("green", 0, False)],
    ids=["made", "updated", "came up meanwhile", "kept"],
)
def test_only_what_a_run_has_brought_about_arrives_late(there: str, until_ready: int, late: bool) -> None:
    shelf = Shelf({"base": there} if there else {}, reads_until_ready=until_ready)
    steps: list[AnyStep] = [LateStep(shelf), TopStep(shelf)]
    report = provision(steps, clock=StandingClock(), timeout=600)
    assert report.outcome is Outcome.SETTLED
    assert [change.late for change in report.changes] == [late, False]

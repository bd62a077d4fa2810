"""Two runs of one path at the same moment end with one of each object, and who came second says what it saw.

The platforms give no way to make an NCC or a rule at most once, and an EC2 client token is for one request: doubles are
found and mended. See docs/adr/0002.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from requests import Session

from emulated.inspection import not_settled
from emulated.interruptions import Interrupted, world
from s3private.provision.clients import Clients
from s3private.provision.engine import Outcome, Report, provision
from s3private.provision.steps import path_steps
from s3private_emulator.clock import RealClock

NCCS = "account:POST network-connectivity-configs"
CREATES = {
    "an interface endpoint": "Action=CreateVpcEndpoint&",
    "an endpoint service": "Action=CreateVpcEndpointServiceConfiguration&",
    "an NCC": "/network-connectivity-configs",
    "a rule": "/private-endpoint-rules",
}


class BriefClock:
    """The engine's waits pass in hundredths of a second, so that the other run gets on."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        time.sleep(0.01)
        self._ahead += seconds


class Meeting:
    """Each run's first request that fits waits until the other's comes, at most 20 seconds; then both are sent."""

    def __init__(self, patch: pytest.MonkeyPatch, fits: Callable[[str, str], bool]) -> None:
        self._fits = fits
        self._barrier = threading.Barrier(2)
        self._met = threading.local()
        self.together = 0
        self._patch(patch, URLLib3Session, lambda r: (r.url, _text(r.body)))
        self._patch(patch, Session, lambda r: (f"{r.method} {r.url}", ""))

    def _patch(self, patch: pytest.MonkeyPatch, owner: Any, words: Callable[[Any], tuple[str, str]]) -> None:
        send = owner.send

        def sent(session: Any, request: Any, **settings: Any) -> Any:
            if self._fits(*words(request)) and not getattr(self._met, "already", False):
                self._met.already = True
                try:
                    self._barrier.wait(20)
                    self.together += 1
                except threading.BrokenBarrierError:
                    self._barrier.reset()
            return send(session, request, **settings)

        patch.setattr(owner, "send", sent)


def _text(body: object) -> str:
    return body.decode() if isinstance(body, bytes) else str(body or "")


def both(run: Interrupted) -> list[Report]:
    """Two runs, each with clients of its own, started together."""
    reports: list[Report] = []
    ground = run.ground
    # Making clients takes longer than some runs do.
    ready = threading.Barrier(2)

    def one() -> None:
        steps = path_steps(ground.config, Clients(ground.config))
        ready.wait(60)
        reports.append(provision(steps, clock=BriefClock(), timeout=7200))

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return reports


def saw(reports: list[Report]) -> list[str]:
    """What the runs say of each other."""
    return [note for report in reports for note in report.notes if "another run" in note]


def test_two_runs_started_together_end_with_one_of_each_and_say_so(tmp_path: Path) -> None:
    with world(tmp_path, clock=RealClock()) as run:
        reports = both(run)
        # A run whose object the other one took away is told to run again; nothing failed.
        assert {r.outcome for r in reports} <= {Outcome.SETTLED, Outcome.RUN_AGAIN}, [r.message for r in reports]
        assert saw(reports)
        run.until_settled(run.ground.provision, runs=1)
        assert run.ground.plan().outcome is Outcome.SETTLED
        assert not_settled(run.ground) == ""


@pytest.mark.parametrize("what", CREATES)
def test_two_runs_that_make_one_thing_at_the_same_moment_keep_the_same_one(tmp_path: Path, what: str) -> None:
    wanted = CREATES[what]

    def fits(url: str, body: str) -> bool:
        return f"{body}&".startswith(wanted) if wanted.startswith("Action=") else url.endswith(wanted) and "POST" in url

    with world(tmp_path, clock=RealClock()) as run, pytest.MonkeyPatch.context() as patch:
        meeting = Meeting(patch, fits)
        reports = both(run)
        assert meeting.together == 2, "the runs did not meet"
        assert {r.outcome for r in reports} <= {Outcome.SETTLED, Outcome.RUN_AGAIN}, [r.message for r in reports]
        assert saw(reports)
        run.until_settled(run.ground.provision, runs=1)
        assert not_settled(run.ground) == ""


def test_a_second_run_names_all_that_the_first_made_meanwhile(tmp_path: Path) -> None:
    with world(tmp_path) as run:
        ground = run.ground
        steps = path_steps(ground.config, Clients(ground.config))
        first: list[Report] = []

        def after_the_plan(_line: str) -> None:
            if not first:
                first.append(ground.provision())

        second = provision(steps, clock=BriefClock(), timeout=7200, progress=after_the_plan)
        assert [first[0].outcome, second.outcome] == [Outcome.SETTLED, Outcome.SETTLED], second.message
        named = " ".join(saw([second]))
        for title in ("interface endpoint", "endpoint service", "network connectivity config", "private endpoint rule"):
            assert title in named
        asked = [r.operation for r in ground.emulator.log.writes()]
        for operation in ("ec2:CreateVpcEndpoint", NCCS, f"{NCCS}/{{ncc_id}}/private-endpoint-rules"):
            assert asked.count(operation) == 1, "what the first run had made was asked for again"
        assert not_settled(ground) == ""

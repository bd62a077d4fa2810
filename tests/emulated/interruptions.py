"""Runs of provision and destroy that are interrupted as planned, in this process and without waiting.

A run in this process dies by `Killed`, which nothing in it may catch: the engine keeps nothing between runs, so that is
as good as death. `make test-matrix` kills real processes too.
"""

from __future__ import annotations

import functools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.httpsession import URLLib3Session
from botocore.loaders import JSONFileLoader
from databricks.sdk.clock import RealClock
from requests import Session

from emulated.ground import Ground
from emulated.serving import Serving
from s3private.errors import PlatformError
from s3private.provision.engine import Outcome, Report
from s3private_emulator.clock import Clock, HandClock
from s3private_emulator.emulator import Emulator
from s3private_emulator.faults import Fault, Planned

DAY = 24 * 3600.0
Write = tuple[str, int]
"""An operation, and which call of it in a clean run."""

_REFUSED = {"account": "PERMISSION_DENIED", "ec2": "UnauthorizedOperation", "elbv2": "AccessDenied"}


def _refused(write: Write) -> Planned:
    operation, call = write
    code = _REFUSED[operation.split(":")[0]]
    return Planned(operation=operation, call=call, fault=Fault.ERROR, code=code, status=403)


def _struck(fault: Fault, reads: int = 0) -> Callable[[Write], Planned]:
    return lambda write: Planned(operation=write[0], call=write[1], fault=fault, reads=reads)


WAYS: dict[str, Callable[[Write], Planned]] = {
    "refused before": _refused,
    "failed before": _struck(Fault.ERROR),
    "reply lost": _struck(Fault.REPLY_LOST),
    "late answer": _struck(Fault.GATEWAY_TIMEOUT),
    "killed before": _struck(Fault.KILLED_BEFORE),
    "killed after": _struck(Fault.KILLED_AFTER),
    "stale reads": _struck(Fault.STALE, reads=3),
    "killed after, then stale reads": _struck(Fault.KILLED_AFTER, reads=3),
}
"""How a write is interrupted."""


class Killed(BaseException):
    """The process is no more."""


class Interrupted:
    """One emulated world in which runs can be killed. `reports`: of the runs that lived to give one."""

    def __init__(self, ground: Ground, patch: pytest.MonkeyPatch, *, kill_in_process: bool = True) -> None:
        self.ground = ground
        self.reports: list[Report] = []
        self.serving: Serving | None = None
        """What the targets did since the path stood, where a scenario looks at that."""
        self._dead: set[int] = set()
        if kill_in_process:
            ground.emulator.faults.kill = self._dead.add
            _mortal(patch, self._dead)

    def run(self, walk: Callable[[], Report]) -> Report | None:
        """None: killed, or there was no way to sign in, before any step: the command ends with one line then."""
        self._dead.clear()
        self.ground.forget_clients()
        try:
            report = walk()
        except (Killed, PlatformError):
            return None
        self.reports.append(report)
        return report

    def remove(self, *, again: int = 0) -> None:
        """Destroy, wait until the platform has let go of the rule, and destroy the rest; each `again` so many times."""
        for _ in range(1 + again):
            self.run(self.ground.destroy)
        clock = self.ground.emulator.clock
        assert isinstance(clock, HandClock)
        clock.advance(DAY)
        for _ in range(1 + again):
            self.run(self.ground.destroy)

    def until_settled(self, walk: Callable[[], Report], runs: int = 4) -> Report:
        """Run, and run again as a person would who is told to. Fails after so many runs."""
        for _ in range(runs):
            report = self.run(walk)
            if report is not None and report.outcome is Outcome.SETTLED:
                return report
        raise AssertionError(f"not settled after {runs} runs: {[(r.outcome.value, r.message) for r in self.reports]}")


@contextmanager
def world(
    directory: Path,
    *,
    workspaces: str | None = None,
    clock: Clock | None = None,
    strict: bool = True,
    kill_in_process: bool = True,
) -> Iterator[Interrupted]:
    """Fresh clouds and a path file in `directory`. `strict`: a fault that never came to pass is a failure."""
    directory.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch, hurried(), Emulator(clock=clock or HandClock()) as emulator:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "DATABRICKS_RUNTIME_VERSION", "DATABRICKS_CONFIG_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setenv("HOME", str(directory))
        for name, value in emulator.exports().items():
            patch.setenv(name, value)
        ground = Ground(emulator, directory)
        if workspaces is not None:
            ground.write(workspace_ids=workspaces)
        yield Interrupted(ground, patch, kill_in_process=kill_in_process)
        unknown = [request.operation for request in emulator.log.unknown()]
        assert not unknown, f"the emulator was asked what it does not know: {unknown}"
        unstruck = [str(planned) for planned in emulator.faults.unstruck()]
        assert not (strict and unstruck), f"what was to go wrong never did: {unstruck}"


def writes(emulator: Emulator, mark: int = 0) -> list[Write]:
    """The writes since the mark, each with the number of its call."""
    seen: Counter[str] = Counter()
    told = []
    for request in emulator.log.writes(mark):
        seen[request.operation] += 1
        told.append((request.operation, seen[request.operation]))
    return told


def _mortal(patch: pytest.MonkeyPatch, dead: set[int]) -> None:
    """Whoever's request meets a killing dies in the place where it waits for the reply."""

    def dying(send: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(send)
        def sent(*args: Any, **kwargs: Any) -> Any:
            try:
                return send(*args, **kwargs)
            finally:
                if dead:
                    raise Killed

        return sent

    patch.setattr(URLLib3Session, "send", dying(URLLib3Session.send))
    patch.setattr(Session, "send", dying(Session.send))


@contextmanager
def hurried() -> Iterator[None]:
    """The SDKs' pauses before they ask again pass at once, and botocore reads its models once."""
    skipped = 0.0
    lock = threading.Lock()

    def skip(_clock: object, seconds: float) -> None:
        nonlocal skipped
        with lock:
            skipped += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RealClock, "sleep", skip)
        patch.setattr(RealClock, "time", lambda _clock: time.time() + skipped)
        patch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _seconds: None))
        patch.setattr(JSONFileLoader, "load_file", _read_once(JSONFileLoader.load_file))
        yield


def _read_once(load_file: Callable[[JSONFileLoader, str], Any]) -> Callable[[JSONFileLoader, str], Any]:
    read: dict[str, Any] = {}

    def load(loader: JSONFileLoader, file: str) -> Any:
        if file not in read:
            read[file] = load_file(loader, file)
        return read[file]

    return load

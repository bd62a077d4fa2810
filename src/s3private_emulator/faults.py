"""Faults are data: which operation, which call of it, and what goes wrong. Who adds one can see whether it struck.

An operation is named as in the request log, such as `ec2:CreateVpcEndpoint`; `*` and `?` are wildcards. Calls are
counted from when the fault was added.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Self


class Fault(StrEnum):
    """What can go wrong with a request."""

    ERROR = "error"
    """Refused before it has any effect: by `code`, `message`, `status` where given, else the service's own failure."""
    THROTTLED = "throttled"
    """Refused before it has any effect, in the service's words for too many requests."""
    QUOTA = "quota"
    """Refused before it has any effect, in the service's words for a limit that is reached."""
    UNSUCCESSFUL = "unsuccessful"
    """EC2 answers 200 with an `Unsuccessful` entry for every resource named, and nothing was carried out."""
    REQUEST_LOST = "request-lost"
    """The connection is closed before the request has any effect."""
    REPLY_LOST = "reply-lost"
    """The effect is kept and the connection is closed without a reply."""
    GATEWAY_TIMEOUT = "gateway-timeout"
    """The effect is kept and the reply is a 504, which the Databricks SDK answers by asking again.
    https://github.com/databricks/terraform-provider-databricks/issues/4559"""
    TIMEOUT = "timeout"
    """The effect is kept and nothing is answered for `seconds`; then the connection is closed."""
    STALE = "stale"
    """After this write, reads that were asked before it are answered as they were then, `reads` times each. With
    `reads`, so it is after every other fault that keeps the effect."""
    EXPIRED = "expired"
    """Sessions and tokens given out until now are no longer valid when this request comes."""
    KILLED_BEFORE = "killed-before"
    """The process `pid` is killed (SIGKILL), and the request has no effect."""
    KILLED_AFTER = "killed-after"
    """The effect is kept, and the process `pid` is killed (SIGKILL) before it reads the reply."""
    FOREIGN = "foreign"
    """Something before the service answers in its place, such as a proxy or a login page: with `status` (200 where none
    is given), `message` as the body and `content_type`, none where that is empty. The request has no effect."""
    PAGED = "paged"
    """The account's list comes in pages of `page_size`."""


KEPT = frozenset([Fault.REPLY_LOST, Fault.GATEWAY_TIMEOUT, Fault.TIMEOUT, Fault.STALE, Fault.KILLED_AFTER])
"""The faults after which the request has had its effect."""


@dataclass(kw_only=True)
class Planned:
    """One fault. `call`: the first matching call that it strikes, from 1; `times`: how many in a row."""

    operation: str
    fault: Fault
    call: int = 1
    times: int = 1
    code: str = ""
    message: str = ""
    status: int = 0
    retry_after: str = ""
    """The header of that name, where the request is refused."""
    content_type: str = ""
    reads: int = 0
    seconds: float = 75.0
    """Longer than a client of s3private waits for an answer."""
    pid: int = 0
    page_size: int = 1
    seen: int = field(default=0, init=False)
    """Matching calls so far."""
    struck: int = field(default=0, init=False)

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """From JSON, in the names of the fields. Raises ValueError."""
        optional = [one for one in fields(cls) if one.init and isinstance(one.default, int | str)]
        settable: dict[str, type] = {one.name: type(one.default) for one in optional}
        settable |= {"operation": str, "fault": str, "seconds": float}
        for name, value in given.items():
            if name not in settable:
                raise ValueError(f"a fault has no {name!r}; it has {', '.join(settable)}")
            wanted = (int, float) if settable[name] is float else settable[name]
            if isinstance(value, bool) or not isinstance(value, wanted):
                raise ValueError(f"{name}: {value!r} is no {settable[name].__name__}")
        if not given.get("operation") or not given.get("fault"):
            raise ValueError("a fault needs operation and fault")
        planned = cls(**{**given, "fault": Fault(given["fault"])})
        if planned.fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER) and planned.pid < 1:
            raise ValueError(f"{planned.fault} needs the pid of the process to kill")
        return planned

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.fault} at {self.operation}, call {self.call}"


def sigkill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


class Faults:
    """`kill` is how a process is killed: a test that runs the caller in its own process puts another in its place."""

    def __init__(self) -> None:
        self.kill: Callable[[int], None] = sigkill
        self.released = threading.Event()
        """Set when the emulator ends: what still waits is let go."""
        self._lock = threading.Lock()
        self._planned: list[Planned] = []

    def add(self, *planned: Planned) -> None:
        with self._lock:
            self._planned += planned

    def clear(self) -> None:
        """Forget every fault, struck or not, and the staleness that one has left."""
        with self._lock:
            self._planned.clear()

    def holds(self, planned: Planned) -> bool:
        """Whether it was not forgotten."""
        return any(one is planned for one in self.every())

    def every(self) -> list[Planned]:
        with self._lock:
            return list(self._planned)

    def unstruck(self) -> list[Planned]:
        """The faults that never came to pass: a test that leaves one has not tested what it says."""
        return [planned for planned in self.every() if not planned.struck]

    def due(self, operation: str) -> Planned | None:
        """Count one call of the operation; the first fault added that it meets, if any."""
        met = None
        with self._lock:
            for planned in self._planned:
                if not fnmatchcase(operation, planned.operation):
                    continue
                planned.seen += 1
                if met is None and planned.call <= planned.seen < planned.call + planned.times:
                    met = planned
                    if planned.fault is not Fault.STALE:
                        planned.struck += 1
        return met

    def strike(self, planned: Planned) -> None:
        """A fault that shows only later has shown now."""
        with self._lock:
            planned.struck += 1

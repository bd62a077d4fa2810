"""How long each state of the clouds lasts: at once, n reads, or seconds; chosen per test.

A resource that takes time holds a `Transition`. Every read of the resource's state by a client calls `reached()`, and a
`polls(n)` transition is reached after n such reads, so that code which waits can be tested without anybody sleeping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from s3private_emulator.clock import Clock


class Takes(StrEnum):
    """Every change in the clouds that takes time on the path."""

    ENDPOINT_AVAILABLE = "interface-endpoint-available"
    ENDPOINT_DELETED = "interface-endpoint-deleted"
    LOAD_BALANCER_ACTIVE = "load-balancer-active"
    LOAD_BALANCER_INTERFACES_RELEASED = "load-balancer-interfaces-released"
    TARGET_HEALTHY = "target-healthy"
    TARGET_DRAINED = "target-drained"
    SERVICE_AVAILABLE = "endpoint-service-available"
    CONNECTION_AVAILABLE = "connection-available"
    RULE_ENDPOINT_ID = "rule-endpoint-id"
    RULE_ESTABLISHED = "rule-established"
    WORKSPACE_RUNNING = "workspace-running"
    ATTACHMENT_IN_FORCE = "attachment-in-force"


@dataclass(frozen=True)
class Delay:
    """`polls` reads and `seconds` must both have passed."""

    polls: int = 0
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Delay:
        """`immediate`, `3 polls`, `2.5 s`; ValueError otherwise."""
        words = text.split()
        if words == ["immediate"]:
            return cls()
        if len(words) == 2 and words[1] in ("poll", "polls"):
            return cls(polls=int(words[0]))
        if len(words) == 2 and words[1] in ("s", "seconds"):
            return cls(seconds=float(words[0]))
        raise ValueError(f"not a delay: {text!r} (write: immediate, '3 polls', or '2.5 s')")

    def __str__(self) -> str:
        """As `parse` reads it; a delay of both kinds names both."""
        polls = [f"{self.polls} polls"] if self.polls else []
        seconds = [f"{self.seconds:g} s"] if self.seconds else []
        return " and ".join(polls + seconds) or "immediate"


class Transition:
    def __init__(self, delay: Delay, clock: Clock) -> None:
        self._delay = delay
        self._clock = clock
        self._began = clock.now()
        self._reads = 0

    def reached(self) -> bool:
        """Count one read by a client; True once the delay has passed."""
        passed = self.passed()
        self._reads += 1
        return passed

    def passed(self) -> bool:
        """As `reached`, without counting a read: for the emulator's own use."""
        return self._reads >= self._delay.polls and self._clock.now() - self._began >= self._delay.seconds


class Delays:
    """The delays now in force; those not named are immediate."""

    def __init__(self, clock: Clock, delays: Mapping[Takes, Delay] | None = None) -> None:
        self.clock = clock
        self._delays: dict[Takes, Delay] = dict(delays or {})

    def set(self, takes: Takes, delay: Delay) -> None:
        self._delays[takes] = delay

    def now(self) -> dict[Takes, Delay]:
        """Every one, named or not."""
        return {takes: self._delays.get(takes, Delay()) for takes in Takes}

    def begin(self, takes: Takes) -> Transition:
        return Transition(self._delays.get(takes, Delay()), self.clock)

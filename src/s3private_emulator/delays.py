"""How long each state of the clouds lasts, at once, n reads, or seconds, and how it ends; chosen per test.

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


@dataclass(frozen=True, kw_only=True)
class Ending:
    """A change that ends badly: the state's word in the platform's spelling, and what the platform says of it."""

    takes: Takes
    state: str
    message: str = ""

    def __post_init__(self) -> None:
        words = ENDINGS.get(self.takes, ())
        if self.state not in words:
            known = ", ".join(words) or "it should, and no other way"
            raise ValueError(f"{self.takes} does not end as {self.state!r}; it may end as {known}")


ENDINGS: Mapping[Takes, tuple[str, ...]] = {
    Takes.ENDPOINT_AVAILABLE: ("failed", "rejected", "expired"),
    Takes.LOAD_BALANCER_ACTIVE: ("failed", "active_impaired"),
    Takes.SERVICE_AVAILABLE: ("Failed",),
    Takes.RULE_ENDPOINT_ID: ("CREATE_FAILED", "REJECTED", "EXPIRED"),
    Takes.RULE_ESTABLISHED: ("DISCONNECTED",),
}
"""https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_VpcEndpoint.html
https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_LoadBalancerState.html
https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ServiceConfiguration.html
https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md"""


class Transition:
    """`ending`: None when it ends as it should."""

    def __init__(self, delay: Delay, clock: Clock, ending: Ending | None = None) -> None:
        self.ending = ending
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
        self._endings: list[Ending] = []

    def set(self, takes: Takes, delay: Delay) -> None:
        self._delays[takes] = delay

    def now(self) -> dict[Takes, Delay]:
        """Every one, named or not."""
        return {takes: self._delays.get(takes, Delay()) for takes in Takes}

    def end_badly(self, *endings: Ending) -> None:
        """Each holds for the next thing that begins such a change."""
        self._endings += endings

    def endings(self) -> list[Ending]:
        """Those that no thing has met yet."""
        return list(self._endings)

    def forget_endings(self) -> None:
        self._endings.clear()

    def begin(self, takes: Takes) -> Transition:
        ending = next((ending for ending in self._endings if ending.takes is takes), None)
        if ending is not None:
            self._endings.remove(ending)
        return Transition(self._delays.get(takes, Delay()), self.clock, ending)

"""Every request the emulator was sent, in order, for tests and people to read.

A request that no route knows is answered 501 naming it, and is kept in `unknown()`: a test that meets one fails.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request. `operation` is the platform's own name for it, such as `ec2:CreateVpcEndpoint`."""

    service: str
    operation: str
    method: str
    path: str
    status: int
    writes: bool
    account: str = ""
    known: bool = True
    params: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        return asdict(self)


class RequestLog:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[Request] = []
        self._watching: list[Callable[[Request], None]] = []

    def add(self, request: Request) -> None:
        with self._lock:
            self._requests.append(request)
        for seen in self._watching:
            seen(request)

    def watch(self, seen: Callable[[Request], None]) -> None:
        """From now on it is called with every request that is answered, before the answer is sent."""
        self._watching.append(seen)

    def mark(self) -> int:
        """A place in the log, for `since`."""
        with self._lock:
            return len(self._requests)

    def since(self, mark: int = 0) -> list[Request]:
        with self._lock:
            return self._requests[mark:]

    def writes(self, mark: int = 0) -> list[Request]:
        return [r for r in self.since(mark) if r.writes]

    def unknown(self, mark: int = 0) -> list[Request]:
        return [r for r in self.since(mark) if not r.known]

    def __iter__(self) -> Iterator[Request]:
        return iter(self.since())

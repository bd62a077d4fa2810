"""Stands before a cloud's API and lets the planned faults happen to the requests that meet them.

It works on the wire alone: what a fault answers is what the service would have answered, or nothing. A request that it
does not pass on is logged here, as sent and without effect.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from werkzeug.wsgi import get_input_stream

from s3private_emulator.faults import KEPT, Fault, Faults, Planned
from s3private_emulator.log import Request, RequestLog

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PAGE_SIZE = "emulator.page_size"
"""In the WSGI environment: the page size that a fault asks for."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A whole answer, as bytes on the wire."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""

    def send(self, start_response: StartResponse) -> list[bytes]:
        headers = [("Content-Length", str(len(self.body)))]
        if self.content_type:
            headers.append(("Content-Type", self.content_type))
        if self.retry_after:
            headers.append(("Retry-After", self.retry_after))
        start_response(f"{self.status} {'OK' if self.status < 300 else 'Refused'}", headers)
        return [self.body]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one cloud names requests, and in which words it refuses.

    identify: the request as the log would keep it, with status 0; None for one that no fault can meet. It may read the
    body. refuse: the answer to a request that meets this fault.
    """

    identify: Callable[[WSGIEnvironment], Request | None]
    refuse: Callable[[Request, Planned], Reply]


class FaultGate:
    """A WSGI application around another. `expire` ends the sessions and tokens that are out."""

    def __init__(
        self,
        app: WSGIApplication,
        *,
        faults: Faults,
        log: RequestLog,
        dialect: Dialect,
        expire: Callable[[], None],
    ) -> None:
        self._app = app
        self._faults = faults
        self._log = log
        self._dialect = dialect
        self._expire = expire
        self._past = _Past()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = self._dialect.identify(environ)
        if request is None:
            return self._app(environ, start_response)
        key = request.operation, request.account, request.path, tuple(sorted(request.params.items()))
        planned = self._faults.due(request.operation)
        if planned is not None and planned.fault not in (*KEPT, Fault.EXPIRED, Fault.PAGED):
            return self._stop(request, planned, start_response)
        if not request.writes and (old := self._past.stale(key, self._faults)):
            reply, stale = old
            if stale.fault is Fault.STALE:
                self._faults.strike(stale)
            self._log.add(replace(request, status=reply.status))
            return reply.send(start_response)
        if planned is not None and planned.fault is Fault.EXPIRED:
            self._expire()
        if planned is not None and planned.fault is Fault.PAGED:
            environ[PAGE_SIZE] = planned.page_size
        if planned is not None and (planned.fault is Fault.STALE or planned.reads):
            self._past.freeze(planned)
        reply = self._carry_out(environ)
        if not request.writes and _tells_what_is(request, reply):
            self._past.keep(key, reply)
        if planned is not None and planned.fault in KEPT:
            return self._lose(request, planned, reply, start_response)
        return reply.send(start_response)

    def _stop(self, request: Request, planned: Planned, start_response: StartResponse) -> Iterable[bytes]:
        """The request has no effect."""
        if planned.fault in (Fault.REQUEST_LOST, Fault.KILLED_BEFORE):
            self._log.add(replace(request, status=503))
            if planned.fault is Fault.KILLED_BEFORE:
                self._faults.kill(planned.pid)
            raise ConnectionResetError(str(planned))
        if planned.fault is Fault.FOREIGN:
            body = planned.message.encode()
            reply = Reply(
                status=planned.status or 200,
                content_type=planned.content_type,
                body=body,
                retry_after=planned.retry_after,
            )
        else:
            reply = self._dialect.refuse(request, planned)
        self._log.add(replace(request, status=reply.status))
        return reply.send(start_response)

    def _lose(self, request: Request, planned: Planned, reply: Reply, start_response: StartResponse) -> Iterable[bytes]:
        """The request has had its effect, and was logged with it."""
        if planned.fault is Fault.STALE:
            return reply.send(start_response)
        if planned.fault is Fault.GATEWAY_TIMEOUT:
            return self._dialect.refuse(request, planned).send(start_response)
        if planned.fault is Fault.KILLED_AFTER:
            self._faults.kill(planned.pid)
        if planned.fault is Fault.TIMEOUT:
            self._faults.released.wait(planned.seconds)
        raise ConnectionResetError(str(planned))

    def _carry_out(self, environ: WSGIEnvironment) -> Reply:
        began: list[tuple[str, list[tuple[str, str]]]] = []

        def started(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Callable[[bytes], object]:
            began.append((status, headers))
            return lambda _chunk: None

        chunks = self._app(environ, started)
        try:
            body = b"".join(chunks)
        finally:
            if close := getattr(chunks, "close", None):
                close()
        status, headers = began[-1]
        content_type = next((value for name, value in headers if name.lower() == "content-type"), "text/plain")
        return Reply(status=int(status.split()[0]), content_type=content_type, body=body)


def _tells_what_is(request: Request, reply: Reply) -> bool:
    """Whether a read says what there is or that there is nothing. Credentials are made for each who asks, and a refusal
    for another reason is not repeated."""
    there = reply.status == 200 or b"NotFound" in reply.body or b"DOES_NOT_EXIST" in reply.body
    return there and not request.operation.startswith("sts:")


Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


class _Past:
    """What reads were answered last, so that a later one can be answered as if a write had not been."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[Key, Reply] = {}
        self._frozen: Mapping[Key, Reply] = {}
        self._left: dict[Key, int] = {}
        self._planned: Planned | None = None

    def keep(self, key: Key, reply: Reply) -> None:
        with self._lock:
            self._last[key] = reply

    def freeze(self, planned: Planned) -> None:
        with self._lock:
            self._planned = planned
            self._frozen = dict(self._last)
            self._left = dict.fromkeys(self._frozen, planned.reads or 1)

    def stale(self, key: Key, faults: Faults) -> tuple[Reply, Planned] | None:
        with self._lock:
            if self._planned is None or not faults.holds(self._planned) or self._left.get(key, 0) < 1:
                return None
            self._left[key] -= 1
            return self._frozen[key], self._planned


def buffered(environ: WSGIEnvironment) -> bytes:
    """The body, read once and put back for the application."""
    body: bytes = get_input_stream(environ, safe_fallback=True).read()
    environ["wsgi.input"] = io.BytesIO(body)
    return body

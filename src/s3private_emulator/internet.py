"""The public internet: one TLS front that sends each request to the application of the host it names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from s3private_emulator.log import Request, RequestLog

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class Internet:
    """A WSGI application over others. `serve` puts a host there, or `*.zone` for all hosts below a zone."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self._apps: dict[str, WSGIApplication] = {}

    def serve(self, host: str, app: WSGIApplication) -> None:
        self._apps[host.lower()] = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        host = str(environ.get("HTTP_HOST", "")).partition(":")[0].lower()
        app = self._apps.get(host)
        zone = host
        while app is None and "." in zone:
            zone = zone.partition(".")[2]
            app = self._apps.get(f"*.{zone}")
        if app is None:
            return self._nobody(host, environ, start_response)
        return app(environ, start_response)

    def _nobody(self, host: str, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        method, path = str(environ["REQUEST_METHOD"]), str(environ["PATH_INFO"])
        self._log.add(
            Request(
                service="internet",
                operation=f"{method} {host}",
                method=method,
                path=path,
                status=501,
                writes=method not in ("GET", "HEAD"),
                known=False,
            )
        )
        text = f"the emulator has no host {host} ({method} {path})\n".encode()
        start_response("501 Not Implemented", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        return [text]

"""How Databricks' REST APIs name a request before it is answered, and in which words they refuse it for a fault.

https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/errors/platform.py
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask
from flask import Request as FlaskRequest
from werkzeug.exceptions import HTTPException

from s3private_emulator.account.operations import logged
from s3private_emulator.account.refusals import Refusal, quota_exceeded
from s3private_emulator.fault_gate import Dialect, Reply, buffered
from s3private_emulator.faults import Fault, Planned
from s3private_emulator.log import Request

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment


def dialect_of(app: Flask, logged: Callable[[FlaskRequest, int], Request] = logged) -> Dialect:
    """`logged`: a request as the application's log keeps it, from its status."""

    def identify(environ: WSGIEnvironment) -> Request | None:
        """None for a route that is not there."""
        routes = app.url_map.bind_to_environ(environ)
        try:
            rule, arguments = routes.match(return_rule=True)
        except HTTPException:
            return None
        request = FlaskRequest({**environ, "wsgi.input": io.BytesIO(buffered(environ))}, populate_request=False)
        request.url_rule, request.view_args = rule, dict(arguments)
        return logged(request, 0)

    return Dialect(identify=identify, refuse=refuse)


def refuse(request: Request, planned: Planned) -> Reply:
    if planned.fault is Fault.THROTTLED:
        refusal = Refusal(429, "REQUEST_LIMIT_EXCEEDED", "Your request was rate limited.")
    elif planned.fault is Fault.QUOTA:
        refusal = quota_exceeded("The account has reached the limit.")
    elif planned.fault is Fault.GATEWAY_TIMEOUT:
        message = (
            f"The service at {request.path} is taking too long to process your request. "
            "Please try again later or try a faster operation."
        )
        refusal = Refusal(504, "DEADLINE_EXCEEDED", message)
    else:
        refusal = Refusal(500, "INTERNAL_ERROR", "An internal error has occurred.")
    code, message = planned.code or refusal.error_code, planned.message or refusal.message
    said: dict[str, object] = {**refusal.as_dict(), "error_code": code, "message": message}
    if "/oidc/" in request.path:
        # RFC 6749, section 5.2.
        said = {"error": code, "error_description": message}
    return Reply(
        status=planned.status or refusal.status,
        content_type="application/json",
        body=json.dumps(said).encode(),
        retry_after=planned.retry_after,
    )

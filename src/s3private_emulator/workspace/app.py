"""The WSGI application of a workspace: the routes that are known, each logged; any other is answered 501 naming it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask, Response, jsonify, request
from flask import Request as FlaskRequest
from werkzeug.exceptions import HTTPException

from s3private_emulator.account.faulty import dialect_of
from s3private_emulator.fault_gate import FaultGate
from s3private_emulator.faults import Faults
from s3private_emulator.log import Request, RequestLog
from s3private_emulator.workspace.identity import Tokens
from s3private_emulator.workspace.operations import logged
from s3private_emulator.workspace.refusals import Refusal, missing, not_emulated
from s3private_emulator.workspace.routing import Router
from s3private_emulator.workspace.store import Store

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


def build_app(
    *,
    workspace_id: int,
    account_id: str,
    store: Store,
    tokens: Tokens,
    log: RequestLog,
    faults: Faults,
    add: Callable[[Router], None],
) -> WSGIApplication:
    """`add`: puts the workspace's routes on the router that it is given."""
    app = Flask("s3private_emulator.workspace")
    # What fails inside is the emulator's fault: its server names it, instead of a 500 that looks like the platform's.
    app.config.update(PROPAGATE_EXCEPTIONS=True, PROVIDE_AUTOMATIC_OPTIONS=False)
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    add(Router(app, store, tokens))

    def metadata() -> Response:
        root = request.host_url.rstrip("/")
        return jsonify(
            {
                "oidc_endpoint": f"{root}/oidc",
                "account_id": account_id,
                "workspace_id": str(workspace_id),
                "cloud": "AWS",
                "host_type": "workspace",
            }
        )

    def no_account_here(rest: str) -> Response:
        """A workspace's host knows no account API: the notebook's own token meets this.
        https://github.com/databricks/databricks-sdk-py/issues/955"""
        raise missing(f"No API found for '{request.method} /accounts/{rest}'")

    def refused(refusal: Refusal) -> tuple[Response, int]:
        return jsonify(refusal.as_dict()), refusal.status

    def unknown(_error: HTTPException) -> tuple[Response, int]:
        return refused(not_emulated(f"{request.method} {request.path}"))

    def log_it(response: Response) -> Response:
        log.add(logged(request, response.status_code, workspace_id))
        return response

    app.add_url_rule("/.well-known/databricks-config", view_func=metadata)
    app.add_url_rule(
        "/api/2.0/accounts/<path:rest>", view_func=no_account_here, methods=["GET", "POST", "PATCH", "PUT", "DELETE"]
    )
    app.register_error_handler(Refusal, refused)
    app.register_error_handler(404, unknown)
    app.register_error_handler(405, unknown)
    app.after_request(log_it)

    def as_logged(request: FlaskRequest, status: int) -> Request:
        return logged(request, status, workspace_id)

    # A run's token lives as long as its run: a fault cannot end it before.
    return FaultGate(app, faults=faults, log=log, dialect=dialect_of(app, as_logged), expire=lambda: None)

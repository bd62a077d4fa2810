"""The WSGI application: the routes that databricks-sdk calls, each logged; any other is answered 501 naming it."""

from __future__ import annotations

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from s3private_emulator.account.api_routes import add_api_routes
from s3private_emulator.account.estate import Estate
from s3private_emulator.account.oauth import TokenRefused
from s3private_emulator.account.operations import logged
from s3private_emulator.account.refusals import Refusal, not_emulated
from s3private_emulator.account.sign_in_routes import add_sign_in_routes
from s3private_emulator.log import RequestLog


def build_app(estate: Estate, log: RequestLog) -> Flask:
    app = Flask("s3private_emulator.account")
    # What fails inside is the emulator's fault: its server names it, instead of a 500 that looks like the platform's.
    app.config.update(PROPAGATE_EXCEPTIONS=True, PROVIDE_AUTOMATIC_OPTIONS=False)
    add_sign_in_routes(app, estate)
    add_api_routes(app, estate)

    def refused(refusal: Refusal) -> tuple[Response, int]:
        return jsonify(refusal.as_dict()), refusal.status

    def token_refused(refusal: TokenRefused) -> tuple[Response, int]:
        return jsonify(refusal.body), refusal.status

    def unknown(_error: HTTPException) -> tuple[Response, int]:
        return refused(not_emulated(request.method, request.path))

    def keep(response: Response) -> Response:
        log.add(logged(request, response.status_code))
        return response

    app.register_error_handler(Refusal, refused)
    app.register_error_handler(TokenRefused, token_refused)
    app.register_error_handler(404, unknown)
    app.register_error_handler(405, unknown)
    app.after_request(keep)
    return app

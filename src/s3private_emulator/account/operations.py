"""How the log names and keeps the account's requests: by route, ids and body as parameters, without secrets."""

from __future__ import annotations

import json

from flask import Request as FlaskRequest

from s3private_emulator.log import Request

API = "/api/2.0/accounts/<account_id>/"
_SIGN_IN = "oidc/"


def operation_of(request: FlaskRequest) -> str:
    """`account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules`"""
    return f"account:{request.method} {_route(request)}"


def _route(request: FlaskRequest) -> str:
    if request.url_rule is None:
        return request.path
    rule = request.url_rule.rule.removeprefix(API).removeprefix("/")
    return rule.replace("<int:", "<").replace("<", "{").replace(">", "}")


def logged(request: FlaskRequest, status: int) -> Request:
    sign_in = _route(request).startswith(_SIGN_IN)
    params = {name: str(value) for name, value in (request.view_args or {}).items() if name != "account_id"}
    params |= dict(request.args.items())
    body = None if sign_in else request.get_json(silent=True)
    if isinstance(body, dict):
        params |= {name: value if isinstance(value, str) else json.dumps(value) for name, value in body.items()}
    return Request(
        service="account",
        operation=operation_of(request),
        method=request.method,
        path=request.path,
        status=status,
        writes=request.method not in ("GET", "HEAD") and not sign_in,
        account=str((request.view_args or {}).get("account_id", "")),
        known=request.url_rule is not None,
        params=params,
    )

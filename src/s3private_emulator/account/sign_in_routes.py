"""How an SDK finds its way in: host metadata, OIDC discovery, token.

Addresses in the answers are those of the request's own host, so that one application serves a loopback port and
accounts.cloud.databricks.com alike. The form without an account id is where SDKs before host metadata (0.78 among
them) look on a host that is not named `accounts.`
https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/oauth.py
"""

from __future__ import annotations

from flask import Flask, Response, jsonify, request

from s3private_emulator.account.estate import Estate
from s3private_emulator.account.refusals import does_not_exist

_ACCOUNT = "/oidc/accounts/<account_id>"


def add_sign_in_routes(app: Flask, estate: Estate) -> None:
    def root() -> str:
        return request.host_url.rstrip("/")

    def metadata() -> Response:
        return jsonify({"oidc_endpoint": f"{root()}/oidc/accounts/{{account_id}}", "cloud": "AWS"})

    def check(account_id: str | None) -> None:
        if account_id not in (None, estate.account_id):
            raise does_not_exist("Account", account_id)

    def discovery(account_id: str | None = None) -> Response:
        check(account_id)
        issuer = f"{root()}/oidc" + (f"/accounts/{account_id}" if account_id else "")
        return jsonify(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/v1/authorize",
                "token_endpoint": f"{issuer}/v1/token",
                "grant_types_supported": ["client_credentials"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "scopes_supported": ["all-apis"],
            }
        )

    def token(account_id: str | None = None) -> Response:
        check(account_id)
        form, basic = request.form, request.authorization
        in_header = basic is not None and basic.type == "basic"
        client_id = basic.username if basic and in_header else form.get("client_id")
        secret = basic.password if basic and in_header else form.get("client_secret")
        with estate.lock:
            return jsonify(estate.tokens.issue(form.get("grant_type", ""), client_id or "", secret or ""))

    app.add_url_rule("/.well-known/databricks-config", view_func=metadata)
    for prefix in (_ACCOUNT, "/oidc"):
        document = f"{prefix}/.well-known/oauth-authorization-server"
        app.add_url_rule(document, endpoint=document, view_func=discovery)
        app.add_url_rule(f"{prefix}/v1/token", endpoint=f"{prefix}/v1/token", view_func=token, methods=["POST"])

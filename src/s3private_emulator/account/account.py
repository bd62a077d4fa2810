"""The account's routes: OAuth, then each path of the REST API. All are logged; an unknown one is answered 501."""

from __future__ import annotations

import base64
import secrets
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from s3private_emulator.account.nccs import Nccs
from s3private_emulator.account.refusal import Refusal, not_found
from s3private_emulator.account.rules import Rules
from s3private_emulator.account.workspaces import Workspaces
from s3private_emulator.delays import Delays
from s3private_emulator.log import Request, RequestLog
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.world import World

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_ROOT = "/api/2.0/accounts/<account>"
_NCCS = f"{_ROOT}/network-connectivity-configs"
_RULES = f"{_NCCS}/<ncc>/private-endpoint-rules"
TOKEN_SECONDS = 3600


class Account:
    """`page_size`: how many entries a list answers at once."""

    def __init__(
        self, world: World, delays: Delays, privatelink: PrivateLink, log: RequestLog, *, page_size: int = 100
    ) -> None:
        self.world = world
        self.page_size = page_size
        self._delays = delays
        self._log = log
        self._lock = threading.RLock()
        self._tokens: dict[str, float] = {}
        self.nccs = Nccs(world.databricks_account, lambda: int(time.time() * 1000))
        self.rules = Rules(world.databricks_account, delays, privatelink)
        self.workspaces = Workspaces(world, delays, self.nccs)
        self._flask = self._routes()

    @property
    def app(self) -> WSGIApplication:
        return self._flask

    def carried_names(self, workspace_id: int) -> dict[str, str]:
        """Domain name -> endpoint service name, for the rules that are in force for the workspace."""
        with self._lock:
            workspace = self.workspaces.by_id.get(workspace_id)
            if workspace is None or not workspace.ncc_id:
                return {}
            if workspace.in_force is not None and not workspace.in_force.passed():
                return {}
            return {
                name: rule.endpoint_service
                for rule in self.rules.of(workspace.ncc_id)
                if rule.state == "ESTABLISHED" and rule.deactivated_at is None
                for name in rule.domain_names
            }

    def expire_tokens(self) -> None:
        """Every token handed out so far stops working."""
        with self._lock:
            self._tokens.clear()

    # --- routes ------------------------------------------------------------------------------------------------------

    def _routes(self) -> Flask:
        app = Flask("s3private_emulator.account")
        app.add_url_rule("/.well-known/databricks-config", view_func=self._metadata)
        oidc = "/oidc/accounts/<account>"
        app.add_url_rule(f"{oidc}/.well-known/oauth-authorization-server", view_func=self._discovery)
        app.add_url_rule("/oidc/.well-known/oauth-authorization-server", view_func=self._discovery)
        app.add_url_rule(f"{oidc}/v1/token", view_func=self._token, methods=["POST"])
        api: dict[str, dict[str, Callable[..., Response]]] = {
            _NCCS: {"GET": self._list_nccs, "POST": self._create_ncc},
            f"{_NCCS}/<ncc>": {"GET": self._get_ncc, "DELETE": self._delete_ncc},
            _RULES: {"GET": self._list_rules, "POST": self._create_rule},
            f"{_RULES}/<rule>": {"GET": self._get_rule, "PATCH": self._update_rule, "DELETE": self._delete_rule},
            f"{_ROOT}/workspaces": {"GET": self._list_workspaces},
            f"{_ROOT}/workspaces/<int:workspace>": {"GET": self._get_workspace, "PATCH": self._update_workspace},
        }
        for path, methods in api.items():
            for method, view in methods.items():
                app.add_url_rule(path, endpoint=f"{method} {path}", view_func=view, methods=[method])
        app.before_request(self._admit)
        app.after_request(self._note)
        app.register_error_handler(Refusal, lambda refusal: (jsonify(refusal.as_dict()), refusal.status))
        app.register_error_handler(HTTPException, self._unknown)
        return app

    def _unknown(self, error: HTTPException) -> tuple[Response, int]:
        if error.code not in (404, 405):
            return jsonify({"error_code": "MALFORMED_REQUEST", "message": error.description}), error.code or 400
        said = {"error_code": "NOT_IMPLEMENTED", "message": f"not emulated: {request.method} {request.path}"}
        return jsonify(said), 501

    def _note(self, response: Response) -> Response:
        # `/api/2.0/accounts/<id>/x/<id>/y` -> `x y`: what was asked for, without the ids.
        words = [p for p in request.path.split("/")[5::2] if p] or [request.path]
        token = request.path.endswith("/v1/token")
        self._log.add(
            Request(
                service="account",
                operation=f"account:{request.method} {' '.join(words)}",
                method=request.method,
                path=request.path,
                status=response.status_code,
                writes=request.method != "GET" and not token,
                account=self.world.databricks_account,
                known=response.status_code != 501,
            )
        )
        return response

    def _admit(self) -> None:
        """Every API call carries a live token, for this account."""
        if not request.path.startswith("/api/"):
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        with self._lock:
            until = self._tokens.get(token, 0.0)
        if scheme != "Bearer" or self._delays.clock.now() >= until:
            raise Refusal(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type for this API.")
        account = (request.view_args or {}).get("account")
        if account is not None and account != self.world.databricks_account:
            raise not_found(f"Account {account}")

    def _metadata(self) -> Response:
        return jsonify({"oidc_endpoint": f"{request.host_url}oidc/accounts/{{account_id}}", "cloud": "AWS"})

    def _discovery(self, account: str | None = None) -> Response:
        base = f"{request.host_url}oidc/accounts/{account or self.world.databricks_account}"
        return jsonify({"authorization_endpoint": f"{base}/v1/authorize", "token_endpoint": f"{base}/v1/token"})

    def _token(self, account: str) -> tuple[Response, int]:
        sent = request.headers.get("Authorization", "").removeprefix("Basic ")
        try:
            client_id, _, secret = base64.b64decode(sent).decode().partition(":")
        except ValueError:
            client_id, secret = "", ""
        right = (self.world.client_id, self.world.client_secret)
        if (client_id, secret) != right or account != self.world.databricks_account:
            said = {"error": "invalid_client", "error_description": "Client authentication failed"}
            return jsonify(said), 401
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._tokens[token] = self._delays.clock.now() + TOKEN_SECONDS
        return jsonify({"access_token": token, "token_type": "Bearer", "expires_in": TOKEN_SECONDS}), 200

    # --- views -------------------------------------------------------------------------------------------------------

    def _page(self, items: list[dict[str, Any]]) -> Response:
        start = int(request.args.get("page_token") or 0)
        end = start + self.page_size
        page: dict[str, Any] = {"items": items[start:end]}
        if end < len(items):
            page["next_page_token"] = str(end)
        return jsonify(page)

    def _body(self) -> dict[str, Any]:
        body = request.get_json(silent=True)
        if not isinstance(body, dict):
            raise Refusal(400, "MALFORMED_REQUEST", "A JSON object is expected.")
        return body

    def _list_nccs(self, account: str) -> Response:
        with self._lock:
            return self._page([n.as_dict() for n in self.nccs.by_id.values()])

    def _create_ncc(self, account: str) -> Response:
        with self._lock:
            return jsonify(self.nccs.create(self._body()).as_dict())

    def _get_ncc(self, account: str, ncc: str) -> Response:
        with self._lock:
            return jsonify(self.nccs.get(ncc).as_dict())

    def _delete_ncc(self, account: str, ncc: str) -> Response:
        with self._lock:
            self.nccs.delete(ncc, attached=len(self.workspaces.attached_to(ncc)), rules=len(self.rules.of(ncc)))
            return jsonify({})

    def _list_rules(self, account: str, ncc: str) -> Response:
        with self._lock:
            self.nccs.get(ncc)
            return self._page([r.as_dict() for r in self.rules.of(ncc, read=True)])

    def _create_rule(self, account: str, ncc: str) -> Response:
        with self._lock:
            region = self.nccs.get(ncc).region
            return jsonify(self.rules.create(ncc, region, self._body()).as_dict())

    def _get_rule(self, account: str, ncc: str, rule: str) -> Response:
        with self._lock:
            return jsonify(self.rules.get(ncc, rule, read=True).as_dict())

    def _update_rule(self, account: str, ncc: str, rule: str) -> Response:
        with self._lock:
            mask = request.args.get("update_mask", "")
            return jsonify(self.rules.update(ncc, rule, mask, self._body()).as_dict())

    def _delete_rule(self, account: str, ncc: str, rule: str) -> Response:
        with self._lock:
            return jsonify(self.rules.delete(ncc, rule).as_dict())

    def _list_workspaces(self, account: str) -> Response:
        with self._lock:
            return jsonify([w.as_dict() for w in self.workspaces.by_id.values()])

    def _get_workspace(self, account: str, workspace: int) -> Response:
        with self._lock:
            return jsonify(self.workspaces.get(workspace).as_dict())

    def _update_workspace(self, account: str, workspace: int) -> Response:
        with self._lock:
            mask = request.args.get("update_mask", "")
            return jsonify(self.workspaces.update(workspace, mask, self._body()).as_dict())

"""The account's REST API: NCCs, private endpoint rules, workspaces, as databricks-sdk asks for them.

https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/service/settings.py (NetworkConnectivityAPI)
https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/service/provisioning.py (WorkspacesAPI)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Response, jsonify, request

from s3private_emulator.account.estate import Estate
from s3private_emulator.account.operations import API
from s3private_emulator.account.paging import page
from s3private_emulator.account.refusals import Refusal, does_not_exist, permission_denied
from s3private_emulator.fault_gate import PAGE_SIZE

Answer = dict[str, Any] | list[dict[str, Any]]

_NCCS = "network-connectivity-configs"
_NCC = f"{_NCCS}/<ncc_id>"
_RULES = f"{_NCC}/private-endpoint-rules"
_RULE = f"{_RULES}/<rule_id>"
_WORKSPACE = "workspaces/<int:workspace_id>"


def add_api_routes(app: Flask, estate: Estate) -> None:
    nccs, rules, workspaces = estate.nccs, estate.rules, estate.workspaces

    def ncc_told(ncc_id: str) -> dict[str, Any]:
        return nccs.as_dict(nccs.get(ncc_id), [rules.as_dict(rule) for rule in rules.of(ncc_id)])

    def page_size() -> int:
        return int(request.environ.get(PAGE_SIZE, estate.page_size))

    def list_nccs() -> Answer:
        items, following = page(nccs.every(), page_size(), request.args.get("page_token"))
        return _listed([ncc_told(ncc.id) for ncc in items], following)

    def create_ncc() -> Answer:
        return ncc_told(nccs.create(_body()).id)

    def delete_ncc(ncc_id: str) -> Answer:
        nccs.delete(ncc_id, rules=len(rules.of(ncc_id)), workspaces=workspaces.attached_to(ncc_id))
        return {}

    def list_rules(ncc_id: str) -> Answer:
        items, following = page(rules.of(nccs.get(ncc_id).id), page_size(), request.args.get("page_token"))
        return _listed([rules.read(rule) for rule in items], following)

    def create_rule(ncc_id: str) -> Answer:
        return rules.as_dict(rules.create(nccs.get(ncc_id), _body()))

    def get_rule(ncc_id: str, rule_id: str) -> Answer:
        return rules.read(rules.get(nccs.get(ncc_id).id, rule_id))

    def update_rule(ncc_id: str, rule_id: str) -> Answer:
        rule = rules.get(nccs.get(ncc_id).id, rule_id)
        rules.update(rule, request.args.get("update_mask"), _body())
        return rules.as_dict(rule)

    def delete_rule(ncc_id: str, rule_id: str) -> Answer:
        rule = rules.get(nccs.get(ncc_id).id, rule_id)
        rules.delete(rule)
        return rules.as_dict(rule)

    def list_workspaces() -> Answer:
        """All of them in a bare list: this one is not paged."""
        return [workspaces.read(workspace) for workspace in workspaces.every()]

    def get_workspace(workspace_id: int) -> Answer:
        return workspaces.read(workspaces.get(workspace_id))

    def update_workspace(workspace_id: int) -> Answer:
        workspace = workspaces.get(workspace_id)
        return workspaces.update(workspace, request.args.get("update_mask"), _body())

    def route(method: str, path: str, view: Callable[..., Answer]) -> None:
        def answer(account_id: str, **ids: Any) -> Response:
            with estate.lock:
                _admit(estate, account_id)
                return jsonify(view(**ids))

        app.add_url_rule(f"{API}{path}", endpoint=f"{method} {path}", view_func=answer, methods=[method])

    route("GET", _NCCS, list_nccs)
    route("POST", _NCCS, create_ncc)
    route("GET", _NCC, ncc_told)
    route("DELETE", _NCC, delete_ncc)
    route("GET", _RULES, list_rules)
    route("POST", _RULES, create_rule)
    route("GET", _RULE, get_rule)
    route("PATCH", _RULE, update_rule)
    route("DELETE", _RULE, delete_rule)
    route("GET", "workspaces", list_workspaces)
    route("GET", _WORKSPACE, get_workspace)
    route("PATCH", _WORKSPACE, update_workspace)


def _admit(estate: Estate, account_id: str) -> None:
    """Account calls need an account admin.
    https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network"""
    principal = estate.tokens.bearer(request.headers.get("Authorization"))
    if account_id != estate.account_id:
        raise does_not_exist("Account", account_id)
    if not principal.account_admin:
        raise permission_denied(f"Service principal {principal.client_id} is not an account admin.")


def _listed(items: list[dict[str, Any]], following: str | None) -> dict[str, Any]:
    return {"items": items, **({"next_page_token": following} if following else {})}


def _body() -> dict[str, Any]:
    body = request.get_json(force=True, silent=True)
    if not isinstance(body, dict):
        raise Refusal(400, "MALFORMED_REQUEST", "The request's body is not a JSON object.")
    return body

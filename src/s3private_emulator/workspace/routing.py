"""Routes of the workspace: each is asked by somebody, under the workspace's lock, and saved when it writes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, jsonify, request

from s3private_emulator.workspace.identity import Principal, Tokens
from s3private_emulator.workspace.refusals import Refusal, invalid
from s3private_emulator.workspace.store import Store

Answer = dict[str, Any] | list[Any] | Response


@dataclass(frozen=True)
class Call:
    """One request, as a view needs it."""

    principal: Principal
    root: str
    """`scheme://host[:port]` by which the workspace was asked."""
    args: dict[str, str]

    @property
    def body(self) -> dict[str, Any]:
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict):
            raise Refusal(400, "MALFORMED_REQUEST", "The request's body is not a JSON object.")
        return body

    @property
    def bytes(self) -> bytes:
        return request.get_data()

    @property
    def is_form(self) -> bool:
        """Whether the body is multipart/form-data."""
        return request.mimetype == "multipart/form-data"

    @property
    def form(self) -> dict[str, Any]:
        """A form's fields, and the content of its files as bytes."""
        return {**request.form.to_dict(), **{name: file.read() for name, file in request.files.items()}}

    def need(self, name: str) -> str:
        """A query parameter that must be there."""
        value = self.args.get(name, "")
        if not value:
            raise invalid(f"Missing required field: {name}")
        return value

    def is_true(self, name: str) -> bool:
        return self.args.get(name, "").lower() == "true"


View = Callable[..., Answer]


class Router:
    def __init__(self, app: Flask, store: Store, tokens: Tokens) -> None:
        self._app = app
        self._store = store
        self._tokens = tokens

    def add(self, method: str, path: str, view: View, *, versions: Sequence[str] = ("2.0",)) -> None:
        """`path` comes after `/api/<version>/`; `view(call, **ids)`."""

        def answer(**ids: Any) -> Response:
            request.get_data()  # a body may take long to come: not while the others wait for the lock
            principal = self._tokens.bearer(request.headers.get("Authorization"))
            call = Call(principal, request.host_url.rstrip("/"), dict(request.args.items()))
            with self._store.lock:
                told = view(call, **ids)
                if method not in ("GET", "HEAD"):
                    self._store.save()
                return told if isinstance(told, Response) else jsonify(told)

        for version in versions:
            rule = f"/api/{version}/{path}"
            self._app.add_url_rule(rule, endpoint=f"{method} {rule}", view_func=answer, methods=[method])


def need(body: dict[str, Any], name: str) -> Any:
    """A field of the body that must be there."""
    value = body.get(name)
    if value is None or value == "":
        raise invalid(f"Missing required field: {name}")
    return value

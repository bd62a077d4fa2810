"""How the log names and keeps the workspace's requests: by route, without bodies, for secrets travel in them."""

from __future__ import annotations

import re

from flask import Request as FlaskRequest

from s3private_emulator.log import Request


def operation_of(request: FlaskRequest) -> str:
    """`workspace:POST jobs/run-now`"""
    rule = request.url_rule.rule if request.url_rule is not None else request.path
    named = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", re.sub(r"^/api/[\d.]+/(preview/)?", "", rule))
    return f"workspace:{request.method} {named.removeprefix('/')}"


def logged(request: FlaskRequest, status: int, workspace_id: int) -> Request:
    params = {name: str(value) for name, value in (request.view_args or {}).items()}
    params |= dict(request.args.items())
    return Request(
        service="workspace",
        operation=operation_of(request),
        method=request.method,
        path=request.path,
        status=status,
        writes=request.method not in ("GET", "HEAD"),
        account=str(workspace_id),
        known=request.url_rule is not None and status != 501,
        params=params,
    )

"""Who am I, and in which workspace: what every command asks first.

https://docs.databricks.com/api/workspace/currentuser/me
"""

from __future__ import annotations

from flask import jsonify

from s3private_emulator.workspace.routing import Answer, Call, Router


def add_who_routes(router: Router, workspace_id: int) -> None:
    def me(call: Call) -> Answer:
        response = jsonify(call.principal.as_user())
        response.headers["X-Databricks-Org-Id"] = str(workspace_id)
        return response

    router.add("GET", "preview/scim/v2/Me", me)

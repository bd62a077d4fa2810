"""One address for a workspace and its account, as a host that answers both: DATABRICKS_HOST can name one only.

The `databricks` command takes DATABRICKS_HOST for the workspace, `s3private` on a laptop takes it for the account. What
tells them apart is the path and the token: account paths asked with a workspace's token stay 404, as in the field.
https://docs.databricks.com/aws/en/dev-tools/auth/ (unified hosts)
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from s3private_emulator.workspace.identity import Tokens

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

SIGN_IN = "/oidc/"
ACCOUNT_API = "/api/2.0/accounts/"


class OneHost:
    """`account_api`: whether the account's own API is there too, or the sign-in alone, as on a workspace's own host."""

    def __init__(
        self, workspace: WSGIApplication, account: WSGIApplication, tokens: Tokens, *, account_api: bool
    ) -> None:
        self._workspace = workspace
        self._account = account
        self._tokens = tokens
        self._account_api = account_api

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        authorization = environ.get("HTTP_AUTHORIZATION")
        of_account = path.startswith(ACCOUNT_API) and self._account_api
        if path.startswith(SIGN_IN) or (of_account and not self._tokens.is_of_workspace(authorization)):
            return self._account(environ, start_response)
        return self._workspace(environ, start_response)

"""Who asks: a person by a personal access token, a run by its own token, a service principal by OAuth.

https://docs.databricks.com/aws/en/dev-tools/auth/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from s3private_emulator.workspace.refusals import Refusal, unauthenticated

TOKEN = "dapi-emulated-operator"
"""The operator's personal access token."""
OPERATOR = "operator@example.com"

ServicePrincipals = Callable[[str | None], str]
"""The Authorization header -> client id of the service principal whose token it carries; raises Refusal."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    name: str
    """A user's e-mail address, or a service principal's application id."""
    run_id: int | None = None
    """Set where a run asks with the token of its own notebook."""

    @property
    def is_service_principal(self) -> bool:
        return "@" not in self.name

    @property
    def is_admin(self) -> bool:
        """The operator is a workspace admin; service principals are not, whatever they are in the account."""
        return self.name == OPERATOR

    def as_user(self) -> dict[str, object]:
        """As SCIM shows it: a service principal's userName is its application id.
        https://docs.databricks.com/api/workspace/currentuser/me"""
        person = not self.is_service_principal
        group = "admins" if self.is_admin else "users"
        return {
            "id": str(int.from_bytes(self.name.encode()[:6], "big")),
            "userName": self.name,
            "displayName": self.name.partition("@")[0],
            "active": True,
            "emails": [{"type": "work", "value": self.name, "primary": True}] if person else [],
            "groups": [{"display": group, "type": "direct", "value": "1"}],
        }


class Tokens:
    """Run tokens are valid until the run ends, and do not outlive the emulator: nor do the runs."""

    def __init__(self, service_principals: ServicePrincipals) -> None:
        self._service_principals = service_principals
        self._of_runs: dict[str, Principal] = {}

    def issue(self, run_as: str, run_id: int) -> str:
        token = f"dapi-run-{secrets.token_hex(12)}"
        self._of_runs[token] = Principal(name=run_as, run_id=run_id)
        return token

    def revoke(self, token: str) -> None:
        self._of_runs.pop(token, None)

    def is_of_workspace(self, authorization: str | None) -> bool:
        """A token that the account does not know: a person's, or a run's."""
        token = (authorization or "").partition(" ")[2]
        return token == TOKEN or token.startswith("dapi")

    def bearer(self, authorization: str | None) -> Principal:
        """Raises Refusal."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Credential was not sent or was of an unsupported type for this API.")
        if token == TOKEN:
            return Principal(name=OPERATOR)
        if token in self._of_runs:
            return self._of_runs[token]
        if self.is_of_workspace(authorization):
            raise Refusal(403, "PERMISSION_DENIED", "Invalid access token.")
        return Principal(name=self._service_principals(authorization))

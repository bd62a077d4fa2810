"""Who asks: a person by a personal access token, a run by its own token, a service principal by OAuth.

https://docs.databricks.com/aws/en/dev-tools/auth/
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from s3private_emulator.workspace.refusals import Refusal, unauthenticated
from s3private_emulator.world import Person

TOKEN = "dapi-emulated-operator"
"""The operator's personal access token."""
OPERATOR = "operator@example.com"
USERS, ADMINS = "users", "admins"
"""The workspace's own two groups: everybody, and its admins."""
ACCOUNT_USERS = "account users"
"""Everybody of the account, as Unity Catalog names them."""

ServicePrincipals = Callable[[str | None], str]
"""The Authorization header -> client id of the service principal whose token it carries; raises Refusal."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    name: str
    """A user's e-mail address, or a service principal's application id."""
    groups: tuple[str, ...] = ()
    """Of the account."""
    run_id: int | None = None
    """Set where a run asks with the token of its own notebook."""

    @property
    def is_service_principal(self) -> bool:
        return "@" not in self.name

    @property
    def is_admin(self) -> bool:
        """The operator is a workspace admin; service principals are not, whatever they are in the account."""
        return self.name == OPERATOR

    @property
    def names(self) -> frozenset[str]:
        """All names under which the workspace's access control lists may mean this one."""
        return frozenset((self.name, *self.groups, USERS, *((ADMINS,) if self.is_admin else ())))

    @property
    def account_names(self) -> frozenset[str]:
        """Those that Unity Catalog knows: the account's, and not the workspace's own groups.
        https://docs.databricks.com/aws/en/admin/users-groups/workspace-local-groups"""
        return frozenset((self.name, *self.groups, ACCOUNT_USERS))

    def as_user(self) -> dict[str, object]:
        """As SCIM shows it: a service principal's userName is its application id.
        https://docs.databricks.com/api/workspace/currentuser/me"""
        person = not self.is_service_principal
        groups = (ADMINS if self.is_admin else USERS, *self.groups)
        return {
            "id": str(int.from_bytes(self.name.encode()[:6], "big")),
            "userName": self.name,
            "displayName": self.name.partition("@")[0],
            "active": True,
            "emails": [{"type": "work", "value": self.name, "primary": True}] if person else [],
            "groups": [{"display": group, "type": "direct", "value": str(n)} for n, group in enumerate(groups, 1)],
        }


class Directory:
    """Who there is: the operator, other people, service principals, and the account's groups.

    `service_principals`: their application ids.
    """

    def __init__(self, people: Iterable[Person], service_principals: Iterable[str], groups: Iterable[str]) -> None:
        self._people = {person.name: person for person in people}
        self.by_token = {TOKEN: OPERATOR, **{person.token: person.name for person in self._people.values()}}
        self.users = frozenset((OPERATOR, *self._people))
        self.service_principals = frozenset(service_principals)
        self.account_groups = frozenset((*groups, ACCOUNT_USERS))
        self.workspace_groups = frozenset((*groups, USERS, ADMINS))

    def principal(self, name: str, run_id: int | None = None) -> Principal:
        person = self._people.get(name)
        return Principal(name=name, groups=person.groups if person else (), run_id=run_id)


class Tokens:
    """Run tokens are valid until the run ends, and do not outlive the emulator: nor do the runs."""

    def __init__(self, directory: Directory, service_principals: ServicePrincipals) -> None:
        self._directory = directory
        self._service_principals = service_principals
        self._of_runs: dict[str, Principal] = {}

    def issue(self, run_as: str, run_id: int) -> str:
        token = f"dapi-run-{secrets.token_hex(12)}"
        self._of_runs[token] = self._directory.principal(run_as, run_id)
        return token

    def revoke(self, token: str) -> None:
        self._of_runs.pop(token, None)

    def is_of_workspace(self, authorization: str | None) -> bool:
        """A token that the account does not know: a person's, or a run's."""
        token = (authorization or "").partition(" ")[2]
        return token.startswith("dapi")

    def bearer(self, authorization: str | None) -> Principal:
        """Raises Refusal."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Credential was not sent or was of an unsupported type for this API.")
        if token in self._directory.by_token:
            return self._directory.principal(self._directory.by_token[token])
        if token in self._of_runs:
            return self._of_runs[token]
        if self.is_of_workspace(authorization):
            raise Refusal(403, "PERMISSION_DENIED", "Invalid access token.")
        return self._directory.principal(self._service_principals(authorization))

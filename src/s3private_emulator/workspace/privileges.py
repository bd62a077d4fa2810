"""Unity Catalog's privileges: what a principal holds on a catalog, schema, volume or credential, by grant or ownership.

A grant on a catalog or schema holds for all inside it. What lies in a schema is reached only with USE CATALOG and USE
SCHEMA on the two above it, whoever owns it.
https://docs.databricks.com/aws/en/data-governance/unity-catalog/manage-privileges/privileges
"""

from __future__ import annotations

from s3private_emulator.workspace.identity import OPERATOR, Directory, Principal
from s3private_emulator.workspace.refusals import Refusal, invalid, permission_denied
from s3private_emulator.workspace.store import Record, Store

ALL = "ALL_PRIVILEGES"
MANAGE = "MANAGE"
_VOLUME = ("APPLY_TAG", "READ_VOLUME", "WRITE_VOLUME")
_SCHEMA = (
    "CREATE_FUNCTION",
    "CREATE_MATERIALIZED_VIEW",
    "CREATE_MODEL",
    "CREATE_TABLE",
    "CREATE_VOLUME",
    "EXECUTE",
    "EXTERNAL_USE_SCHEMA",
    "MODIFY",
    "REFRESH",
    "SELECT",
    "USE_SCHEMA",
    *_VOLUME,
)
PRIVILEGES = {
    "catalog": {ALL, MANAGE, "BROWSE", "CREATE_SCHEMA", "USE_CATALOG", *_SCHEMA},
    "schema": {ALL, MANAGE, *_SCHEMA},
    "volume": {ALL, MANAGE, *_VOLUME},
    "credential": {ALL, MANAGE, "ACCESS", "CREATE_CONNECTION"},
}
"""By kind of securable, what can be granted on it."""


class Privileges:
    """`schema` and `volume` are named in full, in lower case."""

    def __init__(self, store: Store, directory: Directory) -> None:
        self._store = store
        self._directory = directory

    def grants(self, kind: str, name: str) -> Record:
        """principal -> privileges; changed in place."""
        return self._store.table("grants").setdefault(f"{kind}:{name}", {})

    def check_grant(self, kind: str, principal: str, privileges: set[str]) -> None:
        """Whether there are such privileges and such a principal in the account. Raises Refusal."""
        for privilege in sorted(privileges - PRIVILEGES[kind]):
            raise invalid(f"Privilege {privilege} is not applicable to this entity [{kind.upper()}]")
        directory = self._directory
        if principal not in directory.users | directory.service_principals | directory.account_groups:
            raise Refusal(404, "PRINCIPAL_DOES_NOT_EXIST", f"Could not find principal with name {principal}")

    def has(self, principal: Principal, kind: str, name: str, privilege: str) -> bool:
        """Granted here or above, or owned here."""
        if principal.is_admin or self.owns(principal, kind, name):
            return True
        held = {one for place in _upwards(kind, name) for one in self._granted(principal, *place)}
        return privilege in held or (ALL in held and privilege != MANAGE)

    def manages(self, principal: Principal, kind: str, name: str) -> bool:
        """May change, drop and grant: owners of it or of what it lies in, and whoever has MANAGE."""
        owned = any(self.owns(principal, *place) for place in _upwards(kind, name))
        return owned or self.has(principal, kind, name, MANAGE)

    def owns(self, principal: Principal, kind: str, name: str) -> bool:
        table = self._store.table(f"{kind}s")
        return table.get(name, {}).get("owner", OPERATOR) in principal.account_names

    def need(self, principal: Principal, kind: str, name: str, privilege: str) -> None:
        """The privilege, and the way to it. Raises Refusal."""
        for above, above_name in reversed(_upwards(kind, name)[1:]):
            self._need(principal, above, above_name, f"USE_{above.upper()}")
        self._need(principal, kind, name, privilege)

    def reaches(self, principal: Principal, kind: str, name: str, privilege: str) -> bool:
        """As `need`, without a word."""
        ways = ((above, one, f"USE_{above.upper()}") for above, one in _upwards(kind, name)[1:])
        return all(self.has(principal, *way) for way in (*ways, (kind, name, privilege)))

    def need_to_manage(self, principal: Principal, kind: str, name: str) -> None:
        """Raises Refusal."""
        if not self.manages(principal, kind, name):
            raise _denied(MANAGE, kind, name)

    def sees(self, principal: Principal, kind: str, name: str) -> bool:
        """Holds anything at all on it, and the way to it."""
        return self.manages(principal, kind, name) or any(
            self.reaches(principal, kind, name, privilege) for privilege in PRIVILEGES[kind]
        )

    def need_to_see(self, principal: Principal, kind: str, name: str) -> None:
        """Raises Refusal."""
        if not self.sees(principal, kind, name):
            raise _denied("READ_VOLUME" if kind == "volume" else f"USE_{kind.upper()}", kind, name)

    def _need(self, principal: Principal, kind: str, name: str, privilege: str) -> None:
        if not self.has(principal, kind, name, privilege):
            raise _denied(privilege, kind, name)

    def _granted(self, principal: Principal, kind: str, name: str) -> list[str]:
        grants = self._store.table("grants").get(f"{kind}:{name}", {})
        return [privilege for one in principal.account_names for privilege in grants.get(one, [])]


def _upwards(kind: str, name: str) -> list[tuple[str, str]]:
    """The securable, and those that it lies in."""
    if kind == "credential":
        return [(kind, name)]
    parts = name.split(".")
    kinds = ("catalog", "schema", "volume")
    return [(kinds[n - 1], ".".join(parts[:n])) for n in range(len(parts), 0, -1)]


def _denied(privilege: str, kind: str, name: str) -> Refusal:
    return permission_denied(f"User does not have {privilege.replace('_', ' ')} on {kind.capitalize()} '{name}'.")

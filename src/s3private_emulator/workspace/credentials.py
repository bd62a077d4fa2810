"""Unity Catalog service credentials: the control plane vends a session of an AWS role, and no STS is asked.

https://docs.databricks.com/api/workspace/credentials/generatetemporaryservicecredential
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from s3private_emulator.workspace.refusals import Refusal, permission_denied
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.store import Record, Store

V = ("2.1",)


class Session(Protocol):
    """Keys of a role session, as the emulated AWS hands them out."""

    @property
    def access_key_id(self) -> str: ...
    @property
    def secret_access_key(self) -> str: ...
    @property
    def session_token(self) -> str | None: ...
    @property
    def expires(self) -> datetime | None: ...


Vend = Callable[[str, str], Session]
"""(role ARN, session name) -> its session"""


class Credentials:
    def __init__(self, store: Store, vend: Vend) -> None:
        self._store = store
        self._vend = vend

    def add_routes(self, router: Router) -> None:
        router.add("POST", "unity-catalog/temporary-service-credentials", self._vend_keys, versions=V)
        router.add("GET", "unity-catalog/credentials", self._list, versions=V)
        router.add("GET", "unity-catalog/credentials/<name>", self._get, versions=V)

    def seed(self, name: str, role_arn: str, users: tuple[str, ...] = ()) -> None:
        """A service credential that is there from the start. `users`: who may ACCESS it; none: everybody."""
        self._store.table("credentials").setdefault(
            name,
            {
                "name": name,
                "full_name": name,
                "purpose": "SERVICE",
                "aws_iam_role": {"role_arn": role_arn},
                "users": list(users),
            },
        )

    def _known(self, name: str) -> Record:
        found = self._store.table("credentials").get(name)
        if found is None:
            raise Refusal(404, "CREDENTIAL_DOES_NOT_EXIST", f"Credential '{name}' does not exist.")
        return found

    def _list(self, _call: Call) -> Answer:
        return {"credentials": [_told(found) for found in self._store.table("credentials").values()]}

    def _get(self, _call: Call, name: str) -> Answer:
        return _told(self._known(name))

    def _vend_keys(self, call: Call) -> Answer:
        found = self._known(str(need(call.body, "credential_name")))
        if found["users"] and call.principal.name not in found["users"]:
            raise permission_denied(f"User does not have ACCESS on Credential '{found['name']}'.")
        session = self._vend(str(found["aws_iam_role"]["role_arn"]), "databricks-service-credential")
        expires = session.expires
        return {
            "aws_temp_credentials": {
                "access_key_id": session.access_key_id,
                "secret_access_key": session.secret_access_key,
                "session_token": session.session_token,
            },
            "expiration_time": int(expires.timestamp() * 1000) if expires else 0,
        }


def _told(found: Record) -> Record:
    return {name: value for name, value in found.items() if name != "users"}

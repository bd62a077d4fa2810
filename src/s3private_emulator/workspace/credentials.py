"""Unity Catalog service credentials: the control plane vends a session of an AWS role, and no STS is asked.

https://docs.databricks.com/api/workspace/credentials/generatetemporaryservicecredential
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from s3private_emulator.workspace.identity import OPERATOR
from s3private_emulator.workspace.privileges import Privileges
from s3private_emulator.workspace.refusals import Refusal
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
    def __init__(self, store: Store, vend: Vend, privileges: Privileges) -> None:
        self._store = store
        self._privileges = privileges
        self._vend = vend

    def add_routes(self, router: Router) -> None:
        router.add("POST", "unity-catalog/temporary-service-credentials", self._vend_keys, versions=V)
        router.add("GET", "unity-catalog/credentials", self._list, versions=V)
        router.add("GET", "unity-catalog/credentials/<name>", self._get, versions=V)

    def seed(self, name: str, role_arn: str, users: tuple[str, ...] = ()) -> None:
        """A service credential that is there from the start. `users`: who has ACCESS from the start, besides its
        owner, the operator."""
        table = self._store.table("credentials")
        if name in table:
            return
        table[name] = {
            "name": name,
            "full_name": name,
            "purpose": "SERVICE",
            "owner": OPERATOR,
            "aws_iam_role": {"role_arn": role_arn},
        }
        self._privileges.grants("credential", name).update({user: ["ACCESS"] for user in users})

    def _known(self, name: str) -> Record:
        found = self._store.table("credentials").get(name)
        if found is None:
            raise Refusal(404, "CREDENTIAL_DOES_NOT_EXIST", f"Credential '{name}' does not exist.")
        return found

    def _list(self, call: Call) -> Answer:
        found = self._store.table("credentials").values()
        return {"credentials": [one for one in found if self._sees(call, one["name"])]}

    def _get(self, call: Call, name: str) -> Answer:
        found = self._known(name)
        self._privileges.need(call.principal, "credential", name, "ACCESS")
        return found

    def _sees(self, call: Call, name: str) -> bool:
        return self._privileges.has(call.principal, "credential", name, "ACCESS")

    def _vend_keys(self, call: Call) -> Answer:
        found = self._known(str(need(call.body, "credential_name")))
        self._privileges.need(call.principal, "credential", found["name"], "ACCESS")
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

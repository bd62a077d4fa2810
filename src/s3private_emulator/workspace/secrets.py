"""Secret scopes, secrets and their ACLs.

https://docs.databricks.com/api/workspace/secrets
"""

from __future__ import annotations

import base64
import binascii
import re
import time

from s3private_emulator.workspace.refusals import already_exists, invalid, missing, permission_denied
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.store import Record, Store, Table

READERS = ("READ", "WRITE", "MANAGE")
WRITERS = ("WRITE", "MANAGE")
NAME = re.compile(r"[\w\-@.]{1,128}")


class Secrets:
    def __init__(self, store: Store) -> None:
        self._store = store

    def add_routes(self, router: Router) -> None:
        router.add("POST", "secrets/scopes/create", self._create_scope)
        router.add("GET", "secrets/scopes/list", self._list_scopes)
        router.add("POST", "secrets/scopes/delete", self._delete_scope)
        router.add("POST", "secrets/put", self._put)
        router.add("GET", "secrets/get", self._get)
        router.add("GET", "secrets/list", self._list)
        router.add("POST", "secrets/delete", self._delete)
        router.add("POST", "secrets/acls/put", self._put_acl)
        router.add("GET", "secrets/acls/get", self._get_acl)
        router.add("GET", "secrets/acls/list", self._list_acls)
        router.add("POST", "secrets/acls/delete", self._delete_acl)

    def _scopes(self) -> Table:
        return self._store.table("scopes")

    def _scope(self, name: str) -> Record:
        found = self._scopes().get(name)
        if found is None:
            raise missing(f"Scope {name} does not exist!")
        return found

    def _permitted(self, call: Call, name: str, *levels: str) -> Record:
        """The scope, for a principal that has one of these permissions on it; workspace admins have all.
        https://docs.databricks.com/aws/en/security/auth/access-control/#secret-acls"""
        scope = self._scope(name)
        held = {scope["acls"].get(name) for name in call.principal.names}
        if not call.principal.is_admin and not held & set(levels):
            raise permission_denied(f"User {call.principal.name} does not have {levels[0]} permission on scope {name}")
        return scope

    def _create_scope(self, call: Call) -> Answer:
        name = str(need(call.body, "scope"))
        if not NAME.fullmatch(name):
            raise invalid("The scope name may only contain alphanumerics, dashes, underscores, @ and periods.")
        if name in self._scopes():
            raise already_exists(f"Scope {name} already exists!")
        backend = call.body.get("scope_backend_type", "DATABRICKS")
        if backend != "DATABRICKS":
            raise invalid(f"Scope with type {backend} is not supported here.")
        # Its creator manages it; `initial_manage_principal` takes `users` only.
        self._scopes()[name] = {"acls": {call.principal.name: "MANAGE"}, "secrets": {}}
        if call.body.get("initial_manage_principal") == "users":
            self._scopes()[name]["acls"]["users"] = "MANAGE"
        return {}

    def _list_scopes(self, _call: Call) -> Answer:
        return {"scopes": [{"name": name, "backend_type": "DATABRICKS"} for name in sorted(self._scopes())]}

    def _delete_scope(self, call: Call) -> Answer:
        name = str(need(call.body, "scope"))
        self._permitted(call, name, "MANAGE")
        del self._scopes()[name]
        return {}

    def _put(self, call: Call) -> Answer:
        body = call.body
        scope, key = self._permitted(call, str(need(body, "scope")), *WRITERS), str(need(body, "key"))
        if not NAME.fullmatch(key):
            raise invalid("The key may only contain alphanumerics, dashes, underscores and periods.")
        text, raw = body.get("string_value"), body.get("bytes_value")
        if (text is None) == (raw is None):
            raise invalid("Exactly one of string_value and bytes_value must be given.")
        if text is not None:
            raw = base64.b64encode(str(text).encode()).decode()
        try:
            base64.b64decode(str(raw), validate=True)
        except binascii.Error as error:
            raise invalid("bytes_value must be base64.") from error
        scope["secrets"][key] = {"value": raw, "updated": int(time.time() * 1000)}
        return {}

    def _get(self, call: Call) -> Answer:
        scope, key = self._permitted(call, call.need("scope"), *READERS), call.need("key")
        if key not in scope["secrets"]:
            raise missing(f"Secret does not exist with scope: {call.need('scope')} and key: {key}")
        return {"key": key, "value": scope["secrets"][key]["value"]}

    def _list(self, call: Call) -> Answer:
        held = self._permitted(call, call.need("scope"), *READERS)["secrets"]
        return {"secrets": [{"key": key, "last_updated_timestamp": held[key]["updated"]} for key in sorted(held)]}

    def _delete(self, call: Call) -> Answer:
        scope, key = str(need(call.body, "scope")), str(need(call.body, "key"))
        if self._permitted(call, scope, *WRITERS)["secrets"].pop(key, None) is None:
            raise missing(f"Secret does not exist with scope: {scope} and key: {key}")
        return {}

    def _put_acl(self, call: Call) -> Answer:
        scope, principal = (
            self._permitted(call, str(need(call.body, "scope")), "MANAGE"),
            str(need(call.body, "principal")),
        )
        permission = str(need(call.body, "permission"))
        if permission not in READERS:
            raise invalid(f"Invalid permission: {permission}")
        scope["acls"][principal] = permission
        return {}

    def _get_acl(self, call: Call) -> Answer:
        principal = call.need("principal")
        acls = self._permitted(call, call.need("scope"), "MANAGE")["acls"]
        if principal not in acls:
            raise missing(f"Failed to get secret ACL for principal {principal} for scope {call.need('scope')}.")
        return {"principal": principal, "permission": acls[principal]}

    def _list_acls(self, call: Call) -> Answer:
        acls = self._permitted(call, call.need("scope"), "MANAGE")["acls"]
        return {"items": [{"principal": name, "permission": acls[name]} for name in sorted(acls)]}

    def _delete_acl(self, call: Call) -> Answer:
        scope, principal = str(need(call.body, "scope")), str(need(call.body, "principal"))
        if self._permitted(call, scope, "MANAGE")["acls"].pop(principal, None) is None:
            raise missing(f"Failed to delete secret ACL for principal {principal} for scope {scope}.")
        return {}

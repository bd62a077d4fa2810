"""Unity Catalog: schemas, volumes and grants below the catalogs that are there from the start.

A volume's files lie in `volumes/<catalog>/<schema>/<volume>`, which is /Volumes for tasks and for the Files API, and go
with it when it is deleted.
https://docs.databricks.com/api/workspace/schemas · /volumes · /grants
"""

from __future__ import annotations

import shutil
import time
import uuid
from pathlib import Path
from typing import Any

from s3private_emulator.workspace.identity import ACCOUNT_USERS
from s3private_emulator.workspace.privileges import Privileges
from s3private_emulator.workspace.refusals import Refusal, invalid
from s3private_emulator.workspace.routing import Answer, Call, Router, need
from s3private_emulator.workspace.store import Record, Store, Table

API = "unity-catalog"
V = ("2.1",)
CATALOGS = ("main", "workspace")


class Catalog:
    """`volumes`: the folder that tasks see as /Volumes."""

    def __init__(self, store: Store, volumes: Path, metastore_id: str, region: str, privileges: Privileges) -> None:
        self._store = store
        self._privileges = privileges
        self.volumes = volumes
        self._metastore_id = metastore_id
        self._region = region
        for catalog in CATALOGS:
            (volumes / catalog / "default").mkdir(parents=True, exist_ok=True)
            # https://docs.databricks.com/aws/en/data-governance/unity-catalog/get-started (default privileges)
            for kind, name, privilege in (
                ("catalog", catalog, "USE_CATALOG"),
                ("schema", f"{catalog}.default", "USE_SCHEMA"),
            ):
                self._privileges.grants(kind, name).setdefault(ACCOUNT_USERS, [privilege])
            self._schemas().setdefault(f"{catalog}.default", self._made("System user", catalog, "default"))

    def add_routes(self, router: Router) -> None:
        router.add("GET", f"{API}/current-metastore-assignment", self._metastore, versions=V)
        router.add("GET", f"{API}/metastore_summary", self._metastore, versions=V)
        router.add("GET", f"{API}/catalogs", self._list_catalogs, versions=V)
        router.add("GET", f"{API}/catalogs/<name>", self._get_catalog, versions=V)
        router.add("POST", f"{API}/schemas", self._create_schema, versions=V)
        router.add("GET", f"{API}/schemas", self._list_schemas, versions=V)
        router.add("GET", f"{API}/schemas/<name>", self._get_schema, versions=V)
        router.add("PATCH", f"{API}/schemas/<name>", self._update_schema, versions=V)
        router.add("DELETE", f"{API}/schemas/<name>", self._delete_schema, versions=V)
        router.add("POST", f"{API}/volumes", self._create_volume, versions=V)
        router.add("GET", f"{API}/volumes", self._list_volumes, versions=V)
        router.add("GET", f"{API}/volumes/<name>", self._get_volume, versions=V)
        router.add("PATCH", f"{API}/volumes/<name>", self._update_volume, versions=V)
        router.add("DELETE", f"{API}/volumes/<name>", self._delete_volume, versions=V)
        router.add("GET", f"{API}/permissions/<kind>/<name>", self._get_grants, versions=V)
        router.add("PATCH", f"{API}/permissions/<kind>/<name>", self._update_grants, versions=V)

    def has_volume(self, catalog: str, schema: str, volume: str) -> bool:
        return f"{catalog}.{schema}.{volume}" in self._volumes()

    def volume_names(self) -> list[str]:
        """In full."""
        return sorted(self._volumes())

    def _schemas(self) -> Table:
        return self._store.table("schemas")

    def _volumes(self) -> Table:
        return self._store.table("volumes")

    def _made(self, owner: str, *names: str) -> Record:
        """What every object of the catalog has."""
        now = int(time.time() * 1000)
        return {
            "name": names[-1],
            "full_name": ".".join(names),
            "catalog_name": names[0],
            "owner": owner,
            "created_at": now,
            "created_by": owner,
            "updated_at": now,
            "updated_by": owner,
            "metastore_id": self._metastore_id,
        }

    def _metastore(self, _call: Call) -> Answer:
        return {"metastore_id": self._metastore_id, "default_catalog_name": CATALOGS[0], "region": self._region}

    def _list_catalogs(self, call: Call) -> Answer:
        seen = [name for name in CATALOGS if self._privileges.sees(call.principal, "catalog", name)]
        return {"catalogs": [{"name": name, "catalog_type": "MANAGED_CATALOG"} for name in seen]}

    def _get_catalog(self, call: Call, name: str) -> Answer:
        if name not in CATALOGS:
            raise _no("Catalog", name)
        self._privileges.need_to_see(call.principal, "catalog", name)
        return {"name": name, "catalog_type": "MANAGED_CATALOG", "metastore_id": self._metastore_id}

    def _create_schema(self, call: Call) -> Answer:
        body = call.body
        catalog, name = str(need(body, "catalog_name")), _name(body)
        if catalog not in CATALOGS:
            raise _no("Catalog", catalog)
        for privilege in ("USE_CATALOG", "CREATE_SCHEMA"):
            self._privileges.need(call.principal, "catalog", catalog, privilege)
        made = self._made(call.principal.name, catalog, name)
        if made["full_name"] in self._schemas():
            raise Refusal(400, "SCHEMA_ALREADY_EXISTS", f"Schema '{made['full_name']}' already exists")
        made |= {"catalog_type": "MANAGED_CATALOG", "schema_id": str(uuid.uuid4()), "browse_only": False}
        made |= {field: body[field] for field in ("comment", "properties", "storage_root") if field in body}
        self._schemas()[made["full_name"]] = made
        (self.volumes / catalog / name).mkdir(parents=True, exist_ok=True)
        return made

    def _list_schemas(self, call: Call) -> Answer:
        catalog = call.need("catalog_name")
        found = [s for s in self._schemas().values() if s["catalog_name"] == catalog]
        return {"schemas": [s for s in found if self._privileges.sees(call.principal, "schema", s["full_name"])]}

    def _schema(self, name: str) -> Record:
        found = self._schemas().get(name.lower())
        if found is None:
            raise _no("Schema", name)
        return found

    def _get_schema(self, call: Call, name: str) -> Answer:
        found = self._schema(name)
        self._privileges.need_to_see(call.principal, "schema", found["full_name"])
        return found

    def _update_schema(self, call: Call, name: str) -> Answer:
        found = self._schema(name)
        self._privileges.need_to_manage(call.principal, "schema", found["full_name"])
        _update(found, call, ("comment", "owner", "properties", "enable_predictive_optimization"))
        return found

    def _delete_schema(self, call: Call, name: str) -> Answer:
        found = self._schema(name)
        self._privileges.need_to_manage(call.principal, "schema", found["full_name"])
        inside = [volume for volume in self._volumes() if volume.startswith(f"{found['full_name']}.")]
        if inside and not call.is_true("force"):
            raise invalid(f"Schema '{name}' is not empty. Schema has {len(inside)} volume(s).")
        for volume in inside:
            self._drop_volume(volume)
        del self._schemas()[found["full_name"]]
        shutil.rmtree(self.volumes.joinpath(*found["full_name"].split(".")), ignore_errors=True)
        self._store.table("grants").pop(f"schema:{found['full_name']}", None)
        return {}

    def _create_volume(self, call: Call) -> Answer:
        body = call.body
        catalog, schema = str(need(body, "catalog_name")), str(need(body, "schema_name")).lower()
        if catalog not in CATALOGS:
            raise _no("Catalog", catalog)
        self._privileges.need(call.principal, "schema", self._schema(f"{catalog}.{schema}")["full_name"], "USE_SCHEMA")
        self._privileges.need(call.principal, "schema", f"{catalog}.{schema}", "CREATE_VOLUME")
        kind = need(body, "volume_type")
        if kind != "MANAGED":
            raise invalid(f"the emulated workspace has managed volumes only, not {kind}")
        if body.get("storage_location"):
            raise invalid("CreateVolume storage_location can not be provided.")
        made = self._made(call.principal.name, catalog, schema, _name(body))
        if made["full_name"] in self._volumes():
            raise Refusal(400, "VOLUME_ALREADY_EXISTS", f"Volume '{made['full_name']}' already exists")
        number = str(uuid.uuid4())
        made |= {"schema_name": schema, "volume_type": kind, "volume_id": number, "comment": body.get("comment", "")}
        made["storage_location"] = f"s3://emulated-metastore/{self._metastore_id}/volumes/{number}"
        self._volumes()[made["full_name"]] = made
        self.volumes.joinpath(catalog, schema, made["name"]).mkdir(parents=True, exist_ok=True)
        return made

    def _list_volumes(self, call: Call) -> Answer:
        schema = f"{call.need('catalog_name')}.{call.need('schema_name')}"
        found = [v for v in self._volumes().values() if v["full_name"].startswith(f"{schema}.")]
        return {"volumes": [v for v in found if self._privileges.sees(call.principal, "volume", v["full_name"])]}

    def _volume(self, name: str) -> Record:
        found = self._volumes().get(name.lower())
        if found is None:
            raise _no("Volume", name)
        return found

    def _get_volume(self, call: Call, name: str) -> Answer:
        found = self._volume(name)
        self._privileges.need_to_see(call.principal, "volume", found["full_name"])
        return found

    def _update_volume(self, call: Call, name: str) -> Answer:
        found = self._volume(name)
        self._privileges.need_to_manage(call.principal, "volume", found["full_name"])
        if call.body.get("new_name"):
            raise invalid("the emulated workspace renames no volume")
        _update(found, call, ("comment", "owner"))
        return found

    def _delete_volume(self, call: Call, name: str) -> Answer:
        full_name = self._volume(name)["full_name"]
        self._privileges.need_to_manage(call.principal, "volume", full_name)
        self._drop_volume(full_name)
        return {}

    def _drop_volume(self, name: str) -> None:
        del self._volumes()[name]
        self._store.table("grants").pop(f"volume:{name}", None)
        shutil.rmtree(self.volumes.joinpath(*name.split(".")), ignore_errors=True)

    def _securable(self, kind: str, name: str) -> tuple[str, str]:
        """Its kind and name as they are kept, of one that is there. Raises Refusal."""
        kind, name = kind.lower(), name.lower()
        if kind == "schema":
            self._schema(name)
        elif kind == "volume":
            self._volume(name)
        elif kind == "catalog":
            if name not in CATALOGS:
                raise _no("Catalog", name)
        elif kind == "credential":
            if name not in self._store.table("credentials"):
                raise _no("Credential", name)
        else:
            raise invalid(f"SecurableType {kind} is not supported here.")
        return kind, name

    def _get_grants(self, call: Call, kind: str, name: str) -> Answer:
        """All of them for who manages it; others see their own."""
        kind, name = self._securable(kind, name)
        grants = self._privileges.grants(kind, name)
        if not self._privileges.manages(call.principal, kind, name):
            grants = {who: held for who, held in grants.items() if who in call.principal.account_names}
        return _assignments(grants)

    def _update_grants(self, call: Call, kind: str, name: str) -> Answer:
        kind, name = self._securable(kind, name)
        self._privileges.need_to_manage(call.principal, kind, name)
        grants = self._privileges.grants(kind, name)
        for change in call.body.get("changes", []):
            principal = str(need(change, "principal"))
            added, removed = set(change.get("add", [])), set(change.get("remove", []))
            if added & removed:
                raise invalid(f"Duplicate privileges to add and delete for principal {principal}.")
            self._privileges.check_grant(kind, principal, added | removed)
            held = set(grants.get(principal, []))
            held = (set() if "ALL_PRIVILEGES" in removed else held - removed) | added
            grants[principal] = sorted(held)
            if not held:
                del grants[principal]
        return _assignments(grants)


def _assignments(grants: Record) -> dict[str, Any]:
    return {"privilege_assignments": [{"principal": name, "privileges": held} for name, held in grants.items()]}


def _update(found: Record, call: Call, fields: tuple[str, ...]) -> None:
    found |= {field: call.body[field] for field in fields if field in call.body}
    found |= {"updated_at": int(time.time() * 1000), "updated_by": call.principal.name}


def _name(body: dict[str, Any]) -> str:
    """Unity Catalog keeps names in lower case."""
    name = str(need(body, "name")).lower()
    if any(character in name for character in "./ ") or not name.isprintable():
        raise invalid(f"name '{name}' is not a valid name")
    return name


def _no(what: str, name: str) -> Refusal:
    return Refusal(404, f"{what.upper()}_DOES_NOT_EXIST", f"{what} '{name}' does not exist.")

"""A person who may run `list` and nothing else tries its parameters: nothing outside is read, written or asked.

The job is the bundle's own, and runs as a service principal that may do more than the person.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from emulator.workspace.site import Site
from emulator.workspace.test_rights import VISITOR, as_person, grant, may_run

UC = "/api/2.1/unity-catalog"
FILES = "/Volumes/main/s3p/files"
SECRET, OUTSIDE = "the-client-secret-itself", "what-lies-outside"
LIST_JOB = Path(__file__).parents[3] / "resources" / "list.job.yml"
TRIES: list[tuple[str, str, str]] = [
    ("route", "../../../../etc/passwd", "route: "),
    ("route", "outside.json", "route: "),
    ("route", "/Volumes/main/other/files/outside.json", "route: "),
    ("route", "/Workspace/Users/operator@example.com/outside.json", "route: "),
    ("route", "{{secrets/account/client-secret}}", "route: "),
    ("output", "/Volumes/main/other/files/new", "output: "),
    ("output", "results/../routes/forged.json", "output: "),
    ("table", "main.other.t", "table: "),
    ("bucket", "http://127.0.0.1:9/evil", "forged.json: "),
    ("prefix", "{{secrets/account/client-secret}}", "forged.json: "),
    ("glob", "--volume=/etc", "forged.json: "),
    ("modified_after", "--schema=main.other", "--modified-after: "),
    ("min_size", "--results=", "--min-size: "),
    ("limit", "--output=/etc/x", "--limit: "),
    ("volume", "/Volumes/main/other/files", "forged.json: "),
]
"""Parameter, value, and what refuses it: `routes/forged.json` is the only Route that is there, and it is not ours."""
FORGED = b'{"version": 1, "endpoint_url": "https://evil.example", "region": "eu-west-1", "buckets": ["b"]}'


def list_job(client_id: str) -> dict[str, Any]:
    """The bundle's job `list`, with what a deployment fills in."""
    text = LIST_JOB.read_text(encoding="utf-8")
    for name, value in (
        ("${resources.volumes.files.volume_path}", FILES),
        ("${resources.schemas.storage.name}", "s3p"),
        ("${var.catalog}", "main"),
        ("${var.route_file}", "routes/forged.json"),
        ("${var.failure_emails}", "[]"),
        ("../dist/*.whl", "/Workspace/Shared/tiny-0.1-py3-none-any.whl"),
    ):
        text = text.replace(name, value)
    settings: dict[str, Any] = yaml.safe_load(text)["resources"]["jobs"]["list"]
    assert re.findall(r"\$\{[^}]*\}", text) == []
    return {**settings, "run_as": {"service_principal_name": client_id}}


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_whoever_may_run_list_reaches_nothing_outside_by_any_parameter(here: Site) -> None:
    client_id = here.emulator.world.client_id
    here.client.secrets.create_scope("account")
    here.client.secrets.put_secret("account", "client-secret", string_value=SECRET)
    here.call("POST", "/api/2.0/secrets/acls/put", {"scope": "account", "principal": client_id, "permission": "READ"})
    for schema in ("s3p", "other"):
        here.call("POST", f"{UC}/schemas", {"name": schema, "catalog_name": "main"})
        volume = {"catalog_name": "main", "schema_name": schema, "name": "files", "volume_type": "MANAGED"}
        here.call("POST", f"{UC}/volumes", volume)
        grant(here, f"schema/main.{schema}", client_id, "USE_SCHEMA")
        for privilege in ("READ_VOLUME", "WRITE_VOLUME"):
            grant(here, f"schema/main.{schema}", client_id, privilege)
        here.client.api_client.do(
            "PUT", f"/api/2.0/fs/files/Volumes/main/{schema}/files/outside.json", data=OUTSIDE.encode()
        )
    here.client.api_client.do("PUT", f"/api/2.0/fs/directories{FILES}/routes")
    here.client.api_client.do("PUT", f"/api/2.0/fs/files{FILES}/routes/forged.json", data=FORGED)
    job = int(here.call("POST", "/api/2.2/jobs/create", list_job(client_id))["job_id"])
    may_run(here, job, {"user_name": VISITOR})
    visitor = as_person(here, VISITOR)
    volumes = here.emulator.workspaces[here.workspace_id].catalog.volumes
    before, mark = everything(volumes), here.emulator.log.mark()
    runs = [visitor.start(job, job_parameters={name: value}) for name, value, _ in TRIES]
    for (name, value, says), run in zip(TRIES, runs, strict=True):
        ended = visitor.ended(run)
        assert ended["state"].get("result_state") == "FAILED", (name, value, ended["state"])
        said = str(visitor.outputs(ended))
        assert says in visitor.outputs(ended)["list"]["error"]
        assert SECRET not in said
        assert OUTSIDE not in said
    assert everything(volumes) == before
    asked = {request.operation for request in here.emulator.log.since(mark)}
    assert {one for one in asked if not one.startswith("workspace:") or "jobs/" not in one} == set()

"""What is not there, is there already, or is not allowed, is refused in the platform's own codes."""

from __future__ import annotations

import base64
import io
import json
import urllib.error
import urllib.request
from contextlib import nullcontext
from typing import Any

import pytest
from databricks.sdk import AccountClient, WorkspaceClient
from databricks.sdk.config import Config
from databricks.sdk.errors import NotFound, PermissionDenied, ResourceAlreadyExists
from databricks.sdk.errors.base import DatabricksError

from emulator.workspace.site import HOME, Site, wheel_task
from s3private_emulator.faults import Fault, Planned
from s3private_emulator.workspace.identity import TOKEN

UC = "/api/2.1/unity-catalog"


def volume(name: str, **more: str) -> dict[str, str]:
    return {"catalog_name": "main", "schema_name": "default", "name": name, "volume_type": "MANAGED", **more}


def refused(here: Site, method: str, path: str, body: Any = None, **query: Any) -> DatabricksError:
    with pytest.raises(DatabricksError) as error:
        here.call(method, path, body, **query)
    return error.value


def test_a_wrong_token_or_none_is_refused(here: Site) -> None:
    with pytest.raises(DatabricksError, match="Invalid access token"):
        here.client_with("dapi-somebody-else").current_user.me()
    with pytest.raises(DatabricksError, match="Invalid access token"):
        here.client_with("eyJ-no-such-oauth-token").current_user.me()


def test_no_request_in_the_log_holds_a_secret(here: Site) -> None:
    here.client.secrets.create_scope("hidden")
    here.client.secrets.put_secret("hidden", "key", string_value="never-logged")
    assert here.client.secrets.get_secret("hidden", "key").value == "bmV2ZXItbG9nZ2Vk"
    assert "never-logged" not in str(here.emulator.log.since())
    assert "bmV2ZXItbG9nZ2Vk" not in str(here.emulator.log.since())


def test_a_scope_is_made_once_and_its_secrets_are_there_or_not(here: Site) -> None:
    here.client.secrets.create_scope("scope")
    with pytest.raises(ResourceAlreadyExists):
        here.client.secrets.create_scope("scope")
    with pytest.raises(NotFound):
        here.client.secrets.get_secret("scope", "nothing")
    with pytest.raises(NotFound):
        here.client.secrets.put_secret("nowhere", "key", string_value="x")
    here.client.secrets.put_secret("scope", "key", string_value="x")
    here.client.secrets.delete_scope("scope")
    with pytest.raises(NotFound):
        here.client.secrets.get_secret("scope", "key")


def test_a_service_principals_job_reads_a_scope_only_with_an_acl(here: Site) -> None:
    client_id = here.emulator.world.client_id
    here.client.secrets.create_scope("acl")
    here.client.secrets.put_secret("acl", "key", string_value="for its eyes")
    task = wheel_task("t", "secret", parameters=["acl", "key"])
    job = here.job(task, run_as={"service_principal_name": client_id})
    error = here.outputs(here.ended(here.start(job)))["t"]["error"]
    assert f"PERMISSION_DENIED: User {client_id} does not have READ permission on scope acl" in error
    here.call("POST", "/api/2.0/secrets/acls/put", {"scope": "acl", "principal": client_id, "permission": "READ"})
    assert here.outputs(here.ended(here.start(job)))["t"]["logs"] == "for its eyes\n"


def test_a_volume_needs_its_schema_and_a_schema_its_catalog(here: Site) -> None:
    assert refused(here, "POST", f"{UC}/schemas", {"name": "s", "catalog_name": "no"}).error_code == (
        "CATALOG_DOES_NOT_EXIST"
    )
    assert refused(here, "POST", f"{UC}/volumes", volume("v", schema_name="no")).error_code == "SCHEMA_DOES_NOT_EXIST"
    assert refused(here, "POST", f"{UC}/volumes", volume("files")).error_code == "VOLUME_ALREADY_EXISTS"
    assert refused(here, "GET", f"{UC}/volumes/main.default.no").error_code == "VOLUME_DOES_NOT_EXIST"


def test_a_schema_with_a_volume_goes_only_by_force_and_its_files_with_it(here: Site) -> None:
    here.call("POST", f"{UC}/schemas", {"name": "Going", "catalog_name": "main"})
    here.call("POST", f"{UC}/volumes", volume("v", schema_name="going"))
    place = "/Volumes/main/going/v/file"
    here.client.api_client.do("PUT", f"/api/2.0/fs/files{place}", data=b"x")
    assert "not empty" in str(refused(here, "DELETE", f"{UC}/schemas/main.going"))
    here.call("DELETE", f"{UC}/schemas/main.going", force="true")
    assert isinstance(refused(here, "GET", f"/api/2.0/fs/files{place}"), NotFound)


def test_grants_are_added_and_taken_away(here: Site) -> None:
    path = f"{UC}/permissions/volume/main.default.files"
    changes = [{"principal": "account users", "add": ["READ_VOLUME", "WRITE_VOLUME"]}]
    here.call("PATCH", path, {"changes": changes})
    told = here.call("PATCH", path, {"changes": [{"principal": "account users", "remove": ["WRITE_VOLUME"]}]})
    assert told == {"privilege_assignments": [{"principal": "account users", "privileges": ["READ_VOLUME"]}]}
    both = [{"principal": "account users", "add": ["READ_VOLUME"], "remove": ["READ_VOLUME"]}]
    assert "Duplicate privileges" in str(refused(here, "PATCH", path, {"changes": both}))
    here.call("PATCH", path, {"changes": [{"principal": "account users", "remove": ["ALL_PRIVILEGES"]}]})
    assert here.call("GET", path) == {"privilege_assignments": []}


def test_a_file_is_overwritten_only_when_asked_and_needs_its_folder(here: Site) -> None:
    path = "/api/2.0/fs/files/Volumes/main/default/files/f"
    here.client.api_client.do("PUT", path, data=b"1")
    with pytest.raises(DatabricksError, match="already exists"):
        here.client.api_client.do("PUT", path, data=b"2")
    here.client.api_client.do("PUT", path, data=b"2", query={"overwrite": "true"})
    with pytest.raises(NotFound, match="parent directory"):
        here.client.api_client.do("PUT", f"{path.removesuffix('/f')}/none/f", data=b"1")
    with pytest.raises(DatabricksError, match="Invalid path"):
        here.client.api_client.do("PUT", "/api/2.0/fs/files/etc/passwd", data=b"1")
    with pytest.raises(DatabricksError, match="Invalid path"):
        here.client.api_client.do("GET", "/api/2.0/fs/files/Volumes/main/default/files/../../../../workspace.json")


@pytest.mark.parametrize("shape", ["json", "form"])
def test_a_file_is_imported_by_json_and_by_form(here: Site, shape: str) -> None:
    """The form is the command's from 1.21 on, and databricks-sdk's `workspace.upload`."""
    place, text = f"{HOME}/{shape}.txt", b"\x00\xff not text"

    def send(path: str, content: bytes, **more: str) -> None:
        if shape == "form":
            fields = {"path": path, "format": "AUTO", **more}
            here.client.api_client.do(
                "POST", "/api/2.0/workspace/import", files={"content": io.BytesIO(content)}, data=fields
            )
        else:
            body = {"path": path, "format": "AUTO", "content": base64.b64encode(content).decode(), **more}
            here.call("POST", "/api/2.0/workspace/import", body)

    send(place, text)
    with pytest.raises(DatabricksError, match="already exists"):
        send(place, b"other")
    assert here.client.workspace.download(place).read() == text
    send(place, b"second", overwrite="true")
    assert here.client.workspace.download(place).read() == b"second"
    send(f"{HOME}/{shape}-note.py", b"# Databricks notebook source\n")
    assert here.client.workspace.get_status(f"{HOME}/{shape}-note").language is not None
    with pytest.raises(NotFound, match="parent folder"):
        send(f"{HOME}/nowhere/x.txt", b"x")


def test_a_workspace_file_needs_its_folder_and_a_notebook_loses_its_extension(here: Site) -> None:
    with pytest.raises(NotFound, match="parent folder"):
        here.put(f"{HOME}/none/file.txt", b"x")
    here.put(f"{HOME}/book.py", b"# Databricks notebook source\n")
    assert here.client.workspace.get_status(f"{HOME}/book").language is not None
    with pytest.raises(NotFound):
        here.client.workspace.get_status(f"{HOME}/book.py")
    here.put(f"{HOME}/plain.py", b"print()\n")
    short = HOME.removeprefix("/Workspace")
    assert here.client.workspace.get_status(f"{short}/plain.py").path == f"{short}/plain.py"
    here.client.workspace.mkdirs(f"{HOME}/full/inner")
    with pytest.raises(DatabricksError, match="not empty"):
        here.client.workspace.delete(f"{HOME}/full")
    here.client.workspace.delete(f"{HOME}/full", recursive=True)
    with pytest.raises(NotFound):
        here.client.workspace.get_status(f"{HOME}/full/inner")


def test_a_credential_that_is_not_there_vends_nothing(here: Site) -> None:
    path = f"{UC}/temporary-service-credentials"
    assert refused(here, "POST", path, {"credential_name": "no"}).error_code == "CREDENTIAL_DOES_NOT_EXIST"


def test_a_credential_for_others_is_denied(here: Site) -> None:
    workspace = here.emulator.workspaces[here.workspace_id]
    workspace.credentials.seed("theirs", here.emulator.world.role_arn, users=("visitor@example.com",))
    for person in here.emulator.world.people:
        api, name = here.client_with(person.token).api_client, {"credential_name": "theirs"}
        denied = person.name != "visitor@example.com"
        with pytest.raises(PermissionDenied, match="ACCESS on Credential 'theirs'") if denied else nullcontext():
            api.do("POST", f"{UC}/temporary-service-credentials", body=name)


def test_a_service_principal_signs_in_to_the_workspace_and_to_the_account_at_one_address(here: Site) -> None:
    world = here.emulator.world

    def config(account_id: str | None) -> Config:
        return Config(
            host=here.emulator.workspace_urls[here.workspace_id],
            account_id=account_id,
            client_id=world.client_id,
            client_secret=world.client_secret,
            auth_type="oauth-m2m",
        )

    assert WorkspaceClient(config=config(None)).current_user.me().user_name == world.client_id
    account = AccountClient(config=config(world.databricks_account))
    assert [w.workspace_id for w in account.workspaces.list()] == [workspace.id for workspace in world.workspaces]
    with pytest.raises(NotFound, match="No API found"):
        here.call("GET", f"/api/2.0/accounts/{world.databricks_account}/workspaces")


@pytest.mark.parametrize(("fault", "status", "runs"), [(Fault.ERROR, 500, 0), (Fault.GATEWAY_TIMEOUT, 504, 1)])
def test_a_planned_fault_strikes_the_workspace_before_or_after_the_effect(
    here: Site, fault: Fault, status: int, runs: int
) -> None:
    job = here.job(wheel_task("t"))
    here.emulator.faults.add(Planned(operation="workspace:POST jobs/run-now", fault=fault))
    request = urllib.request.Request(  # databricks-sdk would ask again by itself
        f"{here.emulator.workspace_urls[here.workspace_id]}/api/2.2/jobs/run-now",
        data=json.dumps({"job_id": job}).encode(),
        headers={"Authorization": f"Bearer {TOKEN}"},
    )
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=10)
    error.value.close()
    assert error.value.code == status
    found = here.call("GET", "/api/2.2/jobs/runs/list", job_id=job)["runs"]
    assert len(found) == runs
    for run in found:
        here.ended(run["run_id"])

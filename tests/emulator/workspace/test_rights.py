"""What a person or a service principal may do that is no admin: what they were given, and what that comprises."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from databricks.sdk.errors import NotFound, PermissionDenied
from databricks.sdk.errors.base import DatabricksError

from emulator.workspace.site import HOME, Site, site, wheel_task
from s3private_emulator.workspace.folders import namespaces_allowed

UC = "/api/2.1/unity-catalog"
JOBS = "/api/2.2/jobs"
VISITOR, ANALYST = "visitor@example.com", "analyst@example.com"
SECRET = "the account's client secret"
TRIES: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "get another job": ("GET", f"{JOBS}/get?job_id={{other}}", None),
    "run another job": ("POST", f"{JOBS}/run-now", {"job_id": "{other}"}),
    "look at another job's run": ("GET", f"{JOBS}/runs/get?run_id={{run}}", None),
    "read another job's output": ("GET", f"{JOBS}/runs/get-output?run_id={{run}}", None),
    "cancel another job's run": ("POST", f"{JOBS}/runs/cancel", {"run_id": "{run}"}),
    "cancel another job's runs": ("POST", f"{JOBS}/runs/cancel-all", {"job_id": "{other}"}),
    "delete a run": ("POST", f"{JOBS}/runs/delete", {"run_id": "{run}"}),
    "reset the job": ("POST", f"{JOBS}/reset", {"job_id": "{mine}", "new_settings": {"name": "x", "tasks": []}}),
    "change what the job runs": ("POST", f"{JOBS}/update", {"job_id": "{mine}", "new_settings": {"name": "x"}}),
    "have the job run as another": (
        "POST",
        f"{JOBS}/update",
        {"job_id": "{mine}", "new_settings": {"run_as": {"user_name": "operator@example.com"}}},
    ),
    "delete the job": ("POST", f"{JOBS}/delete", {"job_id": "{mine}"}),
    "give themselves more": (
        "PATCH",
        "/api/2.0/permissions/jobs/{mine}",
        {"access_control_list": [{"user_name": VISITOR, "permission_level": "CAN_MANAGE"}]},
    ),
    "see who may use another job": ("GET", "/api/2.0/permissions/jobs/{other}", None),
    "make a job that runs as a service principal": (
        "POST",
        f"{JOBS}/create",
        {"name": "x", "tasks": [], "run_as": {"service_principal_name": "{client_id}"}},
    ),
    "read a secret": ("GET", "/api/2.0/secrets/get?scope=account&key=client-secret", None),
    "list a scope's secrets": ("GET", "/api/2.0/secrets/list?scope=account", None),
    "write a secret": ("POST", "/api/2.0/secrets/put", {"scope": "account", "key": "k", "string_value": "x"}),
    "delete a scope": ("POST", "/api/2.0/secrets/scopes/delete", {"scope": "account"}),
    "see a scope's readers": ("GET", "/api/2.0/secrets/acls/list?scope=account", None),
    "become a scope's reader": (
        "POST",
        "/api/2.0/secrets/acls/put",
        {"scope": "account", "principal": VISITOR, "permission": "READ"},
    ),
    "read another's file": ("GET", f"/api/2.0/workspace/export?path={HOME}/theirs.txt&direct_download=true", None),
    "look at another's file": ("GET", f"/api/2.0/workspace/get-status?path={HOME}/theirs.txt", None),
    "list another's folder": ("GET", f"/api/2.0/workspace/list?path={HOME}", None),
    "delete another's file": ("POST", "/api/2.0/workspace/delete", {"path": f"{HOME}/theirs.txt"}),
    "make a folder in another's": ("POST", "/api/2.0/workspace/mkdirs", {"path": f"{HOME}/mine"}),
    "write over another's file": (
        "POST",
        "/api/2.0/workspace/import",
        {"path": f"{HOME}/theirs.txt", "format": "AUTO", "overwrite": True, "content": base64.b64encode(b"x").decode()},
    ),
    "read a volume's file": ("GET", "/api/2.0/fs/files/Volumes/main/closed/files/route.json", None),
    "list a volume": ("GET", "/api/2.0/fs/directories/Volumes/main/closed/files", None),
    "write to a volume": ("PUT", "/api/2.0/fs/files/Volumes/main/closed/files/new", None),
    "delete a volume's file": ("DELETE", "/api/2.0/fs/files/Volumes/main/closed/files/route.json", None),
    "see a schema": ("GET", f"{UC}/schemas/main.closed", None),
    "see a volume": ("GET", f"{UC}/volumes/main.closed.files", None),
    "make a schema": ("POST", f"{UC}/schemas", {"name": "mine", "catalog_name": "main"}),
    "make a volume": (
        "POST",
        f"{UC}/volumes",
        {"catalog_name": "main", "schema_name": "closed", "name": "mine", "volume_type": "MANAGED"},
    ),
    "delete a volume": ("DELETE", f"{UC}/volumes/main.closed.files", None),
    "delete a schema": ("DELETE", f"{UC}/schemas/main.closed?force=true", None),
    "grant themselves a schema": (
        "PATCH",
        f"{UC}/permissions/schema/main.closed",
        {"changes": [{"principal": VISITOR, "add": ["USE_SCHEMA"]}]},
    ),
    "have a service credential's keys": (
        "POST",
        f"{UC}/temporary-service-credentials",
        {"credential_name": "s3private_reader"},
    ),
}


@pytest.fixture(scope="module")
def ground(here: Site) -> dict[str, object]:
    """A job that the visitor may run, one that they may not, a run of it, a scope, a file and a volume."""
    mine, other = here.job(wheel_task("t"), name="list"), here.job(wheel_task("t"), name="provision")
    may_run(here, mine, {"user_name": VISITOR})
    run = here.start(other)
    here.ended(run)
    here.client.secrets.create_scope("account")
    here.client.secrets.put_secret("account", "client-secret", string_value=SECRET)
    here.put(f"{HOME}/theirs.txt", b"theirs")
    here.call("POST", f"{UC}/schemas", {"name": "closed", "catalog_name": "main"})
    volume = {"catalog_name": "main", "schema_name": "closed", "name": "files", "volume_type": "MANAGED"}
    here.call("POST", f"{UC}/volumes", volume)
    here.client.api_client.do("PUT", "/api/2.0/fs/files/Volumes/main/closed/files/route.json", data=b"a route")
    return {"mine": mine, "other": other, "run": run, "client_id": here.emulator.world.client_id}


def may_run(here: Site, job: int, who: dict[str, str], level: str = "CAN_MANAGE_RUN") -> None:
    here.call(
        "PATCH", f"/api/2.0/permissions/jobs/{job}", {"access_control_list": [{**who, "permission_level": level}]}
    )


def as_person(here: Site, name: str) -> Site:
    """The same workspace, asked by somebody else."""
    person = next(one for one in here.emulator.world.people if one.name == name)
    other = Site(here.emulator)
    other.client = other.client_with(person.token)
    return other


def filled(value: Any, ground: dict[str, object]) -> Any:
    if isinstance(value, dict):
        return {name: filled(inner, ground) for name, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, ground) for inner in value]
    if isinstance(value, str) and value.startswith("{") and value[1:-1] in ground:
        return ground[value[1:-1]]
    return value


@pytest.mark.parametrize("what", TRIES)
def test_who_may_run_one_job_is_refused_everything_else(here: Site, ground: dict[str, object], what: str) -> None:
    method, path, body = TRIES[what]
    with pytest.raises(DatabricksError) as refused:
        as_person(here, VISITOR).call(method, path.format(**ground, HOME=quote(HOME)), filled(body, ground))
    assert isinstance(refused.value, PermissionDenied), refused.value
    assert refused.value.error_code == "PERMISSION_DENIED"
    assert SECRET not in str(refused.value)


def test_what_was_tried_changed_nothing(here: Site, ground: dict[str, object]) -> None:
    for what in TRIES:
        test_who_may_run_one_job_is_refused_everything_else(here, ground, what)
    told = here.call("GET", f"{JOBS}/get", job_id=ground["mine"])
    assert (told["settings"]["name"], told["run_as_user_name"]) == ("list", "operator@example.com")
    assert here.client.api_client.do("GET", "/api/2.0/workspace/export", query={"path": f"{HOME}/theirs.txt"}) == {
        "content": base64.b64encode(b"theirs").decode(),
        "file_type": "py",
    }
    assert [s["name"] for s in here.call("GET", f"{UC}/schemas", catalog_name="main")["schemas"]] == [
        "default",
        "closed",
    ]


def test_who_may_run_a_job_sees_it_runs_it_and_reads_its_output(here: Site, ground: dict[str, object]) -> None:
    visitor = as_person(here, VISITOR)
    assert [job["job_id"] for job in visitor.call("GET", f"{JOBS}/list")["jobs"]] == [ground["mine"]]
    run = visitor.ended(visitor.start(int(str(ground["mine"]))))
    assert run["creator_user_name"] == VISITOR
    assert run["run_as_user_name"] == "operator@example.com"
    assert visitor.outputs(run)["t"]["logs"].startswith("argv")
    assert {one["job_id"] for one in visitor.call("GET", f"{JOBS}/runs/list")["runs"]} == {ground["mine"]}


def test_the_words_are_the_services(here: Site, ground: dict[str, object]) -> None:
    with pytest.raises(PermissionDenied) as refused:
        as_person(here, VISITOR).call("GET", f"{JOBS}/get", job_id=ground["other"])
    assert str(refused.value).startswith(
        f"User {VISITOR} does not have Admin or Manage Run or Owner or View permissions on job {ground['other']}"
    )
    tree = as_person(here, VISITOR).client.workspace
    assert [found.path for found in tree.list("/Users")] == [f"/Users/{VISITOR}"]


def test_a_group_is_its_members_and_who_views_does_not_run(here: Site) -> None:
    job = here.job(wheel_task("t"), name="for analysts")
    may_run(here, job, {"group_name": "analysts"}, "CAN_VIEW")
    analyst = as_person(here, ANALYST)
    assert analyst.call("GET", f"{JOBS}/get", job_id=job)["job_id"] == job
    with pytest.raises(PermissionDenied, match="Admin or Manage Run or Owner permissions"):
        analyst.start(job)
    may_run(here, job, {"group_name": "analysts"})
    analyst.ended(analyst.start(job))
    with pytest.raises(PermissionDenied):
        as_person(here, VISITOR).start(job)


def test_levels_principals_and_owners_that_there_are_not_are_refused(here: Site, ground: dict[str, object]) -> None:
    mine = int(str(ground["mine"]))
    for entry, says in (
        ({"user_name": VISITOR, "permission_level": "CAN_RUN"}, "Invalid permission level"),
        ({"group_name": "nobody", "permission_level": "CAN_VIEW"}, r"GroupName\(nobody\) does not exist"),
        ({"user_name": "nobody@example.com", "permission_level": "CAN_VIEW"}, "does not exist"),
        ({"group_name": "analysts", "permission_level": "IS_OWNER"}, "exactly one owner"),
    ):
        with pytest.raises(DatabricksError, match=says):
            here.call("PATCH", f"/api/2.0/permissions/jobs/{mine}", {"access_control_list": [entry]})
    with pytest.raises(NotFound):
        here.call("GET", "/api/2.0/permissions/jobs/1")


def test_a_volume_is_read_with_three_grants_and_written_with_four(here: Site, ground: dict[str, object]) -> None:
    visitor, file = as_person(here, VISITOR), "/api/2.0/fs/files/Volumes/main/closed/files/route.json"
    steps = (("schema/main.closed", "USE_SCHEMA"), ("volume/main.closed.files", "READ_VOLUME"))
    try:
        for securable, privilege in steps:
            with pytest.raises(PermissionDenied, match=privilege.replace("_", " ")):
                visitor.client.files.download("/Volumes/main/closed/files/route.json")
            grant(here, securable, VISITOR, privilege)
        read = visitor.client.files.download("/Volumes/main/closed/files/route.json").contents
        assert read is not None
        assert read.read() == b"a route"
        with pytest.raises(PermissionDenied, match="WRITE VOLUME"):
            visitor.client.api_client.do("PUT", file, data=b"x", query={"overwrite": "true"})
    finally:
        for securable, privilege in steps:
            grant(here, securable, VISITOR, privilege, verb="remove")


def grant(here: Site, securable: str, principal: str, privilege: str, verb: str = "add") -> None:
    here.call("PATCH", f"{UC}/permissions/{securable}", {"changes": [{"principal": principal, verb: [privilege]}]})


def test_a_grant_is_for_who_is_in_the_account_and_of_what_can_be_granted(here: Site, ground: dict[str, object]) -> None:
    for principal in ("users", "admins", "nobody@example.com"):
        with pytest.raises(NotFound, match=f"Could not find principal with name {principal}"):
            grant(here, "schema/main.closed", principal, "USE_SCHEMA")
    with pytest.raises(DatabricksError, match="not applicable"):
        grant(here, "volume/main.closed.files", VISITOR, "USE_SCHEMA")


def test_a_job_runs_only_from_files_that_its_identity_may_view(here: Site) -> None:
    """The wheel and the notebook lie in the operator's own folder; the service principal has no right there."""
    client_id = here.emulator.world.client_id
    here.client.workspace.mkdirs(f"{HOME}/closed")
    here.put(f"{HOME}/closed/note.py", b"# Databricks notebook source\nprint('seen')\n")
    note = {"task_key": "t", "notebook_task": {"notebook_path": f"{HOME}/closed/note"}, "max_retries": 0}
    job = here.job({**note, "disable_auto_optimization": True}, run_as={"service_principal_name": client_id})
    run = here.ended(here.start(job))
    assert f"used to run this job, {client_id}, lacks the permission" in run["tasks"][0]["state"]["state_message"]
    folder = here.client.workspace.get_status(f"{HOME}/closed").object_id
    entry = {"service_principal_name": client_id, "permission_level": "CAN_READ"}
    here.call("PATCH", f"/api/2.0/permissions/directories/{folder}", {"access_control_list": [entry]})
    assert here.outputs(here.ended(here.start(job)))["t"]["logs"] == "seen\n"


LOOKS = """# Databricks notebook source
import os
for path in ("/Volumes/main/closed/files", "/Volumes/main/default/files", "/Workspace/Users/operator@example.com"):
    try:
        found = sorted(os.listdir(path))
    except OSError:
        found = []
    print(path, found)
try:
    open("/Volumes/main/default/files/note", "w").close()
except OSError:
    print("not written")
"""


@pytest.mark.parametrize("private", [True, False], ids=["a root of its own", "Python alone"])
def test_a_task_sees_what_its_identity_may_read_and_writes_where_it_may(tmp_path: Path, private: bool) -> None:
    if private and not namespaces_allowed():
        pytest.skip("this machine lets nobody make namespaces")
    with site(tmp_path, private_roots=private) as here:
        here.call("POST", f"{UC}/schemas", {"name": "closed", "catalog_name": "main"})
        for schema in ("default", "closed"):
            volume = {"catalog_name": "main", "schema_name": schema, "name": "files", "volume_type": "MANAGED"}
            here.call("POST", f"{UC}/volumes", volume)
            here.client.api_client.do("PUT", f"/api/2.0/fs/files/Volumes/main/{schema}/files/there", data=b"")
        here.put(f"{HOME}/theirs.txt", b"theirs")
        grant(here, "volume/main.default.files", "analysts", "READ_VOLUME")
        analyst, home = as_person(here, ANALYST), f"/Workspace/Users/{ANALYST}"
        analyst.put(f"{home}/looks.py", LOOKS.encode())
        note = {"task_key": "t", "notebook_task": {"notebook_path": f"{home}/looks"}}
        run = analyst.ended(analyst.start(analyst.job(note, environments=[])))
        assert analyst.outputs(run)["t"]["logs"].splitlines() == [
            "/Volumes/main/closed/files []",
            "/Volumes/main/default/files ['there']",
            "/Workspace/Users/operator@example.com []",
            "not written",
        ]

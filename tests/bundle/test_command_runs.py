"""The real `databricks` command runs this bundle's jobs: each task in its own environment with the deployed wheel, on
emulated serverless compute. One story, in order, as the README tells it."""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bundle.typed import Typed, needs_command
from s3private_emulator.emulator import Emulator
from s3private_emulator.workspace.environments import BuiltEnvironments

pytestmark = [pytest.mark.runs, needs_command, pytest.mark.timeout(600)]

VOLUME = "dbfs:/Volumes/main/dev_operator_s3private/files"


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


def put_secrets(typed: Typed) -> None:
    client_id, secret = (typed.environment[f"DATABRICKS_CLIENT_{name}"] for name in ("ID", "SECRET"))
    typed("databricks secrets create-scope s3private")
    typed(f"databricks secrets put-secret s3private client-id --string-value {client_id}")
    typed(f"databricks secrets put-secret s3private client-secret --string-value {secret}")


@pytest.fixture(scope="module")
def emulator(environments: Path) -> Iterator[Emulator]:
    with Emulator(environments=BuiltEnvironments(environments)) as emulator:
        yield emulator
        unknown = [f"{request.service} {request.operation}" for request in emulator.log.unknown()]
        assert not unknown, f"the emulator was asked what it does not know: {unknown}"


@pytest.fixture(scope="module")
def typed(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Typed:
    place = tmp_path_factory.mktemp("typed")
    typed = Typed({**emulator.exports(), **emulator.workspace_exports()}, place / "bundle", place / "home")
    put_secrets(typed)
    typed("databricks bundle deploy")
    return typed


@pytest.fixture(scope="module")
def provisioned(typed: Typed) -> str:
    """What `run provision` said."""
    return typed("databricks bundle run provision")


def results(said: str) -> dict[str, dict[str, Any]]:
    """The JSON results in a run's output, by job."""
    found = [json.loads(line) for line in said.splitlines() if line.startswith('{"job"')]
    return {result["job"]: result for result in found}


def test_provision_plans_builds_and_verifies_with_the_wheel_that_was_just_built(provisioned: str, typed: Typed) -> None:
    assert "TERMINATED SUCCESS" in provisioned
    said = results(provisioned)
    assert {job: result["outcome"] for job, result in said.items()} == {
        "plan": "planned",
        "provision": "settled",
        "verify": "verified",
    }
    assert {result["wheel"] for result in said.values()} == {typed.version()}
    assert provisioned.count(f"s3private {typed.version()}\n") == 3
    assert "path demo: settled, 13 changed." in provisioned


def pasted(typed: Typed, provisioned: str, who: str, more: list[str]) -> int:
    """A job of one notebook: what `provision` prints at its end, and `more` lines. Returns its id."""
    lines = provisioned.splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.strip().startswith("%pip install -r /Volumes/")]
    install, *cell = [line.strip() for line in lines[at : at + 4] if line.strip()]
    assert len(cell) == 2
    cell += [f"assert s3private.__version__ == {typed.version()!r}"]
    cell += ['assert len(list(s3private.list_objects(s3, "s3://sales-records/"))) == 3', *more]
    notebook = ["# Databricks notebook source", f"# MAGIC {install}", "", "# COMMAND ----------", "", *cell]
    (typed.folder / "pasted.py").write_text("\n".join(notebook) + "\n", encoding="utf-8")
    place = f"/Users/{who}/pasted"
    typed(f"databricks workspace import {place} --file pasted.py --language PYTHON --format SOURCE")
    once = {"task_key": "pasted", "disable_auto_optimization": True, "notebook_task": {"notebook_path": place}}
    (typed.folder / "pasted.json").write_text(json.dumps({"name": "pasted", "tasks": [once]}), encoding="utf-8")
    return int(json.loads(typed("databricks jobs create --json @pasted.json -o json"))["job_id"])


def test_what_provision_prints_at_its_end_works_pasted_into_a_notebook_of_ones_own(
    provisioned: str, typed: Typed
) -> None:
    """On serverless compute that has nothing but its environment's own packages."""
    assert "%pip install -r /Volumes/main/dev_operator_s3private/files/wheels/requirements.txt" in provisioned
    job = pasted(typed, provisioned, "operator@example.com", [])
    ran = json.loads(typed(f"databricks jobs run-now {job} -o json"))
    assert ran["state"]["result_state"] == "SUCCESS"


def test_list_prints_the_keys_that_are_in_the_bucket(provisioned: str, typed: Typed, emulator: Emulator) -> None:
    objects = emulator.world.buckets["sales-records"]
    said = typed("databricks bundle run list")
    assert all(f"\n{key} " in said for key in objects)
    assert results(said)["list"]["objects"] == len(objects)
    few = typed("databricks bundle run list --params prefix=2026/,glob=**/*.csv,limit=1")
    assert results(few)["list"]["objects"] == 1
    rows = typed(f"databricks fs cat dbfs:{results(few)['list']['output']}").splitlines()
    assert len(typed(f"databricks fs ls {VOLUME}/results").split()) == 2
    assert [json.loads(row)["key"] for row in rows] == ["2026/01/orders.csv"]


def test_read_writes_the_same_bytes(provisioned: str, typed: Typed, emulator: Emulator) -> None:
    said = typed("databricks bundle run read")
    typed(f"databricks fs cp -r dbfs:{results(said)['read']['output']} got")
    for key, body in emulator.world.buckets["sales-records"].items():
        assert (typed.folder / "got" / "sales-records" / key).read_bytes() == body
        assert hashlib.sha256(body).hexdigest() in said


def test_the_nutter_notebooks_pass_and_the_notebooks_run(provisioned: str, typed: Typed) -> None:
    said = typed("databricks bundle run tests")
    assert said.count("PASSING TESTS") == 2
    assert "FAILING TESTS" not in said
    said = typed("databricks bundle run notebooks")
    assert "2026/01/orders.csv 22 bytes" in said
    assert "refused, not sent" in said


def test_a_failing_fixture_fails_the_job(provisioned: str, typed: Typed) -> None:
    """The endpoint's policy does not let this bucket through."""
    route = typed(f"databricks fs cat {VOLUME}/routes/demo.route.json").replace("sales-records", "hr-records")
    (typed.folder / "denied.route.json").write_text(route, encoding="utf-8")
    typed(f"databricks fs cp denied.route.json {VOLUME}/routes/denied.route.json")
    said = typed("databricks bundle run tests --params route=routes/denied.route.json", status=1)
    assert "TERMINATED SUCCESS" not in said
    assert "failed: " in said


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [('name = "demo"', 'name = "de"', "path.name: must be 3 to 20"), ("[aws]", "[asw]", "[asw]: unknown section")],
)
def test_a_broken_path_file_fails_the_run_with_one_line(
    provisioned: str, typed: Typed, emulator: Emulator, old: str, new: str, reason: str
) -> None:
    file = typed.folder / "paths" / "demo.workspace.toml"
    broken = file.read_text(encoding="utf-8").replace(old, new)
    (file.parent / "broken.toml").write_text(broken, encoding="utf-8")
    typed("databricks bundle deploy")
    deployed = "/Workspace/Users/operator@example.com/.bundle/s3private/dev/files/paths/broken.toml"
    mark = emulator.log.mark()
    said = typed(f"databricks bundle run provision --params path_file={deployed}", status=1)
    lines = said.splitlines()
    line = lines[lines.index("Task plan FAILED:") + 1]
    assert "JobFailed: " in line
    assert reason in line
    assert [r.operation for r in emulator.log.since(mark) if r.service in ("aws", "account")] == []


def test_destroy_refuses_another_name_and_removes_the_path_by_its_own(provisioned: str, typed: Typed) -> None:
    said = typed("databricks bundle run destroy --params confirm=prod", status=1)
    assert "--params confirm=demo" in said
    said = typed("databricks bundle run destroy --params confirm=demo")
    assert results(said)["destroy"]["outcome"] == "run-again"
    assert "!  private endpoint rule" in said
    assert "cannot read the route" in typed("databricks bundle run list", status=1)
    assert "settled, " in typed("databricks bundle run provision")


def test_an_edit_and_a_second_deployment_run_the_new_wheel(provisioned: str, typed: Typed) -> None:
    before = typed.version()
    module = typed.folder / "src" / "s3private" / "jobs" / "list.py"
    edited = module.read_text(encoding="utf-8").replace('"outcome": "listed"', '"outcome": "listed anew"')
    module.write_text(edited, encoding="utf-8")
    typed("databricks bundle deploy")
    said = results(typed("databricks bundle run list"))["list"]
    assert said["outcome"] == "listed anew"
    assert said["wheel"] == typed.version() != before
    assert "0 to add, 0 to change, 0 to delete" in typed("databricks bundle plan")


def test_prod_neither_changes_nor_destroys_the_path_of_dev_and_has_one_of_its_own(
    provisioned: str, typed: Typed, emulator: Emulator
) -> None:
    """Both targets begin with the same path file."""
    typed("databricks bundle deploy -t prod")
    refused = typed("databricks bundle run provision -t prod", status=1)
    assert "does not have READ permission on scope s3private" in refused
    principal = typed.environment["BUNDLE_VAR_run_as_service_principal"]
    typed(f"databricks secrets put-acl s3private {principal} READ")
    grant(typed, "catalog main", principal, "USE_CATALOG")
    mark = emulator.log.mark()
    for job in ("provision", "destroy --params confirm=demo"):
        name, *options = job.split()
        said = typed(" ".join(["databricks bundle run -t prod", name, *options]), status=1)
        assert "belongs to the path demo of dev/operator@example.com, and this is run as prod" in said
    assert [r.operation for r in emulator.log.writes(mark) if r.service in ("ec2", "elbv2", "account")] == []
    demo = (typed.folder / "paths/demo.workspace.toml").read_text(encoding="utf-8")
    own = demo.replace('name = "demo"', 'name = "demo-prod"').replace("routes/demo.", "routes/demo-prod.")
    (typed.folder / "paths/prod.toml").write_text(own, encoding="utf-8")
    typed.environment["BUNDLE_VAR_path_file"] = "paths/prod.toml"
    typed.environment["BUNDLE_VAR_route_file"] = "routes/demo-prod.route.json"
    typed("databricks bundle deploy -t prod")
    said = typed("databricks bundle run provision -t prod")
    assert "/Volumes/main/s3private/files/routes/demo-prod.route.json" in said
    assert results(typed("databricks bundle run list -t prod"))["list"]["objects"] == 3
    an_analyst_needs_the_two_grants_that_provision_printed(typed, said)
    del typed.environment["BUNDLE_VAR_path_file"], typed.environment["BUNDLE_VAR_route_file"]
    assert results(typed("databricks bundle run list"))["list"]["objects"] == 3


def grant(typed: Typed, where: str, principal: str, privilege: str, *, change: str = "add") -> None:
    changes = json.dumps({"changes": [{"principal": principal, change: [privilege]}]}, separators=(",", ":"))
    # A line is split at its blanks.
    typed(f"databricks grants update {where} --json {changes}".replace("account users", "account\\u0020users"))


def an_analyst_needs_the_two_grants_that_provision_printed(typed: Typed, provisioned: str) -> None:
    """As a person of the readers' group with a job of their own, which has no environment of ours."""
    assert "GRANT USE CATALOG ON CATALOG `main` TO `analysts`;" in provisioned
    assert "GRANT ACCESS ON SERVICE CREDENTIAL `s3private_reader` TO `analysts`;" in provisioned
    assert "GRANT READ VOLUME" not in provisioned
    # As in a catalog that is not the workspace's own.
    grant(typed, "catalog main", "account users", "USE_CATALOG", change="remove")
    operator, analyst = typed.environment["DATABRICKS_TOKEN"], "dapi-emulated-analyst"
    typed.environment["DATABRICKS_TOKEN"] = analyst
    job = pasted(typed, provisioned, "analyst@example.com", ['open("/Volumes/main/s3private/files/x", "w")'])
    for where, privilege, refused in (
        ("catalog main", "USE_CATALOG", "Could not open requirements file"),
        ("credential s3private_reader", "ACCESS", "needs GRANT ACCESS ON SERVICE CREDENTIAL `s3private_reader`"),
        ("", "", "Read-only file system"),
    ):
        said = typed(f"databricks jobs run-now {job} -o json", status=1)
        run = json.loads(typed(f"databricks jobs list-runs --job-id {job} --limit 1 --expand-tasks -o json"))[0]
        output = json.loads(typed(f"databricks jobs get-run-output {run['tasks'][-1]['run_id']} -o json"))
        assert refused in output["error"], said
        if where:
            typed.environment["DATABRICKS_TOKEN"] = operator
            grant(typed, where, "analysts", privilege)
            typed.environment["DATABRICKS_TOKEN"] = analyst
    typed.environment["DATABRICKS_TOKEN"] = operator


class Emulated:
    """`make emulate` in a process of its own, that can be killed; `state` is what another start goes on with."""

    def __init__(self, state: Path) -> None:
        exports = state / "exports"
        exports.unlink(missing_ok=True)
        command = [sys.executable, "-m", "s3private_emulator", "--state", state.name, "--exports-file", str(exports)]
        self.process = subprocess.Popen([*command, "--delays", "demo"], cwd=state.parent, stdout=subprocess.DEVNULL)
        wait_until(exports.exists)
        lines = [line.removeprefix("export ") for line in exports.read_text(encoding="utf-8").splitlines()]
        self.variables = dict(shlex.split(line)[0].split("=", 1) for line in lines if not line.startswith("PATH="))

    def operations(self) -> list[str]:
        with urllib.request.urlopen(f"{self.variables['S3PRIVATE_EMULATOR']}/_emulator/requests") as answer:
            return [request["operation"] for request in json.load(answer)["requests"]]


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.2)


def test_a_run_whose_clouds_are_killed_is_run_again_and_ends_settled(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    emulated = Emulated(state)
    try:
        typed = Typed(emulated.variables, tmp_path / "bundle", tmp_path / "home")
        put_secrets(typed)
        typed("databricks bundle deploy")
        typed("databricks bundle run provision --no-wait --params poll=1s")
        wait_until(lambda: "elbv2:CreateLoadBalancer" in emulated.operations())
        emulated.process.kill()
        emulated.process.wait()
        emulated = Emulated(state)
        typed.environment |= emulated.variables
        said = typed("databricks bundle run provision --params poll=1s")
        assert "path demo: settled, " in said
        assert results(said)["verify"]["outcome"] == "verified"
        assert results(typed("databricks bundle run list"))["list"]["objects"] == 3
    finally:
        emulated.process.terminate()
        emulated.process.wait()

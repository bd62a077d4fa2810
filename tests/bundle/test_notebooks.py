"""The notebooks are plain Python: run over an emulated path, with a stand-in for `dbutils`, without Databricks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from databricks.sdk import WorkspaceClient

from bundle.conftest import Site
from s3private.jobs import wheel
from s3private.route import Route
from s3private_emulator.workspace.identity import TOKEN

REPOSITORY = Path(__file__).parents[2]
NOTEBOOKS = REPOSITORY / "notebooks"
STANDIN = Path(__file__).with_name("standin.py")
ROUTE = "routes/demo.route.json"
FIXTURES = sorted((NOTEBOOKS / "tests").glob("*.py"))


def notebook(site: Site, file: Path, *given: str) -> subprocess.CompletedProcess[str]:
    return site.python(str(STANDIN), str(file), f"volume={site.volume}", *given)


@pytest.mark.parametrize("file", [*sorted(NOTEBOOKS.glob("*.py")), *FIXTURES], ids=lambda file: file.name)
def test_a_notebook_explains_itself_and_takes_widgets(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith("# Databricks notebook source\n# MAGIC %md\n# MAGIC # ")
    assert "dbutils.widgets." in text
    assert "# COMMAND ----------" in text


def test_listing_and_reading_is_the_articles_code(site: Site) -> None:
    done = notebook(site, NOTEBOOKS / "02_list_and_read.py")
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    keys = sorted(site.objects)
    assert printed[: len(keys)] == keys
    assert printed[len(keys) : 2 * len(keys)] == [f"{key} {len(site.objects[key])} bytes" for key in keys]
    assert "refused, not sent" in printed[-1]


def test_provisioning_a_settled_path_has_nothing_to_do(site: Site) -> None:
    command = [sys.executable, str(STANDIN), str(NOTEBOOKS / "01_provision.py"), f"volume={site.volume}"]
    given = [f"path_file={REPOSITORY / 'paths' / 'demo.toml'}", "secret_scope=", "dry_run=false"]
    done = subprocess.run([*command, *given], env=site.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("path demo: settled; nothing to do.") == 2


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.name)
def test_the_nutter_fixtures_pass_over_the_path(site: Site, file: Path) -> None:
    done = notebook(site, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSING TESTS" in done.stdout
    assert "FAILING TESTS" not in done.stdout


@pytest.mark.parametrize("file", FIXTURES, ids=lambda file: file.name)
def test_a_failing_fixture_fails_the_notebook(site: Site, file: Path) -> None:
    """The endpoint's policy does not let this bucket through."""
    route = Route.load(site.volume / ROUTE).to_json().replace(site.bucket, "hr-records")
    (site.volume / "routes/denied.route.json").write_text(route, encoding="utf-8")
    done = notebook(site, file, "route=routes/denied.route.json")
    assert done.returncode != 0
    assert "AccessDenied" in done.stdout + done.stderr


def serverless(site: Site, *program: str, token: str | None = None) -> subprocess.CompletedProcess[str]:
    """As README types it, with the exports of `make emulate`."""
    emulator = site.emulator
    number = str(emulator.world.workspaces[0].id)
    command = [sys.executable, "-m", "s3private_emulator.serverless", "--workspace", number, "--", *program]
    given = {**site.environment(), **emulator.workspace_exports()}
    if token is not None:
        given["DATABRICKS_TOKEN"] = token
    return subprocess.run(command, env=given, cwd=site.volume, capture_output=True, text=True, check=False)


def test_the_second_notebook_works_as_typed_after_make_emulate(site: Site) -> None:
    given = (f"volume={site.volume}", f"route={ROUTE}", "service_credential=s3private_reader")
    done = serverless(site, str(NOTEBOOKS / "02_list_and_read.py"), *given)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused, not sent" in done.stdout.splitlines()[-1]


def test_a_program_of_ones_own_has_service_credentials_as_on_serverless(site: Site) -> None:
    program = site.volume / "first.py"
    program.write_text(
        "import s3private\n"
        f's3 = s3private.connect("{ROUTE}", service_credential="s3private_reader")\n'
        f'for entry in s3private.list_objects(s3, "s3://{site.bucket}/2026/"):\n'
        "    print(entry.key, entry.size)\n",
        encoding="utf-8",
    )
    done = serverless(site, "first.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{k} {len(b)}" for k, b in site.objects.items() if k.startswith("2026/")]


def test_a_notebook_that_fails_says_why_on_standard_error(site: Site) -> None:
    done = serverless(site, str(NOTEBOOKS / "02_list_and_read.py"), f"volume={site.volume}", "route=routes/none.json")
    assert done.returncode == 1
    assert "cannot read the route" in done.stderr


def test_what_provision_prints_works_pasted_into_a_notebook(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first workspace's own volume, by its own paths."""
    emulator = site.emulator
    workspace = emulator.workspaces[emulator.world.workspaces[0].id]
    volume = workspace.catalog.volumes / "main" / "default" / "files"
    deployed = site.volume / "deployed"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(deployed)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (built,) = deployed.iterdir()
    running = built.name.split("-")[1]
    monkeypatch.setattr(wheel, "version", lambda _name: running)
    seen = Path("/Volumes/main/default/files")
    requirements = wheel.place_wheel(deployed, volume)
    text = requirements.read_text("utf-8").replace(str(volume), str(seen))
    requirements.write_text(text, encoding="utf-8")
    replace(Route.load(site.volume / ROUTE), service_credential="s3private_reader").save(volume / ROUTE)
    pasted = wheel.next_steps(seen / "wheels/requirements.txt", seen / ROUTE)
    install, *cell = [line.removeprefix("    ") for line in pasted.splitlines() if line.startswith("    ")]
    cell += ["print(s3private.__file__)", f'print(len(list(s3private.list_objects(s3, "s3://{site.bucket}/"))))']
    notebook = ["# Databricks notebook source", f"# MAGIC {install}", "", "# COMMAND ----------", "", *cell]
    (site.volume / "pasted.py").write_text("\n".join(notebook), encoding="utf-8")
    made = {"catalog_name": "main", "schema_name": "default", "name": "files", "volume_type": "MANAGED"}
    WorkspaceClient(
        host=emulator.workspace_urls[emulator.world.workspaces[0].id], token=TOKEN, auth_type="pat"
    ).api_client.do("POST", "/api/2.1/unity-catalog/volumes", body=made)
    done = serverless(site, "pasted.py", token="dapi-emulated-analyst")
    assert done.returncode == 1
    assert "Could not open requirements file" in done.stderr
    assert "no workspace" not in (refused := serverless(site, "pasted.py", token="dapi-nobody")).stderr
    assert "Invalid access token" in refused.stderr
    done = serverless(site, "pasted.py")
    assert done.returncode == 0, done.stdout + done.stderr
    installed, where, count = done.stdout.splitlines()
    assert installed == f"Successfully installed s3private-{running}"
    assert "notebook-packages" in where
    assert int(count) == len(site.objects)

"""The notebooks are plain Python: run over an emulated path, with a stand-in for `dbutils`, without Databricks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bundle.conftest import Site
from s3private.route import Route

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
    (site.volume / "denied.route.json").write_text(route, encoding="utf-8")
    done = notebook(site, file, "route=denied.route.json")
    assert done.returncode != 0
    assert "AccessDenied" in done.stdout + done.stderr

"""The real `databricks` command against the emulated workspace: what people type works as they type it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bundle.typed import COMMAND, needs_command
from emulator.workspace.site import Site

pytestmark = needs_command

BUNDLE = """
bundle: {name: tiny, engine: direct}
artifacts: {wheel: {type: whl, build: python make_wheel.py}}
targets: {dev: {mode: development, default: true}}
resources:
  schemas:
    made:
      catalog_name: main
      name: tiny
      grants: [{principal: operator@example.com, privileges: [USE_SCHEMA]}]
  volumes:
    files: {catalog_name: main, schema_name: "${resources.schemas.made.name}", name: files, volume_type: MANAGED}
  secret_scopes:
    keep: {name: tiny}
  jobs:
    hello:
      name: hello
      permissions: [{level: CAN_VIEW, group_name: users}]
      parameters: [{name: who, default: nobody}]
      tasks:
        - task_key: b_second
          depends_on: [{task_key: c_first}]
          environment_key: e
          python_wheel_task:
            {package_name: tiny, entry_point: main, parameters: ["{{tasks.c_first.values.greeting}}"]}
        - task_key: c_first
          environment_key: e
          python_wheel_task: {package_name: tiny, entry_point: sets}
        - task_key: a_note
          depends_on: [{task_key: b_second}]
          notebook_task: {notebook_path: note.py}
      environments:
        - environment_key: e
          spec: {environment_version: "4", dependencies: ["./dist/*.whl[more]"]}
"""
NOTEBOOK = """# Databricks notebook source
dbutils.notebook.exit("bye " + dbutils.widgets.get("who"))
"""


class Typed:
    """A folder with a bundle, and a shell with nothing but the emulator's exports."""

    def __init__(self, here: Site, folder: Path) -> None:
        emulator = here.emulator
        self.folder = folder
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ},
            **emulator.exports(),
            **emulator.workspace_exports(),
        }

    def command(self, *words: str, status: int = 0) -> str:
        """What it said on both streams."""
        assert COMMAND is not None
        ended = subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=110
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == status, said
        return said


@pytest.fixture
def typed(here: Site, tiny_wheel: bytes, tmp_path: Path) -> Typed:
    (tmp_path / "databricks.yml").write_text(BUNDLE)
    (tmp_path / "note.py").write_text(NOTEBOOK)
    (tmp_path / "dist").mkdir()
    (tmp_path / "built.whl").write_bytes(tiny_wheel)
    (tmp_path / "make_wheel.py").write_text(
        "import shutil; shutil.copy('built.whl', 'dist/tiny-0.1-py3-none-any.whl')\n"
    )
    return Typed(here, tmp_path)


def test_a_bundle_is_validated_deployed_run_planned_empty_and_destroyed(here: Site, typed: Typed) -> None:
    assert "Validation OK!" in typed.command("bundle", "validate", "--strict")
    assert "7 to add" in typed.command("bundle", "plan")
    typed.command("bundle", "deploy")
    said = typed.command("bundle", "run", "hello", "--params", "who=everybody")
    assert "TERMINATED SUCCESS" in said
    assert 'argv ["tiny", "hello"]' in said
    assert "bye everybody" in said
    assert "0 to add, 0 to change, 0 to delete" in typed.command("bundle", "plan")
    assert "hello" in typed.command("bundle", "summary")
    typed.command("bundle", "destroy", "--auto-approve")
    assert here.call("GET", "/api/2.2/jobs/list")["jobs"] == []
    assert "tiny" not in [
        s["name"] for s in here.call("GET", "/api/2.1/unity-catalog/schemas", catalog_name="main")["schemas"]
    ]


def test_a_failing_task_fails_the_command_with_the_tasks_own_words(typed: Typed) -> None:
    bundle = Path(typed.folder, "databricks.yml")
    bundle.write_text(BUNDLE.replace("entry_point: sets", "entry_point: fails"))
    typed.command("bundle", "deploy")
    said = typed.command("bundle", "run", "hello", status=1)
    assert "ValueError: no such luck" in said
    typed.command("bundle", "destroy", "--auto-approve")

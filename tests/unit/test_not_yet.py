"""The run that changed the path cannot use it yet: it says so, and is no failure. Any other that cannot connect is."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from s3private.errors import NotYet
from s3private.jobs import arriving, verify
from s3private.jobs.ending import JobFailed

ROUTE = "routes/demo.route.json"


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    (tmp_path / "demo.toml").write_text('[route]\nfile = "routes/demo.route.json"\n', encoding="utf-8")

    def not_yet(*_: object, **__: object) -> None:
        raise NotYet("bucket.vpce-1 does not resolve here")

    now = iter(range(0, 10_000, 400))
    monkeypatch.setattr(verify, "verify", not_yet)
    monkeypatch.setattr(
        verify, "time", SimpleNamespace(monotonic=lambda: float(next(now)), sleep=lambda _seconds: None)
    )
    return [f"--path-file={tmp_path / 'demo.toml'}", f"--volume={tmp_path}", "--routes=routes"]


def test_a_wait_that_ends_without_the_path_is_said_and_is_no_failure(
    given: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arriving.note_change(tmp_path / ROUTE, "77")
    verify.main([*given, "--wait-minutes=15", "--run=77"])
    said = capsys.readouterr().out
    (result,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert result["outcome"] == "not-yet"
    assert "does not resolve here" in result["reason"]
    assert "nothing is proven" in said
    assert "run the provision job again in an hour" in said


def test_who_does_not_wait_is_told_by_a_failure(given: list[str]) -> None:
    with pytest.raises(JobFailed, match="does not resolve here"):
        verify.main(given)


@pytest.mark.parametrize(
    "left",
    [
        "",
        "{",
        "[" * 900,
        '"77"',
        '{"run": "77"}',
        '{"run": "77", "changed": true}',
        '{"run": "77", "changed": "now"}',
        '{"run": "77", "changed": 1.0}',
        '{"run": "77", "changed": NaN}',
        '{"run": "77", "changed": 1e999}',
    ],
)
def test_a_run_that_changed_nothing_lately_fails_where_it_cannot_connect(
    given: list[str], tmp_path: Path, left: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / f"{ROUTE}.changed"
    file.parent.mkdir()
    file.write_text(left, encoding="utf-8")
    with pytest.raises(JobFailed, match=r"does not resolve here\. Provision changed nothing in this run"):
        verify.main([*given, "--wait-minutes=15", "--run=77"])
    assert '"outcome": "failed"' in capsys.readouterr().out


@pytest.mark.parametrize("run", ["78", "", "{{job.run_id}}", "7"])
def test_what_another_run_changed_is_no_excuse(given: list[str], tmp_path: Path, run: str) -> None:
    arriving.note_change(tmp_path / ROUTE, "77")
    with pytest.raises(JobFailed, match="does not resolve here"):
        verify.main([*given, "--wait-minutes=15", f"--run={run}"])


def test_a_reference_that_no_service_resolved_is_no_run(given: list[str], tmp_path: Path) -> None:
    arriving.note_change(tmp_path / ROUTE, "{{job.run_id}}")
    assert not (tmp_path / "routes").exists()


@pytest.mark.parametrize("task", ["provision", "verify"])
def test_the_bundle_tells_both_tasks_the_run(task: str) -> None:
    document = yaml.safe_load((Path(__file__).parents[2] / "resources/provision.job.yml").read_text(encoding="utf-8"))
    tasks = {
        one["task_key"]: one["python_wheel_task"]["parameters"]
        for one in document["resources"]["jobs"]["provision"]["tasks"]
    }
    assert "--run={{job.run_id}}" in tasks[task]

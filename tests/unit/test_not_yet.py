"""Right after the first attach the path cannot be used yet: the run that made it says so, and is no failure."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from s3private.errors import NotYet
from s3private.jobs import verify
from s3private.jobs.ending import JobFailed


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
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    verify.main([*given, "--wait-minutes=15"])
    said = capsys.readouterr().out
    (result,) = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert result["outcome"] == "not-yet"
    assert "does not resolve here" in result["reason"]
    assert "nothing is proven" in said
    assert "run the provision job again in an hour" in said


def test_who_does_not_wait_is_told_by_a_failure(given: list[str]) -> None:
    with pytest.raises(JobFailed, match="does not resolve here"):
        verify.main(given)

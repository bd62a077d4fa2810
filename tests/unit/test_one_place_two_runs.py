"""Two runs with one `output`: one of them ends in one line, and nothing of the other's is lost or mixed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from origin.server import Origin
from s3private.jobs import list as list_job
from s3private.jobs import read
from s3private.jobs.claim import LONGEST_RUN_SECONDS, claimed
from s3private.jobs.ending import JobFailed
from s3private.jobs.rows import Rows

MODULES: dict[str, Any] = {"list": list_job, "read": read}
OUTPUT = {"list": "results/out.jsonl", "read": "results/out"}
ROWS = {"list": "results/out.jsonl", "read": "results/out/objects.jsonl"}


@pytest.fixture(params=list(MODULES))
def job(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def run(job: str, origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    origin.put("b", "one/k", b"body")
    origin.put("b", "two/k", b"another")
    origin.route().save(tmp_path / "demo.route.json")

    def run(number: str, **more: str) -> None:
        given = {"route": "demo.route.json", "output": OUTPUT[job], "run": number, **more}
        MODULES[job].main([f"--volume={tmp_path}", *(f"--{name}={value}" for name, value in given.items())])

    return run


def keys(file: Path) -> list[str]:
    return [json.loads(line)["key"] for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_table_of_one_run_gets_no_rows_of_another(
    job: str, run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run begins when the first one's rows are there, and its table is not."""
    tables: dict[str, list[str]] = {}

    def table(name: str, rows: Rows, _schema: str) -> None:
        if name == "first":
            with pytest.raises(JobFailed, match=r"^output: .* is being written by run 1, since 20.* UTC"):
                run("2", prefix="two/", table="second")
        tables[name] = keys(rows.file)

    monkeypatch.setattr(MODULES[job], "write_table", table)
    run("1", prefix="one/", table="first")
    assert tables == {"first": ["one/k"]}
    run("3", prefix="two/", table="third")
    assert tables["third"] == keys(tmp_path / ROWS[job]) == ["two/k"]
    assert not list(tmp_path.rglob(".*.run"))


def test_a_run_whose_place_another_has_taken_leaves_what_was_there(
    job: str, run: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("1", prefix="one/")
    rows = tmp_path / ROWS[job]
    taken = rows.with_name(f".{rows.name}.run")
    chosen = MODULES[job].select

    def late(arguments: Any) -> Any:
        s3, entries = chosen(arguments)

        def went_on() -> Any:
            taken.write_text('{"run": "3", "token": "x"}', encoding="utf-8")
            yield from entries

        return s3, went_on()

    monkeypatch.setattr(MODULES[job], "select", late)
    with pytest.raises(JobFailed, match=r"is being written by run 3: give this run another output"):
        run("2", prefix="two/")
    assert keys(rows) == ["one/k"]
    assert taken.exists()


@pytest.mark.parametrize(
    ("left", "goes_on"),
    [
        ({"run": "2", "token": "x", "since": time.time()}, True),
        ({"run": "1", "token": "x", "since": time.time() - LONGEST_RUN_SECONDS - 60}, True),
        ({"run": "1", "token": "x", "since": time.time()}, False),
        ({"run": "", "token": "x", "since": 1e300}, False),
        (["2"], False),
    ],
    ids=["an attempt of the same run", "killed long ago", "under way", "nonsense", "no claim"],
)
def test_what_a_killed_run_left_behind_holds_nobody_up_for_ever(
    run: Callable[..., None], job: str, tmp_path: Path, left: object, goes_on: bool
) -> None:
    rows = tmp_path / ROWS[job]
    rows.parent.mkdir(parents=True)
    taken = rows.with_name(f".{rows.name}.run")
    taken.write_text(json.dumps(left), encoding="utf-8")
    if goes_on:
        run("2")
        assert keys(rows) == ["one/k", "two/k"]
        assert not taken.exists()
    else:
        with pytest.raises(JobFailed, match=r"remove .*\.run$"):
            run("2")
        assert [file.name for file in rows.parent.iterdir()] == [taken.name]


def test_no_run_of_a_job_can_be_longer_than_a_claim_holds(job: str) -> None:
    file = Path(__file__).parents[2] / f"resources/{job}.job.yml"
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert document["resources"]["jobs"][job]["timeout_seconds"] == LONGEST_RUN_SECONDS


def test_two_runs_without_an_id_are_two(tmp_path: Path) -> None:
    with (
        claimed(tmp_path / "x", ""),
        pytest.raises(Exception, match="written by another run"),
        claimed(tmp_path / "x", ""),
    ):
        pass

"""What a person who may only run a job can make it do: nothing outside what the deployment gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from origin.server import Origin
from s3private.errors import Refused, S3PrivateError
from s3private.jobs import list as list_job
from s3private.jobs import path, read, verify
from s3private.jobs.ending import JobFailed
from s3private.jobs.place import in_volume, path_file_in, table_in

OUTSIDE = [
    "/etc/passwd",
    "/Volumes/main/other/files/x",
    "../x",
    "results/../routes/demo.route.json",
    "results/../../x",
    "routes/demo.route.json",
    "routes",
    "results",
    "results/",
    "results//x",
    "results/./x",
    "results/a\0b",
    "results/a\nb",
    "results\\..\\x",
    "Results/x",
    "resultsx/y",
    "",
    "~/x",
    "file:///etc/passwd",
]
JOBS: dict[str, Callable[[list[str]], None]] = {"list": list_job.main, "read": read.main}


@pytest.fixture
def volume(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a Route, a result, and another team's file beside it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    origin.put("b", "k", b"body")
    origin.put("elsewhere", "secret", b"body")
    volume = tmp_path / "volume"
    for folder in ("routes", "results"):
        (volume / folder).mkdir(parents=True)
    origin.route().save(volume / "routes/demo.route.json")
    (tmp_path / "others").write_text("theirs", encoding="utf-8")
    return volume


def run(job: str, volume: Path, **parameters: str) -> None:
    given = {"route": "routes/demo.route.json", "output": "results/out", **parameters}
    JOBS[job](
        [
            f"--volume={volume}",
            *(f"--{name.replace('_', '-')}={value}" for name, value in given.items()),
            "--routes=routes",
            "--results=results",
            "--schema=main.s3private",
        ]
    )


def everything(folder: Path) -> dict[str, str]:
    return {str(file): file.read_text("utf-8") for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("job", JOBS)
def test_a_run_within_its_places_works(origin: Origin, volume: Path, job: str) -> None:
    run(job, volume)
    assert any(file.is_file() for file in (volume / "results").rglob("*"))


@pytest.mark.parametrize("job", JOBS)
def test_runs_beside_each_other_write_each_its_own(origin: Origin, volume: Path, job: str) -> None:
    bundle = yaml.safe_load((Path(__file__).parents[2] / f"resources/{job}.job.yml").read_text("utf-8"))
    job_of_bundle = bundle["resources"]["jobs"][job]
    defaults = {one["name"]: one["default"] for one in job_of_bundle["parameters"]}
    assert "--run={{job.run_id}}" in job_of_bundle["tasks"][0]["python_wheel_task"]["parameters"]
    run(job, volume, output=defaults["output"], run="1")
    first = everything(volume / "results")
    origin.put("b", "k", b"another body")
    run(job, volume, output=defaults["output"], run="2")
    both = everything(volume / "results")
    assert {file: both[file] for file in first} == first
    assert len(both) == 2 * len(first)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("place", OUTSIDE)
def test_no_place_outside_the_results_is_written_and_nothing_is_asked_for(
    origin: Origin, volume: Path, job: str, place: str
) -> None:
    before, asked = everything(volume.parent), len(origin.requests)
    with pytest.raises(JobFailed, match=r"^output: "):
        run(job, volume, output=place)
    assert everything(volume.parent) == before
    assert len(origin.requests) == asked


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("place", [one for one in OUTSIDE if not one.startswith("routes/")])
def test_no_file_outside_the_routes_is_read_as_one(origin: Origin, volume: Path, job: str, place: str) -> None:
    asked = len(origin.requests)
    with pytest.raises(JobFailed, match=r"^route: "):
        run(job, volume, route=place)
    assert len(origin.requests) == asked


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("bucket", ["elsewhere", "arn:aws:s3:::b", "b/..", "*", "B"])
def test_no_bucket_but_the_routes_is_asked_for(origin: Origin, volume: Path, job: str, bucket: str) -> None:
    asked = len(origin.requests)
    with pytest.raises(JobFailed, match=r"is none of the path demo's"):
        run(job, volume, bucket=bucket)
    assert len(origin.requests) == asked


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    "table",
    [
        "main.payroll.salaries",
        "other.s3private.t",
        "payroll.salaries",
        "t; DROP TABLE x",
        "`a`.`b`.`c`",
        "main.s3private.",
        "t\n",
    ],
)
def test_no_table_outside_the_bundles_schema_is_replaced(origin: Origin, volume: Path, job: str, table: str) -> None:
    before, asked = everything(volume.parent), len(origin.requests)
    with pytest.raises(JobFailed, match=r"^table: "):
        run(job, volume, table=table)
    assert everything(volume.parent) == before
    assert len(origin.requests) == asked


@pytest.mark.parametrize(
    ("table", "full"), [("t", "main.s3private.t"), ("main.s3private.t", "main.s3private.t"), ("", "")]
)
def test_a_table_is_named_alone_or_in_full(table: str, full: str) -> None:
    assert table_in("main.s3private", table) == full


PATH = """
[path]
name = "demo"
region = "eu-west-1"
[aws]
account_id = "222222222222"
vpc_id = "vpc-0a1b2c3d4e5f60001"
subnet_ids = ["subnet-0a1b2c3d4e5f6000a", "subnet-0a1b2c3d4e5f6000c"]
[s3]
buckets = ["sales-records"]
[databricks]
account_id = "5a3d3f6e-0000-4000-8000-000000000001"
workspace_ids = []
"""
VERBS: dict[str, Callable[[list[str]], Any]] = {
    "plan": path.plan,
    "provision": path.provision,
    "maintain": path.maintain,
    "destroy": path.destroy,
}


def walk(verb: str, files: Path, path_file: str, **more: str) -> None:
    confirm = ["--confirm=demo"] if verb == "destroy" else []
    VERBS[verb](
        [
            f"--path-file={path_file}",
            f"--volume={files.parent / 'volume'}",
            f"--files={files}",
            "--routes=routes",
            "--secret-scope=s",
            *confirm,
            *(f"--{name.replace('_', '-')}={value}" for name, value in more.items()),
        ]
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "demo.toml").write_text(f'{PATH}[route]\nfile = "routes/demo.route.json"\n', encoding="utf-8")
    (tmp_path / "evil.toml").write_text((folder / "demo.toml").read_text("utf-8"), encoding="utf-8")
    (folder / "link.toml").symlink_to(tmp_path / "evil.toml")
    return folder


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "name", ["../evil.toml", "{tmp}/evil.toml", "link.toml", "demo.toml/../../evil.toml", "", "/", "\0"]
)
def test_no_path_file_but_the_bundles_is_read(files: Path, verb: str, name: str) -> None:
    with pytest.raises(JobFailed, match="path_file: "):
        walk(verb, files, name.replace("{tmp}", str(files.parent)))


def test_a_path_file_of_the_bundle_is_named_by_its_name_or_its_place(files: Path) -> None:
    assert path_file_in(str(files), "demo.toml") == files / "demo.toml"
    assert path_file_in(str(files), str(files / "demo.toml")) == files / "demo.toml"


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    "line",
    [
        'account_host = "https://accounts.cloud.databricks.com@evil.example"',
        'account_host = "http://accounts.cloud.databricks.com"',
        'account_host = "https://evil.example"',
        'account_host = "https://accounts.cloud.databricks.com.evil.example"',
        'account_host = "https://accounts.cloud.databricks.us"',
        'account_host = "http://127.0.0.1:1"',
        'workspace_host = "https://dbc-1.cloud.databricks.com"',
        'workspace_host = "https://evil.example"',
    ],
)
def test_a_job_sends_no_secret_where_a_path_file_says(files: Path, verb: str, line: str) -> None:
    """Of the two that are Databricks' own, too: the deployment says where."""
    text = PATH + f'{line}\n[route]\nfile = "routes/demo.route.json"\n'
    (files / "demo.toml").write_text(text, encoding="utf-8")
    with pytest.raises(JobFailed, match=r"databricks\.(account|workspace)_host: "):
        walk(verb, files, "demo.toml")


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("file", ["/tmp/x.json", "../x.json", "results/x.json", "x.json", "routes/../x.json"])
def test_a_job_writes_no_route_outside_the_routes(files: Path, verb: str, file: str) -> None:
    (files / "demo.toml").write_text(f'{PATH}[route]\nfile = "{file}"\n', encoding="utf-8")
    with pytest.raises(JobFailed, match=r"^route\.file: "):
        walk(verb, files, "demo.toml")


def test_verify_reads_no_path_file_and_no_route_outside(files: Path) -> None:
    for name, says in (("../evil.toml", "path_file: "), ("demo.toml", "route.file: ")):
        (files / "demo.toml").write_text('[route]\nfile = "../x.json"\n', encoding="utf-8")
        with pytest.raises(JobFailed, match=says):
            verify.main([f"--path-file={name}", f"--volume={files}", f"--files={files}", "--routes=routes"])


def test_what_is_in_the_volume_is_relative_to_it_without_a_folder_of_its_own(tmp_path: Path) -> None:
    assert in_volume(str(tmp_path), "a/b.json") == tmp_path / "a/b.json"
    for place in ("/a", "a/../b", ".."):
        with pytest.raises(Refused):
            in_volume(str(tmp_path), place)


def test_a_refusal_of_a_job_is_one_of_ours_and_one_line(volume: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(JobFailed) as failed:
        run("list", volume, output="/x")
    assert "\n" not in str(failed.value)
    document = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    assert json.loads(document)["outcome"] == "failed"
    assert issubclass(Refused, S3PrivateError)


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    ("filters", "objects"),
    [
        ({"modified_after": "1d"}, 0),
        ({"modified_before": "1d"}, 1),
        ({"min_size": "1K"}, 0),
        ({"suffix": ".csv"}, 0),
        ({"regex": "^k$"}, 1),
        ({"storage_class": "GLACIER"}, 0),
        ({"storage_class": "", "suffix": "", "regex": "", "limit": "1"}, 1),
    ],
)
def test_a_job_takes_the_filters_of_the_command_line(
    origin: Origin, volume: Path, job: str, filters: dict[str, str], objects: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run(job, volume, **filters)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith('{"job"')]
    assert json.loads(line)["objects"] == objects


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"limit": "abc"}, "not a number of objects: 'abc'"),
        ({"min_size": "ten"}, "not a size: 'ten'"),
        ({"modified_after": "yesterday"}, "not a time: 'yesterday'"),
        ({"prefix": "s3://b/2026/"}, "prefix: s3://b/2026/ is a URI"),
    ],
)
def test_a_filter_that_is_none_is_one_line_without_tracebacks_of_others(
    volume: Path, parameters: dict[str, str], reason: str
) -> None:
    with pytest.raises(JobFailed) as failed:
        run("list", volume, **parameters)
    assert reason in str(failed.value)
    assert "\n" not in str(failed.value)
    assert failed.value.__context__ is None or failed.value.__suppress_context__

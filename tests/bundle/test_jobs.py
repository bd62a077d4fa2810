"""The jobs' entry points, run on serverless compute over an emulated path."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock

import pytest

from bundle.conftest import PATH_FILE, Site, result
from s3private import ObjectEntry, ReadError, Refused, cli
from s3private.jobs import path, read, rows
from s3private.jobs.ending import JobFailed
from s3private.provision.engine import Action, Change, Outcome, Report
from s3private.route import Route
from s3private_emulator import serverless
from s3private_emulator.place import serverless as serverless_of

ROUTE = "routes/demo.route.json"


def test_list_prints_the_keys_that_are_there_and_writes_them_to_the_volume(site: Site) -> None:
    done = site.job("list", route=ROUTE, output="results/list.jsonl", bucket="", prefix="", limit="", table="")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()[1 : 1 + len(site.objects)]] == sorted(site.objects)
    assert done.stdout.splitlines()[-1] == f"s3private {version('s3private')}"
    said = result(done)
    assert (said["objects"], said["bytes"]) == (len(site.objects), sum(map(len, site.objects.values())))
    rows = [json.loads(line) for line in (site.volume / "results/list.jsonl").read_text("utf-8").splitlines()]
    assert {row["key"]: row["size"] for row in rows} == {key: len(body) for key, body in site.objects.items()}


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        ({"prefix": "2026/", "glob": "**/*.csv", "limit": "1"}, ["2026/01/orders.csv"]),
        ({"glob": "*"}, ["readme.txt"]),
        ({"min_size": "16", "max_size": "30"}, ["2026/01/orders.csv"]),
        ({"modified_before": "2020-01-31", "modified_after": ""}, []),
        ({"prefix": "2026/[01]", "glob": "*"}, []),
    ],
)
def test_list_takes_filters(site: Site, filters: dict[str, str], keys: list[str]) -> None:
    done = site.job("list", route=ROUTE, output="few.jsonl", bucket=site.bucket, **filters)
    assert done.returncode == 0, done.stderr
    assert [key for key in site.objects if f"\n{key} " in done.stdout] == keys


def test_read_writes_the_bytes_that_are_there_and_says_their_checksums(site: Site) -> None:
    done = site.job("read", route=ROUTE, output="results/read", bucket="", prefix="", limit="", table="")
    assert done.returncode == 0, done.stderr
    for key, body in site.objects.items():
        assert (site.volume / "results/read" / site.bucket / key).read_bytes() == body
        assert hashlib.sha256(body).hexdigest() in done.stdout
    assert result(done)["objects"] == len(site.objects)


def test_read_takes_a_large_object_in_parts(site: Site) -> None:
    code = "import sys; from s3private.jobs import read; read.SMALL = read._AT_A_TIME = 1; read.main(sys.argv[1:])"
    done = site.python("-c", code, f"--volume={site.volume}", f"--route={ROUTE}", "--output=results/parts")
    assert done.returncode == 0, done.stderr
    for key, body in site.objects.items():
        assert (site.volume / "results/parts" / site.bucket / key).read_bytes() == body


@pytest.mark.parametrize("key", ["/etc/cron.d/x", "a/../../x", "a/b/", "a//b", ".."])
def test_a_key_that_cannot_be_a_file_in_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    entry = ObjectEntry(
        bucket="b", key=key, size=1, last_modified=datetime.now(UTC), etag="e", storage_class="STANDARD"
    )
    with pytest.raises(Refused, match="cannot be a file under"):
        read.file_of(tmp_path, entry)


def test_verify_says_what_answered_and_what_that_proves_and_does_not(site: Site) -> None:
    done = site.job("verify", path_file=str(PATH_FILE))
    assert done.returncode == 0, done.stderr
    route = Route.load(site.volume / ROUTE)
    said = result(done)
    assert (said["outcome"], said["host"]) == ("verified", route.host)
    peer, buckets = said["peer"], said["buckets"]
    assert isinstance(peer, dict)
    assert isinstance(buckets, list)
    assert peer["address"].startswith("127.")
    assert any(name.startswith("bucket.vpce-") for name in peer["names"])
    assert [(b["bucket"], b["key"]) for b in buckets] == [(site.bucket, min(site.objects))]
    assert all(b["request_id"] for b in buckets)
    assert "proves not" in done.stdout


def test_verify_waits_and_then_says_run_again_where_the_host_does_not_answer(site: Site) -> None:
    other = site.emulator.world.workspaces[1].id
    assert other  # its NCC is not attached, so the host is not carried there
    route = Route.load(site.volume / ROUTE)
    (site.volume / "other.toml").write_text('[route]\nfile = "other.route.json"\n', encoding="utf-8")
    broken = route.to_json().replace(route.vpc_endpoint_id, "vpce-0f0f0f0f0f0f0f0f0")
    (site.volume / "other.route.json").write_text(broken, encoding="utf-8")
    done = site.job("verify", path_file=str(site.volume / "other.toml"))
    assert done.returncode == 1
    assert "does not resolve here" in done.stderr.splitlines()[-1]
    assert result(done)["outcome"] == "failed"


@pytest.mark.parametrize("module", ["list", "read"])
def test_what_s3_refuses_is_one_line(site: Site, module: str) -> None:
    wide = replace(Route.load(site.volume / ROUTE), buckets=("hr-records",))
    wide.save(site.volume / "routes/wide.route.json")
    done = site.job(module, route="routes/wide.route.json", output=f"results/refused-{module}", bucket="hr-records")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "JobFailed" in last
    assert "hr-records" in last
    assert "AccessDenied" in last
    assert "During handling" not in done.stderr


def test_a_route_that_is_not_there_is_one_line(site: Site) -> None:
    done = site.job("list", route="routes/none.route.json", output="x")
    assert "cannot read the route" in done.stderr.splitlines()[-1]
    assert "s3private provision" in done.stderr.splitlines()[-1]


@pytest.fixture
def operator(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr("os.environ", site.environment())
    return site


def test_plan_and_provision_of_a_settled_path_have_nothing_to_do(
    operator: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    common = [f"--path-file={PATH_FILE}", f"--volume={operator.volume}", "--secret-scope="]
    for entry_point, more in (
        (path.plan, []),
        (path.provision, ["--dry-run=true"]),
        (path.provision, ["--timeout=1m"]),
    ):
        entry_point([*common, *more])
        assert '"outcome": "settled"' in capsys.readouterr().out


def test_verify_says_not_yet_after_a_run_that_changed_something_and_fails_after_any_other(
    operator: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Run 1 changes nothing, run 2 writes the Route; neither reaches the host, as it is not carried to this compute."""
    common = [f"--path-file={PATH_FILE}", f"--volume={operator.volume}"]
    route, changed = operator.volume / ROUTE, operator.volume / f"{ROUTE}.changed"
    changed.unlink(missing_ok=True)
    for run in ("1", "2"):
        path.provision([*common, "--secret-scope=", "--poll=0.1s", f"--run={run}"])
        assert changed.exists() == (run == "2")
        code = "import sys; from s3private.jobs.verify import main; main(sys.argv[1:])"
        place = serverless_of(operator.emulator.world.workspaces[1].id)
        argv = ["-c", code, *common, f"--run={run}", "--wait-minutes=0.001"]
        keys = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
        done = serverless.run(operator.emulator, argv, place=place, env=keys, cwd=operator.volume)
        assert result(done)["outcome"] == {"1": "failed", "2": "not-yet"}[run], done.stderr
        assert done.returncode == {"1": 1, "2": 0}[run]
        route.unlink()
    path.provision([*common, "--secret-scope=", "--poll=0.1s"])


def test_maintain_of_a_path_as_asked_has_nothing_to_do(operator: Site, capsys: pytest.CaptureFixture[str]) -> None:
    path.maintain([f"--path-file={PATH_FILE}", f"--volume={operator.volume}", "--secret-scope=", "--poll=0.1s"])
    assert '"outcome": "settled"' in capsys.readouterr().out


def test_maintain_fails_with_what_has_drifted(
    operator: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = PATH_FILE.read_text(encoding="utf-8").replace("[s3]", "idle_timeout_seconds = 120\n\n[s3]")
    (tmp_path / "asked.toml").write_text(asked, encoding="utf-8")
    with pytest.raises(JobFailed, match=r"drift|differ"):
        path.maintain([f"--path-file={tmp_path / 'asked.toml'}", f"--volume={operator.volume}", "--secret-scope="])
    assert "listener" in capsys.readouterr().out


def test_destroy_refuses_another_name(operator: Site, capsys: pytest.CaptureFixture[str]) -> None:
    mark = operator.emulator.log.mark()
    with pytest.raises(JobFailed, match="--params confirm=demo") as refused:
        path.destroy([f"--path-file={PATH_FILE}", f"--volume={operator.volume}", "--secret-scope=", "--confirm=prod"])
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    assert operator.emulator.log.since(mark) == []


@pytest.mark.parametrize(("until", "fails"), [("the rule is gone, in one to seven days", False), ("", True)])
def test_what_the_platform_keeps_fails_no_run_and_what_a_timeout_leaves_does(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], until: str, fails: bool
) -> None:
    kept = Change(step="private endpoint rule", action=Action.REMAINS, id="r", reason="still there", until=until)
    report = Report(verb="destroy", changes=(kept,), outcome=Outcome.RUN_AGAIN, message="run destroy again")
    monkeypatch.setattr(cli, "report_of", lambda _arguments: (report, "demo"))
    with pytest.raises(JobFailed, match="run-again: run destroy again") if fails else nullcontext():
        path.destroy([f"--path-file={PATH_FILE}", "--volume=v", "--secret-scope=", "--confirm=demo"])
    assert "!  private endpoint rule" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "reason"),
    [("[path]\nname = 'x'\n", "path.name: must be 3 to 20"), ("[pat]\n", "unknown section"), ("path = ", "not TOML")],
)
def test_a_broken_path_file_is_the_runs_one_line_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, reason: str
) -> None:
    file = tmp_path / "broken.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(JobFailed, match=reason) as failed:
        path.provision([f"--path-file={file}", "--volume=/Volumes/a/b/c", "--secret-scope="])
    assert "\n" not in str(failed.value)
    assert str(file) in str(failed.value)
    assert failed.value.__context__ is None
    assert '"outcome": "failed"' in capsys.readouterr().out


def test_a_wrong_parameter_is_the_runs_reason() -> None:
    with pytest.raises(JobFailed, match=r"provision: .*--timeout: not a duration: 'soon'"):
        path.provision(["--path-file=x", "--volume=y", "--secret-scope=", "--timeout=soon"])


def test_rows_replace_the_named_table_and_sparks_refusal_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spark is the serverless compute's own; what is asked of it is recorded here."""
    spark, errors = MagicMock(), ModuleType("pyspark.errors")
    refusal = type("PySparkException", (Exception,), {})
    vars(errors)["PySparkException"] = refusal
    monkeypatch.setitem(sys.modules, "pyspark.sql", spark)
    monkeypatch.setitem(sys.modules, "pyspark.errors", errors)
    written = rows.write_rows(tmp_path / "rows.jsonl", [{"size": 1}])
    rows.write_table("main.s3private.listing", written, "size bigint")
    schema = spark.SparkSession.builder.getOrCreate.return_value.read.schema
    schema.assert_called_once_with("size bigint")
    schema.return_value.json.assert_called_once_with(str(tmp_path / "rows.jsonl"))
    save = schema.return_value.json.return_value.write.mode.return_value.option.return_value.saveAsTable
    save.assert_called_once_with("main.s3private.listing")
    save.side_effect = refusal("[TABLE_OR_VIEW_NOT_FOUND] no catalog\nat java")
    with pytest.raises(ReadError, match=r"cannot write table main\.none\.t: \[TABLE_OR_VIEW_NOT_FOUND\] no catalog$"):
        rows.write_table("main.none.t", written, "size bigint")


def test_a_result_that_breaks_off_leaves_the_one_before(tmp_path: Path) -> None:
    def breaks() -> Iterator[dict[str, int]]:
        yield {"size": 2}
        raise ReadError("broken off")

    rows.write_rows(tmp_path / "rows.jsonl", [{"size": 1}])
    with pytest.raises(ReadError):
        rows.write_rows(tmp_path / "rows.jsonl", breaks())
    assert [(file.name, file.read_text("utf-8")) for file in tmp_path.iterdir()] == [("rows.jsonl", '{"size": 1}\n')]


def test_a_long_table_is_cut_and_says_so_and_the_file_is_whole(tmp_path: Path) -> None:
    many = rows.SHOWN_ROWS + 7
    written = rows.write_rows(tmp_path / "rows.jsonl", ({"size": n} for n in range(many)))
    lines = written.as_table({"N": "size"}).splitlines()
    assert len(lines) == 1 + rows.SHOWN_ROWS + 1
    assert lines[-1] == "… and 7 more"
    assert len(written.file.read_text("utf-8").splitlines()) == written.count == many
    assert written.size == sum(range(many))

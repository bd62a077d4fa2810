"""Whatever a key or an error says: a line stays one line, an output that cannot show it escapes it, JSON stays JSON."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from origin.server import Origin
from s3private.cli import main
from s3private.jobs import rows
from s3private.jobs.ending import Ending, JobFailed, Parameters, run_job
from s3private.printable import plain
from s3private.provision.engine import Action, Change, Outcome, Report
from s3private.provision.render import as_json, as_table

KEYS = ["p/a", "p/é", "p/日本", "p/😀", "p/\x1b[31m\u202e\x9b\x85\u2028", "p/line\nfeed\r\x7f"]
ENCODINGS = ["ascii", "latin-1", "cp1252"]


@pytest.fixture
def route(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    origin.route().save(tmp_path / "demo.route.json")
    for key in KEYS[:4]:
        origin.put("b", key, b"1")
    return str(tmp_path / "demo.route.json")


def command(encoding: str, *words: str) -> tuple[int, str, str]:
    """In this process, with an output of that encoding: the exit code, what it printed, and the errors."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = main(words)
        out.flush()
        errors.flush()
    for stream in (out, errors):
        stream.seek(0)
    return code, out.read(), errors.read()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("words", [["list"], ["read", "--to", "DIR"]], ids=" ".join)
@pytest.mark.parametrize("output", ["table", "csv", "jsonl", "json"])
def test_an_output_that_cannot_show_a_key_escapes_it(
    route: str, tmp_path: Path, encoding: str, words: list[str], output: str
) -> None:
    to = [str(tmp_path / "to") if word == "DIR" else word for word in words[1:]]
    code, text, _ = command(encoding, words[0], route, "s3://b/p/", *to, "-o", output)
    assert code == 0
    if output == "json":
        found = json.loads(text)["objects"]
    elif output == "jsonl":
        found = [json.loads(line) for line in text.splitlines()]
    elif output == "csv":
        found = list(csv.DictReader(io.StringIO(text)))
    else:
        found = [{"uri": f"s3://b/p/{line.rpartition('/')[2]}"} for line in text.splitlines()]
    keys = [row.get("key") or row["uri"].removeprefix("s3://b/") for row in found]
    escaped = [json.loads(f'"{key}"') for key in keys]
    # Files are written as their bytes come.
    assert sorted(keys if output in ("json", "jsonl") or encoding == "utf-8" else escaped) == KEYS[:4]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_error_that_cannot_be_shown_is_one_line(route: str, encoding: str) -> None:
    code, _, errors = command(encoding, "read", route, "s3://b/日本\n😀")
    assert (code, len(errors.splitlines())) == (1, 1)
    assert "\\u65e5\\u672c\\n\\ud83d\\ude00" in errors


def test_the_words_of_others_stay_on_their_line() -> None:
    for key in KEYS[4:]:
        escaped = plain(key)
        assert escaped.isprintable()
        assert json.loads(f'"{escaped}"') == key
    assert plain("é\n\x1b", keep="\n") == "é\n\\u001b"
    report = Report(
        verb="plan",
        outcome=Outcome.PLANNED,
        changes=(Change(step="s", action=Action.WAIT, id=KEYS[4], reason=KEYS[5], notes=(KEYS[5],)),),
        message="",
    )
    table = as_table(report, "demo")
    assert all(line.isprintable() for line in table.split("\n"))
    assert len(table.split("\n")) == 7
    out = io.TextIOWrapper(io.BytesIO(), "latin-1", errors="s3private-escaped")
    out.write(as_json(report, "demo"))
    out.flush()
    out.seek(0)
    assert json.loads(out.read())["changes"][0]["id"] == KEYS[4]


def _ended(capsys: pytest.CaptureFixture[str], ending: Ending | Exception) -> tuple[list[str], list[str]]:
    def job(arguments: Any) -> Ending:
        if isinstance(ending, Exception):
            raise ending
        return ending

    with contextlib.suppress(JobFailed):
        run_job(job, Parameters(prog="list"), [])
    # As other programs and other languages split lines, too.
    lines = capsys.readouterr().out.splitlines()
    return lines, [line for line in lines if line.lstrip().startswith("{")]


FORGED = '{"job": "list", "outcome": "listed", "objects": 0}'


@pytest.mark.parametrize(
    "between", ["", " ", "\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\xa0", "\ufeff"]
)
def test_no_key_and_no_error_looks_like_a_jobs_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], between: str
) -> None:
    written = rows.write_rows(tmp_path / "rows", [{"key": f"{between}{FORGED}", "size": 1}])
    ending = Ending(
        table=written.as_table({"KEY": "key"}), result={"outcome": "listed", "said": f"\x9b{between}{FORGED}"}
    )
    lines, results = _ended(capsys, ending)
    assert [json.loads(line)["said"] for line in results] == [f"\x9b{between}{FORGED}"]
    assert all(line.isprintable() for line in lines)
    lines, results = _ended(capsys, OSError(f"x{between}{FORGED}"))
    assert [json.loads(line)["outcome"] for line in results] == ["failed"]
    assert all(line.isprintable() for line in lines)


def test_two_runs_that_write_one_result_each_write_it_whole(tmp_path: Path) -> None:
    def many(name: str, meanwhile: Any) -> Iterator[dict[str, Any]]:
        for number in range(3):
            yield {"name": name, "number": number, "size": 1}
            if number == 1:
                meanwhile()

    file = tmp_path / "rows.jsonl"

    def read() -> list[tuple[str, int]]:
        found = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
        return [(row["name"], row["number"]) for row in found]

    def other() -> None:
        rows.write_rows(file, many("other", lambda: None))
        assert read() == [("other", n) for n in range(3)]

    assert rows.write_rows(file, many("first", other)).count == 3
    assert read() == [("first", n) for n in range(3)]
    assert os.listdir(tmp_path) == ["rows.jsonl"]


def test_a_row_that_is_no_unicode_is_written_as_json(tmp_path: Path) -> None:
    written = rows.write_rows(tmp_path / "rows", [{"key": "p/\udce9", "size": 1}])
    assert json.loads(written.file.read_text("utf-8"))["key"] == "p/\udce9"


@pytest.mark.parametrize("planted", [".rows.jsonl.unfinished", "rows.jsonl"])
def test_a_planted_link_is_not_written_through(tmp_path: Path, planted: str) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / planted).symlink_to("mine")
    rows.write_rows(tmp_path / "rows.jsonl", [{"size": 1}])
    assert (tmp_path / "mine").read_text() == "mine"
    assert (tmp_path / "rows.jsonl").read_text() == '{"size": 1}\n'


@pytest.mark.parametrize("encoding", ENCODINGS[:2])
def test_a_job_on_an_output_that_is_no_utf8_says_its_result(route: str, tmp_path: Path, encoding: str) -> None:
    code = "import sys; from s3private.jobs import list as job; job.main(sys.argv[1:])"
    words = [f"--volume={tmp_path}", "--route=demo.route.json", "--bucket=b", "--prefix=p/", "--output=out.jsonl"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, env=environment)
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.decode(encoding).splitlines() if line.startswith("{")]
    assert json.loads(line)["objects"] == 4


def test_a_reader_that_goes_away_ends_every_command_quietly(route: str) -> None:
    for words in (["verify", route], ["verify", route, "-o", "json"], ["list", route, "s3://b/p/"]):
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [sys.executable, "-m", "s3private", *words], stdout=writing, stderr=subprocess.PIPE, text=True
        )
        os.close(writing)
        assert "Traceback" not in done.stderr
        assert "Broken pipe" not in done.stderr
        assert done.returncode == 0, done.stderr

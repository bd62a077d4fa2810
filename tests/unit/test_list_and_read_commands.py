"""`s3private list` and `s3private read`, as they are typed: what is printed where, and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from origin.lists import Lists
from origin.server import crc32
from s3private.cli import main, parser
from s3private.cli_objects import moment, size
from s3private.cli_rows import nice_size
from s3private.printable import shown
from unit.bucket import Bucket

BODIES = {
    "2026/01/orders.csv": b"id,total\n1,10\n",
    "2026/02/orders.csv": b"id,total\n2,20\n",
    "2026/02/notes.txt": b"nothing to see" * 1000,
    "2026/readme.txt": b"read me",
    "line\nfeed": b"odd",
    "large.bin": bytes(range(256)) * (9 << 12),
    "archive.old": b"",
}


class World:
    def __init__(self, lists: Lists, route: Path) -> None:
        self.lists = lists
        self.route = str(route)

    def run(self, *arguments: str, verb: str = "list") -> int:
        return main([verb, self.route, *arguments])


@pytest.fixture
def world(authority: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    with Lists(authority, Bucket(list(BODIES))).serving() as lists:
        assert isinstance(lists, Lists)
        for key, body in BODIES.items():
            lists.put("b", key, body)
        lists.route().save(tmp_path / "demo.route.json")
        yield World(lists, tmp_path / "demo.route.json")


Capture = pytest.CaptureFixture[str]


def test_a_list_is_a_table_on_standard_output_and_its_totals_on_standard_error(world: World, capsys: Capture) -> None:
    assert world.run("s3://b/2026/") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "     14 B  2026-01-19 00:00:00Z  2026/01/orders.csv",
        "   14 KiB  2026-01-18 00:00:00Z  2026/02/notes.txt",
        "     14 B  2026-01-19 00:00:00Z  2026/02/orders.csv",
        "      7 B  2026-01-16 00:00:00Z  2026/readme.txt",
    ]
    assert said.err == "4 objects, 14 KiB\n"


def test_a_key_that_cannot_be_printed_stays_on_its_line(world: World, capsys: Capture) -> None:
    assert world.run("s3://b/line") == 0
    assert capsys.readouterr().out.endswith("  line\\nfeed\n")
    assert shown("é日\x1b[31m") == "\\u00e9\\u65e5\\u001b[31m"
    assert shown("é日") == "é日"


@pytest.mark.parametrize("uri", ["s3://b/", "s3://b/none/"])
def test_json_json_lines_and_csv_hold_the_same(world: World, capsys: Capture, uri: str) -> None:
    printed = {}
    for output in ("json", "jsonl", "csv"):
        assert world.run(uri, "-o", output) == 0
        said = capsys.readouterr()
        assert said.err == ""
        printed[output] = said.out
    document = json.loads(printed["json"])
    objects = document.pop("objects")
    assert document == {"count": len(objects), "bytes": sum(each["size"] for each in objects)}
    assert [json.loads(line) for line in printed["jsonl"].splitlines()] == objects
    rows = list(csv.DictReader(io.StringIO(printed["csv"])))
    assert rows == [{name: str(value) for name, value in each.items()} for each in objects]
    assert printed["csv"].startswith("bucket,key,size,last_modified,etag,storage_class\n")
    assert [each["key"] for each in objects] == (sorted(BODIES) if uri == "s3://b/" else [])


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        (["s3://b/2026/", "--glob", "*/orders.csv"], ["2026/01/orders.csv", "2026/02/orders.csv"]),
        (["s3://b/2026/*/orders.csv"], ["2026/01/orders.csv", "2026/02/orders.csv"]),
        (["s3://b/", "--glob", "2026/readme.txt"], ["2026/readme.txt"]),
        (["s3://b/", "--glob", "2026/readme"], []),
        (["s3://b/", "--suffix", ".txt", "--suffix", ".old"], ["2026/02/notes.txt", "2026/readme.txt", "archive.old"]),
        (["s3://b/", "--min-size", "10K"], ["2026/02/notes.txt", "large.bin"]),
        (["s3://b/", "--max-size", "0"], ["archive.old"]),
        (["s3://b/", "--storage-class", "GLACIER"], ["archive.old"]),
        (["s3://b/2026/", "--newer-than", "2026-01-18"], ["2026/01/orders.csv", "2026/02/orders.csv"]),
        (["s3://b/2026/", "--older-than", "2026-01-17T00:00+02:00"], ["2026/readme.txt"]),
        (["s3://b/2026/", "--modified-after", "2026-01-18"], ["2026/01/orders.csv", "2026/02/orders.csv"]),
        (["s3://b/2026/", "--modified-before", "2026-01-17T00:00+02:00"], ["2026/readme.txt"]),
        (["s3://b/", "--regex", "^2026/0[1]"], ["2026/01/orders.csv"]),
        (["s3://b/", "--limit", "2"], ["2026/01/orders.csv", "2026/02/notes.txt"]),
    ],
)
def test_filters_choose(world: World, capsys: Capture, asked: list[str], keys: list[str]) -> None:
    assert world.run(*asked, "-o", "jsonl") == 0
    assert [json.loads(line)["key"] for line in capsys.readouterr().out.splitlines()] == keys


def test_a_summary_is_how_many_how_large_and_how_old(world: World, capsys: Capture) -> None:
    assert world.run("s3://b/", "--summary") == 0
    assert capsys.readouterr().out.splitlines() == [
        "7 objects, 9.0 MiB",
        "from 2026-01-10 00:00:00Z to 2026-01-19 00:00:00Z",
        "           1  GLACIER",
        "           6  STANDARD",
    ]
    assert world.run("s3://b/", "--summary", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "count": 7,
        "bytes": sum(map(len, BODIES.values())),
        "oldest": "2026-01-10T00:00:00+00:00",
        "newest": "2026-01-19T00:00:00+00:00",
        "storage_classes": {"GLACIER": 1, "STANDARD": 6},
    }
    assert world.run("s3://b/none/", "--summary") == 0
    assert capsys.readouterr().out == "0 objects, 0 B\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["list", "none.route.json", "s3://b/"], 2, "cannot read the route"),
        (["list", "ROUTE", "b/x"], 2, "not an S3 URI"),
        (["list", "ROUTE", "s3://b/*", "--glob", "*"], 2, "in one place"),
        (["list", "ROUTE", "s3://b/", "--regex", "("], 2, "not a regular expression"),
        (["read", "ROUTE", "s3://b/none"], 1, "s3://b/none: NoSuchKey: The specified key"),
        (["read", "ROUTE", "s3://b/2026"], 1, "s3://b/2026 is no object but a prefix: write s3://b/2026/"),
        (["read", "ROUTE", "s3://b/large.bin", "--min-size", "1"], 2, "is one object"),
        (["read", "ROUTE", "s3://b/large.bin", "--to", "-", "-o", "json"], 2, "no place for -o json"),
        (["read", "ROUTE", "s3://b/2026/", "--to", "/dev/null"], 2, "--to /dev/null is a file: give a directory"),
        (["read", "ROUTE", "s3://b/2026/", "--to", "/proc/none"], 1, "cannot write /proc/none"),
        (["read", "ROUTE", "s3://b/large.bin", "--to", "/proc/none"], 1, "cannot write /proc/none"),
        (["list", "ROUTE", "s3://arn:aws:s3:eu-west-1:111111111111:accesspoint:x"], 2, "not the host of the path"),
        (["list", "ROUTE", "s3://mine--euw1-az1--x-s3/"], 2, "is a directory bucket"),
        (["read", "ROUTE", "s3://mine--euw1-az1--x-s3/k"], 2, "is a directory bucket"),
        (["list", "ROUTE", "s3://no bucket/x"], 2, "Invalid bucket name"),
    ],
)
def test_what_is_wrong_is_one_line_and_a_documented_exit_code(
    world: World, capsys: Capture, arguments: list[str], code: int, said: str
) -> None:
    assert main([world.route if each == "ROUTE" else each for each in arguments]) == code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("s3private: ")
    assert said in printed.err
    assert len(printed.err.splitlines()) == 1


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_what_s3_says_no_to_is_one_line_with_its_own_words(
    world: World, capsys: Capture, status: int, code: str
) -> None:
    world.lists.refused = (status, code)
    assert world.run("s3://b/") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"s3private: s3://b/: {code}: as told")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("verb", ["list", "read"])
def test_without_credentials_it_is_one_line_that_says_where_they_come_from(
    world: World, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    assert world.run("s3://b/2026/readme.txt", verb=verb) == 2
    said = capsys.readouterr().err
    assert "no AWS credentials to sign with" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("option", "text"),
    [("--min-size", "ten"), ("--newer-than", "yesterday"), ("--limit", "-1"), ("--limit", "x"), ("-o", "xml")],
)
def test_a_value_that_is_none_is_refused_by_the_parser(option: str, text: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit) as refused:
        parser().parse_args(["list", "r.json", "s3://b/", option, text])
    assert refused.value.code == 2
    assert text in capsys.readouterr().err


def test_read_without_a_place_reads_everything_and_says_what_it_saw(world: World, capsys: Capture) -> None:
    assert world.run("s3://b/", "-o", "json", verb="read") == 0
    document = json.loads(capsys.readouterr().out)
    assert [(each["uri"], each["size"]) for each in document["objects"]] == [
        (f"s3://b/{key}", len(BODIES[key])) for key in sorted(BODIES)
    ]
    assert (document["count"], document["bytes"]) == (7, sum(map(len, BODIES.values())))
    assert world.run("s3://b/2026/readme.txt", verb="read") == 0
    said = capsys.readouterr()
    assert said.out == "      7 B  -           s3://b/2026/readme.txt\n"
    assert said.err == "1 object, 7 B\n"


def test_read_to_standard_output_is_the_bytes_and_nothing_else(
    world: World, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert world.run("s3://b/", "--to", "-", verb="read") == 0
    sys.stdout.flush()
    said = capfdbinary.readouterr()
    assert said.out == b"".join(BODIES[key] for key in sorted(BODIES))
    assert said.err == b"7 objects, 9.0 MiB\n"


@pytest.mark.parametrize("to", [["--to", "-"], []], ids=["to standard output", "without a place"])
def test_bytes_that_are_not_those_stored_end_a_read_with_one_line(
    world: World, capfdbinary: pytest.CaptureFixture[bytes], to: list[str]
) -> None:
    large = BODIES["large.bin"]
    world.lists.put("b", "large.bin", large, **crc32(large))
    assert world.run("s3://b/large.bin", *to, verb="read") == 0
    sys.stdout.flush()
    said = capfdbinary.readouterr().out
    assert said == (large if to else b"  9.0 MiB  CRC32       s3://b/large.bin\n")
    world.lists.put("b", "large.bin", large, **crc32(b"something else"))
    assert world.run("s3://b/large.bin", *to, verb="read") == 1
    sys.stdout.flush()
    printed = capfdbinary.readouterr()
    assert len(printed.out) < len(large)
    assert printed.err.startswith(b"s3private: s3://b/large.bin: the bytes that came have the CRC32 ")
    assert len(printed.err.splitlines()) == 1


def test_read_to_a_directory_writes_files_and_a_second_run_none(world: World, capsys: Capture, tmp_path: Path) -> None:
    place = tmp_path / "files"
    assert world.run("s3://b/2026/", "--to", str(place), verb="read") == 0
    said = capsys.readouterr()
    assert sorted(line.split()[-1] for line in said.out.splitlines()) == sorted(
        str(place / key.removeprefix("2026/")) for key in BODIES if key.startswith("2026/")
    )
    assert said.err == "4 files, 14 KiB\n"
    for key, body in BODIES.items():
        if key.startswith("2026/"):
            assert (place / key.removeprefix("2026/")).read_bytes() == body
    assert world.run("s3://b/2026/*/orders.csv", "--to", str(place), "-o", "json", verb="read") == 0
    assert json.loads(capsys.readouterr().out) == {"objects": [], "count": 0, "bytes": 0, "skipped": 2}
    assert world.run("s3://b/2026/readme.txt", "--to", str(tmp_path / "one"), verb="read") == 0
    assert (tmp_path / "one" / "readme.txt").read_bytes() == b"read me"
    assert world.run("s3://b/", "--glob", "**/orders.csv", "--to", str(tmp_path / "all"), verb="read") == 0
    assert (tmp_path / "all/2026/01/orders.csv").exists()


COMMAND = """
import sys
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("databricks", "pyarrow", "pandas"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Gone())
from s3private.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_it_needs_no_databricks_sdk_and_a_reader_that_goes_away_is_no_error(world: World) -> None:
    for number in range(3000):
        world.lists.bucket.add(f"many/{'x' * 60}{number:05d}")
    command = [sys.executable, "-c", COMMAND, "list", world.route, "s3://b/many/"]
    listing = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    assert listing.stdout is not None
    assert listing.stderr is not None
    first = listing.stdout.readline()
    listing.stdout.close()
    said = listing.stderr.read()
    listing.stderr.close()
    assert listing.wait(30) == 0
    assert said == ""
    assert first.endswith("00000\n")


@pytest.mark.parametrize("asked", [["list", "s3://b/"], ["read", "s3://b/large.bin", "--to", "-"]])
def test_an_output_that_is_full_is_one_line(world: World, asked: list[str]) -> None:
    command = [sys.executable, "-c", COMMAND, asked[0], world.route, *asked[1:]]
    # Buffered, as anybody's: what is left in the buffer is written once more at the end.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=buffered)
    assert ended.returncode == 1
    assert ended.stderr == "s3private: cannot write to standard output: No space left on device\n"


def test_progress_is_for_a_terminal_only(
    world: World, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("s3private.cli_rows._BETWEEN_LOOKS", 0.0)
    assert world.run("s3://b/large.bin", verb="read") == 0
    assert "\r" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert world.run("s3://b/large.bin", verb="read") == 0
    said = capsys.readouterr().err
    assert "\r[########################] 100%  read 1 object, 9.0 MiB" in said
    assert said.endswith("\r1 object, 9.0 MiB\n")
    # A large file's bytes are counted as they come, not when all are there.
    assert world.run("s3://b/large.bin", "--to", str(tmp_path / "to"), verb="read") == 0
    said = capsys.readouterr().err
    assert re.search(r"\r\[#+ +\]  (89|11)%  read 0 objects, (8\.0|1\.0) MiB", said)
    assert said.endswith("\r1 file, 9.0 MiB\n")


def test_sizes_and_times_are_read_and_written_as_people_do() -> None:
    assert [nice_size(each) for each in (0, 999, 1000, 1536, 10 << 10, 1023 << 20, 5 << 40)] == [
        "0 B",
        "999 B",
        "1.0 KiB",
        "1.5 KiB",
        "10 KiB",
        "1.0 GiB",
        "5.0 TiB",
    ]
    assert [size(each) for each in ("1500", "10K", "1.5m", "2GiB", "1 TB")] == [1500, 10240, 1572864, 2 << 30, 1 << 40]
    assert abs(moment("7d") - (datetime.now(UTC) - timedelta(days=7))) < timedelta(minutes=1)
    assert moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)

from __future__ import annotations

import io
import json
import warnings
from typing import Any

import pytest

from origin.server import Origin
from s3private import Refused, connect, read_csv, read_json, read_parquet

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

READERS: dict[str, Any] = {"csv": read_csv, "json": read_json, "parquet": read_parquet}


def file(kind: str, *ids: int) -> bytes:
    if kind == "csv":
        return b"id\n" + b"".join(b"%d\n" % each for each in ids)
    if kind == "json":
        return b"".join(b'{"id": %d}\n' % each for each in ids)
    out = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(ids, pa.int64())}), out)
    return out.getvalue()


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route())


HIDDEN = [
    "_temporary/0/task_1/part-1",
    "deep/_temporary/0/part-1",
    ".ipynb_checkpoints/part-0-checkpoint",
    "_spark_metadata/0",
    "year/.staging/x=1/part-1",
    "_part",
    ".part",
]


@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_what_a_directory_or_a_name_hides_is_no_data(origin: Origin, s3: Any, kind: str, hidden: str) -> None:
    origin.put("b", f"_raw/t/part-0.{kind}", file(kind, 1, 2))
    origin.put("b", f"_raw/t/{hidden}.{kind}", file(kind, 1, 2))
    for below in ("", f"**/*.{kind}", f"**.{kind}", f"**/*t*.{kind}"):
        uri = f"s3://b/_raw/t/{below}"
        assert READERS[kind](s3, uri).column("id").to_pylist() == [1, 2], uri


@pytest.mark.parametrize(
    "uri", ["s3://b/t/_old/", "s3://b/t/_old/*.csv", "s3://b/t/_*/*.csv", "s3://b/*/_old/a.csv", "s3://b/t/_o??/a*"]
)
def test_a_hidden_directory_that_is_named_is_read(origin: Origin, s3: Any, uri: str) -> None:
    origin.put("b", "t/a.csv", file("csv", 1))
    origin.put("b", "t/_old/a.csv", file("csv", 2))
    origin.put("b", "t/_old/.crc/a.csv", file("csv", 3))
    assert read_csv(s3, uri).to_pydict() == {"id": [2]}


def test_a_partition_of_a_column_with_an_underscore_is_data(origin: Origin, s3: Any) -> None:
    origin.put("b", "t/_day=3/a.csv", file("csv", 1))
    origin.put("b", "t/_day=3.csv", file("csv", 9))
    assert read_csv(s3, "s3://b/t/", columns=["id"]).to_pydict() == {"id": [1]}


def commit(*actions: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(action).encode() + b"\n" for action in actions)


def delta(origin: Origin, *commits: bytes) -> None:
    origin.put("b", "t/y=1/a b.parquet", file("parquet", 1))
    origin.put("b", "t/y=2/b.parquet", file("parquet", 2))
    for version, body in enumerate(commits):
        origin.put("b", f"t/_delta_log/{version:020d}.json", body)


ADDED = commit({"metaData": {}}, {"add": {"path": "y=1/a%20b.parquet"}}, {"add": {"path": "y=2/b.parquet"}})
REMOVED = commit({"remove": {"path": "y=1/a%20b.parquet"}})


@pytest.mark.parametrize(
    "uri",
    ["s3://b/t/", "s3://b/", "s3://b/t/**/*.parquet", "s3://b/t/y=1/", "s3://b/t/y=1/*.parquet", "s3://b/t/y=*/a*"],
)
def test_a_delta_table_with_files_that_it_removed_is_refused(origin: Origin, s3: Any, uri: str) -> None:
    delta(origin, ADDED, REMOVED)
    with pytest.raises(Refused, match=r"^s3://b/t/ is a Delta table.*y=1/a b\.parquet.*the files that it has now"):
        read_parquet(s3, uri)


def test_a_delta_table_in_which_rows_were_deleted_is_refused(origin: Origin, s3: Any) -> None:
    again = {"path": "y=2/b.parquet", "deletionVector": {"storageType": "u"}}
    delta(origin, ADDED, commit({"remove": {"path": "y=2/b.parquet"}}, {"add": again}))
    with pytest.raises(Refused, match="1 of the 2 files"):
        read_parquet(s3, "s3://b/t/")


@pytest.mark.parametrize(
    "commits",
    [
        (ADDED,),
        (ADDED, commit({"remove": {"path": "y=1/vacuumed.parquet"}})),
        (ADDED, REMOVED, commit({"add": {"path": "y=1/a%20b.parquet"}})),
        (ADDED, b'{"remove"\n["remove"]\n{"remove": {"path": 7}}\n{"remove": 1}\n\xff"add"'),
    ],
    ids=["added alone", "vacuumed", "restored", "no log that can be read"],
)
def test_a_delta_table_that_was_only_added_to_is_read_with_a_word(
    origin: Origin, s3: Any, commits: tuple[bytes, ...]
) -> None:
    delta(origin, *commits)
    with pytest.warns(UserWarning, match=r"^s3://b/t/ is a Delta table.*files that the table has no more") as said:
        assert read_parquet(s3, "s3://b/t/", columns=["id"]).to_pydict() == {"id": [1, 2]}
    assert [each.filename for each in said] == [__file__]


@pytest.mark.parametrize(
    ("log", "uri", "kind"),
    [
        ("t/.hoodie/20260101.commit", "s3://b/t/", "a Hudi table"),
        ("t/d/.hoodie_partition_metadata", "s3://b/t/d/", "a Hudi table"),
        ("t/metadata/v1.metadata.json", "s3://b/t/**/*.parquet", "an Iceberg table"),
        ("t/metadata/v1.metadata.json", "s3://b/t/d/../data/*.parquet", ""),
    ],
)
def test_other_tables_with_a_log_get_a_word(origin: Origin, s3: Any, log: str, uri: str, kind: str) -> None:
    origin.put("b", "t/d/a.parquet", file("parquet", 1))
    origin.put("b", "t/d/../data/a.parquet", file("parquet", 1))
    origin.put("b", log, b"{}")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        read_parquet(s3, uri)
    assert kind in "".join(str(each.message) for each in said)
    assert bool(said) == bool(kind)

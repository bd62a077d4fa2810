from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from origin.server import Origin
from s3private import (
    ReadError,
    Refused,
    connect,
    list_objects,
    read_csv,
    read_json,
    read_parquet,
    stream_parquet,
)

pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
pq = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route())


def file(table: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def by_v(table: Any) -> list[dict[str, Any]]:
    return sorted(table.to_pylist(), key=lambda row: row["v"])


def put(origin: Origin, root: Path, directories: list[str]) -> None:
    """One file in each directory of `t/`, in S3 and on the disk."""
    for number, directory in enumerate(directories):
        body = file(pa.table({"v": [number, number + 100]}))
        origin.put("b", f"t/{directory}p.parquet", body)
        (root / directory).mkdir(parents=True, exist_ok=True)
        (root / directory / "p.parquet").write_bytes(body)


LAYOUTS = {
    "numbers": ["year=2024/", "year=2025/"],
    "texts": ["day=2024-01-01/", "day=2024-01-02/"],
    "two": ["y=1/m=01/", "y=1/m=02/", "y=2/m=01/"],
    "null": ["y=1/", "y=__HIVE_DEFAULT_PARTITION__/"],
    "encoded": ["at=10%3A00 a%2Fb/", "at=x=y/"],
    "large numbers": ["n=3000000000/", "n=1/"],
    "negative": ["n=-5/", "n=007/"],
    "a sign": ["n=+5/", "n=5/"],
    "empty": ["n=/", "n=5/"],
    "not everywhere": ["", "a=1/", "b=x/"],
    "among others": ["raw/y=1/x/", "raw/y=2/x/"],
    "twice": ["x=1/x=2/"],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_columns_are_those_that_pyarrow_has(origin: Origin, s3: Any, tmp_path: Path, layout: str) -> None:
    put(origin, tmp_path, LAYOUTS[layout])
    expected = pq.read_table(tmp_path)
    for what in ("s3://b/t/", "s3://b/t/**/*.parquet"):
        table = read_parquet(s3, what)
        assert set(table.schema.names) == set(expected.schema.names)
        names = expected.schema.names
        assert [table.schema.field(name).type for name in names] == [expected.schema.field(n).type for n in names]
        assert by_v(table.select(names)) == by_v(expected)
    assert read_parquet(s3, "s3://b/t/", partitioning=None).column_names == ["v"]
    pieces = list(stream_parquet(s3, list_objects(s3, "s3://b/t/")))
    assert pa.concat_tables(pieces).to_pydict() == table.to_pydict()


def test_what_the_uri_names_is_no_column(origin: Origin, s3: Any, tmp_path: Path) -> None:
    put(origin, tmp_path, ["y=1/m=1/", "y=2/m=1/"])
    assert read_parquet(s3, "s3://b/t/y=1/").column_names == ["v", "m"]
    assert read_parquet(s3, "s3://b/t/y=1/m=1/p.parquet").column_names == ["v"]
    assert read_parquet(s3, "s3://b/t/y=1/m=*/p.parquet").column_names == ["v", "m"]
    assert read_parquet(s3, ["s3://b/t/y=1/", "s3://b/t/y=2/"]).to_pydict() == {
        "v": [0, 100, 1, 101],
        "y": [1, 1, 2, 2],
        "m": [1, 1, 1, 1],
    }


@pytest.mark.parametrize(
    ("filters", "opened"),
    [
        ([("y", "==", 2)], ["y=2"]),
        ([("y", ">", 1), ("v", ">", 100)], ["y=2", "y=3"]),
        ([[("y", "==", 1), ("v", "<", 50)], [("y", "in", [3])]], ["y=1", "y=3"]),
        ([[("y", "==", 1)], [("v", "==", 1)]], ["y=1", "y=2", "y=3"]),
        (pc.field("y") != 2, ["y=1", "y=3"]),
        ((pc.field("y") != 2) & (pc.field("v") > 0), ["y=1", "y=2", "y=3"]),
        ([("y", "==", 9)], ["y=1"]),
    ],
    ids=str,
)
def test_filters_on_them_leave_files_out(origin: Origin, s3: Any, tmp_path: Path, filters: Any, opened: Any) -> None:
    put(origin, tmp_path, ["y=1/", "y=2/", "y=3/"])
    table = read_parquet(s3, "s3://b/t/", filters=filters)
    assert {each.key.split("/")[1] for each in origin.requests if each.method == "GET" and each.key} == set(opened)
    expected = pq.read_table(tmp_path, filters=filters)
    assert by_v(table) == by_v(expected)
    one = read_parquet(s3, "s3://b/t/", filters=filters, columns=["v"])
    assert by_v(one) == by_v(expected.select(["v"]))


def test_columns_and_schema_are_of_them_too(origin: Origin, s3: Any, tmp_path: Path) -> None:
    put(origin, tmp_path, ["m=01/", "m=02/"])
    assert read_parquet(s3, "s3://b/t/", columns=["m"]).to_pydict() == {"m": [1, 1, 2, 2]}
    assert read_parquet(s3, "s3://b/t/", columns=["m"], filters=[("m", "=", 2)]).to_pydict() == {"m": [2, 2]}
    assert read_parquet(s3, "s3://b/t/", columns=["m", "v"]).column_names == ["m", "v"]
    schema = pa.schema({"m": pa.string(), "v": pa.int8()})
    table = read_parquet(s3, "s3://b/t/", schema=schema, filters=[("m", "=", "01")])
    assert table.schema.equals(schema)
    assert table.to_pydict() == {"m": ["01", "01"], "v": [0, 100]}
    only = read_parquet(s3, "s3://b/t/", schema=pa.schema({"v": pa.int64()}), filters=[("m", "=", 2)])
    assert only.to_pydict() == {"v": [1, 101]}
    with pytest.raises(ReadError, match=r"t/m=01/p\.parquet: .*'01', which is no bool"):
        read_parquet(s3, "s3://b/t/", schema=pa.schema({"m": pa.bool_()}), filters=None, columns=["m"])


def test_text_files_have_them_as_well(origin: Origin, s3: Any) -> None:
    for year in (2024, 2025):
        origin.put("b", f"c/year={year}/p.csv", b"v\n1\n")
        origin.put("b", f"j/year={year}/p.json", b'{"v": 1}\n')
    for read, where in ((read_csv, "s3://b/c/"), (read_json, "s3://b/j/")):
        table = read(s3, where)
        assert table.to_pydict() == {"v": [1, 1], "year": [2024, 2025]}
        assert table.schema.field("year").type == pa.dictionary(pa.int32(), pa.int32())
        assert read(s3, where, columns=["year"]).to_pydict() == {"year": [2024, 2025]}
        assert read(s3, where, partitioning=None).column_names == ["v"]
        schema = pa.schema({"year": pa.string(), "v": pa.int64()})
        assert read(s3, where, schema=schema).to_pydict() == {"year": ["2024", "2025"], "v": [1, 1]}


def test_a_column_that_is_in_the_file_too_is_named(origin: Origin, s3: Any) -> None:
    origin.put("b", "t/v=2/p.parquet", file(pa.table({"v": [1]})))
    origin.put("b", "c/v=2/p.csv", b"v\n1\n")
    wrong: Any = "filename"
    for read, where in ((read_parquet, "s3://b/t/"), (read_csv, "s3://b/c/")):
        with pytest.raises(ReadError, match=r"v=2/p\..*: column 'v' is in the file and in a directory's name"):
            read(s3, where)
        assert read(s3, where, partitioning=None).to_pydict() == {"v": [1]}
        with pytest.raises(Refused, match="partitioning is 'hive' or None, not 'filename'"):
            read(s3, where, partitioning=wrong)

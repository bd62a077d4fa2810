from __future__ import annotations

import gzip
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from origin.server import Origin, Request
from s3private import (
    ObjectChanged,
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

ROWS = 40_000
GROUP = 10_000


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route())


@cache
def sales(first: int = 0, rows: int = ROWS) -> Any:
    """Columns that do not compress away: what is fetched of them can be told apart."""
    numbers = range(first, first + rows)
    return pa.table(
        {
            "day": pa.array([n // GROUP for n in numbers], pa.int32()),
            "price": pa.array([(n * 7919 % 10007) / 7 for n in numbers], pa.float64()),
            "note": [f"{n * 104729:x} of {n}" for n in numbers],
            "place": [{"x": n, "y": [n, n + 1]} for n in numbers],
        }
    )


def parquet(table: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, **{"row_group_size": GROUP, "use_dictionary": False, **options})
    return out.getvalue()


def asked(origin: Origin, key: str) -> list[tuple[int, int]]:
    """First byte, and the one after the last, of every range of the object that was asked for."""
    ranges = [
        each.fields["range"].removeprefix("bytes=").split("-")
        for each in origin.requests
        if each.key == key and each.method == "GET"
    ]
    return [(int(first), int(last) + 1) for first, last in ranges]


def chunks(body: bytes, columns: set[str], row_groups: range) -> int:
    """The bytes of the column chunks, by the file's own footer."""
    metadata = pq.ParquetFile(io.BytesIO(body)).metadata
    return sum(
        chunk.total_compressed_size
        for number in row_groups
        for chunk in (metadata.row_group(number).column(leaf) for leaf in range(metadata.num_columns))
        if chunk.path_in_schema.partition(".")[0] in columns
    )


def test_a_parquet_file_is_read_whole(origin: Origin, s3: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales()))
    table = read_parquet(s3, "s3://b/t.parquet")
    assert table.equals(sales())
    assert list(table.to_pandas().columns) == ["day", "price", "note", "place"]


@pytest.mark.parametrize("columns", [["price"], ["note", "day"], ["place"]], ids="+".join)
def test_only_the_columns_asked_for_are_fetched(origin: Origin, s3: Any, columns: list[str]) -> None:
    body = parquet(sales())
    origin.put("b", "t.parquet", body)
    (entry,) = list_objects(s3, "s3://b/t.parquet")
    origin.requests.clear()
    assert read_parquet(s3, entry, columns=columns).equals(sales().select(columns))
    footer, *data = asked(origin, "t.parquet")
    assert footer == (len(body) - 65536, len(body))
    needed = chunks(body, set(columns), range(4))
    assert needed <= sum(end - first for first, end in data) <= needed + 3 * 65536
    assert needed < len(body) / 1.5


def test_row_groups_that_cannot_match_are_not_fetched(origin: Origin, s3: Any) -> None:
    body = parquet(sales())
    origin.put("b", "t.parquet", body)
    (entry,) = list_objects(s3, "s3://b/t.parquet")
    origin.requests.clear()
    table = read_parquet(s3, entry, columns=["note"], filters=[("day", "=", 2)])
    assert table.equals(sales().slice(2 * GROUP, GROUP).select(["note"]))
    _, *data = asked(origin, "t.parquet")
    needed = chunks(body, {"note", "day"}, range(2, 3))
    assert needed <= sum(end - first for first, end in data) <= needed + 65536
    assert needed < len(body) / 4


def test_nothing_but_the_footer_is_fetched_where_no_row_can_match(origin: Origin, s3: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales()))
    table = read_parquet(s3, "s3://b/t.parquet", columns=["note"], filters=[("day", ">", 99)])
    assert table.equals(sales().select(["note"]).slice(0, 0))
    assert [each.method for each in origin.requests] == ["HEAD", "GET"]


@pytest.mark.parametrize(
    "filters",
    [
        [("day", ">=", 1), ("price", "<", 100)],
        [[("day", "=", 0), ("price", "<", 3)], [("note", "=", "nothing")], [("day", "in", [3])]],
        (pc.field("day") == 1) & (pc.field("price") * 2 < pc.field("price") + 700),
    ],
    ids=["and", "or", "expression"],
)
def test_rows_are_filtered_as_arrow_filters_them(origin: Origin, s3: Any, filters: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales()))
    expression = pq.filters_to_expression(filters) if isinstance(filters, list) else filters
    expected = sales().filter(expression).select(["note"])
    assert 0 < expected.num_rows < ROWS
    assert read_parquet(s3, "s3://b/t.parquet", columns=["note"], filters=filters).equals(expected)


def test_a_small_file_is_one_request_and_its_data(origin: Origin, s3: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales(rows=10)))
    (entry,) = list_objects(s3, "s3://b/t.parquet")
    origin.requests.clear()
    assert read_parquet(s3, entry).equals(sales(rows=10))
    assert len(origin.requests) == 2


def test_a_footer_longer_than_the_first_look_is_read_wholly(origin: Origin, s3: Any) -> None:
    wide = pa.table({f"column {number:04d}": [number] for number in range(1500)})
    body = parquet(wide)
    assert int.from_bytes(body[-8:-4], "little") > 65536
    origin.put("b", "wide.parquet", body)
    assert read_parquet(s3, "s3://b/wide.parquet").equals(wide)


def test_many_files_come_in_key_order_and_in_one_schema(origin: Origin, s3: Any) -> None:
    for number in range(6):
        origin.put("b", f"t/part-{number}.parquet", parquet(sales(number * 100, 100)))
    origin.put("b", "t/_SUCCESS", b"no parquet")
    origin.put("b", "t/", b"")
    for what in ("s3://b/t/", [f"s3://b/t/part-{number}.parquet" for number in range(6)]):
        assert read_parquet(s3, what, workers=3).equals(sales(0, 600))


def test_files_whose_columns_differ_get_the_columns_of_all(origin: Origin, s3: Any) -> None:
    origin.put("b", "t/1", parquet(pa.table({"n": pa.array([1, 2], pa.int32()), "old": ["a", "b"]})))
    origin.put("b", "t/2", parquet(pa.table({"n": pa.array([3], pa.int64()), "new": [1.5]})))
    table = read_parquet(s3, "s3://b/t/")
    assert table.to_pydict() == {"n": [1, 2, 3], "old": ["a", "b", None], "new": [None, None, 1.5]}
    assert table.schema.field("n").type == pa.int64()
    assert read_parquet(s3, "s3://b/t/", columns=["new"], filters=[("n", ">", 1)]).to_pydict() == {"new": [None, 1.5]}


def test_a_schema_that_is_given_is_the_tables_own(origin: Origin, s3: Any) -> None:
    origin.put("b", "t/1", parquet(pa.table({"n": pa.array([1, 2], pa.int32()), "other": ["a", "b"]})))
    schema = pa.schema({"n": pa.float64(), "absent": pa.string()})
    table = read_parquet(s3, "s3://b/t/1", schema=schema)
    assert table.schema.equals(schema)
    assert table.to_pydict() == {"n": [1.0, 2.0], "absent": [None, None]}


def test_files_that_do_not_go_together_are_named(origin: Origin, s3: Any) -> None:
    origin.put("b", "t/1", parquet(pa.table({"n": [1]})))
    origin.put("b", "t/2", parquet(pa.table({"n": [["a list"]]})))
    with pytest.raises(ReadError, match="s3://b/t/2"):
        read_parquet(s3, "s3://b/t/")


@pytest.mark.parametrize("body", [b"", b"PAR1", b"a text that is long enough", b"PAR1" + b"\xff\xff\xff\x7fPAR1"])
def test_a_file_that_is_no_parquet_is_named(origin: Origin, s3: Any, body: bytes) -> None:
    origin.put("b", "t.parquet", body)
    with pytest.raises(ReadError, match=r"s3://b/t\.parquet.*not a Parquet file"):
        read_parquet(s3, "s3://b/t.parquet")


def test_a_damaged_column_is_named(origin: Origin, s3: Any) -> None:
    body = bytearray(parquet(sales(), compression="zstd"))
    body[100:5000] = bytes(4900)
    origin.put("b", "t.parquet", bytes(body))
    with pytest.raises(ReadError, match=r"s3://b/t\.parquet"):
        read_parquet(s3, "s3://b/t.parquet")


def test_a_file_replaced_after_it_was_listed_is_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales()))
    (entry,) = list_objects(s3, "s3://b/t.parquet")
    origin.put("b", "t.parquet", parquet(sales(1)))
    with pytest.raises(ObjectChanged):
        read_parquet(s3, entry)


def test_a_column_that_is_not_there_is_refused_by_name(origin: Origin, s3: Any) -> None:
    origin.put("b", "t.parquet", parquet(sales(rows=5)))
    origin.put("b", "t.csv", b"a,b\n1,2\n")
    with pytest.raises(Refused, match=r"'prise'.*day, price, note, place"):
        read_parquet(s3, "s3://b/t.parquet", columns=["prise"])
    with pytest.raises(Refused, match=r"'c'.*a, b"):
        read_csv(s3, "s3://b/t.csv", columns=["c"])


def test_a_stream_holds_no_more_than_its_memory(origin: Origin, s3: Any) -> None:
    body = parquet(sales())
    origin.put("b", "t.parquet", body)
    (entry,) = list_objects(s3, "s3://b/t.parquet")
    group = chunks(body, {"price"}, range(1))
    under_way: list[Request] = []
    too_many = threading.Event()

    def hold(request: Request) -> None:
        """The first row group is held back for as long as a third may come while it is not taken."""
        if int(request.fields["range"].removeprefix("bytes=").partition("-")[0]) < len(body) - 65536:
            under_way.append(request)
            if len(under_way) > 2:
                too_many.set()
            too_many.wait(0.3)

    origin.before = hold
    # A row group counts as it is fetched and as it is decoded: two of them fit.
    stream = stream_parquet(s3, entry, columns=["price"], workers=4, memory=4 * group)
    first = next(stream)
    assert not too_many.is_set()
    assert first.num_rows == GROUP
    assert pa.concat_tables([first, *stream]).equals(sales().select(["price"]))


def test_csv_files_are_one_table(origin: Origin, s3: Any) -> None:
    for number in range(5):
        origin.put("b", f"c/{number}.csv", f"n,name\n{number},name {number}\n".encode())
    origin.put("b", "c/5.csv.gz", gzip.compress(b"n,name\n5.5,last\n"))
    table = read_csv(s3, "s3://b/c/")
    assert table.to_pydict() == {"n": [0, 1, 2, 3, 4, 5.5], "name": [*(f"name {n}" for n in range(5)), "last"]}
    assert read_csv(s3, "s3://b/c/", columns=["name"]).column_names == ["name"]


def test_a_csv_is_read_in_the_schema_given_with_pyarrows_own_options(origin: Origin, s3: Any) -> None:
    from pyarrow import csv

    origin.put("b", "c.csv", b"007;x\n012;NIL\n")
    table = read_csv(
        s3,
        "s3://b/c.csv",
        schema=pa.schema({"id": pa.string(), "what": pa.string(), "more": pa.int64()}),
        read_options=csv.ReadOptions(column_names=["id", "what"]),
        parse_options=csv.ParseOptions(delimiter=";"),
        convert_options=csv.ConvertOptions(null_values=["NIL"], strings_can_be_null=True),
    )
    assert table.to_pydict() == {"id": ["007", "012"], "what": ["x", None], "more": [None, None]}


def test_a_large_csv_is_parsed_while_it_comes(origin: Origin, s3: Any) -> None:
    rows = "".join(f"{n},{n * 104729:x}\n" for n in range(700_000))
    assert len(rows) > 8 << 20
    origin.put("b", "large.csv", f"n,text\n{rows}".encode())
    table = read_csv(s3, "s3://b/large.csv", columns=["n"])
    assert table.column("n").to_pylist() == list(range(700_000))
    assert len(asked(origin, "large.csv")) > 3


def test_json_lines_are_one_table(origin: Origin, s3: Any) -> None:
    for number in range(3):
        lines = [{"n": number, "tags": ["a", "b"]}, {"n": number + 0.5, "where": {"x": 1}}]
        origin.put("b", f"j/{number}.json", "".join(json.dumps(line) + "\n" for line in lines).encode())
    table = read_json(s3, "s3://b/j/", columns=["n", "where"])
    assert table.to_pydict() == {"n": [0, 0.5, 1, 1.5, 2, 2.5], "where": [None, {"x": 1}] * 3}
    schema = pa.schema({"n": pa.string(), "absent": pa.int64()})
    origin.put("b", "text.json", b'{"n": "1", "more": true}\n')
    assert read_json(s3, "s3://b/text.json", schema=schema).to_pydict() == {"n": ["1"], "absent": [None]}


def test_a_file_that_cannot_be_parsed_is_named(origin: Origin, s3: Any) -> None:
    origin.put("b", "c/1.csv", b"a,b\n1,2\n")
    origin.put("b", "c/2.csv", b"a,b\n1,2,3\n")
    with pytest.raises(ReadError, match=r"s3://b/c/2\.csv"):
        read_csv(s3, "s3://b/c/")
    with pytest.raises(ReadError, match=r"s3://b/c/1\.csv"):
        read_json(s3, "s3://b/c/1.csv")
    origin.put("b", "array.json", b'[{"a": 1}]')
    with pytest.raises(
        ReadError, match=r"s3://b/array\.json: .*JSON lines are expected.*pandas\.read_json\(open_object"
    ):
        read_json(s3, "s3://b/array.json")


CALLS: dict[str, Callable[[Any], Any]] = {
    "footers": lambda s3: read_parquet(s3, "s3://b/p/"),
    "columns": lambda s3: read_parquet(s3, list_objects(s3, "s3://b/p/"), workers=2),
    "the first of a stream": lambda s3: next(stream_parquet(s3, list_objects(s3, "s3://b/p/"))),
    "a small csv": lambda s3: read_csv(s3, "s3://b/c/small.csv"),
    "a large csv": lambda s3: read_csv(s3, list_objects(s3, "s3://b/c/large.csv")),
    "large json": lambda s3: read_json(s3, list_objects(s3, "s3://b/c/large.json")),
}


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_is_out_at_once_while_s3_says_nothing(origin: Origin, s3: Any, name: str) -> None:
    for number in range(6):
        origin.put("b", f"p/{number}.parquet", parquet(sales(rows=5000)))
    origin.put("b", "c/small.csv", b"a,b\n1,2\n")
    origin.put("b", "c/large.csv", b"a,b\n" + b"1,2\n" * 2_200_000)
    origin.put("b", "c/large.json", b'{"a": 1}\n' * 1_000_000)
    out, late, asked_for = threading.Event(), threading.Event(), []

    def silent(request: Request) -> None:
        """From the second on, where the first is one that something is known by before."""
        if request.method != "GET" or not request.key:
            return
        asked_for.append(request)
        if len(asked_for) > (6 if name == "columns" else 0):
            if len(asked_for) == (7 if name == "columns" else 1):
                os.kill(os.getpid(), signal.SIGINT)
            if not out.wait(20):
                late.set()

    origin.before = silent
    with pytest.raises(KeyboardInterrupt):
        CALLS[name](s3)
    assert not late.is_set()
    out.set()


def test_an_error_in_one_file_does_not_wait_for_the_others(origin: Origin, s3: Any) -> None:
    origin.put("b", "c/0.csv", b"a,b\n1,2,3\n")
    origin.put("b", "c/1.csv", b"a,b\n" + b"1,2\n" * 2_200_000)
    out, late = threading.Event(), threading.Event()

    def silent(request: Request) -> None:
        if request.key == "c/1.csv" and not out.wait(20):
            late.set()

    origin.before = silent
    with pytest.raises(ReadError, match=r"c/0\.csv"):
        read_csv(s3, list_objects(s3, "s3://b/c/"))
    assert not late.is_set()
    out.set()


def test_a_stream_that_is_left_ends_its_threads(origin: Origin, s3: Any) -> None:
    for number in range(6):
        origin.put("b", f"p/{number}.parquet", parquet(sales(rows=5000)))
    stream: Any = stream_parquet(s3, "s3://b/p/", workers=2)
    next(stream)
    working = [each for each in threading.enumerate() if each.name == "s3private-table"]
    assert working
    stream.close()
    for each in working:
        each.join(10)
        assert not each.is_alive()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"columns": "price"}, r"columns is a list of names: columns=\['price'\]"),
        ({"schema": {"day": "int32"}}, r"schema is a pyarrow\.Schema"),
        ({"filters": [("nope", "=", 1)]}, r"filters: .*nope.* on the columns day, price, note, place"),
        ({"filters": ("day", ">=", 3)}, r"filters: .* a list such as \[\('day', '>=', 3\)\]"),
        ({"filters": "day >= 3"}, r"filters: .* on the columns"),
    ],
)
def test_wrong_arguments_are_refused_with_how_to_write_them(
    origin: Origin, s3: Any, how: dict[str, Any], said: str
) -> None:
    """Before anything but the footer is fetched."""
    body = parquet(sales(rows=GROUP))
    origin.put("b", "t.parquet", body)
    with pytest.raises(Refused, match=f"(?s){said}"):
        read_parquet(s3, "s3://b/t.parquet", **how)
    assert [each for each in asked(origin, "t.parquet") if each[0] < len(body) - 64 * 1024] == []
    if "filters" not in how:
        with pytest.raises(Refused, match=said):
            read_csv(s3, "s3://b/t.parquet", **how)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"filters": []}, "filters: "),
        ({"filters": [[]]}, "filters: "),
        ({"filters": [("day",)]}, "filters: "),
        ({"filters": [("day", "~", 3)]}, "filters: "),
        ({"filters": [("day", "=", object())]}, "filters: "),
        ({"filters": [("day", "=", [{}])]}, "filters: "),
        ({"filters": [("day", "in", 3)]}, "filters: "),
        ({"filters": [(3, "=", 3)]}, "filters: "),
        ({"filters": [("place", "=", 3)]}, "filters: "),
        ({"filters": pc.field("day") + 1}, "filters: "),
        ({"filters": pc.field("place", "nope") == 1}, "filters: "),
        ({"filters": {"day": 3}}, "filters: "),
        ({"columns": 7}, "columns is a list of names"),
        ({"columns": [7]}, "columns is a list of names"),
        ({"columns": ["day", "day"]}, "columns has 'day' twice"),
        ({"schema": pa.schema([("a", pa.int64()), ("a", pa.int64())])}, "schema has 'a' twice"),
        ({"workers": 0}, "workers is a number"),
        ({"memory": 0}, "memory is a number"),
    ],
    ids=lambda each: re.sub(" object at 0x[0-9a-f]+", "", str(each)),
)
def test_no_argument_ends_in_an_exception_of_others(origin: Origin, s3: Any, how: dict[str, Any], said: str) -> None:
    origin.put("b", "t.parquet", parquet(sales(rows=100)))
    with pytest.raises(Refused, match=said):
        read_parquet(s3, "s3://b/t.parquet", **how)
    origin.put("b", "t.csv", b"day\n1\n")
    if "filters" not in how and "memory" not in how:
        with pytest.raises(Refused, match=said):
            read_csv(s3, "s3://b/t.csv", **how)


TWO = pa.table([pa.array([1]), pa.array([2]), pa.array([3])], names=["v", "v", "w"])


def test_columns_of_one_name_stay_where_none_is_asked_for_by_name(origin: Origin, s3: Any) -> None:
    origin.put("b", "d.parquet", parquet(TWO))
    origin.put("b", "d/1.csv", b"v,v,w\n1,2,3\n")
    origin.put("b", "d/2.csv", b"v,v,w\n1,2,3\n")
    assert read_parquet(s3, "s3://b/d.parquet").equals(TWO)
    assert read_parquet(s3, "s3://b/d.parquet", columns=["w"]).equals(TWO.select(["w"]))
    assert read_parquet(s3, "s3://b/d.parquet", filters=[("w", "=", 3)], columns=["w"]).num_rows == 1
    assert read_csv(s3, "s3://b/d/").equals(pa.concat_tables([TWO, TWO]))
    assert read_csv(s3, "s3://b/d/", columns=["w"]).num_rows == 2


def test_columns_of_one_name_that_cannot_be_told_apart_are_named(origin: Origin, s3: Any) -> None:
    origin.put("b", "d.parquet", parquet(TWO))
    origin.put("b", "d.csv", b"v,v,w\n1,2,3\n")
    origin.put("b", "e.csv", b"v,v,x\n1,2,3\n")
    for read, uri in ((read_parquet, "s3://b/d.parquet"), (read_csv, "s3://b/d.csv")):
        with pytest.raises(Refused, match="more than one column 'v'"):
            read(s3, uri, columns=["v"])
        with pytest.raises(ReadError, match=f"{uri}: two columns are named 'v'"):
            read(s3, uri, schema=pa.schema({"v": pa.int64()}))
    with pytest.raises(ReadError, match=r"s3://b/e\.csv: two columns are named 'v'"):
        read_csv(s3, ["s3://b/d.csv", "s3://b/e.csv"])
    for filters in ([("v", "=", 1)], pc.field("v") == 1):
        with pytest.raises(Refused, match="filters: "):
            read_parquet(s3, "s3://b/d.parquet", filters=filters)


@pytest.mark.parametrize(
    ("values", "type", "filters", "expected"),
    [
        (["10", "9", "1"], pa.int64(), [("x", ">", 5)], [10, 9]),
        ([10, 9, 1], pa.string(), [("x", ">", "5")], ["9"]),
        ([10, 9, 1], pa.float64(), [("x", ">", 5.5)], [10.0, 9.0]),
        (pa.array(["a", "b"]).dictionary_encode(), pa.string(), [("x", "=", "b")], ["b"]),
        (pa.array([1, 2], pa.timestamp("us")), pa.timestamp("ms", "UTC"), pc.field("x") > pa.scalar(0), None),
    ],
    ids=["number", "text", "float", "dictionary", "not to compare"],
)
def test_filters_are_on_the_types_of_the_schema(
    origin: Origin, s3: Any, values: Any, type: Any, filters: Any, expected: Any
) -> None:
    origin.put("b", "k", parquet(pa.table({"x": values})))
    schema = pa.schema({"x": type})
    if expected is None:
        with pytest.raises(Refused, match="filters: "):
            read_parquet(s3, "s3://b/k", schema=schema, filters=filters)
    else:
        assert read_parquet(s3, "s3://b/k", schema=schema, filters=filters).to_pydict() == {"x": expected}


def test_a_struct_that_grows_is_read_or_named(origin: Origin, s3: Any) -> None:
    origin.put("b", "j/a.json", b'{"s":{"x":1}}\n')
    origin.put("b", "j/b.json", b'{"s":{"x":1,"y":2}}\n')
    if int(pa.__version__.partition(".")[0]) < 19:
        # It brings no structs together.
        with pytest.raises(ReadError, match=r"^s3://b/j/"):
            read_json(s3, "s3://b/j/")
    else:
        assert read_json(s3, "s3://b/j/").to_pydict() == {"s": [{"x": 1, "y": None}, {"x": 1, "y": 2}]}


def test_tables_without_columns_keep_their_rows(origin: Origin, s3: Any) -> None:
    for number in range(3):
        origin.put("b", f"p/{number}", parquet(sales(rows=4)))
        origin.put("b", f"c/{number}", b"x\n1\n2\n")
        origin.put("b", f"j/{number}", b"{}\n{}\n")
        origin.put("b", f"none/{number}", parquet(pa.table({"x": [1, 2]}).select([])))
    assert read_parquet(s3, "s3://b/p/", columns=[]).num_rows == 12
    assert [table.num_rows for table in stream_parquet(s3, "s3://b/p/", columns=[])] == [4, 4, 4]
    assert read_parquet(s3, "s3://b/p/", columns=[], filters=[("price", ">", 0)]).num_rows == 9
    assert read_parquet(s3, "s3://b/p/", schema=pa.schema([])).num_rows == 12
    assert read_parquet(s3, "s3://b/p/", schema=pa.schema({"no": pa.int8()})).to_pydict() == {"no": [None] * 12}
    assert read_csv(s3, "s3://b/c/", columns=[]).num_rows == 6
    assert read_csv(s3, "s3://b/c/", schema=pa.schema([])).num_rows == 6
    assert read_json(s3, "s3://b/j/").num_rows == 6
    assert read_json(s3, "s3://b/j/", columns=[]).num_columns == 0
    assert read_parquet(s3, "s3://b/none/").num_rows == read_parquet(s3, "s3://b/none/", columns=[]).num_rows


def test_what_an_error_quotes_can_be_printed(origin: Origin, s3: Any) -> None:
    origin.put("b", "k.csv", b"a\n\x1b[2Jx,\x00y\n")
    with pytest.raises(ReadError, match=r"^s3://b/k\.csv: CSV parse error.*\?\[2Jx,\?y") as refused:
        read_csv(s3, "s3://b/k.csv")
    assert str(refused.value).isprintable()


def test_where_nothing_is_there_a_schema_is_needed(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"")
    for read in (read_csv, read_json, read_parquet):
        with pytest.raises(ReadError, match="nothing is at s3://b/none/: no files"):
            read(s3, "s3://b/none/")
        assert read(s3, "s3://b/none/", schema=pa.schema({"a": pa.int64()})).to_pydict() == {"a": []}


def test_without_pyarrow_it_says_what_to_install(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pyarrow", "pyarrow.csv", "pyarrow.json", "pyarrow.parquet"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    for read in (read_csv, read_json, read_parquet, stream_parquet):
        with pytest.raises(Refused, match=r"pip install 's3private\[arrow\]'"):
            read(s3, "s3://b/t.parquet")

from __future__ import annotations

import bz2
import gzip
import io
import json
import subprocess
import sys
import zipfile
import zlib
from typing import Any

import pytest

from origin.server import Origin
from s3private import ReadError, Refused, connect, read_csv, read_json, sources
from s3private.sources import DEPTH, not_too_deep, unpacked

pa = pytest.importorskip("pyarrow")

ROWS = b"id,name\n" + b"".join(b"%d,ann\n" % number for number in range(20))


def packed(codec: str, body: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, codec) as file:
        file.write(body)
    found: bytes = out.getvalue().to_pybytes()
    return found


def whole(file: Any, size: int) -> bytes:
    return b"".join(iter(lambda: file.read(size), b""))


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route())


CODECS = ["gzip", "bz2", "zstd", "lz4"]
BODIES = {
    "plain": ROWS,
    **{codec: packed(codec, ROWS) for codec in CODECS},
    "two members": gzip.compress(ROWS[:60]) + gzip.compress(ROWS[60:]),
    "bz2 twice": bz2.compress(ROWS[:60]) + bz2.compress(ROWS[60:]),
    "gzip in gzip": gzip.compress(gzip.compress(ROWS)),
    "zstd in gzip": gzip.compress(packed("zstd", ROWS)),
}


@pytest.mark.parametrize("name", ["k", "k.csv", "k.csv.gz", "k.csv.bz2", "k.csv.zst", "k.csv.lz4"])
@pytest.mark.parametrize("body", BODIES)
def test_what_is_packed_is_told_by_its_bytes(origin: Origin, s3: Any, name: str, body: str) -> None:
    origin.put("b", name, BODIES[body], content_encoding="gzip")
    table = read_csv(s3, f"s3://b/{name}")
    assert table.to_pydict() == {"id": list(range(20)), "name": ["ann"] * 20}


def test_a_large_one_is_told_by_its_bytes_too(origin: Origin, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3private.tables._WHOLE", 0)
    lines = b"id\n" + b"".join(b"%d\n" % number for number in range(100_000))
    members = b"".join(gzip.compress(lines[at : at + 20_000], 1) for at in range(0, len(lines), 20_000))
    origin.put("b", "large.csv", members)
    assert read_csv(s3, "s3://b/large.csv").column("id").to_pylist() == list(range(100_000))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", ["k.csv", "k.csv.gz"])
@pytest.mark.parametrize("cut", [1, 3, 20])
def test_what_is_cut_short_is_an_error_and_no_short_table(
    origin: Origin, s3: Any, codec: str, name: str, cut: int
) -> None:
    whole = b"id\n" + b"".join(b"%d\n" % (number * 7919 % 100_003) for number in range(50_000))
    origin.put("b", name, packed(codec, whole)[:-cut])
    with pytest.raises(ReadError, match=rf"^s3://b/{name}: "):
        read_csv(s3, f"s3://b/{name}")


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("a.csv", ROWS)
    return out.getvalue()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"PAR1" + bytes(20), "a Parquet file: read_parquet"),
        (b"ARROW1\0\0" + bytes(20), "Arrow IPC"),
        (b"ORC\x0a\x06\x12\x04\x08\x01", "an ORC file"),
        (b"Obj\x01\x04\x16avro.schema", "an Avro file"),
        (archive(), "a zip archive"),
        (b"\xfd7zXZ\0" + bytes(20), "xz"),
        (zlib.compress(ROWS), "zlib"),
        (gzip.compress(archive()), "a zip archive"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(ROWS)))), "packed more than 3 times"),
    ],
    ids=["parquet", "arrow", "orc", "avro", "zip", "xz", "zlib", "zip in gzip", "too often"],
)
def test_what_is_no_text_is_said(origin: Origin, s3: Any, body: bytes, said: str) -> None:
    origin.put("b", "t/k.csv", body)
    origin.put("b", "t/l.csv", ROWS)
    for read in (read_csv, read_json):
        with pytest.raises(ReadError, match=rf"^s3://b/t/k\.csv: .*{said}"):
            read(s3, "s3://b/t/")


def test_a_name_that_says_packed_over_bytes_that_are_neither_is_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "k.csv.gz", b"\x00\x01\x02" + gzip.compress(ROWS))
    with pytest.raises(ReadError, match="neither gzip, as its name says, nor text"):
        read_csv(s3, "s3://b/k.csv.gz")


@pytest.mark.parametrize("text", [b"ORC,BZh\n1,2\n", b"BZh91,x\n1,2\n", b"PK,x\n1,2\n", b"xz,7z\n1,2\n"])
def test_text_that_begins_as_such_a_file_does_is_text(origin: Origin, s3: Any, text: bytes) -> None:
    origin.put("b", "k.csv", text)
    assert read_csv(s3, "s3://b/k.csv").num_rows == 1


@pytest.mark.parametrize("read", [read_csv, read_json])
@pytest.mark.parametrize("codec", CODECS)
def test_what_unpacks_to_much_more_is_an_error_until_it_is_allowed(
    origin: Origin, s3: Any, read: Any, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FLOOR", 1 << 20)
    row = b"1,1\n" if read is read_csv else b'{"a":1}\n'
    origin.put("b", "k", packed(codec, row * ((4 << 20) // len(row))))
    with pytest.raises(ReadError, match=r"^s3://b/k: .*unpacks to more than \d+ bytes: unpacked= of more"):
        read(s3, "s3://b/k")
    with pytest.raises(ReadError, match="more than 1000 bytes"):
        read(s3, "s3://b/k", unpacked=1000)
    assert read(s3, "s3://b/k", unpacked=4 << 20).num_rows > 500_000
    with pytest.raises(Refused, match="unpacked is a number"):
        read(s3, "s3://b/k", unpacked=-1)


def test_a_layer_within_counts_as_well() -> None:
    bomb = gzip.compress(gzip.compress(bytes(100 << 20)))
    file = unpacked("s3://b/k", io.BytesIO(bomb), len(bomb), None)
    with pytest.raises(ReadError, match="unpacks to more"):
        whole(file, 1 << 20)


def nested(depth: int, opening: bytes, closing: bytes) -> bytes:
    return b'{"a":' + opening * (depth - 1) + b"1" + closing * (depth - 1) + b"}"


SHAPES = {
    "lists": (b"[", b"]"),
    "objects": (b'{"a":', b"}"),
    "with line breaks": (b'{\n"a":\n', b"\n}\n"),
    "with brackets in strings": (b'{"]}]}":"}]}]\\"]","a":', b"}"),
    "with backslashes": (b'{"b":"\\\\","a":', b',"c":"{\\""}'),
    "lists and members": (b'[{"b":[],"a":', b"}]"),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [997, 1 << 20])
def test_json_that_is_too_deep_does_not_reach_the_parser(shape: str, size: int) -> None:
    opening, closing = SHAPES[shape]
    levels = opening.count(b"[") + 1 if shape == "lists and members" else 1
    filler = b'{"a": [[1], {"b": "[[[["}]}\n' * 100

    def passed(depth: int, end: bytes = b"\n") -> bytes:
        text = filler + nested((depth - 1) // levels + 1, opening, closing) + end + filler
        file = not_too_deep("s3://b/k", io.BytesIO(text))
        return whole(file, size)

    for end in (b"\n", b"\r\n\r\n"):
        assert passed(DEPTH, end)
        with pytest.raises(ReadError, match=f"^s3://b/k: it is nested more than {DEPTH} deep"):
            passed(3 * DEPTH, end)


@pytest.mark.parametrize("text", [b"[" * 9000, b'{"a":' * 9000, b"[" * 9000 + b"}" * 9000, b'{"a":"' + b"[" * 9000])
def test_json_that_is_never_closed_is_counted(text: bytes) -> None:
    file = not_too_deep("s3://b/k", io.BytesIO(text))
    if b'"[' in text:
        assert file.read(1 << 20) == text
    else:
        with pytest.raises(ReadError, match="nested more"):
            file.read(1 << 20)


def test_rows_with_many_brackets_side_by_side_pass() -> None:
    row = json.dumps({"points": [[x, {"y": [x]}] for x in range(5000)], "text": '}{"\\'}).encode() + b"\n"
    text = row * 3
    for size in (1000, 1 << 20):
        assert whole(not_too_deep("s3://b/k", io.BytesIO(text)), size) == text


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("large", [False, True])
def test_deep_json_is_an_error_and_no_crash(
    origin: Origin, s3: Any, pack: Any, large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("s3private.tables._WHOLE", 0 if large else 8 << 20)
    origin.put("b", "t/a.json", b'{"a": 1}\n')
    origin.put("b", "t/b.json", pack(b'{"a": 1}\n' + nested(20_000, b'{"a":', b"}") + b"\n"))
    with pytest.raises(ReadError, match=r"^s3://b/t/b\.json: it is nested"):
        read_json(s3, "s3://b/t/")


def test_that_depth_is_one_that_pyarrow_takes() -> None:
    program = (
        "import io, threading, pyarrow.json, s3private.sources as sources\n"
        "def read():\n"
        "    body = b'{\"a\":' * (2 * sources.DEPTH) + b'1' + b'}' * (2 * sources.DEPTH) + b'\\n'\n"
        "    table = pyarrow.json.read_json(io.BytesIO(body))\n"
        "    pyarrow.unify_schemas([table.schema, table.schema])\n"
        "    print(table.num_rows, len(str(table.schema)) > 0)\n"
        "thread = threading.Thread(target=read)\nthread.start()\nthread.join()"
    )
    ended = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True, check=False)
    assert ended.stdout == "1 True\n", ended

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from origin.server import Origin, Request, crc32
from s3private import ChecksumMismatch, ObjectChanged, ObjectEntry, ReadError, connect, list_objects, open_object

KIB = 1 << 10


@pytest.fixture
def s3(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    return connect(origin.route())


def content(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def entry(s3: Any, uri: str) -> ObjectEntry:
    (found,) = list_objects(s3, uri)
    return found


def spans(origin: Origin) -> list[tuple[int, int]]:
    """First byte, and the one after the last, of every range that was asked for."""
    asked = [each.fields["range"].removeprefix("bytes=").split("-") for each in origin.requests if each.method == "GET"]
    return [(int(first), int(last) + 1) for first, last in asked]


def test_it_answers_as_a_file_on_disk_does(origin: Origin, s3: Any) -> None:
    """500 random calls, against io.BytesIO."""
    body = content(300 * KIB + 17)
    origin.put("b", "k", body)
    for seed in range(4):
        chance = random.Random(seed)
        real = io.BufferedReader(io.BytesIO(body))
        ours = open_object(s3, "s3://b/k", block=4 * KIB, cache=32 * KIB, ahead=chance.choice([0, 64 * KIB]))
        for step in range(125):
            call = chance.choice(["read", "read", "readinto", "readline", "seek", "seek end", "seek on"])
            size = chance.choice([0, 1, 100, 4 * KIB, 5000, 40 * KIB])
            if call == "readinto":
                mine, theirs = bytearray(size), bytearray(size)
                assert ours.readinto(mine) == real.readinto(theirs), (seed, step)
                assert mine == theirs, (seed, step)
            elif call in ("read", "readline"):
                assert getattr(ours, call)(size) == getattr(real, call)(size), (seed, step)
            else:
                to, whence = {"seek": (chance.randrange(len(body) + 99), 0), "seek end": (-size, 2)}.get(
                    call, (size, 1)
                )
                assert ours.seek(to, whence) == real.seek(to, whence), (seed, step)
            assert ours.tell() == real.tell(), (seed, step)
        assert ours.read() == real.read()


def test_an_empty_object_is_an_empty_file(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"")
    with open_object(s3, "s3://b/k") as file:
        assert file.read() == b""
        assert file.readline() == b""
        assert file.seek(0, io.SEEK_END) == 0
    assert [each.method for each in origin.requests] == ["HEAD"]


def test_an_entry_is_opened_without_a_request(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"0123456789")
    listed = entry(s3, "s3://b/k")
    origin.requests.clear()
    file = open_object(s3, listed)
    assert (file.size, file.etag, file.name) == (10, listed.etag, "s3://b/k")
    assert origin.requests == []
    assert file.read() == b"0123456789"


def test_reading_asks_for_whole_blocks_and_keeps_them(origin: Origin, s3: Any) -> None:
    body = content(100 * KIB)
    origin.put("b", "k", body)
    file = open_object(s3, entry(s3, "s3://b/k"), block=10 * KIB, cache=20 * KIB, ahead=0)
    origin.requests.clear()
    for place in (5 * KIB, 6 * KIB, 25 * KIB, 7 * KIB):
        file.seek(place)
        assert file.read(100) == body[place : place + 100]
    assert spans(origin) == [(0, 10 * KIB), (20 * KIB, 30 * KIB)]


def test_no_more_than_the_cache_is_kept_and_what_was_read_last_stays(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(100 * KIB))
    file = open_object(s3, entry(s3, "s3://b/k"), block=10 * KIB, cache=20 * KIB, ahead=0)
    origin.requests.clear()
    for place in (0, 10, 0, 20, 0, 10):  # KiB: 10 is put out by 20, 0 was read meanwhile
        file.seek(place * KIB)
        file.read(1)
    assert [first // KIB for first, _ in spans(origin)] == [0, 10, 20, 10]


def test_reading_straight_on_asks_beforehand_for_more_and_more(origin: Origin, s3: Any) -> None:
    body = content(400 * KIB)
    origin.put("b", "k", body)
    file = open_object(s3, entry(s3, "s3://b/k"), block=10 * KIB, cache=20 * KIB, ahead=80 * KIB)
    origin.requests.clear()
    read = b"".join(iter(lambda: file.read(1 * KIB), b""))
    file.close()
    assert read == body
    asked = spans(origin)
    assert sorted(asked) == asked
    assert [first for first, _ in asked] == [0, *(end for _, end in asked[:-1])]  # once each, and no gap
    lengths = [(end - first) // KIB for first, end in asked]
    assert lengths[:3] == [10, 10, 20]
    assert 40 <= max(lengths) <= 80
    assert len(asked) < 12


def test_a_jump_ends_asking_beforehand(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(400 * KIB))
    file = open_object(s3, entry(s3, "s3://b/k"), block=10 * KIB, cache=20 * KIB, ahead=80 * KIB)
    origin.requests.clear()
    for place in (390, 300, 210, 120):
        file.seek(place * KIB)
        file.read(1 * KIB)
    assert [first // KIB for first, _ in spans(origin)] == [390, 300, 210, 120]
    assert all(end - first == 10 * KIB for first, end in spans(origin))


def test_a_large_read_is_several_requests_at_once(origin: Origin, s3: Any) -> None:
    body = content(5 << 20)
    origin.put("b", "k", body)
    file = open_object(s3, entry(s3, "s3://b/k"))
    origin.requests.clear()
    assert file.read() == body
    assert sorted(spans(origin)) == [(0, 2 << 20), (2 << 20, 4 << 20), (4 << 20, 5 << 20)]


def test_an_object_replaced_after_it_was_opened_is_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", content(50 * KIB))
    file = open_object(s3, "s3://b/k", block=10 * KIB, ahead=0)
    assert len(file.read(5)) == 5
    origin.put("b", "k", content(50 * KIB, seed=1))
    file.seek(20 * KIB)
    with pytest.raises(ObjectChanged, match="s3://b/k"):
        file.read(1)


def test_an_object_replaced_after_it_was_listed_is_an_error(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"listed")
    listed = entry(s3, "s3://b/k")
    origin.put("b", "k", b"stored")
    with pytest.raises(ObjectChanged, match="s3://b/k"):
        open_object(s3, listed).read(1)


def test_what_fails_beforehand_is_asked_for_again_when_it_is_read(origin: Origin, s3: Any) -> None:
    body = content(100 * KIB)
    stored = origin.put("b", "k", body)
    file = open_object(s3, entry(s3, "s3://b/k"), block=10 * KIB, ahead=20 * KIB)
    asked: list[Request] = []

    def vanish(request: Request) -> None:
        """The second request, which nobody waits for yet, and boto3's look at the same, find nothing."""
        asked.append(request)
        if len(asked) in (2, 3):
            origin.objects.pop(("b", "k", None), None)
        else:
            origin.objects["b", "k", None] = stored

    origin.before = vanish
    assert file.read(10 * KIB) == body[: 10 * KIB]
    assert file.read(10 * KIB) == body[10 * KIB : 20 * KIB]
    assert len(asked) > 3


def test_an_object_that_is_not_there_is_said_at_once(origin: Origin, s3: Any) -> None:
    origin.put("b", "other", b"")
    with pytest.raises(ReadError, match="s3://b/k"):
        open_object(s3, "s3://b/k")


def test_a_version_is_opened_by_its_id(origin: Origin, s3: Any) -> None:
    origin.put("b", "k", b"old", version="1")
    origin.put("b", "k", b"new")
    with open_object(s3, "s3://b/k", extra_args={"VersionId": "1"}) as file:
        assert file.read() == b"old"


def lines(file: Any) -> bytes:
    return b"".join(file)


def in_small_pieces(file: Any) -> bytes:
    return b"".join(iter(lambda: file.read(7000), b""))


def after_a_look_at_the_end(file: Any) -> bytes:
    file.seek(-100, io.SEEK_END)
    file.seek(0)
    first: bytes = file.read(20 * KIB)
    file.seek(5 * KIB)
    rest: bytes = file.read()
    return first[: 5 * KIB] + rest


STRAIGHT = [lambda f: f.read(), lines, in_small_pieces, after_a_look_at_the_end]


@pytest.mark.parametrize("straight", STRAIGHT, ids=["whole", "lines", "small pieces", "overlapping"])
def test_what_is_read_without_a_gap_is_held_against_the_stored_checksum(
    origin: Origin, s3: Any, straight: Callable[[Any], bytes]
) -> None:
    body = content(100 * KIB)
    origin.put("b", "k", body, **crc32(body))
    file = open_object(s3, "s3://b/k", block=4 * KIB)
    assert straight(file) == body
    assert file.verified == "CRC32"
    origin.put("b", "k", body, **crc32(b"something else"))
    file = open_object(s3, "s3://b/k", block=4 * KIB)
    with pytest.raises(ChecksumMismatch, match="s3://b/k"):
        straight(file)
    file.seek(-10, io.SEEK_END)
    with pytest.raises(ChecksumMismatch, match="s3://b/k"):
        file.read()
    assert file.verified is None


def test_what_is_read_with_a_gap_is_held_against_nothing(origin: Origin, s3: Any) -> None:
    body = content(100 * KIB)
    origin.put("b", "k", body, **crc32(b"something else"))
    file = open_object(s3, "s3://b/k", block=4 * KIB)
    assert file.read(1000) == body[:1000]
    file.seek(1001)
    assert file.read() == body[1001:]
    assert file.verified is None
    assert open_object(s3, entry(s3, "s3://b/k")).read() == body


@pytest.mark.parametrize("call", [lambda f: f.read(1), lambda f: f.seek(0), lambda f: f.tell(), lambda f: f.readline()])
def test_a_closed_file_says_so(origin: Origin, s3: Any, call: Callable[[Any], Any]) -> None:
    origin.put("b", "k", b"x")
    file = open_object(s3, "s3://b/k")
    file.close()
    file.close()
    with pytest.raises(ValueError, match="closed"):
        call(file)


def test_zip_csv_and_arrow_read_it_as_they_read_a_file(origin: Origin, s3: Any) -> None:
    pa = pytest.importorskip("pyarrow")
    pd = pytest.importorskip("pandas")
    rows = [[str(n), f"name {n}"] for n in range(5000)]
    table = io.StringIO()
    csv.writer(table).writerows([["n", "name"], *rows])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", table.getvalue())
        archive.writestr("other", content(200 * KIB))
    origin.put("b", "table.csv", table.getvalue().encode())
    origin.put("b", "table.zip", packed.getvalue())

    with zipfile.ZipFile(open_object(s3, "s3://b/table.zip", block=4 * KIB)) as archive:
        assert archive.read("table.csv").decode() == table.getvalue()
    with io.TextIOWrapper(open_object(s3, "s3://b/table.csv"), encoding="utf-8", newline="") as text:
        assert list(csv.reader(text))[1:] == rows
    assert len(pd.read_csv(open_object(s3, "s3://b/table.csv"))) == 5000
    assert pa.PythonFile(open_object(s3, "s3://b/table.csv"), mode="r").read() == table.getvalue().encode()
    assert list(open_object(s3, "s3://b/table.csv")) == table.getvalue().encode().splitlines(keepends=True)

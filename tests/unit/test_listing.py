"""Listing over the wire and through boto3: the same objects, whatever comes; filters, tables, and where it ends."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from origin.lists import Lists, Version
from origin.server import Fault, Request
from s3private import ObjectEntry, ObjectVersion, ReadError, Refused, connect, list_objects, list_versions, read_object
from s3private.filters import glob_pattern
from unit.bucket import Bucket

AWKWARD = ["a b+c", "a/&<>\"'%41", "a//x", "a/../x", "é/日本語", "é\r\n\t", "z\U0010ffff", "q=1/r=2/x.csv", "*", "~"]
KEYS = sorted(
    [f"2026/{month:02}/orders-{day:02}.csv" for month in (1, 2) for day in range(20)]
    + [f"2026/{month:02}/deep/er/orders-{day:02}.csv" for month in (1, 2) for day in range(5)]
    + ["2026/readme.txt", "2026/orders-00.csv", "archive.old", "2025/01/orders-01.csv.old", *AWKWARD],
    key=str.encode,
)


@pytest.fixture
def lists(authority: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Lists(authority, Bucket(KEYS)).serving() as serving:
        assert isinstance(serving, Lists)
        yield serving


@pytest.fixture(scope="module")
def s3(authority: Any) -> Iterator[Any]:
    """A client for a server at which nothing goes wrong, and nobody looks."""
    with pytest.MonkeyPatch.context() as patch, Lists(authority, Bucket(KEYS)).serving() as serving:
        patch.setenv("AWS_CA_BUNDLE", str(authority.file))
        assert isinstance(serving, Lists)
        yield client(serving)


def client(lists: Lists, *, lean: bool = True) -> Any:
    return connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"), lean=lean)


@pytest.mark.parametrize("lean", [True, False], ids=["over the wire", "through boto3"])
@pytest.mark.parametrize("at_once", [1, 7])
def test_a_listing_is_all_keys_in_order(lists: Lists, lean: bool, at_once: int) -> None:
    s3 = client(lists, lean=lean)
    entries = list(list_objects(s3, "s3://sales-records/", page_size=7, at_once=at_once))
    assert [entry.key for entry in entries] == KEYS
    key = KEYS[0]
    day = datetime(2026, 1, len(key) % 28 + 1, tzinfo=UTC)
    assert entries[0] == ObjectEntry("sales-records", key, len(key), day, f'"{len(key):032x}"', "STANDARD")
    assert len(lists.through_boto3()) == (0 if lean else len(lists.requests))


@pytest.mark.parametrize("chunk", [None, 1, 7, 1000, 100_000])
def test_lists_are_taken_in_chunks_of_any_size_without_boto3(lists: Lists, chunk: int | None) -> None:
    """S3 sends them so: were they refused, each would be asked for twice, the second time 35 times slower."""
    lists.chunk = chunk
    assert [entry.key for entry in list_objects(client(lists), "s3://sales-records/", page_size=30)] == KEYS
    assert lists.requests
    assert not lists.through_boto3()


def test_without_order_it_is_the_same_keys(s3: Any) -> None:
    came = [entry.key for entry in list_objects(s3, "s3://sales-records/", page_size=3, ordered=False)]
    assert sorted(came, key=str.encode) == KEYS


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("<Size>", "<Owner><ID>1</ID><Unknown/></Owner><Size>"),
        ("<ListBucketResult", "<!-- odd --><ListBucketResult"),
        ("</Contents>", "</Contents>\n"),
    ],
)
def test_a_page_that_is_not_wholly_understood_is_asked_for_again_through_boto3(
    lists: Lists, was: str, becomes: str
) -> None:
    lists.written = lambda request, page: page.replace(was, becomes)
    assert [entry.key for entry in list_objects(client(lists), "s3://sales-records/", page_size=20)] == KEYS
    ours = [request.parameters for request in lists.requests if request not in lists.through_boto3()]
    with_objects = [request.parameters for request in lists.through_boto3()]
    assert with_objects
    assert all(asked in ours for asked in with_objects)


@pytest.mark.parametrize("kind", ["slow down", "cut", "reset", "truncate", "head"])
def test_pages_that_break_off_are_asked_for_again(lists: Lists, kind: str) -> None:
    broken = random.Random(7)

    def fault(request: Request) -> Fault | None:
        first = "amz-sdk-invocation-id" not in request.fields and broken.random() < 0.3
        return Fault(kind, broken.randrange(200)) if first else None

    lists.fault = fault
    assert [entry.key for entry in list_objects(client(lists), "s3://sales-records/", page_size=5)] == KEYS
    assert lists.through_boto3()


@pytest.mark.parametrize(("status", "code"), [(404, "NoSuchBucket"), (403, "AccessDenied")])
def test_what_s3_refuses_is_an_error_with_botocores_own_behind_it(lists: Lists, status: int, code: str) -> None:
    lists.refused = (status, code)
    with pytest.raises(ReadError, match=f"s3://sales-records/: {code}: as told") as refused:
        list(list_objects(client(lists), "s3://sales-records/"))
    assert isinstance(refused.value.__cause__, ClientError)
    assert refused.value.__cause__.response["Error"]["Code"] == code


def test_a_table_of_a_listing_that_was_gone_through_is_refused_and_not_short(lists: Lists) -> None:
    s3 = client(lists)
    gone: list[Callable[[Any], object]] = [
        next,
        list,
        iter,
        lambda listing: listing.to_arrow(),
        lambda listing: listing.close(),
    ]
    tables: list[Callable[[Any], object]] = [lambda listing: listing.to_arrow(), lambda listing: listing.to_pandas()]
    for go in gone:
        for table in tables:
            listing = list_objects(s3, "s3://sales-records/")
            go(listing)
            with pytest.raises(Refused, match="gone through already, or in part: call list_objects again"):
                table(listing)


def test_a_second_loop_is_refused_and_not_empty(lists: Lists) -> None:
    s3 = client(lists)
    for go in (list, lambda listing: listing.to_arrow()):
        listing = list_objects(s3, "s3://sales-records/")
        go(listing)
        with pytest.raises(Refused, match="gone through already, or in part: call list_objects again"):
            list(listing)
    empty = list_objects(s3, "s3://sales-records/none")
    assert list(empty) == []
    with pytest.raises(Refused, match="gone through already"):
        iter(empty)
    entries, batches = iter(list_objects(s3, "s3://sales-records/")), []
    while batch := list(islice(entries, 7)):
        batches += batch
    assert [entry.key for entry in batches] == KEYS
    in_part = list_objects(s3, "s3://sales-records/")
    assert [next(in_part).key, *(entry.key for entry in in_part)] == KEYS


def test_what_ended_in_an_error_does_not_end_as_if_it_were_whole_when_it_is_gone_on_with(lists: Lists) -> None:
    lists.written = lambda request, page: page if "continuation-token" not in request.parameters else ""
    listing = list_objects(client(lists), "s3://sales-records/", page_size=5, at_once=1)
    came = [next(listing).key for _ in range(5)]
    assert came == KEYS[:5]
    for _ in range(2):
        with pytest.raises(ReadError, match=r"s3://sales-records/: (what came is no|this listing ended in an error)"):
            list(listing)
    with pytest.raises(ReadError, match="ended in an error, and is not whole"):
        next(listing)


def test_a_list_that_is_cut_short_is_an_error_and_not_a_short_list(lists: Lists) -> None:
    lists.written = lambda request, page: re.sub("<NextContinuationToken>.*</NextContinuationToken>", "", page)
    with pytest.raises(Exception, match="cut short"):
        list(list_objects(client(lists), "s3://sales-records/", page_size=5))


def test_nothing_is_asked_for_before_or_after_it_is_wanted(lists: Lists) -> None:
    listing = list_objects(client(lists), "s3://sales-records/", page_size=2, at_once=3)
    assert not lists.requests
    assert next(listing).key == KEYS[0]
    asked = len(lists.requests)
    assert asked <= 10
    listing.close()
    assert list(listing) == []
    assert len(lists.requests) <= asked + 3


def test_a_listing_that_is_closed_gives_its_connection_back(lists: Lists) -> None:
    s3 = client(lists)
    with list_objects(s3, "s3://sales-records/", page_size=2, at_once=1) as listing:
        assert next(listing).key == KEYS[0]
    assert len(list(list_objects(s3, "s3://sales-records/", at_once=1))) == len(KEYS)
    assert {request.connection for request in lists.requests} == {0}


def test_a_small_limit_is_one_small_request(lists: Lists) -> None:
    assert [e.key for e in list_objects(client(lists), "s3://sales-records/", limit=3)] == KEYS[:3]
    assert [request.parameters["max-keys"] for request in lists.requests] == ["3"]
    assert [e.key for e in list_objects(client(lists), "s3://sales-records/", limit=30, page_size=7)] == KEYS[:30]
    assert list(list_objects(client(lists), "s3://sales-records/", limit=0)) == []


def test_whoever_asks_pays_when_told_so(lists: Lists) -> None:
    lists.written = lambda request, page: page.replace("</Contents>", "</Contents>\n")
    list(list_objects(client(lists), "s3://sales-records/2026/", requester_pays=True))
    assert lists.through_boto3()
    assert {request.fields.get("x-amz-request-payer") for request in lists.requests} == {"requester"}


@pytest.mark.parametrize(
    ("pattern", "prefixes"),
    [
        ("2026/*/orders-*.csv", {"2026/"}),
        ("2026/**/orders-0?.csv", {"2026/"}),
        ("2026/0[!2]/orders-1[0-5].csv", None),
        ("**.old", {""}),
        ("2026/**", {"2026/"}),
        ("*", {""}),
        ("[*]", {""}),
        ("none*", {"none"}),
    ],
)
def test_a_glob_is_asked_for_by_its_fixed_part_and_matched_wholly(
    lists: Lists, pattern: str, prefixes: set[str] | None
) -> None:
    found = [entry.key for entry in list_objects(client(lists), f"s3://sales-records/{pattern}")]
    wanted = {
        "2026/*/orders-*.csv": r"2026/\d\d/orders-\d\d\.csv",
        "2026/**/orders-0?.csv": r"2026/(.*/)?orders-0\d\.csv",
        "2026/0[!2]/orders-1[0-5].csv": r"2026/0[^2]/orders-1[0-5]\.csv",
        "**.old": r".*\.old",
        "2026/**": "2026/.*",
        "*": "[^/]*",
        "[*]": r"\*",
        "none*": "none.*",
    }[pattern]
    if pattern == "2026/0[!2]/orders-1[0-5].csv":
        # No `*` and no `?`: a name, and there is none of that name.
        assert not found
        found = [e.key for e in list_objects(client(lists), f"s3://sales-records/{pattern}*")]
    assert found == [key for key in KEYS if re.fullmatch(wanted, key, re.DOTALL)]
    if prefixes is not None:
        first = lists.requests[0].parameters["prefix"]
        assert {first} == prefixes


def test_without_glob_wildcards_are_a_part_of_the_prefix(s3: Any) -> None:
    assert [entry.key for entry in list_objects(s3, "s3://sales-records/*", glob=False)] == ["*"]


@pytest.mark.parametrize(
    ("glob", "matches", "does_not"),
    [
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/x/yb"]),
        ("**/b", ["b", "x/b", "x/y/b"], ["xb"]),
        ("a**b", ["ab", "a/x/b"], ["a/x/c"]),
        ("a?c", ["abc", "a\nc", "a日c"], ["a/c", "ac", "abbc"]),
        ("[]]", ["]"], ["[]]", "["]),
        ("[!]a]", ["b", "["], ["]", "a", "/"]),
        ("[a-c]*", ["a", "cx"], ["d", "a/x"]),
        ("[+--]", ["+", ",", "-"], ["/", "."]),
        ("[.-0]", [".", "0"], ["/"]),
        ("[^a]", ["^", "a"], ["b"]),
        ("[a", ["[a"], ["a"]),
        (r"a\d", [r"a\d"], ["a1"]),
        (".+", [".+"], ["xx"]),
    ],
)
def test_globs_mean_what_their_documentation_says(glob: str, matches: list[str], does_not: list[str]) -> None:
    pattern = glob_pattern(glob)
    assert [name for name in matches if not pattern.fullmatch(name)] == []
    assert [name for name in does_not if pattern.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ({"suffix": ".txt"}, lambda key: key.endswith(".txt")),
        ({"suffix": (".txt", ".old")}, lambda key: key.endswith((".txt", ".old"))),
        ({"suffix": [".txt", ".old"]}, lambda key: key.endswith((".txt", ".old"))),
        ({"regex": "orders-0[1-3]"}, lambda key: re.search("orders-0[1-3]", key)),
        ({"regex": re.compile("ORDERS", re.IGNORECASE)}, lambda key: "orders" in key),
        ({"min_size": 15, "max_size": 22}, lambda key: 15 <= len(key) <= 22),
        ({"storage_class": "GLACIER"}, lambda key: key.endswith(".old")),
        ({"storage_class": ["GLACIER", "STANDARD"]}, lambda key: True),
        ({"modified_after": datetime(2026, 1, 16, tzinfo=UTC)}, lambda key: len(key) % 28 + 1 > 16),
        ({"modified_before": datetime(2026, 1, 16, tzinfo=UTC)}, lambda key: len(key) % 28 + 1 < 16),
        ({"suffix": ".csv", "regex": "^2026", "min_size": 22}, lambda key: key.startswith("2026") and len(key) >= 22),
    ],
)
def test_filters_keep_what_they_say(s3: Any, asked: dict[str, Any], kept: Any) -> None:
    found = [entry.key for entry in list_objects(s3, "s3://sales-records/", page_size=9, **asked)]
    assert found == [key for key in KEYS if kept(key)]
    assert found == [row["key"] for row in list_objects(s3, "s3://x1x/", **asked).to_arrow().to_pylist()]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"modified_after": datetime(2026, 1, 1)}, "time zone"),
        ({"modified_before": "2026-01-01"}, "modified_before must be a datetime"),
        ({"min_size": -1}, "min_size"),
        ({"max_size": "1K"}, "max_size is a number of bytes"),
        ({"limit": -1}, "limit is 0 or more"),
        ({"regex": "("}, "not a regular expression"),
        ({"page_size": 1001}, "page_size"),
        ({"at_once": 0}, "at_once"),
    ],
)
def test_wrong_arguments_are_refused_before_any_request(lists: Lists, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        list_objects(client(lists), "s3://sales-records/", **asked)
    assert not lists.requests


def test_globs_match_what_trying_every_way_matches() -> None:
    """Against the plainest translation, which tries all there is, however long that takes."""
    seed = random.randrange(2**32)
    print("seed", seed)
    rng = random.Random(seed)
    plain = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]", "[ab]": "[ab]", "[!a]": "[^a/]"}
    matched = 0
    for _ in range(5000):
        pieces = rng.choices(["a", "b", "/", "*", "**", "/**/", "*/", "?", "[ab]", "[!a]"], k=rng.randint(1, 8))
        glob = "".join(pieces)
        pattern = ""
        rest = glob
        while rest:
            begins = len(rest) == len(glob) or glob[-len(rest) - 1] == "/"
            piece = next((p for p in plain if rest.startswith(p) and (p != "**/" or begins)), rest[0])
            pattern += plain.get(piece, piece)
            rest = rest[len(piece) :]
        ours, theirs = glob_pattern(glob), re.compile(pattern, re.DOTALL)
        for _ in range(20):
            key = "".join(rng.choices("ab/", weights=(3, 3, 2), k=rng.randint(0, 10)))
            assert bool(ours.fullmatch(key)) == bool(theirs.fullmatch(key)), (glob, key)
            matched += bool(ours.fullmatch(key))
    assert matched > 5000


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("glob", "key"),
    [
        ("**a**a**a**a**a**a**b", "a" * 1000),
        ("*a*a*a*a*a*a*a*b", "a" * 1000),
        ("**/*a*/**/*a*/**/*a*/**/*a*/x", "/".join(["a"] * 500)),
        ("**a*a*a**a*a*a**a*a*b", "a" * 1000),
        ("**/" * 8 + "x", "a/" * 500),
        ("**a/" * 20 + "x", "a/" * 500),
        ("**?*?*?*?**[ab]*?*b", "a" * 1000),
    ],
)
def test_many_wildcards_take_no_power_of_their_number(glob: str, key: str) -> None:
    """Trying every way takes hours."""
    assert glob_pattern(glob).fullmatch(key) is None
    assert glob_pattern(glob).fullmatch(key + "b/x") is None or glob.endswith("x")


def test_a_name_that_no_object_can_have_is_refused_before_any_request(lists: Lists) -> None:
    s3 = client(lists)
    for bucket in ("a b", "-a", "a..b", "a/../b"[2:], "é", "x" * 300, "a\nb", "a\0", "a?b", "\udce9"):
        for call in (list_objects, list_versions, lambda s3, uri: read_object(s3, f"{uri}k")):
            with pytest.raises(Refused, match="Invalid bucket name"):
                call(s3, f"s3://{bucket}/")
    latin = b"caf\xe9".decode("utf-8", "surrogateescape")
    for call in (list_objects, list_versions, read_object):
        with pytest.raises(Refused, match=r"s3://b/caf\\udce9: not a key: half of a surrogate pair is in it"):
            call(s3, f"s3://b/{latin}")
    assert not lists.requests


def test_a_glob_that_is_none_is_refused(s3: Any) -> None:
    with pytest.raises(Refused, match="z comes after a"):
        list_objects(s3, "s3://sales-records/[z-a]*")


@pytest.mark.parametrize("lean", [True, False])
def test_tables_hold_what_the_entries_do(lists: Lists, lean: bool) -> None:
    s3 = client(lists, lean=lean)
    entries = [entry._asdict() for entry in list_objects(s3, "s3://sales-records/")]
    table = list_objects(s3, "s3://sales-records/", page_size=10).to_arrow()
    assert table.to_pylist() == entries
    frame = list_objects(s3, "s3://sales-records/", page_size=10).to_pandas()
    assert list(frame.columns) == list(ObjectEntry._fields)
    assert frame.to_dict("records") == entries
    assert str(frame.dtypes["last_modified"]) == "datetime64[us, UTC]"
    batches = list(list_objects(s3, "s3://sales-records/2026/01/", page_size=7).arrow_batches())
    assert len(batches) > 1
    assert all(batch.schema == table.schema for batch in batches)


def test_an_empty_listing_makes_tables_with_columns(s3: Any) -> None:
    table = list_objects(s3, "s3://sales-records/none/").to_arrow()
    frame = list_objects(s3, "s3://sales-records/none/").to_pandas()
    assert (table.num_rows, table.column_names) == (0, list(ObjectEntry._fields))
    assert (len(frame), list(frame.columns)) == (0, list(ObjectEntry._fields))


@pytest.mark.parametrize(("module", "extra"), [("pyarrow", "arrow"), ("pandas", "pandas")])
def test_without_the_extra_the_error_says_what_to_install(
    s3: Any, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    listing = list_objects(s3, "s3://sales-records/")
    with pytest.raises(Refused, match=re.escape(f"needs {module}, which is not installed here: pip install")) as said:
        _ = listing.to_arrow() if module == "pyarrow" else listing.to_pandas()
    assert f"s3private[{extra}]" in str(said.value)


VERSIONS = [
    Version("a", "4", deleted=True, day=3),
    Version("a", "3", day=3),
    Version("a", "2", deleted=True, day=2),
    Version("a", "1", day=1),
    Version("b", "1", day=1),
    Version("c.txt", "null", day=1),
]


def test_versions_come_in_s3s_order_with_delete_markers_among_them(lists: Lists) -> None:
    lists.versions = VERSIONS
    s3 = client(lists)

    def listed(**asked: Any) -> list[ObjectVersion]:
        return list(list_versions(s3, "s3://b/", **asked))

    for page_size in (1, 2, 5, 1000):
        came = [(v.key, v.version_id, v.is_delete_marker) for v in listed(page_size=page_size)]
        assert came == [(v.key, v.id, v.deleted) for v in VERSIONS]
    when = datetime(2026, 1, 2, tzinfo=UTC)
    assert [v.version_id for v in listed(delete_markers=False, modified_after=when)] == ["3"]
    assert [v.key for v in listed(suffix=".txt")] == ["c.txt"]
    assert len(listed(limit=2)) == 2
    assert listed()[0] == ObjectVersion("b", "a", "4", True, True, 0, datetime(2026, 1, 3, tzinfo=UTC), "", "")


def test_versions_of_one_second_keep_s3s_order(lists: Lists) -> None:
    lists.versions = [Version("k", f"v{n}", deleted=bool(n % 2), day=1) for n in range(9, 0, -1)]
    came = [version.version_id for version in list_versions(client(lists), "s3://b/", page_size=4)]
    assert came == [version.id for version in lists.versions]

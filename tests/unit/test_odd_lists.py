"""Lists that S3 seldom sends, and answers that are none: all keys, or one error of ours; never short, never endless."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from origin.lists import Lists, Version
from origin.server import Request
from s3private import ReadError, connect, list_objects, list_versions
from s3private.verification import verify
from unit.bucket import Bucket

KEYS = [f"a/{number}" for number in range(5)] + ["b", *(f"c/{number}/x" for number in range(5)), "z"]
Written = Callable[[Request, str], str]
MOST = 200
"""Requests after which a listing is taken for endless."""


class _Endless(Exception):
    pass


@pytest.fixture
def lists(authority: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lists]:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Lists(authority, Bucket(KEYS)).serving() as serving:
        assert isinstance(serving, Lists)
        yield serving


def listed(lists: Lists, uri: str = "s3://bkt/", *, lean: bool = True, **asked: Any) -> list[str]:
    """The keys; a listing of so few that asks more than MOST times has no end."""
    s3 = connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"), lean=lean)

    def count(request: Request) -> None:
        if len(lists.requests) > MOST:
            lists.written = lambda request, page: page[:-1]

    lists.before = count
    found = [entry.key for entry in list_objects(s3, uri, **asked)]
    assert len(lists.requests) <= MOST, "without end"
    return found


def first(request: Request) -> bool:
    return not {"continuation-token", "start-after", "key-marker"} & set(request.parameters)


def without_rows(page: str) -> str:
    return re.sub("<(Contents|CommonPrefixes|Version|DeleteMarker)>.*</\\1>", "", page, flags=re.DOTALL)


def truncated(page: str, token: str) -> str:
    page = re.sub("<NextContinuationToken>.*</NextContinuationToken>", "", page)
    page = page.replace("<IsTruncated>false", "<IsTruncated>true")
    encoded = b64encode(token.encode()).decode()
    return page.replace("<MaxKeys>", f"<NextContinuationToken>{encoded}</NextContinuationToken><MaxKeys>")


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("at_once", [1, 2, 16])
@pytest.mark.parametrize("ordered", [True, False])
def test_a_first_page_without_a_key_is_gone_on_from(lists: Lists, lean: bool, at_once: int, ordered: bool) -> None:
    lists.written = lambda request, page: truncated(without_rows(page), "!") if first(request) else page
    assert sorted(listed(lists, lean=lean, at_once=at_once, ordered=ordered)) == KEYS


def test_pages_without_a_key_among_the_common_prefixes_are_gone_on_from(lists: Lists) -> None:
    """Each position is reached by a page of nothing first."""
    seen: set[str] = set()

    def written(request: Request, page: str) -> str:
        asked = dict(request.parameters)
        place = repr((asked.get("prefix"), asked.get("delimiter"), asked.get("start-after")))
        if "continuation-token" not in asked and place not in seen:
            seen.add(place)
            return truncated(without_rows(page), asked.get("start-after") or asked.get("prefix") or "!")
        return page

    lists.written = written
    assert listed(lists, page_size=3) == KEYS
    assert len(seen) > 3


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize("tokens", [["!"], ["!", '"'], ["!", '"', "#"]], ids=["the same", "two", "three"])
def test_tokens_that_come_again_without_a_key_end_in_an_error(
    lists: Lists, lean: bool, at_once: int, tokens: list[str]
) -> None:
    lists.written = lambda request, page: truncated(without_rows(page), tokens[request.number % len(tokens)])
    with pytest.raises(ReadError, match="s3://bkt/: the list leads nowhere"):
        listed(lists, lean=lean, at_once=at_once)
    assert len(lists.requests) <= MOST


def test_new_tokens_for_ever_without_a_key_end_in_an_error(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("s3private.page_checks.LONGEST_WAY", 50)
    lists.written = lambda request, page: truncated(without_rows(page), f"!{request.number}")
    with pytest.raises(ReadError, match="s3://bkt/: the list leads nowhere: 50 pages in a row without a key"):
        listed(lists)
    assert len(lists.requests) == 51


ERROR = "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
NO_LISTS: dict[str, Written] = {
    "empty": lambda request, page: "",
    "HTML": lambda request, page: "<html><body>502 Bad Gateway</body></html>",
    "an error": lambda request, page: ERROR,
    "half": lambda request, page: page[: len(page) // 2],
    "without its end": lambda request, page: page.removesuffix("</ListBucketResult>"),
    "another operation's": lambda request, page: page.replace("ListBucketResult", "ListAllMyBucketsResult"),
    "a list, and something else": lambda request, page: page + "<x/>",
    "JSON": lambda request, page: '{"Contents": []}',
    "with a document type": lambda request, page: page.replace("?>\n", '?>\n<!DOCTYPE x [<!ENTITY e "k">]>'),
    "deep": lambda request, page: page.replace("</List", "<x>" * 20_000 + "</x>" * 20_000 + "</List"),
    "no word of more": lambda request, page: re.sub("<IsTruncated>.*</IsTruncated>", "", page),
    "an odd word of more": lambda request, page: page.replace("<IsTruncated>", "<IsTruncated>un"),
    "more, and no way on": lambda request, page: page.replace("<IsTruncated>false", "<IsTruncated>true"),
    "a way on, and no more": lambda request, page: truncated(page, "~").replace("true</IsT", "false</IsT"),
    "without keys": lambda request, page: re.sub("<Key>.*?</Key>", "", page),
    "with an empty key": lambda request, page: re.sub("<Key>.*?</Key>", "<Key/>", page),
    "without times": lambda request, page: re.sub("<LastModified>.*?</LastModified>", "", page),
    "with a time that is none": lambda request, page: page.replace("2026-01-", "2026-13-"),
    "without ETags": lambda request, page: re.sub("<ETag>.*?</ETag>", "", page),
    "without sizes": lambda request, page: re.sub("<Size>.*?</Size>", "", page),
    "with a size that is none": lambda request, page: re.sub("<Size>.*?</Size>", "<Size>1e3</Size>", page),
    "two keys in one": lambda request, page: page.replace("<Size>", "<Key>p/other</Key><Size>"),
    "a name that is no UTF-8": lambda request, page: page.replace("<Key>", "<Key>%FF"),
    "a name that is half a pair": lambda request, page: page.replace("<Key>", "<Key>%ED%A0%80"),
}  # fmt: skip


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("name", NO_LISTS)
def test_what_is_no_list_is_an_error_that_names_what_was_listed(lists: Lists, lean: bool, name: str) -> None:
    lists.bucket = Bucket(["p/k"])
    lists.written = NO_LISTS[name]
    with pytest.raises(ReadError, match="s3://bkt/p/: "):
        listed(lists, "s3://bkt/p/", lean=lean, at_once=1)


def test_without_a_storage_class_it_is_the_standard_one(lists: Lists) -> None:
    lists.written = lambda request, page: re.sub("<StorageClass>.*?</StorageClass>", "", page)
    s3 = connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
    assert {entry.storage_class for entry in list_objects(s3, "s3://bkt/")} == {"STANDARD"}


def renamed(was: str, becomes: str) -> Written:
    return lambda request, page: page.replace(f"<Key>{was}</Key>", f"<Key>{becomes}</Key>")


WRONG: dict[str, tuple[Written, str]] = {
    "before the prefix": (renamed("p/1", "o/1"), "'o/1' came, which is not below the prefix"),
    "after the prefix": (renamed("p/6", "q/6"), "'q/6' came, which is not below the prefix"),
    "not in order": (renamed("p/2", "p/5x"), "keys are not in order"),
    "the last page's last": (renamed("p/4", "p/3"), "'p/3' came, and what comes after 'p/3' was asked for"),
    "twice": (renamed("p/2", "p/1"), "keys are not in order, each once: 'p/1' came after 'p/1'"),
    "another's": (lambda r, page: page.replace("<Prefix>p/", "<Prefix>q/"), "the answer is to another request"),
    "another token's": (
        lambda r, page: page.replace("<MaxKeys>", "<ContinuationToken>x</ContinuationToken><MaxKeys>"),
        "the answer is to another request",
    ),
    "another place's": (
        lambda r, page: page.replace("<MaxKeys>", "<StartAfter>p/1</StartAfter><MaxKeys>"),
        "the answer is to another request",
    ),
    "with common prefixes": (
        lambda r, page: page.replace("</ListB", "<CommonPrefixes><Prefix>p/x/</Prefix></CommonPrefixes></ListB"),
        "common prefixes came",
    ),
}


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("name", WRONG)
def test_keys_that_cannot_be_the_answer_are_an_error(lists: Lists, lean: bool, name: str) -> None:
    lists.bucket = Bucket([f"p/{number}" for number in range(1, 7)])
    lists.written, said = WRONG[name]
    with pytest.raises(ReadError, match=f"s3://bkt/p/: {said}"):
        listed(lists, "s3://bkt/p/", lean=lean, at_once=1, page_size=3)


@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("at_once", [1, 16])
@pytest.mark.parametrize("said", [True, False], ids=["says what it was asked", "does not"])
def test_a_page_that_comes_again_and_again_is_an_error(lists: Lists, lean: bool, at_once: int, said: bool) -> None:
    lists.bucket = Bucket([f"{number:03}" for number in range(100)])
    pages: list[str] = []

    def written(request: Request, page: str) -> str:
        pages.append(page if said else re.sub("<(StartAfter|Delimiter|ContinuationToken)>.*?</\\1>", "", page))
        return pages[0] if first(request) else pages[1]

    lists.written = written
    wrong = "'.*' came, and what comes after '.*' was asked for"
    if said:
        # Of many at once, which one is the second is not certain, and it may be too early rather than another's.
        wrong = "the answer is to another request" + (f"|{wrong}" if at_once > 1 else "")
    with pytest.raises(ReadError, match=f"s3://bkt/: ({wrong})"):
        listed(lists, lean=lean, at_once=at_once, page_size=10)


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        ("<Prefix>c/", "<Prefix>c"),
        ("<Prefix>c/", "<Prefix>c/d/"),
        ("<Prefix>c/", "<Prefix>a/"),
        ("<Key>b<", "<Key>a/0<"),
    ],
)
def test_common_prefixes_that_cannot_be_are_an_error(lists: Lists, was: str, becomes: str) -> None:
    lists.written = lambda request, page: page.replace(was, becomes)
    with pytest.raises(ReadError, match=r"s3://bkt/: .*(common prefix|in order)"):
        listed(lists)


def versions(lists: Lists, *, page_size: int = 3) -> list[str]:
    s3 = connect(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))

    def count(request: Request) -> None:
        if len(lists.requests) > MOST:
            raise ConnectionError

    lists.before = count
    return [version.version_id for version in list_versions(s3, "s3://bkt/p/", page_size=page_size)]


@pytest.mark.parametrize("name", [name for name in NO_LISTS if "way on" not in name])
def test_what_is_no_list_of_versions_is_an_error(lists: Lists, name: str) -> None:
    lists.versions = [Version("p/k", "1"), Version("p/k", "0")]

    def written(request: Request, page: str) -> str:
        page = page.replace("ListVersionsResult", "ListBucketResult")
        return NO_LISTS[name](request, page).replace("ListBucketResult", "ListVersionsResult")

    lists.written = written
    with pytest.raises(ReadError, match="s3://bkt/p/: "):
        versions(lists)


ROWS = [Version(f"p/{n // 3}", f"v{-n}") for n in range(12)]
FIRST = (
    '<ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><NextKeyMarker>p/0</NextKeyMarker>'
    "<NextVersionIdMarker>v-2</NextVersionIdMarker><IsTruncated>true</IsTruncated>"
    f"{''.join(row.written(latest=False) for row in ROWS[:3])}</ListVersionsResult>"
)
WRONG_VERSIONS: dict[str, tuple[Written, str]] = {
    "cut short": (lambda r, page: re.sub("<Next.*</NextVersionIdMarker>", "", page), "cut short"),
    "without a marker's key": (lambda r, page: re.sub("<NextKeyMarker>.*</NextKeyMarker>", "", page), "cut short"),
    "no word of more": (lambda r, page: re.sub("<IsTruncated>.*</IsTruncated>", "", page), "whether there is more"),
    "the first page for ever": (lambda r, page: FIRST, "came twice|not in order"),
    "nothing, and the same way on for ever": (lambda r, page: without_rows(FIRST), "leads nowhere"),
    "not below the prefix": (lambda r, page: page.replace("<Key>p/", "<Key>q/"), "not below the prefix"),
    "another's": (lambda r, page: page.replace("<KeyMarker>p/0", "<KeyMarker>p/1"), "the answer is to another request"),
    "not in order": (lambda r, page: page.replace("<Key>p/2", "<Key>p/0"), "not in order"),
    "another operation's": (lambda r, page: page.replace("ListVersions", "ListBucket"), "no list"),
    "a way on that goes back": (
        lambda r, page: page.replace("<NextKeyMarker>p/1", "<NextKeyMarker>p/0"),
        "S3 says to go on at 'p/0', which is before",
    ),
    "the last key again": (
        lambda r, page: re.sub("<NextVersionIdMarker>.*</NextVersionIdMarker>", "", page).replace("p/1<", "p/0<"),
        "'p/0' came, and what comes after it was asked for",
    ),
    "without versions": (lambda r, page: re.sub("<VersionId>.*?</VersionId>", "", page), "VersionId is missing"),
    "without latest": (lambda r, page: re.sub("<IsLatest>.*?</IsLatest>", "", page), "IsLatest is missing"),
}


@pytest.mark.parametrize("name", WRONG_VERSIONS)
def test_versions_that_cannot_be_the_answer_are_an_error(lists: Lists, name: str) -> None:
    lists.versions = ROWS
    assert versions(lists) == [row.id for row in ROWS]
    lists.written, said = WRONG_VERSIONS[name]
    with pytest.raises(ReadError, match=f"s3://bkt/p/: .*({said})"):
        versions(lists)
    assert len(lists.requests) < 20


def test_a_page_of_versions_without_any_is_gone_on_from(lists: Lists) -> None:
    lists.versions = ROWS

    def written(request: Request, page: str) -> str:
        if request.parameters.get("version-id-marker") != "v-2":
            return page
        page = re.sub(
            "<NextVersionIdMarker>.*</NextVersionIdMarker>", "<NextVersionIdMarker>null</NextVersionIdMarker>", page
        )
        return without_rows(re.sub("<NextKeyMarker>.*</NextKeyMarker>", "<NextKeyMarker>p/0</NextKeyMarker>", page))

    lists.written = written
    assert versions(lists) == [row.id for row in ROWS]


@pytest.mark.parametrize("name", ["empty", "HTML", "half", "another operation's", "no word of more"])
def test_what_is_no_list_proves_no_path(lists: Lists, name: str) -> None:
    """To verify, a bucket of which nothing came would be an empty one."""
    lists.written = NO_LISTS[name]
    with pytest.raises(ReadError, match="s3://b/: "):
        verify(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret"))
    lists.written = lambda request, page: page
    seen = verify(lists.route(), session=boto3.Session("AKIAEXAMPLE000000000", "not-a-secret")).buckets
    assert [(each.bucket, each.key, each.request_id) for each in seen] == [("b", "a/0", "0A1B2C3D")]

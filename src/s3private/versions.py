"""Versions and delete markers, page after page through boto3, in S3's own order: that of the answer as it came.

botocore makes two lists of them, and what was between the one and the other is lost: versions of one second have no
order but S3's. https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from s3private.botocore_errors import as_ours
from s3private.entries import ObjectVersion
from s3private.errors import ReadError
from s3private.filters import Test
from s3private.list_xml import NoList, Row, XmlList, moment, required, size_of
from s3private.page_checks import Way, other_answer
from s3private.raw_answers import raw_answer

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_KINDS = {"Version": False, "DeleteMarker": True}


class _Marker(NamedTuple):
    """What a page goes on after: all of `key`, or what of it comes up to `version`."""

    key: str
    version: str | None


class _Page(NamedTuple):
    versions: list[ObjectVersion]
    next: _Marker | None
    said: dict[str, str]


def versions(
    s3: S3Client,
    bucket: str,
    prefix: str,
    tests: list[Test],
    delete_markers: bool,
    limit: int | None,
    requester_pays: bool,
    page_size: int,
) -> Iterator[ObjectVersion]:
    wanted: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": page_size}
    if requester_pays:
        wanted["RequestPayer"] = "requester"
    uri = f"s3://{bucket}/{prefix}"

    def found() -> Iterator[ObjectVersion]:
        with as_ours(s3, uri):
            for page in _pages(s3, uri, bucket, prefix, wanted):
                for version in page:
                    if (delete_markers or not version.is_delete_marker) and all(test(version) for test in tests):
                        yield version

    return islice(found(), limit)


def _pages(s3: S3Client, uri: str, bucket: str, prefix: str, wanted: dict[str, Any]) -> Iterator[list[ObjectVersion]]:
    way, after, before = Way(), _Marker("", None), frozenset[tuple[str, str]]()
    while True:
        if after.key:
            wanted["KeyMarker"] = after.key
        if after.version is not None:
            wanted["VersionIdMarker"] = after.version
        else:
            wanted.pop("VersionIdMarker", None)
        try:
            page = _page(raw_answer(s3, "list_object_versions", uri, **wanted).body, bucket)
        except NoList as error:
            raise ReadError(f"{uri}: {error}") from error
        came = frozenset((version.key, version.version_id) for version in page.versions)
        if wrong := _wrong_with(prefix, after, page) or _twice(page, came, before):
            raise ReadError(f"{uri}: {wrong}")
        yield page.versions
        if page.next is None:
            return
        # A marker that comes again within the versions of one key leads nowhere.
        if wrong := way.wrong(repr(after), repr(page.next), page.next.key != after.key):
            raise ReadError(f"{uri}: {wrong}")
        after, before = page.next, came


def _wrong_with(prefix: str, after: _Marker, page: _Page) -> str | None:
    asked = {"Prefix": prefix, "KeyMarker": after.key, "VersionIdMarker": after.version or ""}
    if wrong := other_answer(asked, page.said):
        return wrong
    key = after.key
    for version in page.versions:
        if not version.key.startswith(prefix):
            return f"{version.key!r} came, which is not below the prefix"
        if version.key < key:
            return f"versions are not in order: {version.key!r} came after {key!r}"
        key = version.key
    if page.versions and after.key and after.version is None and page.versions[0].key == after.key:
        return f"{after.key!r} came, and what comes after it was asked for"
    if page.next is not None and page.next.key < key:
        return f"the list was cut at {key!r}, and S3 says to go on at {page.next.key!r}, which is before"
    return None


def _twice(page: _Page, came: frozenset[tuple[str, str]], before: frozenset[tuple[str, str]]) -> str | None:
    if len(came) == len(page.versions) and not came & before:
        return None
    return "a version came twice" + (f", of {page.versions[0].key!r}" if page.versions else "")


def _page(raw: bytes, bucket: str) -> _Page:
    """Raises NoList."""
    found = XmlList(raw, "ListVersionsResult")
    if any(name == "CommonPrefixes" for name, _ in found.rows):
        raise NoList("common prefixes came, and versions were asked for")
    listed = [_version(found, bucket, row) for row in found.rows if row[0] in _KINDS]
    if not found.truncated:
        return _Page(listed, None, found.fields)
    key = found.fields.get("NextKeyMarker")
    if not key:
        raise NoList("the list was cut short, and how to go on was not said")
    return _Page(listed, _Marker(found.name(key), found.fields.get("NextVersionIdMarker") or None), found.fields)


def _version(found: XmlList, bucket: str, row: Row) -> ObjectVersion:
    name, texts = row
    deleted = _KINDS[name]
    latest = required(texts, "IsLatest")
    if latest not in ("true", "false"):
        raise NoList(f"the IsLatest of {texts.get('Key', '')[:200]!r} is {latest[:40]!r}")
    return ObjectVersion(
        bucket=bucket,
        key=found.name(required(texts, "Key")),
        version_id=required(texts, "VersionId"),
        is_latest=latest == "true",
        is_delete_marker=deleted,
        size=0 if deleted else size_of(texts),
        last_modified=moment(texts),
        etag="" if deleted else required(texts, "ETag"),
        storage_class="" if deleted else texts.get("StorageClass") or "STANDARD",
    )

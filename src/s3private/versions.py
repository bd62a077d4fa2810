"""Versions and delete markers, page after page through boto3: S3 gives them in one order that two lists must share."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from itertools import islice
from typing import TYPE_CHECKING, Any

from s3private.botocore_errors import as_ours
from s3private.entries import ObjectVersion
from s3private.filters import Test

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


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
    wanted: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "PaginationConfig": {"PageSize": page_size}}
    if requester_pays:
        wanted["RequestPayer"] = "requester"

    def found() -> Iterator[ObjectVersion]:
        with as_ours(s3, f"s3://{bucket}/{prefix}"):
            for page in s3.get_paginator("list_object_versions").paginate(**wanted):
                for version in _in_order(bucket, page):
                    if (delete_markers or not version.is_delete_marker) and all(test(version) for test in tests):
                        yield version

    return islice(found(), limit)


def _in_order(bucket: str, page: Any) -> list[ObjectVersion]:
    """botocore tells versions and delete markers apart; S3 lists them by key, the newest first."""
    found = [_version(bucket, item, deleted=False) for item in page.get("Versions", [])]
    found += [_version(bucket, item, deleted=True) for item in page.get("DeleteMarkers", [])]
    found.sort(key=lambda version: (version.key, not version.is_latest, -version.last_modified.timestamp()))
    return found


def _version(bucket: str, item: Any, deleted: bool) -> ObjectVersion:
    return ObjectVersion(
        bucket=bucket,
        key=item["Key"],
        version_id=item["VersionId"],
        is_latest=item["IsLatest"],
        is_delete_marker=deleted,
        size=item.get("Size", 0),
        last_modified=item["LastModified"].astimezone(UTC),
        etag=item.get("ETag", ""),
        storage_class="" if deleted else item.get("StorageClass", "STANDARD"),
    )

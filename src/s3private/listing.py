"""Listing is a stream: one page of at most 1,000 keys is held at a time, however many there are. No cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from s3private.errors import Refused

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ObjectEntry:
    """One object in a listing. size: bytes. last_modified: with its time zone."""

    bucket: str
    key: str
    size: int
    last_modified: datetime
    etag: str
    storage_class: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` -> bucket, key; the key may be empty. Raises Refused."""
    scheme, separator, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise Refused(f"not an S3 URI: {uri!r} (write s3://bucket/key or s3://bucket/prefix)")
    return bucket, key


def list_objects(s3: S3Client, uri: str, *, page_size: int = 1000) -> Iterator[ObjectEntry]:
    """The objects under `s3://bucket/prefix`, in key order, as they arrive.

    page_size: keys per request, 1 to 1000. Raises Refused for a wrong URI, and botocore's errors.
    """
    bucket, prefix = split_uri(uri)
    return _pages(s3, bucket, prefix, page_size)


def _pages(s3: S3Client, bucket: str, prefix: str, page_size: int) -> Iterator[ObjectEntry]:
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": page_size}
    )
    for page in pages:
        for item in page.get("Contents", []):
            yield ObjectEntry(
                bucket=bucket,
                key=item["Key"],
                size=item["Size"],
                last_modified=item["LastModified"],
                etag=item["ETag"],
                storage_class=item.get("StorageClass", "STANDARD"),
            )

"""One object in a listing, and the URI that names what to list: small records, nothing more."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from s3private.errors import Refused


class ObjectEntry(NamedTuple):
    """One object in a listing. size: bytes. last_modified: with its time zone. etag: with its quotes, as S3 sends it.

    storage_class: STANDARD where S3 names none.
    """

    bucket: str
    key: str
    size: int
    last_modified: datetime
    etag: str
    storage_class: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class ObjectVersion(NamedTuple):
    """One version of an object, or a delete marker, which has neither bytes (size 0) nor an ETag ("").

    version_id: "null" for an object written while the bucket's versioning was off.
    """

    bucket: str
    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    last_modified: datetime
    etag: str
    storage_class: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` -> bucket, key; the key may be empty. Raises Refused."""
    # A Path is a likely mistake, and makes one slash of two.
    scheme, separator, rest = uri.partition("://") if isinstance(uri, str) else ("", "", "")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise Refused(f"not an S3 URI: {uri!r} (write s3://bucket/key or s3://bucket/prefix)")
    return bucket, key

"""One object in a listing, and the URI that names what to list: small records, nothing more."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from s3private.errors import Refused
from s3private.notebook_html import fields_html

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,254}", re.ASCII)
"""Upper case, `_` and up to 255 characters: us-east-1 gave such names until 2018, and they are still served.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html"""


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

    def _repr_html_(self) -> str:
        return fields_html(self._asdict())


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

    def _repr_html_(self) -> str:
        return fields_html(self._asdict())


def split_uri(uri: str) -> tuple[str, str]:
    """`s3://bucket/key` -> bucket, key; the key may be empty. Raises Refused."""
    # A Path is a likely mistake, and makes one slash of two.
    scheme, separator, rest = uri.partition("://") if isinstance(uri, str) else ("", "", "")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not separator or not bucket:
        raise Refused(f"not an S3 URI: {uri!r} (write s3://bucket/key or s3://bucket/prefix)")
    refuse_no_name(bucket, key)
    return bucket, key


def refuse_no_name(bucket: str, key: str) -> None:
    """Raises Refused for a name that no bucket can have (an ARN is not looked at), and for a key that is no UTF-8."""
    if (not _BUCKET.fullmatch(bucket) or ".." in bucket) and not bucket.startswith("arn:"):
        raise Refused(f"{_shown(bucket, key)}: Invalid bucket name: it is of letters, digits, '.', '-' and '_' alone")
    try:
        key.encode()
    except UnicodeEncodeError:
        raise Refused(
            f"{_shown(bucket, key)}: not a key: half of a surrogate pair is in it, and keys are UTF-8. It may come "
            "from a file's name in another encoding"
        ) from None


def _shown(bucket: str, key: str) -> str:
    """The URI, in a way that can be written anywhere that takes UTF-8."""
    return f"s3://{bucket}/{key}".encode(errors="backslashreplace").decode()

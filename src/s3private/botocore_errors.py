"""botocore's errors as ours, in one line: what was asked for, S3's own words, and where they do not say it, what to do.

botocore's error stays the `__cause__`, for those who want its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from s3private.client import route_of
from s3private.entries import split_uri
from s3private.errors import ObjectChanged, ReadError, Refused, RouteError, S3PrivateError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@contextmanager
def as_ours(s3: S3Client, uri: str) -> Iterator[None]:
    """What botocore raises within becomes ours. uri: what is asked for.

    Raises ReadError when S3 refuses or does not answer, ObjectChanged for a failed `If-Match`, Refused for what is no
    bucket's or key's name to botocore, RouteError where there are no credentials to sign with.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise our_error(s3, uri, error) from error


def our_error(s3: S3Client, uri: str, error: Exception) -> S3PrivateError:
    """The error that `as_ours` raises for botocore's."""
    from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError, ParamValidationError
    from botocore.exceptions import ConnectionError as NotConnected

    if isinstance(error, ClientError):
        return _refusal(s3, uri, error)
    said = " ".join(str(error).split())
    if isinstance(error, NoCredentialsError):
        return RouteError(
            f"{uri}: no AWS credentials to sign with. Name a Unity Catalog service credential, in the route or as "
            "connect(route, service_credential=...), or give a session; elsewhere set AWS_PROFILE"
        )
    if isinstance(error, ParamValidationError):
        return Refused(f"{uri}: {said}")
    if isinstance(error, HTTPClientError | NotConnected):
        return ReadError(f"{uri}: {said}. `s3private verify ROUTE` says whether the path can be used from here")
    return ReadError(f"{uri}: {said}")


def _refusal(s3: S3Client, uri: str, error: Any) -> ReadError:
    said = error.response.get("Error", {})
    code = said.get("Code")
    if code in ("PreconditionFailed", "412"):
        return ObjectChanged(f"{uri}: replaced since it was listed, or while it was read; list or read it again")
    words = f"{uri}: {code}: {said.get('Message')}"
    route, bucket = route_of(s3), split_uri(uri)[0]
    if code in ("AccessDenied", "403") and bucket not in route.buckets:
        # The endpoint's policy names buckets, and S3 does not always say that it was the policy.
        words += (
            f". The path {route.path} was made for {', '.join(route.buckets)}, not for {bucket}: "
            "its owner adds a bucket to s3.buckets in the path file and provisions again"
        )
    return ReadError(words)

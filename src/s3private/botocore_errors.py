"""botocore's errors as ours, in one line: what was asked for, S3's own words, and where they do not say it, what to do.

botocore's error stays the `__cause__`, for those who want its code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from s3private.client import route_of, signer_of
from s3private.entries import split_uri
from s3private.errors import ObjectChanged, ReadError, Refused, RouteError, S3PrivateError
from s3private.whereabouts import why_not_here

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


_REDIRECTS = (
    "AuthorizationHeaderMalformed",
    "PermanentRedirect",
    "TemporaryRedirect",
    "IllegalLocationConstraintException",
)
_HOST = re.compile(r"https?://")


@contextmanager
def as_ours(s3: S3Client, uri: str) -> Iterator[None]:
    """What botocore raises within becomes ours, and what it lets through: of urllib3, of XML, text, numbers and nesting
    that it cannot read, and what its parsers stumble over. uri: what is asked for.

    Raises ReadError when S3 refuses or does not answer, ObjectChanged for a failed `If-Match`, Refused for what is no
    bucket's or key's name to botocore, RouteError where there are no credentials to sign with.
    """
    from http.client import HTTPException
    from xml.etree.ElementTree import ParseError

    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise our_error(s3, uri, error) from error
    except (
        ResponseParserError,
        HTTPError,
        HTTPException,
        ParseError,
        AttributeError,
        LookupError,
        OverflowError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise our_error(s3, uri, error) from error


def our_error(s3: S3Client, uri: str, error: Exception) -> S3PrivateError:
    """The error that `as_ours` raises for botocore's."""
    from botocore.exceptions import (
        BotoCoreError,
        ClientError,
        HTTPClientError,
        NoCredentialsError,
        ParamValidationError,
    )
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
        return ReadError(f"{uri}: {said}. {why_not_here()}. `s3private verify ROUTE` says what answers there")
    if not isinstance(error, BotoCoreError):
        # Their words alone seldom say what it was, or are all that came.
        return ReadError(f"{uri}: what came cannot be read: {type(error).__name__}: {said[:200]}")
    return ReadError(f"{uri}: {said}")


def _elsewhere(response: Any) -> tuple[str, str]:
    """Region and host that a redirect names, in its header fields or in its body; each empty where it does not."""
    said, told = response.get("Error", {}), response.get("ResponseMetadata", {})
    fields = told.get("HTTPHeaders", {})
    if told.get("HTTPStatusCode") not in (301, 302, 303, 307, 308) and said.get("Code") not in _REDIRECTS:
        return "", ""
    region = fields.get("x-amz-bucket-region") or said.get("Region") or ""
    place = said.get("Endpoint") or _HOST.sub("", fields.get("location", "")).partition("/")[0]
    return _shown(region), _shown(place)


def _shown(name: Any) -> str:
    """What came from outside, as a name in one line."""
    return ascii(str(name))[1:-1][:200]


def _refusal(s3: S3Client, uri: str, error: Any) -> ReadError:
    said = error.response.get("Error", {})
    code = said.get("Code")
    if code in ("PreconditionFailed", "412"):
        return ObjectChanged(f"{uri}: replaced since it was listed, or while it was read; list or read it again")
    words = f"{uri}: {code}: {said.get('Message')}"
    route, bucket = route_of(s3), split_uri(uri)[0]
    region, host = _elsewhere(error.response)
    if host or (region and region != route.region):
        words += (
            f". S3 says that {bucket} is elsewhere: {' at '.join(filter(None, (region and f'in {region}', host)))}. "
            f"The path {route.path} is to {route.host} in {route.region} and goes nowhere else: read {bucket} over a "
            "path of its region"
        )
    if code in ("AccessDenied", "403") and bucket not in route.buckets:
        # The endpoint's policy names buckets, and S3 does not always say that it was the policy.
        words += (
            f". The path {route.path} was made for {', '.join(route.buckets)}, not for {bucket}: "
            "its owner adds a bucket to s3.buckets in the path file and provisions again"
        )
    elif code in ("AccessDenied", "403"):
        words += (
            f". Signed by {signer_of(s3)}: its IAM policy and the bucket's policy must allow it s3:ListBucket, "
            "s3:GetObject and, for objects under a KMS key, kms:Decrypt. Others sign with connect(route, "
            "service_credential=…), role_arn=… or session=…; on the command line --service-credential, --role-arn, "
            "--profile"
        )
    return ReadError(words)

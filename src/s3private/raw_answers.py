"""What S3 answered, as it came, to a call that goes through boto3: for whoever does not trust botocore's reading of it.

botocore takes what it does not find in an answer for absent: half an answer, or none, looks like a short one.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

from s3private.errors import ReadError

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

_CALLS = ("ListObjectsV2", "ListObjectVersions")
_held: ContextVar[list[bytes] | None] = ContextVar("s3private_raw_answer", default=None)


def keep_raw_answers(s3: S3Client) -> None:
    """Once for a client, before anybody uses it: `raw_answer` is then possible."""
    for call in _CALLS:
        s3.meta.events.register(f"after-call.s3.{call}", _keep)


class RawAnswer(NamedTuple):
    """The body as it came; request_id: by which S3 finds the request again, "" where it gave none."""

    body: bytes
    request_id: str


def raw_answer(s3: S3Client, call: str, uri: str, **wanted: Any) -> RawAnswer:
    """What came when `s3.<call>(**wanted)`, a list of `uri`, succeeded. Raises what the call raises, and
    ReadError where the answer is nothing that botocore can read."""
    body: list[bytes] = []
    token = _held.set(body)
    try:
        parsed = getattr(s3, call)(**wanted)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # Botocore's parser has no error of its own for each odd answer.
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ReadError(f"{uri}: what came is no list: {said}") from error
    finally:
        _held.reset(token)
    return RawAnswer(body[-1] if body else b"", parsed.get("ResponseMetadata", {}).get("RequestId", ""))


def _keep(http_response: Any, **_kwargs: Any) -> None:
    body = _held.get()
    if body is not None:
        body[:] = [http_response.content]

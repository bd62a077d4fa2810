"""Reading many objects: in the order asked for, at most `workers` bodies in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3private.errors import ObjectChanged, ReadError
from s3private.listing import ObjectEntry, split_uri

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class ObjectBody:
    """One object, whole."""

    bucket: str
    key: str
    etag: str
    body: bytes

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def read_objects(s3: S3Client, objects: Iterable[str | ObjectEntry], *, workers: int = 8) -> Iterator[ObjectBody]:
    """The bodies of `objects` (URIs, or entries of a listing), in their order.

    Memory: at most `workers` bodies, and the one that was handed out. An entry of a listing is read only as it was
    listed: ObjectChanged when it was replaced since. Raises ReadError naming the URI when S3 refuses one.
    """
    if workers < 1:
        raise ValueError("workers must be 1 or more")
    with ThreadPoolExecutor(workers, thread_name_prefix="s3private-read") as pool:
        running: deque[Future[ObjectBody]] = deque()
        try:
            for item in objects:
                running.append(pool.submit(_read, s3, item))
                if len(running) >= workers:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def _read(s3: S3Client, item: str | ObjectEntry) -> ObjectBody:
    from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError

    bucket, key = (item.bucket, item.key) if isinstance(item, ObjectEntry) else split_uri(item)
    uri = f"s3://{bucket}/{key}"
    try:
        if isinstance(item, ObjectEntry):
            answer = s3.get_object(Bucket=bucket, Key=key, IfMatch=item.etag)
        else:
            answer = s3.get_object(Bucket=bucket, Key=key)
        body = answer["Body"].read()
    except ClientError as error:
        said = error.response.get("Error", {})
        if said.get("Code") in ("PreconditionFailed", "412"):
            raise ObjectChanged(f"{uri}: replaced since it was listed; list it again") from error
        raise ReadError(f"{uri}: {said.get('Code')}: {said.get('Message')}") from error
    except (HTTPClientError, IncompleteReadError, FlexibleChecksumError) as error:
        raise ReadError(f"{uri}: {error}") from error
    if len(body) != answer["ContentLength"]:
        raise ReadError(f"{uri}: {len(body)} bytes came, {answer['ContentLength']} were promised; read it again")
    return ObjectBody(bucket=bucket, key=key, etag=answer["ETag"], body=body)

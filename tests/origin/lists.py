"""The same S3 with lists as S3 makes them: pages, delimiters, tokens, encoded names."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import quote_plus

from origin.authority import Authority
from origin.server import Origin, Request
from unit.bucket import Bucket

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


class Version(NamedTuple):
    """One version of an object, or a delete marker."""

    key: str
    id: str
    deleted: bool = False
    day: int = 1

    def written(self, latest: bool) -> str:
        kind = "DeleteMarker" if self.deleted else "Version"
        body = "" if self.deleted else "<ETag>&quot;e&quot;</ETag><Size>3</Size><StorageClass>STANDARD</StorageClass>"
        return (
            f"<{kind}><Key>{_encoded(self.key)}</Key><VersionId>{self.id}</VersionId>"
            f"<IsLatest>{'true' if latest else 'false'}</IsLatest>"
            f"<LastModified>2026-01-{self.day:02}T00:00:00.000Z</LastModified>{body}</{kind}>"
        )


class Lists(Origin):
    """Lists `bucket`, whatever bucket is asked for. written: what becomes of a page before it is sent."""

    def __init__(self, authority: Authority, bucket: Bucket) -> None:
        super().__init__(authority)
        self.bucket = bucket
        self.written: Callable[[Request, str], str] = lambda request, page: page
        self.versions: list[Version] = []
        """In S3's order."""
        self.refused: tuple[int, str] | None = None

    def through_boto3(self) -> list[Request]:
        """Which requests were boto3's own."""
        return [request for request in self.requests if "amz-sdk-invocation-id" in request.fields]

    def _list(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if self.refused is not None:
            status, code = self.refused
            return status, {}, f"<Error><Code>{code}</Code><Message>as told</Message></Error>".encode()
        asked = request.parameters
        if "versions" in asked:
            return 200, {"content-type": "application/xml"}, self.written(request, self._versions(asked)).encode()
        most = int(asked.get("max-keys", "1000"))
        after = asked.get("start-after", "")
        if token := asked.get("continuation-token"):
            after = b64decode(token).decode()
        prefix = asked.get("prefix", "")
        elements, last = self.bucket.select(prefix, after, asked.get("delimiter", ""), most)
        rows = "".join(self._row(request.bucket, name) for name, rolled in elements if not rolled)
        rows += "".join(
            f"<CommonPrefixes><Prefix>{_encoded(name)}</Prefix></CommonPrefixes>" for name, rolled in elements if rolled
        )
        said = "<Delimiter>/</Delimiter>" if asked.get("delimiter") else ""
        if token:
            said += f"<ContinuationToken>{token}</ContinuationToken>"
        if start := asked.get("start-after"):
            said += f"<StartAfter>{_encoded(start)}</StartAfter>"
        more = ""
        if last is not None:
            more = f"<NextContinuationToken>{b64encode(last.encode()).decode()}</NextContinuationToken>"
        page = (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="{NAMESPACE}"><Name>b</Name>'
            f"<Prefix>{_encoded(prefix)}</Prefix>{said}{more}<KeyCount>{len(elements)}</KeyCount><MaxKeys>{most}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{'true' if more else 'false'}</IsTruncated>{rows}"
            "</ListBucketResult>"
        )
        return 200, {"content-type": "application/xml"}, self.written(request, page).encode()

    def _versions(self, asked: Mapping[str, str]) -> str:
        key, number = asked.get("key-marker", ""), asked.get("version-id-marker")
        most, prefix = int(asked.get("max-keys", "1000")), asked.get("prefix", "")
        start = 0
        while start < len(self.versions) and self.versions[start].key.encode() <= key.encode():
            version = self.versions[start]
            start += 1
            if (version.key, version.id) == (key, number):
                break
        left = [version for version in self.versions[start:] if version.key.startswith(prefix)]
        rows, more = left[:most], ""
        if len(left) > most:
            more = (
                f"<NextKeyMarker>{_encoded(rows[-1].key)}</NextKeyMarker>"
                f"<NextVersionIdMarker>{rows[-1].id}</NextVersionIdMarker>"
            )
        first = {version.key: version for version in reversed(self.versions)}
        listed = "".join(version.written(latest=first[version.key] is version) for version in rows)
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<ListVersionsResult xmlns="{NAMESPACE}"><Name>b</Name>'
            f"<Prefix>{_encoded(prefix)}</Prefix><KeyMarker>{_encoded(key)}</KeyMarker>{more}<MaxKeys>{most}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{'true' if more else 'false'}</IsTruncated>{listed}"
            "</ListVersionsResult>"
        )

    def _row(self, bucket: str, name: str) -> str:
        """As it was put; a key that nothing was put under has a size, a time and a class that follow from it."""
        stored = self.objects.get((bucket, name, None))
        etag, size = (stored.etag.strip('"'), len(stored.body)) if stored else (f"{len(name):032x}", len(name))
        return (
            f"<Contents><Key>{_encoded(name)}</Key><LastModified>2026-01-{len(name) % 28 + 1:02}T00:00:00.000Z"
            f"</LastModified><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size>"
            f"<StorageClass>{'GLACIER' if name.endswith('.old') else 'STANDARD'}</StorageClass></Contents>"
        )


def _encoded(name: str) -> str:
    return quote_plus(name, safe="/*-._")

"""s3private, as a notebook uses it; listings as rows."""

from __future__ import annotations

import os
from typing import Any

from bench.serving import REGION, Place
from s3private import Route, connect, download, list_objects, read_object, read_objects, read_ranges


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        os.environ["AWS_CA_BUNDLE"] = place.ca
        self.s3 = connect(
            Route(path="bench", region=REGION, endpoint_url=place.url, vpc_endpoint_id="vpce-0", buckets=(bucket,))
        )
        self.bucket = bucket

    def whole(self, key: str, size: int) -> Any:
        return read_object(self.s3, self.uri(key)).body

    def to_file(self, key: str, size: int, file: str) -> None:
        download(self.s3, self.uri(key), file)

    def many(self, keys: list[str], size: int) -> Any:
        return [read.body for read in read_objects(self.s3, map(self.uri, keys))]

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        return read_ranges(self.s3, self.uri(key), [(first, end - first) for first, end in ranges])

    def list_keys(self, prefix: str) -> list[str]:
        return [entry.key for entry in list_objects(self.s3, self.uri(prefix))]

    def uri(self, key: str) -> str:
        return f"s3://{self.bucket}/{key}"

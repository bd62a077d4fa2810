"""boto3's own transfers (`download_fileobj`, `download_file`): parts in ten threads by default."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from bench.serving import REGION, Place


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.s3: Any = boto3.client("s3", region_name=REGION, endpoint_url=place.url, verify=place.ca)
        self.bucket = bucket

    def whole(self, key: str, size: int) -> Any:
        out = io.BytesIO()
        self.s3.download_fileobj(self.bucket, key, out)
        return out.getbuffer()

    def to_file(self, key: str, size: int, file: str) -> None:
        self.s3.download_file(self.bucket, key, file)

    def many(self, keys: list[str], size: int) -> Any:
        with ThreadPoolExecutor(8) as pool:
            return list(pool.map(lambda key: self.whole(key, size), keys))

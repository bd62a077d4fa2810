"""One boto3 client shared by threads, as its documentation says one may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

from bench.serving import REGION, Place

THREADS = 16
PART = 16 << 20


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.s3: Any = boto3.client(
            "s3",
            region_name=REGION,
            endpoint_url=place.url,
            verify=place.ca,
            config=Config(max_pool_connections=THREADS),
        )
        self.bucket = bucket
        self.pool = ThreadPoolExecutor(THREADS)

    def whole(self, key: str, size: int) -> Any:
        out = bytearray(size)
        view = memoryview(out)

        def part(first: int) -> None:
            end = min(first + PART, size)
            body = self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{end - 1}")["Body"]
            view[first:end] = body.read()

        list(self.pool.map(part, range(0, size, PART)))
        return out

    def many(self, keys: list[str], size: int) -> Any:
        return list(self.pool.map(lambda key: self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read(), keys))

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        def one(wanted: tuple[int, int]) -> bytes:
            wire = f"bytes={wanted[0]}-{wanted[1] - 1}"
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=key, Range=wire)["Body"].read()
            return body

        return list(self.pool.map(one, ranges))

    def list_tree(self, prefix: str) -> list[str]:
        paginator = self.s3.get_paginator("list_objects_v2")
        tops = [
            common["Prefix"]
            for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
            for common in page.get("CommonPrefixes", [])
        ]

        def under(top: str) -> list[str]:
            pages = paginator.paginate(Bucket=self.bucket, Prefix=top)
            return [item["Key"] for page in pages for item in page.get("Contents", [])]

        return [key for keys in self.pool.map(under, tops) for key in keys]

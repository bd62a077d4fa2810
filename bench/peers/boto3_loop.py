"""Plain boto3, one call after the other: what most notebooks do."""

from __future__ import annotations

import shutil
from typing import Any

import boto3

from bench.serving import REGION, Place


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.s3: Any = boto3.client("s3", region_name=REGION, endpoint_url=place.url, verify=place.ca)
        self.bucket = bucket

    def whole(self, key: str, size: int) -> Any:
        return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()

    def to_file(self, key: str, size: int, file: str) -> None:
        body = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"]
        with open(file, "wb") as out:
            shutil.copyfileobj(body, out, 1 << 20)

    def many(self, keys: list[str], size: int) -> Any:
        return [self.whole(key, size) for key in keys]

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        return [
            self.s3.get_object(Bucket=self.bucket, Key=key, Range=f"bytes={first}-{end - 1}")["Body"].read()
            for first, end in ranges
        ]

    def list_keys(self, prefix: str) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

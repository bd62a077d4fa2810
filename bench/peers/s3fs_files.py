"""s3fs, which pandas and dask read through."""

from __future__ import annotations

from typing import Any

import s3fs

from bench.serving import REGION, Place


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.files: Any = s3fs.S3FileSystem(
            endpoint_url=place.url,
            client_kwargs={"region_name": REGION, "verify": place.ca},
            use_listings_cache=False,
            skip_instance_cache=True,
        )
        self.bucket = bucket

    def whole(self, key: str, size: int) -> Any:
        return self.files.cat_file(f"{self.bucket}/{key}")

    def to_file(self, key: str, size: int, file: str) -> None:
        self.files.get_file(f"{self.bucket}/{key}", file)

    def many(self, keys: list[str], size: int) -> Any:
        found = self.files.cat([f"{self.bucket}/{key}" for key in keys])
        return [found[f"{self.bucket}/{key}"] for key in keys]

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        paths = [f"{self.bucket}/{key}"] * len(ranges)
        return self.files.cat_ranges(paths, [first for first, _ in ranges], [end for _, end in ranges])

    def list_keys(self, prefix: str) -> list[str]:
        return [path.partition("/")[2] for path in self.files.find(f"{self.bucket}/{prefix}")]

"""pyarrow.fs, the AWS SDK for C++ underneath; its own threads or ours, whichever was faster."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyarrow import fs

from bench.serving import REGION, Place

THREADS = 16
PART = 16 << 20


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.files: Any = fs.S3FileSystem(
            region=REGION,
            endpoint_override=place.url.removeprefix("https://"),
            scheme="https",
            tls_ca_file_path=place.ca,
        )
        self.bucket = bucket
        self.pool = ThreadPoolExecutor(THREADS)

    def whole(self, key: str, size: int) -> Any:
        out = bytearray(size)
        view = memoryview(out)
        with self.files.open_input_file(f"{self.bucket}/{key}") as source:

            def part(first: int) -> None:
                view[first : first + PART] = source.read_at(min(PART, size - first), first)

            list(self.pool.map(part, range(0, size, PART)))
        return out

    def to_file(self, key: str, size: int, file: str) -> None:
        with self.files.open_input_file(f"{self.bucket}/{key}") as source, open(file, "wb") as out:

            def part(first: int) -> None:
                os.pwrite(out.fileno(), source.read_at(min(PART, size - first), first), first)

            list(self.pool.map(part, range(0, size, PART)))

    def many(self, keys: list[str], size: int) -> Any:
        def one(key: str) -> Any:
            with self.files.open_input_stream(f"{self.bucket}/{key}") as source:
                return source.read()

        return list(self.pool.map(one, keys))

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        with self.files.open_input_file(f"{self.bucket}/{key}") as source:
            return list(self.pool.map(lambda wanted: source.read_at(wanted[1] - wanted[0], wanted[0]), ranges))

    def list_keys(self, prefix: str) -> list[str]:
        found = self.files.get_file_info(fs.FileSelector(f"{self.bucket}/{prefix.rstrip('/')}", recursive=True))
        return [each.path.partition("/")[2] for each in found if each.type == fs.FileType.File]

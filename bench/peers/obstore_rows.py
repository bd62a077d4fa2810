"""obstore (Rust's object_store) with asyncio; listings as rows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

from bench.serving import REGION, Place

PART = 16 << 20
PARTS_AT_ONCE = 8
AT_ONCE = 64


async def all_of(one: Callable[[Any], Awaitable[Any]], of: Iterable[Any], at_once: int) -> list[Any]:
    """What `one` gives for each, in order, at most `at_once` at a time."""
    gate = asyncio.Semaphore(at_once)

    async def when_free(each: Any) -> Any:
        async with gate:
            return await one(each)

    return await asyncio.gather(*(when_free(each) for each in of))


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.store: Any = S3Store(
            bucket,
            region=REGION,
            endpoint=place.url,
            virtual_hosted_style_request=False,
            client_options={"root_certificate": Path(place.ca).read_text()},
        )

    def whole(self, key: str, size: int) -> Any:
        out = bytearray(size)
        view = memoryview(out)

        async def part(first: int) -> None:
            end = min(first + PART, size)
            view[first:end] = memoryview(await obstore.get_range_async(self.store, key, start=first, end=end))

        asyncio.run(all_of(part, range(0, size, PART), PARTS_AT_ONCE))
        return out

    def to_file(self, key: str, size: int, file: str) -> None:
        with open(file, "wb") as out:

            async def part(first: int) -> None:
                end = min(first + PART, size)
                os.pwrite(
                    out.fileno(),
                    memoryview(await obstore.get_range_async(self.store, key, start=first, end=end)),
                    first,
                )

            asyncio.run(all_of(part, range(0, size, PART), PARTS_AT_ONCE))

    def many(self, keys: list[str], size: int) -> Any:
        if size < PART:

            async def one(key: str) -> Any:
                return await obstore.get_range_async(self.store, key, start=0, end=size)

            return asyncio.run(all_of(one, keys, AT_ONCE))
        # Into memory made beforehand: keeping large answers as they come takes ten times as long here.
        bodies = memoryview(bytearray(size * len(keys)))

        async def into(number: int) -> Any:
            found = await obstore.get_range_async(self.store, keys[number], start=0, end=size)
            bodies[number * size : (number + 1) * size] = memoryview(found)

        asyncio.run(all_of(into, range(len(keys)), PARTS_AT_ONCE))
        return [bodies[at : at + size] for at in range(0, len(bodies), size)]

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        async def one(wanted: tuple[int, int]) -> Any:
            return await obstore.get_range_async(self.store, key, start=wanted[0], end=wanted[1])

        return asyncio.run(all_of(one, ranges, AT_ONCE))

    def list_keys(self, prefix: str) -> list[str]:
        return [item["path"] for item in obstore.list(self.store, prefix).collect()]

    def list_tree(self, prefix: str) -> list[str]:
        async def under(top: str) -> Any:
            return await obstore.list(self.store, top).collect_async()

        tops = obstore.list_with_delimiter(self.store, prefix)["common_prefixes"]
        return [item["path"] for page in asyncio.run(all_of(under, tops, AT_ONCE)) for item in page]

"""obstore with listings as Arrow, which it makes without a Python object for each key."""

from __future__ import annotations

import asyncio
from typing import Any

import obstore

from bench.peers import obstore_rows
from bench.serving import Place


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.store = obstore_rows.Client(place, bucket).store

    def list_keys(self, prefix: str) -> Any:
        return [obstore.list(self.store, prefix, return_arrow=True).collect()]

    def list_tree(self, prefix: str) -> Any:
        async def under(top: str) -> Any:
            return await obstore.list(self.store, top, return_arrow=True).collect_async()

        tops = obstore.list_with_delimiter(self.store, prefix)["common_prefixes"]
        return asyncio.run(obstore_rows.all_of(under, tops, obstore_rows.AT_ONCE))

"""The ceiling: TLS sockets in two processes that send requests made beforehand and read the bytes that come.

No client can do so little: nothing is signed, and of an answer's head only the end is looked for.
"""

from __future__ import annotations

import mmap
import os
import selectors
import socket
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

from bench.serving import Place

PROCESSES = 2
CONNECTIONS = 32
PART = 16 << 20

Asked = tuple[bytes, int, int]  # the request, and where its answer goes: from, to


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        self.place = place
        self.bucket = bucket

    def whole(self, key: str, size: int) -> Any:
        return self._read([(key, first, min(first + PART, size)) for first in range(0, size, PART)])

    def many(self, keys: list[str], size: int) -> Any:
        found = self._read([(key, 0, size) for key in keys])
        return [found[at : at + size] for at in range(0, len(found), size)]

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        found = self._read([(key, first, end) for first, end in ranges])
        bodies, at = [], 0
        for first, end in ranges:
            bodies.append(found[at : at + end - first])
            at += end - first
        return bodies

    def _read(self, wanted: list[tuple[str, int, int]]) -> memoryview:
        asked: list[Asked] = []
        at = 0
        for key, first, end in wanted:
            request = (
                f"GET /{self.bucket}/{quote(key)} HTTP/1.1\r\nHost: ceiling\r\nRange: bytes={first}-{end - 1}\r\n"
                "Authorization: AWS4-HMAC-SHA256 Credential=ceiling\r\n\r\n"
            )
            asked.append((request.encode(), at, at + end - first))
            at += end - first
        out = memoryview(mmap.mmap(-1, at))  # shared with the processes that are forked here
        children = []
        for number in range(PROCESSES):
            child = os.fork()
            if child == 0:
                _ask(self.place, asked[number::PROCESSES], out)
                os._exit(0)
            children.append(child)
        if any(os.waitpid(child, 0)[1] for child in children):
            raise OSError("a half of the ceiling failed")
        return out


def _ask(place: Place, asked: list[Asked], out: memoryview) -> None:
    context = ssl.create_default_context(cafile=place.ca)
    context.set_alpn_protocols(["http/1.1"])
    parts = urlsplit(place.url)
    waiting = iter(asked)
    selector = selectors.DefaultSelector()
    scratch = bytearray(64 << 10)
    for _ in range(min(CONNECTIONS, len(asked))):
        plain = socket.create_connection((parts.hostname, parts.port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        secure = context.wrap_socket(plain, server_hostname=parts.hostname)
        request, at, end = next(waiting)
        secure.sendall(request)
        secure.setblocking(False)
        selector.register(secure, selectors.EVENT_READ, [at, end, True])
    while selector.get_map():
        for event, _ in selector.select():
            connection: Any = event.fileobj
            state = event.data
            while True:
                at, end, in_head = state
                try:
                    if in_head:
                        count = connection.recv_into(scratch)
                        begins = scratch.index(b"\r\n\r\n", 0, count) + 4
                        out[at : at + count - begins] = scratch[begins:count]
                        state[0], state[2] = at + count - begins, False
                    else:
                        state[0] += connection.recv_into(out[at:end])
                except ssl.SSLWantReadError:
                    break
                if state[0] < end:
                    continue
                after = next(waiting, None)
                if after is None:
                    selector.unregister(connection)
                    connection.close()
                    break
                connection.setblocking(True)
                connection.sendall(after[0])
                connection.setblocking(False)
                state[:] = [after[1], after[2], True]

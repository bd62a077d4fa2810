"""One asyncio loop in one thread watches every listening socket of the emulator, so that it stops quickly and whole."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
STOP_SECONDS = 5.0


class Wire:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="emulator-wire", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """From another thread: run it on the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(STOP_SECONDS)

    def watch(self, listener: socket.socket, arrived: Callable[[], None]) -> None:
        """From any thread: call `arrived` on the loop whenever the listener can be read."""
        self.loop.call_soon_threadsafe(self.loop.add_reader, listener, arrived)

    def unwatch(self, listener: socket.socket) -> None:
        """From another thread: no call of `arrived` is under way or comes after this returns."""

        async def remove() -> None:
            self.loop.remove_reader(listener)

        self.run(remove())

    def close(self) -> None:
        async def cancel_all() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        self.run(cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(STOP_SECONDS)
        self.loop.close()


def listen(backlog: int = 128, port: int = 0) -> socket.socket:
    """A non-blocking listening socket on that loopback port; 0: a free one. Raises OSError where the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if port:  # connections of an emulator that was killed may still be closing on it
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((LOOPBACK, port))
        # Its connections inherit it, and only then do those that are still closing leave the port to another start.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.listen(backlog)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port

"""A second thread that receives long bodies: taking a record apart and copying it runs without the interpreter's lock.

It is given connections whose answer's head is understood, and gives them back when the body is whole or has broken off.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from s3private.connection import Scratch
from s3private.forks import closed_in_child
from s3private.places import Unwritable

if TYPE_CHECKING:
    from s3private.connection import Connection

Received = tuple["Connection", Exception | None]


class Receiver:
    """`bell` is readable when there is something to `collect`. Only the thread that made it may call its methods."""

    def __init__(self) -> None:
        self._scratch = Scratch()
        self.bell, self._ring = socket.socketpair()
        self._wake, self._call = socket.socketpair()
        self.bell.setblocking(False)
        self._wake.setblocking(False)
        self._given: deque[Connection] = deque()
        self._received: deque[Received] = deque()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake, selectors.EVENT_READ, None)
        for each in (self._selector, self.bell, self._ring, self._wake, self._call):
            closed_in_child(each)
        self._ended = self._last = False
        self.busy = 0
        self._receiving = threading.Lock()
        self._receiving.acquire()
        self._thread = threading.Thread(target=self._run, name="s3private-receive", daemon=True)
        self._thread.start()

    def give(self, connection: Connection) -> None:
        """Receive the rest of its body. It is not the caller's until it is collected."""
        self.busy += 1
        self._given.append(connection)
        self._call.send(b".")

    def collect(self) -> list[Received]:
        """Connections that are the caller's again: their bodies are whole, or the error says why not."""
        with contextlib.suppress(BlockingIOError):
            self.bell.recv(4096)
        collected = []
        while self._received:
            collected.append(self._received.popleft())
        self.busy -= len(collected)
        if self._ended:
            raise RuntimeError("the thread that receives long bodies has ended; why is said above")
        return collected

    def close(self) -> None:
        """All connections are the caller's again, as far as they have come; nothing is written to what is theirs.

        Called again, it goes on where it was.
        """
        self._ended = True
        with contextlib.suppress(OSError):
            self._call.send(b".")
        if threading.current_thread() is self._thread:
            # The garbage collector ended the reading, just here: as soon as this thread goes on, it ends.
            self._last = True
            return
        # Its sockets do not block: it is over with the piece being written. `join` alone does not do: once it is
        # interrupted it takes the thread for ended. https://github.com/python/cpython/issues/90882
        with self._receiving:
            pass
        self._thread.join()
        self._release()

    def _release(self) -> None:
        for each in (self._selector, self.bell, self._ring, self._wake, self._call):
            each.close()

    def _run(self) -> None:
        try:
            while not self._ended:
                for key, _ in self._selector.select():
                    if self._ended:
                        break
                    if key.data is None:
                        self._wake.recv(4096)
                        self._take_over()
                    else:
                        self._receive(key.data)
        finally:
            # By a mistake, too: nobody is to wait for what does not come any more.
            self._ended = True
            self._ring.send(b".")
            if self._last:
                self._release()
            self._receiving.release()

    def _take_over(self) -> None:
        while self._given and not self._ended:
            connection = self._given.popleft()
            self._selector.register(connection.fd, selectors.EVENT_READ, connection)
            # What came with the head's record waits in the TLS layer, where no selector sees it.
            self._receive(connection)

    def _receive(self, connection: Connection) -> None:
        try:
            connection.since = time.monotonic()
            if connection.receive_body(self._scratch):
                self._over(connection, None)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except (OSError, Unwritable) as error:
            self._over(connection, error)

    def _over(self, connection: Connection, error: Exception | None) -> None:
        self._selector.unregister(connection.fd)
        self._received.append((connection, error))
        self._ring.send(b".")

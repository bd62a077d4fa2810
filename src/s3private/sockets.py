"""Sockets that outlive a load balancer's idle timeout: options for boto3's pool and for our own, and no stale ones.

A load balancer forgets an idle connection without a word; the next request on it would hang for the read timeout.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Self

from s3private.forks import closed_in_child, no_fork, whole_thread

LEAST = 16 << 10
"""Bytes of an answer that must come within a read timeout, or its end: a byte now and then is no answer."""


def keep_alive_options(idle_timeout: float) -> list[tuple[int, int, int]]:
    """Options that keep the load balancer from dropping an idle connection, and notice one that it dropped.

    idle_timeout: seconds, the listener's. A probe counts as traffic, so the first comes at a quarter of it.
    https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html#connection-idle-timeout
    """
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    # As Linux names them; where they are missing the pools' age limits do it alone.
    for name, value in (("TCP_KEEPIDLE", max(10, int(idle_timeout / 4))), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            options.append((socket.IPPROTO_TCP, getattr(socket, name), value))
    return options


def without_stale(pool: Any, limit: float, now: Callable[[], float] = time.monotonic) -> Any:
    """`pool`, a class of urllib3's connection pools, that does not use a connection again which was idle for `limit` s.

    However many are kept: after a burst the last ones may lie there for hours while the first are in use.
    """

    def get(self: Any, timeout: float | None = None) -> Any:
        connection = pool._get_conn(self, timeout)
        if now() - getattr(connection, "idle_since", now()) > limit:
            # As urllib3 does with a dropped one: it connects again when it is used.
            connection.close()
        return connection

    def put(self: Any, conn: Any) -> None:
        if conn is not None:
            conn.idle_since = now()
        pool._put_conn(self, conn)

    return type("WithoutStale", (pool,), {"_get_conn": get, "_put_conn": put})


class ClosedInChild(ssl.SSLSocket):
    """A TLS socket of one process, whoever holds it: a pool, a body that is read, the frame of a thread.

    A handshake takes locks of OpenSSL's, which in a child nobody would open: so it is not forked while one goes on.
    """

    def __new__(cls, *arguments: Any, **keywords: Any) -> Self:
        made = super().__new__(cls, *arguments, **keywords)
        closed_in_child(made)
        return made

    def send(self, data: Any, flags: int = 0) -> int:
        whole_thread()
        return super().send(data, flags)

    def do_handshake(self, block: bool = False) -> None:
        """As Python's own, but that it waits for the other side between the steps, and not within one."""
        whole_thread()
        set = self.gettimeout()
        if set == 0 and not block:
            with no_fork():
                super().do_handshake()
            return
        patience = set or None
        end = None if patience is None else time.monotonic() + patience
        self.setblocking(False)
        try:
            while True:
                try:
                    with no_fork():
                        super().do_handshake()
                    return
                except ssl.SSLWantReadError:
                    event = selectors.EVENT_READ
                except ssl.SSLWantWriteError:
                    event = selectors.EVENT_WRITE
                with selectors.DefaultSelector() as selector:
                    selector.register(self, event)
                    if not selector.select(None if end is None else max(0.0, end - time.monotonic())):
                        raise TimeoutError("the handshake timed out")
        finally:
            self.settimeout(set)


class Paced(ClosedInChild):
    """A socket that blocks, and on which what comes must come to something while a GET is answered.

    Python's timeout is for each byte anew. What S3 sends to keep a connection open while it works (white space, before
    the answer to a copy or to the end of a multipart upload) is not measured.
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
    """

    _paced = False
    _came = 0
    _spent = 0.0

    def begin(self, paced: bool) -> None:
        """A request was sent. paced: of its answer, LEAST bytes must come within the timeout, or the end."""
        self._paced, self._came, self._spent = paced, 0, 0.0

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        # Only waiting counts: whoever reads slowly is not the server's silence.
        begun = time.monotonic()
        count = super().recv_into(buffer, nbytes, flags)
        self._spent += time.monotonic() - begun
        self._came += count
        patience = self.gettimeout()
        if patience and self._spent > patience:
            came, self._came, self._spent = self._came, 0, 0.0
            if self._paced and count and came < LEAST:
                raise TimeoutError(f"{came} bytes within {patience:g} s")
        return count


def prepare(context: Any) -> None:
    """An SSLContext's sockets are closed in a forked process; nobody forks while certificates are loaded, either."""
    load = context.load_verify_locations

    def load_verify_locations(*arguments: Any, **keywords: Any) -> None:
        whole_thread()
        with no_fork():
            load(*arguments, **keywords)

    context.sslsocket_class = ClosedInChild
    context.load_verify_locations = load_verify_locations

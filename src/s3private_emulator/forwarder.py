"""What stands for the network load balancer: bytes pass, unread and unchanged, while `hop` says that the way is open.

`garbled` sends a PROXY protocol header before them, as the load balancer does where the target group says so.
`timeout` swallows a connection without a word, `reset` ends it with a TCP reset; a connection already open meets the
same when the way breaks. One that was idle longer than the listener's TCP idle timeout is dropped and nobody is told:
what is sent on it afterwards is swallowed.
https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html#connection-idle-timeout
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.clock import Clock
from s3private_emulator.wire import LOOPBACK, Wire, listen, port_of

CHUNK = 256 * 1024
WATCH_SECONDS = 0.1
"""How often the way of an idle connection is looked at."""

PROXY_HEADER = (
    b"\r\n\r\n\0\r\nQUIT\n"
    + bytes([0x21, 0x11, 0, 12])
    + socket.inet_aton("10.20.1.10")
    + socket.inet_aton("10.20.1.4")
    + struct.pack("!HH", 50000, 443)
)
"""Version 2: PROXY, TCP over IPv4, both addresses and ports. For PrivateLink traffic the source is the load balancer.
https://www.haproxy.org/download/1.8/doc/proxy-protocol.txt"""

FrontPort = Callable[[str], int]
"""VPC endpoint id -> the loopback port of the S3 front that it stands for"""


class Forwarder:
    """One endpoint service's load balancer, listening from construction until `close`."""

    def __init__(self, wire: Wire, clock: Clock, hop: Callable[[], Hop], front_port: FrontPort) -> None:
        self._wire = wire
        self._clock = clock
        self._hop = hop
        self._front_port = front_port
        self._listener = listen()
        self._flows: set[asyncio.Task[None]] = set()
        self.port = port_of(self._listener)
        wire.watch(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:
            return
        client.setblocking(False)
        flow = self._wire.loop.create_task(self._carry(client))
        self._flows.add(flow)
        flow.add_done_callback(self._flows.discard)

    async def _carry(self, client: socket.socket) -> None:
        with client:
            hop = self._hop()
            passage = hop.passage
            if hop.vpc_endpoint_id:
                passage = await self._forward(client, hop, self._front_port(hop.vpc_endpoint_id))
            if passage is Passage.RESET:
                _reset_on_close(client)
            elif passage is Passage.TIMEOUT:
                await _swallow(client)

    async def _forward(self, client: socket.socket, hop: Hop, port: int) -> Passage:
        """Carry bytes until one side ends (OPEN) or the way breaks (how it broke)."""
        loop = self._wire.loop
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.setblocking(False)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(server, (LOOPBACK, port))
            if hop.passage is Passage.GARBLED:
                await loop.sock_sendall(server, PROXY_HEADER)
            flow = _Flow(self._clock, self._hop, hop)
            pumps = [
                loop.create_task(flow.pump(client, server, from_client=True)),
                loop.create_task(flow.pump(server, client, from_client=False)),
            ]
            both: asyncio.Future[Any] = asyncio.gather(*pumps)
            watch: asyncio.Future[Any] = loop.create_task(flow.watch())
            try:
                await asyncio.wait({both, watch}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (*pumps, watch):
                    task.cancel()
                await asyncio.gather(*pumps, both, watch, return_exceptions=True)
            return flow.broken or Passage.OPEN

    def close(self) -> None:
        self._wire.unwatch(self._listener)
        self._listener.close()

        async def end_flows() -> None:
            flows = set(self._flows)
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)

        self._wire.run(end_flows())


class _Broken(Exception):
    """The flow's way is no longer open."""


class _Flow:
    """One connection's way through the load balancer."""

    def __init__(self, clock: Clock, hop: Callable[[], Hop], begun: Hop) -> None:
        self._clock = clock
        self._hop = hop
        self._begun = begun
        self._last_byte = clock.now()
        self.broken: Passage | None = None

    async def pump(self, source: socket.socket, sink: socket.socket, *, from_client: bool) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(source, CHUNK):
            self._look(idle=True, way=from_client)
            self._last_byte = self._clock.now()
            await loop.sock_sendall(sink, data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    async def watch(self) -> None:
        """Ends, by raising, when the way breaks."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._look(idle=False, way=True)

    def _look(self, *, idle: bool, way: bool) -> None:
        if idle and self._clock.now() - self._last_byte > self._begun.idle_timeout_seconds:
            self._break(Passage.TIMEOUT)
        if way:
            hop = self._hop()
            if hop.spares_open:
                return
            if hop.passage is not Passage.OPEN:
                self._break(hop.passage)
            if hop.vpc_endpoint_id != self._begun.vpc_endpoint_id:
                self._break(Passage.RESET)  # the targets are another endpoint's now, which knows nothing of this flow

    def _break(self, how: Passage) -> None:
        self.broken = how
        raise _Broken


def _reset_on_close(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _swallow(client: socket.socket) -> None:
    """Take what comes and answer nothing, until the client gives up."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while await loop.sock_recv(client, CHUNK):
            pass

"""Socket options that outlive a load balancer's idle timeout; one list for boto3's pool and for our own sockets."""

from __future__ import annotations

import socket


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

"""No test speaks to another machine: the interpreter itself says whom a socket connects to, and is heard here.

Only loopback addresses are connected to, and only names of this machine are looked up.
"""

from __future__ import annotations

import ipaddress
import sys
from typing import Any


class Elsewhere(AssertionError):
    """A test was about to speak to another machine."""


def only_loopback() -> None:
    """From now on, in this process, for good: that is how audit hooks are."""
    sys.addaudithook(_look)


def _look(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        address = arguments[1]
        if isinstance(address, tuple) and isinstance(address[0], str) and not _here(address[0]):
            raise Elsewhere(f"{event} to {address}")
    elif event == "socket.getaddrinfo":
        host = arguments[0]
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
        if name and not _here(name):
            raise Elsewhere(f"{event} of {name}")


def _here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host in ("", "localhost")

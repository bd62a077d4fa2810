"""Puts a Python program into the emulated network: its names and connections go where the emulator says.

Python imports `sitecustomize` at start when it is found on PYTHONPATH, before the program's own first line; so the
program needs no change and cannot tell. Only the standard library is used: it runs in environments that hold nothing of
the emulator. A name becomes an address of 127.77.0.0/16, which stands for it; connecting there asks the emulator, at
that moment, where to go. What a name stands for is asked once per process, as serverless compute keeps its DNS until it
is restarted. Every address that is not loopback is unreachable, so no packet leaves this machine.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
from typing import Any

PLACE_VARIABLE = "S3PRIVATE_EMULATOR_PLACE"
"""`<place>@<host>:<port>` of the emulator's control address."""

_find_addresses = socket.getaddrinfo
_connect = socket.socket.connect
_sendto: Any = socket.socket.sendto
_sendmsg: Any = socket.socket.sendmsg


class _Names:
    """The names this process has asked for, each with the loopback address that stands for it."""

    def __init__(self, place: str, control_host: str, control_port: int) -> None:
        self._place = place
        self._control = (control_host, control_port)
        self._lock = threading.Lock()
        self._address_of: dict[str, str] = {}
        self._via_of: dict[str, str] = {}

    def address(self, name: str) -> str:
        """Raises gaierror where the emulated DNS says NXDOMAIN."""
        with self._lock:
            if name not in self._address_of:
                via = self._ask("resolve", name=name)["via"]
                if not via:
                    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
                count = len(self._address_of) + 1
                address = f"127.77.{count // 250}.{count % 250 + 1}"
                self._address_of[name] = address
                self._via_of[address] = via
            return self._address_of[name]

    def destination(self, address: Any) -> Any:
        """Where to connect in truth. Raises OSError (ENETUNREACH) for an address beyond loopback."""
        if not isinstance(address, tuple):
            return address  # a Unix socket
        host, port = str(address[0]), address[1]
        via = self._via_of.get(host)
        if via is not None:
            reached = self._ask("reach", via=via, port=str(port))
            return (reached["address"], reached["port"])
        if not _is_loopback(host):
            raise OSError(errno.ENETUNREACH, f"{os.strerror(errno.ENETUNREACH)}: {host}")
        return address

    def _ask(self, question: str, **query: str) -> dict[str, Any]:
        from http.client import HTTPConnection
        from urllib.parse import urlencode

        connection = HTTPConnection(*self._control, timeout=30)
        try:
            connection.request("GET", f"/_emulator/{question}?{urlencode({'from': self._place, **query})}")
            response = connection.getresponse()
            body = response.read()
        except OSError as error:
            raise socket.gaierror(socket.EAI_FAIL, f"the emulated network is gone: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise socket.gaierror(socket.EAI_FAIL, body.decode("utf-8", "replace").strip())
        answer: dict[str, Any] = json.loads(body)
        return answer


def _is_loopback(host: str) -> bool:
    return host.startswith("127.") or host in ("::1", "localhost", "")


def _is_literal(host: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except OSError:
            continue
        return True
    return False


def _enter(names: _Names) -> None:
    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:
        name = host.decode("ascii") if isinstance(host, (bytes, bytearray)) else host
        if name in ("localhost", "localhost."):
            name = "127.0.0.1"
        if name and not _is_literal(name):
            if family == socket.AF_INET6:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            name = names.address(name.lower().rstrip("."))
        return _find_addresses(name, port, family, type, proto, flags)

    def gethostbyname(host: str) -> str:
        address: str = getaddrinfo(host, None, socket.AF_INET)[0][4][0]
        return address

    def gethostbyname_ex(host: str) -> tuple[str, list[str], list[str]]:
        return host, [], [gethostbyname(host)]

    def gethostbyaddr(_host: str) -> Any:
        raise socket.herror(1, "Unknown host")

    def getnameinfo(address: Any, _flags: int) -> tuple[str, str]:
        return str(address[0]), str(address[1])

    def connect(self: socket.socket, address: Any) -> None:
        _connect(self, names.destination(address))

    def connect_ex(self: socket.socket, address: Any) -> int:
        try:
            connect(self, address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def sendto(self: socket.socket, data: Any, *rest: Any) -> Any:
        return _sendto(self, data, *rest[:-1], names.destination(rest[-1]))

    def sendmsg(self: socket.socket, buffers: Any, *rest: Any) -> Any:
        if len(rest) == 3 and rest[2] is not None:
            rest = (*rest[:2], names.destination(rest[2]))
        return _sendmsg(self, buffers, *rest)

    for function in (getaddrinfo, gethostbyname, gethostbyname_ex, gethostbyaddr, getnameinfo):
        setattr(socket, function.__name__, function)
    for method in (connect, connect_ex, sendto, sendmsg):
        setattr(socket.socket, method.__name__, method)


if PLACE_VARIABLE in os.environ:
    _place, _, _control = os.environ[PLACE_VARIABLE].rpartition("@")
    _host, _, _port = _control.rpartition(":")
    _enter(_Names(_place, _host, int(_port)))

if "S3PRIVATE_EMULATOR_TASK" in os.environ:
    # Databricks' own packages come last, so that a real pyspark in the environment wins.
    sys.path.append(os.path.join(os.path.dirname(os.path.dirname(__file__)), "workspace", "runtime"))

if "S3PRIVATE_EMULATOR_FOLDERS" in os.environ:
    import redirected_folders

    redirected_folders.enter()

"""GETs to the Route's one host without botocore in between, signed with the client's own credentials.

It answers only what it wholly understands: a 200 or a 206, whole. Anything else is Broken, with the reason, and the
caller asks boto3 the same again: errors, redirects and retries stay boto3's.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from s3private.authorities import tls_context
from s3private.counters import Counters
from s3private.forks import closed_in_child, renewed_in_child
from s3private.places import Room
from s3private.signing import Headers, Keys, Signer, quote_path, quote_query
from s3private.sockets import keep_alive_options

if TYPE_CHECKING:
    import boto3

    from s3private.connection import Connection
    from s3private.route import Route

SOCKETS = 64
"""How many are used at once, and how many idle ones are kept, unless told otherwise."""

ADDRESS_SECONDS = 30.0
DEAD_SECONDS = 60.0
"""How long the host's other addresses are taken instead of one that no connection to came about."""

KEYS_SECONDS = 1.0
SESSION_SECONDS = 300.0

Address = tuple[int, int, int, Any]


class Get(NamedTuple):
    """One GET. path and query: encoded, see `object_get`. headers: lower-case names, each at most once; signed too."""

    path: str
    query: str = ""
    headers: Headers = ()


class Answer(NamedTuple):
    """A 200 or a 206, whole. fields: names in lower case. body: empty where it went into a buffer of the caller's."""

    status: int
    fields: Mapping[str, str]
    body: bytes
    length: int


class Broken(NamedTuple):
    """No answer, or one that is not understood: ask boto3.

    reason: its kind, and after a colon what was seen. request_id: S3's, where its head was understood.
    status and fields are there (not 0 and empty) when an understood head of a 200 or 206 had come; then `received`
    bytes of its body lie in `room`, which is of `body` or the caller's own, and only the rest need be asked for.
    """

    reason: str
    status: int = 0
    fields: Mapping[str, str] = MappingProxyType({})
    body: bytes = b""
    room: Room = memoryview(b"")
    received: int = 0
    request_id: str = ""


def object_get(bucket: str, key: str, headers: Headers = (), parameters: Headers = ()) -> Get:
    """GetObject. parameters: of the query, such as `versionId`, not encoded yet."""
    return Get(quote_path(bucket, key), quote_query(parameters), headers)


def list_get(bucket: str, parameters: Headers) -> Get:
    """A list of `bucket`: ListObjectsV2 with `list-type=2` among the parameters, ListObjectVersions with `versions`."""
    return Get(quote_path(bucket, "").removesuffix("/"), quote_query(parameters))


class Wire:
    """The way to one host. Safe to share between threads: each call takes sockets out of one pool, and gives them back.

    session: whose credentials sign. verify: as of `authorities`.
    """

    def __init__(
        self,
        route: Route,
        session: boto3.Session,
        verify: bool | str,
        connect_timeout: float,
        read_timeout: float,
        user_agent: str,
        now: Callable[[], float] = time.monotonic,
        counters: Counters | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self.host, self.port = route.host, route.port
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout
        self.now = now
        self.context = tls_context(verify)
        self._socket_options = keep_alive_options(route.idle_timeout_seconds)
        # The load balancer drops an idle connection without a word: one that was idle half that long is not used again.
        self._idle_limit = route.idle_timeout_seconds / 2
        self._session = session
        self._signer = Signer(route.netloc, route.region, user_agent)
        # Reentrant: the garbage collector may end a reading, which gives its sockets back, in any thread and anywhere.
        self._lock = threading.RLock()
        self._idle: deque[tuple[float, Connection]] = deque()
        self._addresses: tuple[float, list[Address]] = (-ADDRESS_SECONDS, [])
        self._dead: dict[Address, float] = {}
        self._turn = 0
        self._keys: tuple[float, Keys | None] = (-KEYS_SECONDS, None)
        self._session_of_tls: tuple[float, ssl.SSLSession | None] = (-SESSION_SECONDS, None)
        weakref.finalize(self, _close, self._idle)
        renewed_in_child(self, Wire._in_child)

    def signed(self, get: Get) -> bytes | None:
        """The request, ready to send; None where there are no credentials to sign with."""
        now = self.now()
        since, keys = self._keys
        if keys is None or now - since >= KEYS_SECONDS:
            credentials: Any = self._session.get_credentials()
            if credentials is None:
                return None
            # Asking is what refreshes them; asking for each of thousands of requests would only cost time.
            keys = credentials.get_frozen_credentials()
            self._keys = (now, keys)
        return self._signer.head(keys, get.path, get.query, get.headers)

    def forget_keys(self) -> None:
        """They were refused: the next request asks the session again."""
        self._keys = (-KEYS_SECONDS, None)

    def secure(self, made: socket.socket) -> ssl.SSLSocket:
        """TLS over a socket that is connected; the handshake is the caller's to drive.

        Another connection's session is resumed where the server agrees: the certificate was verified there, and the
        server shows that it is the same one. It saves both sides most of a handshake's work.
        """
        return self.context.wrap_socket(
            made, server_hostname=self.host, do_handshake_on_connect=False, session=self._session_of_tls[1]
        )

    def remember(self, secured: ssl.SSLSocket) -> None:
        """Its session can be resumed: an answer has come on it."""
        now = self.now()
        if now - self._session_of_tls[0] >= SESSION_SECONDS:
            self._session_of_tls = (now, secured.session)

    def open(self, to: Address | None = None) -> socket.socket:
        """A socket on its way to the host: not blocking, not connected yet. to: see `address`. Raises OSError."""
        family, kind, protocol, address = to or self.address()
        made = socket.socket(family, kind, protocol)
        closed_in_child(made)
        try:
            made.setblocking(False)
            for option in self._socket_options:
                made.setsockopt(*option)
            made.connect(address)
        except BlockingIOError:
            pass
        except BaseException:
            made.close()
            raise
        return made

    def address(self) -> Address:
        """The host's addresses in turn: a load balancer has one in each zone. Raises OSError where it has none.

        One that `failed` is left out, as long as there is another.
        """
        with self._lock:
            since, found = self._addresses
            if self.now() - since >= ADDRESS_SECONDS:
                found = [
                    (family, kind, protocol, address)
                    for family, kind, protocol, _, address in socket.getaddrinfo(
                        self.host, self.port, type=socket.SOCK_STREAM
                    )
                ]
                self._addresses = (self.now(), found)
                self._dead = {each: since for each, since in self._dead.items() if each in found}
            oldest = self.now() - DEAD_SECONDS
            alive = [each for each in found if self._dead.get(each, oldest) <= oldest] or found
            self._turn += 1
            return alive[self._turn % len(alive)]

    def failed(self, address: Address) -> bool:
        """No connection to it came about. True when another of the host's may still answer."""
        with self._lock:
            self._dead[address] = self.now()
            oldest = self.now() - DEAD_SECONDS
            return any(self._dead.get(each, oldest) <= oldest for each in self._addresses[1])

    def reached(self, address: Address) -> None:
        """It answers."""
        self._dead.pop(address, None)

    def take(self) -> Connection | None:
        """An idle connection, the one used last, or None. It belongs to the caller until `give`."""
        with self._lock:
            oldest = self.now() - self._idle_limit
            while self._idle and self._idle[0][0] < oldest:
                self._idle.popleft()[1].close()
            while self._idle:
                connection = self._idle.pop()[1]
                if connection.open:
                    return connection
            return None

    def give(self, connection: Connection) -> None:
        """Keep it for another request."""
        with self._lock:
            self._idle.append((self.now(), connection))
            if len(self._idle) > SOCKETS:
                self._idle.popleft()[1].close()

    def close(self) -> None:
        """Close the idle sockets. Used again, it opens new ones."""
        with self._lock:
            _close(self._idle)

    def _in_child(self) -> None:
        """The idle sockets are closed here already, and not the parent's."""
        self._lock = threading.RLock()
        self._idle.clear()


def _close(idle: deque[tuple[float, Connection]]) -> None:
    while idle:
        idle.pop()[1].close()

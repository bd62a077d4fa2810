"""As much of S3 as reading needs, over TLS on loopback, from memory; it answers as S3 does, or breaks as it is told."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote
from xml.sax.saxutils import escape

from origin.authority import Authority
from s3private import Route


class Fault(NamedTuple):
    """What goes wrong with one answer. kind: `slow down`, `truncate`, `cut`, `reset`, `stall`, `hold`, `head`, `gone`.

    at: after how many bytes of the body. truncate ends TLS as it should, cut leaves it open-ended, reset is a TCP RST,
    stall says nothing more, hold does so until `let_go` is set, head is an answer that is none, gone is none at all:
    the connection is closed.
    """

    kind: str
    at: int = 0


@dataclass(frozen=True)
class Stored:
    """One object. fields: header fields that come with every answer that has it."""

    body: bytes
    etag: str
    fields: Mapping[str, str] = field(default_factory=dict)
    sse_key_md5: str | None = None
    requester_pays: bool = False


class Request(NamedTuple):
    """What was asked for. number: counted from 0. connection: which one it came on, counted from 0."""

    number: int
    connection: int
    method: str
    bucket: str
    key: str
    parameters: Mapping[str, str]
    fields: Mapping[str, str]

    @property
    def by_boto3(self) -> bool:
        """Or a GET of our own."""
        return "amz-sdk-invocation-id" in self.fields


class Origin:
    """Objects, who may read them, and what was asked for."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.objects: dict[tuple[str, str, str | None], Stored] = {}
        self.requests: list[Request] = []
        self.fault: Callable[[Request], Fault | None] = lambda request: None
        self.before: Callable[[Request], object] = lambda request: None
        """Called before a request is answered: the place to replace an object."""
        self.tokens: set[str] | None = None
        """Session tokens that are good; None: any."""
        self.wrong_token = (400, "ExpiredToken")
        """What is said of any other."""
        self.raw: Callable[[Request], Iterable[bytes] | None] = lambda request: None
        """What is sent in the place of an answer, byte by byte as it is given; None: the answer."""
        self.corked = False
        """The pieces of `raw` reach the client together, each in a TLS record of its own (Linux' TCP_CORK)."""
        self.server_context = authority.server_context
        self.addresses: list[str] = []
        """Of each connection: which address of this machine it came to."""
        self.resumed: list[bool] = []
        """Of each connection: whether it went on with another one's TLS session."""
        self.chunk: int | None = 5000
        """Lists are sent in chunks of so many bytes, as S3 sends them; None: with their length."""
        self.redirect: str | None = None
        """The region that everybody is sent to, as S3 does when a bucket is in another one."""
        self.let_go = threading.Event()
        """What is held is sent once this is set."""
        self.lock = threading.Lock()
        self._ended = threading.Event()
        self._open: set[socket.socket] = set()
        self._listening = [socket.create_server(("127.0.0.1", 0), backlog=256)]
        self.port: int = self._listening[0].getsockname()[1]

    def listen(self, address: str) -> None:
        """At another address of this machine, too: before it is serving."""
        self._listening.append(socket.create_server((address, self.port), backlog=256))

    def put(self, bucket: str, key: str, body: bytes, *, version: str | None = None, **fields: str) -> Stored:
        """Store it; fields: header names with `_` for `-`."""
        stored = Stored(body, f'"{md5(body).hexdigest()}"', {n.replace("_", "-"): v for n, v in fields.items()})
        self.objects[bucket, key, version] = stored
        return stored

    def route(self, port: int | None = None, *, idle: int = 350) -> Route:
        """The way here, or through the proxy at `port`."""
        return Route(
            path="demo",
            region="eu-west-1",
            endpoint_url=f"https://localhost:{port or self.port}",
            vpc_endpoint_id="vpce-1",
            buckets=("b",),
            idle_timeout_seconds=idle,
        )

    @contextmanager
    def serving(self) -> Iterator[Origin]:
        accepting = [threading.Thread(target=self._accept, args=(each,), daemon=True) for each in self._listening]
        for each in accepting:
            each.start()
        try:
            yield self
        finally:
            self._ended.set()
            for listening in self._listening:
                _end(listening)
            for open in list(self._open):
                # Whoever serves it closes it: what TLS still writes would else go to a file that has its number by now.
                with suppress(OSError):
                    open.shutdown(socket.SHUT_RDWR)
            for each in accepting:
                each.join(5)

    def _accept(self, listening: socket.socket) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with self.lock:
                self._open.add(connection)
                number = len(self.addresses)
                self.addresses.append(connection.getsockname()[0])
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, raw: socket.socket, number: int) -> None:
        connection: socket.socket | ssl.SSLSocket = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.server_context.wrap_socket(raw, server_side=True)
            self._open.add(connection)
            self.resumed.append(bool(connection.session_reused))
            unread = b""
            while True:
                while b"\r\n\r\n" not in unread:
                    more = connection.recv(65536)
                    if not more:
                        return
                    unread += more
                head, _, unread = unread.partition(b"\r\n\r\n")
                self._answer(connection, self._parse(head, number))
        except (OSError, _Over):
            pass
        finally:
            for each in (connection, raw):
                self._open.discard(each)
                _end(each)

    def _parse(self, head: bytes, connection: int) -> Request:
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        path, _, query = target.partition("?")
        bucket, _, key = path.lstrip("/").partition("/") if path.startswith("/") else ("", "", "")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        with self.lock:
            request = Request(
                len(self.requests),
                connection,
                method,
                unquote(bucket),
                unquote(key),
                dict(parse_qsl(query, keep_blank_values=True)),
                fields,
            )
            self.requests.append(request)
        return request

    def _answer(self, connection: socket.socket, request: Request) -> None:
        self.before(request)
        if (said := self.raw(request)) is not None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, self.corked)
            try:
                for piece in said:
                    connection.sendall(piece)
            finally:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, False)
            return
        fault = self.fault(request)
        status, fields, body = self._content(request)
        if fault is not None and fault.kind == "gone":
            raise _Over
        if fault is not None and fault.kind == "slow down":
            status, fields, body = _error(503, "SlowDown", "Please reduce your request rate.")
        framing = f"content-length: {len(body)}"
        if self.chunk is not None and status == 200 and not request.key and request.method == "GET":
            framing, body = "transfer-encoding: chunked", _chunked(body, self.chunk)
        lines = [f"HTTP/1.1 {status} Any", framing]
        lines += [f"date: {formatdate(usegmt=True)}", "server: AmazonS3", "x-amz-request-id: 0A1B2C3D"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        if request.method == "HEAD":
            body = b""
        if fault is None or fault.kind == "slow down":
            connection.sendall(head + body if len(body) < 65536 else head)
            if len(body) >= 65536:
                connection.sendall(body)
            return
        if fault.kind == "head":
            connection.sendall(b"HTTP/9.9 what\r\n\r\n")
            raise _Over
        connection.sendall(head + body[: fault.at])
        if fault.kind == "hold":
            self.let_go.wait(30)
            connection.sendall(body[fault.at :])
            return
        if fault.kind == "stall":
            self._ended.wait(30)
        elif fault.kind == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        elif fault.kind == "truncate" and isinstance(connection, ssl.SSLSocket):
            with suppress(OSError):
                connection.settimeout(0.2)
                connection.unwrap()
        raise _Over

    def _content(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        if self.tokens is not None and request.fields.get("x-amz-security-token") not in self.tokens:
            return _error(*self.wrong_token, "The provided token has expired.")
        if not request.fields.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return _error(403, "AccessDenied", "Access Denied")
        if self.redirect is not None:
            status, fields, body = _error(301, "PermanentRedirect", "Use the specified endpoint.")
            elsewhere = f"https://{request.bucket}.s3.{self.redirect}.amazonaws.com/{request.key}"
            return status, fields | {"x-amz-bucket-region": self.redirect, "location": elsewhere}, body
        if not request.key:
            return self._list(request)
        stored = self.objects.get((request.bucket, request.key, request.parameters.get("versionId")))
        if stored is None:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        asked = request.fields
        if stored.sse_key_md5 != asked.get("x-amz-server-side-encryption-customer-key-md5"):
            return _error(400, "InvalidRequest", "The object was stored using a form of Server Side Encryption.")
        if stored.requester_pays and asked.get("x-amz-request-payer") != "requester":
            return _error(403, "AccessDenied", "Access Denied")
        if asked.get("if-match", stored.etag) != stored.etag:
            return _error(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
        fields = {"etag": stored.etag, "accept-ranges": "bytes", "last-modified": formatdate(0, usegmt=True)}
        fields |= {n: v for n, v in stored.fields.items() if not n.startswith("x-amz-checksum")}
        body, size = stored.body, len(stored.body)
        if "range" in asked:
            first, _, last = asked["range"].removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or size - 1), size - 1)
            if start >= size or start > end:
                return _error(416, "InvalidRange", "The requested range is not satisfiable")
            return 206, fields | {"content-range": f"bytes {start}-{end}/{size}"}, body[start : end + 1]
        if asked.get("x-amz-checksum-mode") == "ENABLED":
            fields |= stored.fields
        return 200, fields, body

    def _list(self, request: Request) -> tuple[int, dict[str, str], bytes]:
        prefix = request.parameters.get("prefix", "")
        rows = "".join(
            f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>{escape(stored.etag)}</ETag><Size>{len(stored.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>"
            for (bucket, key, _), stored in sorted(self.objects.items(), key=lambda item: item[0][1])
            if bucket == request.bucket and key.startswith(prefix)
        )
        if not rows and request.bucket not in {bucket for bucket, _, _ in self.objects}:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        return (
            200,
            {"content-type": "application/xml"},
            (
                '<?xml version="1.0" encoding="UTF-8"?>\n'
                f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>{request.bucket}</Name>'
                f"<Prefix>{escape(prefix)}</Prefix><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{rows}"
                "</ListBucketResult>"
            ).encode(),
        )


def _chunked(body: bytes, size: int) -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in [*pieces, b""])


class _Over(Exception):
    """Nothing more is said on this connection."""


def crc32(body: bytes) -> dict[str, str]:
    """The fields with which S3 gives a CRC32 of the whole, for `put`."""
    import zlib

    return {
        "x_amz_checksum_crc32": b64encode(zlib.crc32(body).to_bytes(4, "big")).decode(),
        "x_amz_checksum_type": "FULL_OBJECT",
    }


def _error(status: int, code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return status, {"content-type": "application/xml"}, text.encode()


def _end(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()

"""awscrt's S3 client, which boto3 uses for transfers when it is installed: parts and connections as it chooses."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from threading import Semaphore
from typing import Any
from urllib.parse import quote

from awscrt.auth import AwsCredentialsProvider
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientTlsContext, TlsContextOptions
from awscrt.s3 import S3Client, S3RequestTlsMode, S3RequestType, create_default_s3_signing_config

from bench.serving import REGION, Place

AT_ONCE = 256


class Client:
    def __init__(self, place: Place, bucket: str) -> None:
        options = TlsContextOptions()
        options.override_default_trust_store(Path(place.ca).read_bytes())
        self.client: Any = S3Client(
            region=REGION,
            tls_mode=S3RequestTlsMode.ENABLED,
            tls_connection_options=ClientTlsContext(options).new_connection_options(),
            signing_config=create_default_s3_signing_config(
                region=REGION, credential_provider=AwsCredentialsProvider.new_default_chain()
            ),
        )
        self.host = place.url.removeprefix("https://")
        self.bucket = bucket

    def _ask(self, key: str, more: list[tuple[str, str]], **how: Any) -> Future[Any]:
        headers = HttpHeaders([("host", self.host), *more])
        request = HttpRequest("GET", f"/{self.bucket}/{quote(key)}", headers)
        asked = self.client.make_request(type=S3RequestType.GET_OBJECT, request=request, **how)
        finished: Future[Any] = asked.finished_future
        return finished

    def _into(self, view: memoryview, key: str, more: list[tuple[str, str]], base: int = 0) -> Future[Any]:
        def on_body(chunk: Any, offset: int, **_more: Any) -> None:
            view[offset - base : offset - base + len(chunk)] = chunk

        return self._ask(key, more, on_body=on_body)

    def whole(self, key: str, size: int) -> Any:
        out = bytearray(size)
        self._into(memoryview(out), key, []).result()
        return out

    def to_file(self, key: str, size: int, file: str) -> None:
        self._ask(key, [], recv_filepath=file).result()

    def many(self, keys: list[str], size: int) -> Any:
        bodies = [bytearray(size) for _ in keys]
        gate = Semaphore(AT_ONCE)
        asked = []
        for key, body in zip(keys, bodies, strict=True):
            gate.acquire()
            one = self._into(memoryview(body), key, [])
            one.add_done_callback(lambda _done: gate.release())
            asked.append(one)
        for one in asked:
            one.result()
        return bodies

    def ranges(self, key: str, ranges: list[tuple[int, int]]) -> Any:
        bodies = [bytearray(end - first) for first, end in ranges]
        gate = Semaphore(AT_ONCE)
        asked = []
        for (first, end), body in zip(ranges, bodies, strict=True):
            gate.acquire()
            one = self._into(memoryview(body), key, [("range", f"bytes={first}-{end - 1}")], base=first)
            one.add_done_callback(lambda _done: gate.release())
            asked.append(one)
        for one in asked:
            one.result()
        return bodies

"""The network without the clouds: what AWS and the account would say is set by hand."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3private_emulator.aws.hop import Hop, Passage
from s3private_emulator.certificates import Authority, internet_names
from s3private_emulator.clock import HandClock
from s3private_emulator.control import Control
from s3private_emulator.delays import Delays
from s3private_emulator.faults import Faults
from s3private_emulator.http_server import HttpServer
from s3private_emulator.log import RequestLog
from s3private_emulator.network import Clouds, EndpointView, Network
from s3private_emulator.place import Place
from s3private_emulator.serverless import run
from s3private_emulator.wire import Wire

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

REGION = "ap-northeast-1"
SERVICE = f"com.amazonaws.vpce.{REGION}.vpce-svc-1"
ENDPOINT = "vpce-1"
ENDPOINT_NAME = f"vpce-1-abc.s3.{REGION}.vpce.amazonaws.com"
BUCKET_NAME = f"bucket.{ENDPOINT_NAME}"


class Ground:
    """`hops`, `views` and `carried` are what the clouds say; change them at will."""

    def __init__(
        self, wire: Wire, directory: Path, exit_stack: contextlib.ExitStack, *, wildcards: bool = True
    ) -> None:
        self.clock = HandClock()
        self.hops = {SERVICE: Hop(passage=Passage.OPEN, reason="", vpc_endpoint_id=ENDPOINT)}
        self.views = [
            EndpointView(vpc_endpoint_id=ENDPOINT, dns_names=(f"*.{ENDPOINT_NAME}",), available=True, admits_vpc=True)
        ]
        self.carried: dict[int, Mapping[str, str]] = {1: {}, 2: {}}
        self.crashes: list[Exception] = []
        self.authority = Authority(directory)
        self._directory = directory
        internet = HttpServer(
            wire, _says("internet"), tls=self.authority.server(internet_names(REGION)), crash=self.crash
        )
        exit_stack.callback(internet.close)
        self.network = Network(
            wire=wire,
            clock=self.clock,
            authority=self.authority,
            clouds=Clouds(
                region=REGION,
                hop=lambda service: self.hops[service],
                endpoint_views=lambda: self.views,
                endpoint_app=_says,
                carried_names=lambda workspace_id: self.carried[workspace_id],
            ),
            internet_port=internet.port,
            crash=self.crash,
            wildcards=wildcards,
        )
        exit_stack.callback(self.network.close)
        control = HttpServer(
            wire,
            Control(
                world=lambda: {"ca_file": str(self.authority.ca_file), "home": str(directory)},
                log=RequestLog(),
                delays=Delays(self.clock),
                faults=Faults(),
                network=self.network,
                session=lambda _workspace, _token: {},
                stranger=lambda name: name,
            ),
            crash=self.crash,
        )
        exit_stack.callback(control.close)
        self.control_url = control.url

    def crash(self, _method: str, _path: str, error: Exception) -> None:
        self.crashes.append(error)

    def python(self, place: Place, code: str, *argv: str, env: Mapping[str, str] | None = None) -> str:
        """What the program printed; its failure is a failure here."""
        ended = run(self, argv, place=place, code=code, env=env, timeout=30)
        if ended.returncode:
            raise subprocess.CalledProcessError(ended.returncode, code, ended.stdout, ended.stderr)
        return ended.stdout.strip()


@contextlib.contextmanager
def laid(*, wildcards: bool = True) -> Iterator[Ground]:
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wire = Wire()
        stack.callback(wire.close)
        ground = Ground(wire, directory, stack, wildcards=wildcards)
        yield ground
        assert not ground.crashes


def _says(who: str) -> WSGIApplication:
    """Answers with who it is, the path, and the bytes of the body."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read()
        answer: dict[str, Any] = {"who": who, "path": environ["PATH_INFO"], "bytes": len(body)}
        text = json.dumps(answer).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
        return [text]

    return app

"""Signing in to Databricks, at the start and in the middle of a run: every fault is waited out within a bound and said,
or ends the run in one line that names the cause."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from emulated.conftest import prepared
from emulated.ground import Ground
from emulated.interruptions import hurried
from s3private.cli import main
from s3private.errors import ConfigError, PlatformError, S3PrivateError
from s3private.provision import sign_in
from s3private.provision.clients import Clients
from s3private_emulator.certificates import Authority
from s3private_emulator.emulator import Emulator
from s3private_emulator.faults import Fault, Planned
from s3private_emulator.http_server import HttpServer
from s3private_emulator.wire import Wire

DISCOVERY = "account:GET oidc/accounts/{account_id}/.well-known/oauth-authorization-server"
TOKEN = "account:POST oidc/accounts/{account_id}/v1/token"
PAGE = "<html><body>Please sign in to the corporate network</body></html>"
ALWAYS = 1000

PASSING = {
    "silent": (Planned(operation="", fault=Fault.TIMEOUT), "no answer in time"),
    "lost": (Planned(operation="", fault=Fault.REQUEST_LOST), "Remote end closed connection without response"),
    "reply lost": (Planned(operation="", fault=Fault.REPLY_LOST), "Remote end closed connection without response"),
    "500": (Planned(operation="", fault=Fault.ERROR), "HTTP 500: INTERNAL_ERROR"),
    "503": (Planned(operation="", fault=Fault.ERROR, status=503, code="TEMPORARILY_UNAVAILABLE"), "HTTP 503"),
    "503 after": (Planned(operation="", fault=Fault.ERROR, status=503, retry_after="7"), "HTTP 503"),
    "503 page": (
        Planned(operation="", fault=Fault.FOREIGN, status=503, message=PAGE, content_type="text/html"),
        "HTTP 503",
    ),
    "502 bare": (Planned(operation="", fault=Fault.FOREIGN, status=502), "HTTP 502"),
    "429": (Planned(operation="", fault=Fault.THROTTLED, retry_after="3"), "HTTP 429"),
    "504": (Planned(operation="", fault=Fault.GATEWAY_TIMEOUT), "HTTP 504"),
}
"""What passes: asked again, and said."""

LASTING = {
    "a page": (Planned(operation="", fault=Fault.FOREIGN, message=PAGE, content_type="text/html"), "text/html"),
    "no content type": (Planned(operation="", fault=Fault.FOREIGN, message="{"), "no content type"),
    "a refused page": (Planned(operation="", fault=Fault.FOREIGN, status=407, message=PAGE), "HTTP 407"),
    "elsewhere": (Planned(operation="", fault=Fault.FOREIGN, status=302), "HTTP 302"),
    "nothing": (Planned(operation="", fault=Fault.FOREIGN, content_type="application/json"), "no JSON"),
    "a list": (
        Planned(operation="", fault=Fault.FOREIGN, message="[1]", content_type="application/json"),
        "no JSON",
    ),
    "no token": (
        Planned(operation="", fault=Fault.FOREIGN, message='{"a": "b"}', content_type="application/json"),
        "",
    ),
    "a secret that is none": (
        Planned(operation="", fault=Fault.ERROR, status=401, code="invalid_client", message="Client failed"),
        "invalid_client: Client failed: look at DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
    ),
    "another account": (
        Planned(operation="", fault=Fault.ERROR, status=404, code="NOT_FOUND", message="no account"),
        "HTTP 404: NOT_FOUND: no account: look at databricks.account_id",
    ),
    "much patience": (
        Planned(operation="", fault=Fault.ERROR, status=503, retry_after="300"),
        "it asks for 300 s of patience",
    ),
}
"""What does not: it ends at once."""

WHEN = [("start", DISCOVERY), ("start", TOKEN), ("mid-run", TOKEN)]


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment, hurried():
        yield prepared(emulator, tmp_path_factory.mktemp("console"), environment)


class Desk:
    """Somebody who asks the account for its NCCs; `lines`: what is said meanwhile."""

    def __init__(self, console: Ground, patch: pytest.MonkeyPatch) -> None:
        self.emulator = console.emulator
        self.lines: list[str] = []
        self.clients = Clients(console.config, say=self.lines.append)
        self._patch = patch

    def ask(self) -> None:
        assert list(self.clients.account.network_connectivity.list_network_connectivity_configurations()) == []

    def later(self, seconds: float) -> None:
        """The token runs out."""
        self._patch.setattr(sign_in, "time", SimpleNamespace(time=lambda: time.time() + seconds))

    def meets(self, fault: Planned, when: str, operation: str, times: int) -> None:
        self.emulator.faults.clear()
        if fault.fault is Fault.TIMEOUT:
            # What is silent is waited for in earnest.
            self._patch.setattr(sign_in, "ANSWER_SECONDS", 0.3)
            self._patch.setattr(sign_in, "_SILENCE_SECONDS", 0.1)
            self._patch.setattr(sign_in, "PATIENCE_SECONDS", 20.0)
        if when == "mid-run":
            self.ask()
            self.later(3600)
        self.emulator.faults.add(
            Planned(
                **{
                    **{name: getattr(fault, name) for name in ("fault", "code", "message", "status", "retry_after")},
                    "content_type": fault.content_type,
                    "operation": operation,
                    "times": times,
                }
            )
        )


@pytest.fixture
def desk(console: Ground, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    yield Desk(console, monkeypatch)
    console.emulator.faults.clear()


@pytest.mark.parametrize(("when", "operation"), WHEN)
@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_waited_out_and_said(desk: Desk, when: str, operation: str, fault: str) -> None:
    planned, why = PASSING[fault]
    desk.meets(planned, when, operation, times=2)
    desk.ask()
    asked = [line for line in desk.lines if "asked again in" in line]
    assert len(asked) == 2
    assert all(line.startswith("signing in to Databricks: http://127.0.0.1:") and why in line for line in asked)
    assert desk.emulator.faults.unstruck() == []
    silent = [line for line in desk.lines if "has not answered yet" in line]
    assert len(silent) == (2 if fault == "silent" else 0)


@pytest.mark.parametrize(("when", "operation"), WHEN)
@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_ends_in_its_cause_within_a_bound(desk: Desk, when: str, operation: str, fault: str) -> None:
    planned, why = PASSING[fault]
    desk.meets(planned, when, operation, times=ALWAYS)
    with pytest.raises(PlatformError) as ended:
        desk.ask()
    assert why in str(ended.value)
    assert "\n" not in str(ended.value)
    waited = sum(int(line.split()[-2]) for line in desk.lines if "asked again in" in line)
    assert waited <= sign_in.PATIENCE_SECONDS


@pytest.mark.parametrize(("when", "operation"), WHEN)
@pytest.mark.parametrize("fault", LASTING)
def test_what_will_not_pass_ends_at_once_in_its_cause(desk: Desk, when: str, operation: str, fault: str) -> None:
    planned, why = LASTING[fault]
    desk.meets(planned, when, operation, times=ALWAYS)
    with pytest.raises(S3PrivateError) as ended:
        desk.ask()
    said = str(ended.value)
    assert "igning in to Databricks" in said or "how to sign in" in said
    assert why in said
    assert "\n" not in said
    assert desk.emulator.world.client_secret not in said
    assert [line for line in desk.lines if "asked again" in line] == []
    assert isinstance(ended.value, ConfigError) is (fault == "a secret that is none")


def test_a_provision_whose_sign_in_fails_is_one_line_and_no_write(
    console: Ground, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.meets(LASTING["a page"][0], "start", TOKEN, times=ALWAYS)
    mark = console.emulator.log.mark()
    assert main(["provision", str(console.file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("s3private: signing in to Databricks at http://127.0.0.1:")
    assert console.emulator.log.writes(mark) == []


def test_the_client_secret_goes_to_the_console_alone(desk: Desk) -> None:
    elsewhere = '{"token_endpoint": "http://127.0.0.2:9/oidc/v1/token"}'
    planned = Planned(operation="", fault=Fault.FOREIGN, message=elsewhere, content_type="application/json")
    desk.meets(planned, "start", DISCOVERY, times=1)
    with pytest.raises(PlatformError, match=r"127\.0\.0\.2:9.*the client secret goes to http://127\.0\.0\.1:"):
        desk.ask()


def test_one_token_serves_all_clients(desk: Desk) -> None:
    mark = desk.emulator.log.mark()
    desk.ask()
    desk.clients.account_once.network_connectivity.list_network_connectivity_configurations()
    asked = [request.operation for request in desk.emulator.log.since(mark) if "oidc/" in request.operation]
    assert asked == [DISCOVERY, TOKEN]


def test_a_certificate_that_is_not_trusted_is_named(
    console: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = Authority(tmp_path).server(["127.0.0.1"])
    wire = Wire()
    server = HttpServer(wire, lambda _environ, _start: [], tls=tls, crash=lambda *_: None)
    monkeypatch.setenv("DATABRICKS_HOST", server.url)
    try:
        assert main(["plan", str(console.file)]) == 1
    finally:
        server.close()
        wire.close()
    (line,) = capsys.readouterr().err.splitlines()
    assert "its certificate is not trusted here: " in line
    assert "REQUESTS_CA_BUNDLE" in line
    assert "Max retries" not in line


def test_a_proxy_that_is_not_there_is_named(
    console: Ground, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://operator:hunter2@127.0.0.1:1")
    monkeypatch.setenv("DATABRICKS_HOST", "https://accounts.cloud.databricks.com")
    assert main(["plan", str(console.file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "the proxy does not let it through: " in line
    assert "HTTPS_PROXY" in line
    assert "hunter2" not in line

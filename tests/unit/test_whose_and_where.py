"""Whose credentials sign, and where a Route can be used: said in one line, and soon."""

from __future__ import annotations

import importlib.metadata
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import s3private
from s3private import botocore_errors, credentials, whereabouts
from s3private.cli import main, parser
from s3private.client import signer_of
from s3private.errors import NotYet, RouteError
from s3private.notebook_html import text_html
from s3private.route import Route

ROLE = "arn:aws:iam::222222222222:role/reader"
VERBS: dict[str, list[str]] = {"list": ["s3://b/"], "read": ["s3://b/k"], "verify": []}
Capture = pytest.CaptureFixture[str]


def far(**changed: Any) -> Route:
    given: dict[str, Any] = {
        "path": "demo",
        "region": "eu-west-1",
        "vpc_endpoint_id": "vpce-1",
        "buckets": ("b",),
        "endpoint_url": "https://bucket.vpce-1-a.s3.eu-west-1.vpce.amazonaws.com",
    }
    return Route(**given | changed)


@pytest.fixture
def route(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Route whose host has an address that nobody answers at."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    far().save(tmp_path / "demo.route.json")
    return str(tmp_path / "demo.route.json")


@pytest.fixture
def unanswered(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The name of an interface endpoint resolves anywhere; here to a port that is closed. Its number."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port: int = closed.getsockname()[1]
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        asked = SimpleNamespace(
            getaddrinfo=lambda *_a, **_k: [place],
            socket=socket.socket,
            SOCK_STREAM=socket.SOCK_STREAM,
            gaierror=socket.gaierror,
        )
        monkeypatch.setattr(whereabouts, "socket", asked)
        yield port


@pytest.mark.parametrize("verb", VERBS)
def test_away_from_databricks_it_is_refused_at_once_with_where_it_works(
    route: str, unanswered: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    assert main([verb, route, *VERBS[verb]]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "This machine is no Databricks compute" in said
    assert "ten minutes" not in said


@pytest.mark.parametrize("verb", VERBS)
def test_on_databricks_the_usual_causes_come_first(
    route: str, unanswered: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
    assert main([verb, route, *VERBS[verb]]) == 3
    said = capsys.readouterr().err
    assert said.index("databricks.workspace_ids") < said.index("ten minutes")


def test_a_name_that_does_not_resolve_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_keywords: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    names = SimpleNamespace(getaddrinfo=unknown, SOCK_STREAM=socket.SOCK_STREAM, gaierror=socket.gaierror)
    monkeypatch.setattr(whereabouts, "socket", names)
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
    with pytest.raises(NotYet, match="does not resolve here: Name or service not known"):
        whereabouts.refuse_elsewhere(far())


def test_all_addresses_together_have_six_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    class Silent:
        def __init__(self, *_kind: Any) -> None:
            self.close = lambda: None
            self.settimeout = waited.append

        def connect(self, _address: Any) -> None:
            raise TimeoutError("timed out")

    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", 443)) for n in (1, 2, 3)]
    names = SimpleNamespace(
        getaddrinfo=lambda *_a, **_k: found, socket=Silent, SOCK_STREAM=socket.SOCK_STREAM, gaierror=socket.gaierror
    )
    monkeypatch.setattr(whereabouts, "socket", names)
    with pytest.raises(RouteError, match="does not answer here: timed out"):
        whereabouts.refuse_elsewhere(far())
    assert waited == [2.0, 2.0, 2.0]


@pytest.fixture
def vended(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """On compute that vends any service credential; which ones were asked for."""
    from botocore.session import get_session

    asked: list[str] = []

    def provider(name: str) -> Any:
        asked.append(name)
        session = get_session()
        session.set_credentials("AKIAVENDED0000000000", "vended")
        return session

    monkeypatch.setattr(credentials, "vended_on_compute", provider)
    return asked


def said_of(s3: Any) -> str:
    from botocore.exceptions import ClientError

    told: Any = {"Error": {"Code": "AccessDenied", "Message": "Access Denied"}}
    return str(botocore_errors.our_error(s3, "s3://b/k", ClientError(told, "GetObject")))


def test_access_denied_says_whose_credentials_signed_and_what_must_allow_them(
    route: str, vended: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "the service credential reader": s3private.connect(route, service_credential="reader"),
        f"the role {ROLE}": s3private.connect(route, role_arn=ROLE),
        "boto3's credentials from env": s3private.connect(route),
    }
    for signer, s3 in given.items():
        said = said_of(s3)
        assert said.startswith(f"s3://b/k: AccessDenied: Access Denied. Signed by {signer}: its IAM policy")
        assert "s3:GetObject" in said
        assert "--service-credential" in said
        assert "AKIA" not in said
        assert "\n" not in said
        assert signer_of(s3) == signer


@pytest.mark.parametrize("verb", VERBS)
def test_the_command_line_signs_with_whom_it_is_told(
    route: str, vended: list[str], unanswered: int, capsys: Capture, verb: str
) -> None:
    main([verb, route, *VERBS[verb], "--service-credential", "other"])
    assert vended == ["other"]


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--external-id", "x"], "give --role-arn too"),
        (["--profile", "p", "--service-credential", "c"], "only one of them signs"),
        (["--profile", "none-such"], "--profile none-such: The config profile (none-such) could not be found"),
    ],
)
def test_options_that_do_not_fit_are_one_line(
    route: str, capsys: Capture, verb: str, options: list[str], reason: str
) -> None:
    assert main([verb, route, *VERBS[verb], *options]) == 2
    said = capsys.readouterr().err
    assert reason in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("option", ["--service-credential", "--role-arn", "--external-id", "--profile"])
def test_an_empty_option_is_refused_rather_than_another_signing(option: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(["list", "r.json", "s3://b/", option, ""])
    assert "is empty" in capsys.readouterr().err


def test_a_service_credential_away_from_databricks_names_the_option(route: str, capsys: Capture) -> None:
    assert main(["list", route, "s3://b/", "--service-credential", "c"]) == 2
    assert "--profile on the command line" in capsys.readouterr().err


def test_the_package_says_its_version() -> None:
    assert s3private.__version__ == importlib.metadata.version("s3private")


def test_a_route_with_one_more_key_is_read_by_who_does_not_know_it(route: str) -> None:
    file = Path(route)
    document = {**json.loads(file.read_text("utf-8")), "later": {"anything": [1]}}
    file.write_text(json.dumps(document), encoding="utf-8")
    assert Route.load(file) == far()


def test_what_a_notebook_shows_of_a_record_holds_no_markup_of_a_key() -> None:
    when = datetime(2026, 1, 31, tzinfo=UTC)
    key = "<script>x</script>\n&"
    entry = s3private.ObjectEntry(bucket="b", key=key, size=1, last_modified=when, etag='"e"', storage_class="STANDARD")
    shown = entry._repr_html_()
    assert "<td>&lt;script&gt;x&lt;/script&gt;\\n&amp;</td>" in shown
    assert "<script>" not in shown
    assert "<tr><th>region</th><td>eu-west-1</td></tr>" in far()._repr_html_()
    assert text_html("a <b>\nc") == "<pre>a &lt;b&gt;\nc</pre>"

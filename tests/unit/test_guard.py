"""Whatever handlers, settings and transfer managers make of a request: it goes to the Route's host, or nowhere."""

from __future__ import annotations

import gc
import io
import os
import socket
import ssl
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from boto3.s3.transfer import S3Transfer, TransferConfig
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from origin.authority import Authority
from origin.server import Origin
from s3private import OutsideRoute, ReadError, Route, RouteError, connect, explain, list_objects, read_object
from s3private.guard import Origin as OneOrigin
from s3private.verification import BucketSeen, Peer, Verified, verify


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE000000000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    # Should a check be missing, a request is to fail at once.
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


class Elsewhere:
    """Another host on this machine, which notes what it is sent: over TCP whatever it is, over UDP too."""

    def __init__(self) -> None:
        self.taken = 0
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.datagrams.bind(("127.0.0.1", 0))

    @property
    def told(self) -> bytes:
        self.datagrams.setblocking(False)
        try:
            return self.datagrams.recv(65536)
        except BlockingIOError:
            return b""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    made = Elsewhere()

    def accept() -> None:
        while True:
            try:
                connection, _ = made.listening.accept()
            except OSError:
                return
            made.taken += 1
            connection.close()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    yield made
    made.listening.shutdown(socket.SHUT_RDWR)
    made.listening.close()
    made.datagrams.close()
    accepting.join(5)


EVENTS = (
    "*",
    "before-send",
    "before-send.s3",
    "before-send.s3.GetObject",
    "request-created",
    "request-created.s3",
    "before-sign",
    "before-call",
    "before-call.s3.GetObject",
)
CHANGES: dict[str, Callable[[str, int], str]] = {
    "another host": lambda url, port: f"https://127.0.0.1:{port}/b/k",
    "another name of it": lambda url, port: url.replace("localhost", "127.0.0.1"),
    "another port": lambda url, port: f"https://localhost:{port}/b/k",
    "plain http": lambda url, port: f"http://localhost:{port}/b/k",
    "a backslash": lambda url, port: url.replace("https://", f"https://127.0.0.1:{port}\\@"),
    "userinfo": lambda url, port: url.replace("https://", f"https://{url[8:].partition('/')[0]}@127.0.0.1:{port}/"),
    "a longer host": lambda url, port: f"https://localhost.127.0.0.1:{port}/b/k",
    "upper case": lambda url, port: url.replace("localhost", "LOCALHOST"),
    "a dot behind": lambda url, port: url.replace("localhost", "localhost."),
    "white space": lambda url, port: f" {url}",
    "a tab within": lambda url, port: url.replace("localhost", "local\thost"),
}


@pytest.mark.parametrize(
    ("event", "change"),
    [
        *((event, CHANGES["another port"]) for event in EVENTS),
        *(("before-send", change) for change in CHANGES.values()),
    ],
    ids=[*EVENTS, *CHANGES],
)
def test_a_request_that_a_handler_sent_elsewhere_is_refused(
    origin: Origin, elsewhere: Elsewhere, event: str, change: Callable[[str, int], str]
) -> None:
    origin.put("b", "k", b"body")

    def handler(**given: Any) -> None:
        everything: list[Any] = [given.get("request"), given.get("params")]
        for each in everything:
            if isinstance(each, dict) and "url" in each:
                each["url"] = change(each["url"], elsewhere.port)
            elif isinstance(getattr(each, "url", None), str):
                each.url = change(each.url, elsewhere.port)

    session = boto3.Session()
    # The session's, those of the client, and one that wants to be the last.
    events: Any = session.events
    events.register(event, handler)
    s3 = connect(origin.route(), session=session, lean=False)
    s3.meta.events.register_first(event, handler)
    s3.meta.events.register(event, handler)
    s3.meta.events.register_last(event, handler)
    with pytest.raises(OutsideRoute, match=r"refused, not sent: .*is not the host of the path demo"):
        s3.get_object(Bucket="b", Key="k")
    assert (origin.requests, elsewhere.taken) == ([], 0)


@pytest.mark.parametrize("value", ["127.0.0.1", "localhost", "other.s3.eu-west-1.amazonaws.com", "", b"evil.example"])
def test_another_host_field_is_refused(origin: Origin, value: Any) -> None:
    s3 = connect(origin.route(), lean=False)

    def handler(request: Any, **_event: Any) -> None:
        request.headers["Host"] = value

    s3.meta.events.register_last("before-send", handler)
    with pytest.raises(OutsideRoute, match=r"a Host field of .* is not the host of the path demo"):
        s3.list_objects_v2(Bucket="b")
    assert origin.requests == []


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", b"a\nx-injected: 1", "a\0", "a\r"])
def test_a_header_field_that_would_become_two_is_refused_without_its_value(origin: Origin, value: Any) -> None:
    s3 = connect(origin.route(), lean=False)

    def handler(request: Any, **_event: Any) -> None:
        request.headers["x-amz-meta-note"] = value

    s3.meta.events.register_last("before-send", handler)
    with pytest.raises(RouteError, match="header field x-amz-meta-note holds a line end or NUL") as refused:
        s3.list_objects_v2(Bucket="b")
    assert "x-injected" not in str(refused.value)
    assert origin.requests == []


def test_a_handler_that_answers_gets_no_request_for_elsewhere(origin: Origin) -> None:
    """It may send what it gets, so it only gets what is for the Route's host; and what it answers is its own matter."""
    got: list[str] = []
    first = boto3.Session()

    def answer(request: Any, **_event: Any) -> AWSResponse:
        got.append(request.url)
        return AWSResponse(request.url, 200, HTTPHeaders(), io.BytesIO(b""))

    events: Any = first.events
    events.register_last("before-send", answer)
    s3 = connect(origin.route(), session=first, lean=False)

    def redirect(request: Any, **_event: Any) -> None:
        request.url = "https://evil.example/b/k"

    s3.meta.events.register_last("request-created", redirect)
    with pytest.raises(OutsideRoute):
        s3.head_object(Bucket="b", Key="k")
    assert got == []


def test_the_pool_itself_connects_nowhere_else(origin: Origin, elsewhere: Elsewhere) -> None:
    """Behind the check of the URL there is another: what opens sockets knows one host, port and scheme."""
    s3: Any = connect(origin.route())
    http_session = s3._endpoint.http_session
    manager = http_session._manager
    assert set(manager.pool_classes_by_scheme) == {"https"}
    with pytest.raises(KeyError):
        manager.connection_from_url(f"http://localhost:{origin.port}/")
    for url in (f"https://127.0.0.1:{origin.port}/", f"https://localhost:{elsewhere.port}/"):
        with pytest.raises(OutsideRoute):
            manager.connection_from_url(url).urlopen("GET", "/", retries=False)
    with pytest.raises(OutsideRoute, match="a proxy"):
        http_session._get_connection_manager(f"https://localhost:{origin.port}/", "http://localhost:1")
    assert (origin.requests, elsewhere.taken) == ([], 0)


def test_connections_that_were_closed_open_again_to_the_same_host_alone(origin: Origin, elsewhere: Elsewhere) -> None:
    """As a fork closes them, and who closes the client."""
    origin.put("b", "k", b"body")
    s3: Any = connect(origin.route(), lean=False)
    assert s3.get_object(Bucket="b", Key="k")["Body"].read() == b"body"
    s3.close()
    manager = s3._endpoint.http_session._manager
    with pytest.raises(OutsideRoute):
        manager.connection_from_url(f"https://localhost:{elsewhere.port}/").urlopen("GET", "/", retries=False)
    assert s3.get_object(Bucket="b", Key="k")["Body"].read() == b"body"
    assert elsewhere.taken == 0


@pytest.mark.parametrize("proxy", ["http", "https"])
def test_a_proxy_that_is_set_on_the_session_is_not_used(origin: Origin, elsewhere: Elsewhere, proxy: str) -> None:
    s3: Any = connect(origin.route(), lean=False)
    s3._endpoint.http_session._proxy_config._proxies["https"] = f"{proxy}://localhost:{elsewhere.port}"
    with pytest.raises(OutsideRoute, match="a proxy is not the host"):
        s3.list_objects_v2(Bucket="b")
    assert (origin.requests, elsewhere.taken) == ([], 0)


def test_presigned_urls_lead_to_the_routes_host_or_are_not_made(origin: Origin) -> None:
    s3 = connect(origin.route())
    for made in (
        s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"}),
        s3.generate_presigned_post("b", "k")["url"],
    ):
        assert made.startswith(f"https://localhost:{origin.port}/b")
    arn = "arn:aws:s3:eu-west-1:111111111111:accesspoint/mine"
    with pytest.raises(OutsideRoute):
        s3.generate_presigned_url("get_object", Params={"Bucket": arn, "Key": "k"})
    with pytest.raises(OutsideRoute):
        s3.generate_presigned_post(arn, "k")


@pytest.mark.parametrize("status", [301, 302, 307])
@pytest.mark.parametrize("named", [True, False], ids=["with the region", "without"])
def test_a_redirect_is_asked_once_and_followed_nowhere(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, status: int, named: bool
) -> None:
    """botocore asks HeadBucket where a region is, which is redirected too, and asks HeadBucket."""
    fields = {"location": f"https://localhost:{origin.port}/b/k"} | (
        {"x-amz-bucket-region": "us-east-1"} if named else {}
    )
    monkeypatch.setattr(origin, "_content", lambda request: (status, fields, b""))
    s3 = connect(origin.route(), lean=False)
    for ask in (
        lambda: s3.get_object(Bucket="b", Key="k"),
        lambda: s3.head_object(Bucket="b", Key="k"),
        lambda: s3.head_bucket(Bucket="b"),
        lambda: s3.list_objects_v2(Bucket="b"),
        lambda: s3.put_object(Bucket="b", Key="k", Body=b"x"),
    ):
        origin.requests.clear()
        with pytest.raises(ClientError):
            ask()
        assert len(origin.requests) == 1


def test_no_monitor_is_told_of_the_calls(origin: Origin, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore's own, which a variable switches on, sends key id and session token in plain text."""
    origin.put("b", "k", b"body")
    monkeypatch.setenv("AWS_CSM_ENABLED", "true")
    monkeypatch.setenv("AWS_CSM_HOST", "127.0.0.1")
    monkeypatch.setenv("AWS_CSM_PORT", str(elsewhere.datagrams.getsockname()[1]))
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-token")
    session: Any = boto3.Session()
    connect(origin.route(), session=session, lean=False).get_object(Bucket="b", Key="k")
    assert elsewhere.told == b""
    # botocore leaves it to the collector, which pytest takes for a fault.
    session._session._get_internal_component("monitor")._publisher._socket.close()


# --- transfers --------------------------------------------------------------------------------------------------------


def crt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """boto3 as it is on an instance type for which it takes the CRT, which notes what it would make."""
    import boto3.s3.transfer

    made: list[str] = []

    class Manager:
        def __init__(self, name: str) -> None:
            made.append(name)

    def create(client: Any, config: Any) -> Any:
        # As boto3's own does: with the credentials of the client, or not at all.
        return Manager("crt") if client._get_credentials() is not None else None

    monkeypatch.setattr(
        boto3.s3.transfer, "_should_use_crt", lambda config: config.preferred_transfer_client != "classic"
    )
    monkeypatch.setattr(boto3.s3.transfer, "create_crt_transfer_manager", create, raising=False)
    monkeypatch.setitem(sys.modules, "boto3.crt", ModuleType("boto3.crt"))
    monkeypatch.setattr(sys.modules["boto3.crt"], "CRT_S3_CLIENT", "one of the process", raising=False)
    return made


@pytest.mark.parametrize("preferred", [None, "auto", "crt", "classic"])
def test_transfers_go_by_the_classic_manager(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preferred: str | None
) -> None:
    made = crt(monkeypatch)
    origin.put("b", "k", b"body")
    config: Any = TransferConfig(preferred_transfer_client=preferred) if preferred else None
    s3: Any = connect(origin.route())
    monkeypatch.setattr(origin, "_content", _taking(origin))
    (tmp_path / "up").write_bytes(b"up")
    s3.upload_file(str(tmp_path / "up"), "b", "up", None, None, config)
    s3.upload_fileobj(io.BytesIO(b"up"), "b", "up", Config=config)
    s3.download_file("b", "k", str(tmp_path / "down"), Config=config)
    s3.download_fileobj("b", "k", taken := io.BytesIO(), Config=config)
    s3.copy({"Bucket": "b", "Key": "k"}, "b", "copied", Config=config)
    with S3Transfer(s3, config) as transfer:
        transfer.download_file("b", "k", str(tmp_path / "again"))
    assert (tmp_path / "down").read_bytes() == (tmp_path / "again").read_bytes() == taken.getvalue() == b"body"
    assert made == []
    assert {request.fields["host"] for request in origin.requests} == {f"localhost:{origin.port}"}
    assert [request.method for request in origin.requests].count("PUT") == 3
    if config is not None:
        assert config.preferred_transfer_client == preferred, "what was given is not changed"


def test_other_clients_keep_their_transfers(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = crt(monkeypatch)
    session = boto3.Session(region_name="eu-west-1")
    connect(origin.route(), session=session)
    plain: Any = session.client("s3", endpoint_url=origin.route().endpoint_url)
    with pytest.raises((AttributeError, TypeError)):
        plain.upload_fileobj(io.BytesIO(b"up"), "b", "up")
    assert made == ["crt"]
    assert plain._get_credentials() is not None


def test_the_crt_client_of_a_process_is_made_as_by_any_other(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    """With credentials: else it would be nobody's, and the application's other clients would be slower than before."""
    s3: Any = connect(origin.route())
    crt(monkeypatch)
    assert s3._get_credentials() is None
    monkeypatch.setattr(sys.modules["boto3.crt"], "CRT_S3_CLIENT", None)
    assert s3._get_credentials().access_key == "AKIAEXAMPLE000000000"


def _taking(origin: Origin) -> Callable[[Any], Any]:
    content = origin._content

    def taking(request: Any) -> Any:
        if request.method != "PUT":
            return content(request)
        result = (
            b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>" if "x-amz-copy-source" in request.fields else b""
        )
        return 200, {"etag": '"e"'}, result

    return taking


def test_a_client_that_is_not_needed_any_more_goes(origin: Origin) -> None:
    s3 = connect(origin.route())
    assert type(s3).__name__ == "S3"
    gone = weakref.ref(s3)
    del s3
    gc.collect()
    assert gone() is None


# --- authorities ------------------------------------------------------------------------------------------------------


@contextmanager
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str) -> Iterator[None]:
    (tmp_path / "config").write_text(f"[default]\n{line}\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    yield


def uses(origin: Origin, lean: bool) -> list[Callable[[], object]]:
    return [
        lambda: connect(origin.route(), lean=lean).get_object(Bucket="b", Key="k"),
        lambda: read_object(connect(origin.route(), lean=lean), "s3://b/k"),
        lambda: list(list_objects(connect(origin.route(), lean=lean), "s3://b/")),
        lambda: verify(origin.route()),
    ]


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
@pytest.mark.parametrize("empty", ["", " ", "\t"])
@pytest.mark.parametrize("setting", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_an_empty_bundle_is_none_and_not_a_server_believed(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, empty: str, lean: bool
) -> None:
    origin.put("b", "k", b"body")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with profile(monkeypatch, tmp_path, f"ca_bundle = {empty}" if setting == "ca_bundle" else ""):
        if setting != "ca_bundle":
            monkeypatch.setenv(setting, empty)
        for use in uses(origin, lean):
            with pytest.raises(Exception, match=r"CERTIFICATE_VERIFY_FAILED|unable to get local issuer"):
                use()
    assert origin.requests == []


@pytest.mark.parametrize("setting", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_a_bundle_that_is_there_is_obeyed_by_all(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    origin.put("b", "k", b"body")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with profile(monkeypatch, tmp_path, f"ca_bundle = {origin.authority.file}" if setting == "ca_bundle" else ""):
        if setting != "ca_bundle":
            monkeypatch.setenv(setting, str(origin.authority.file))
        for use in (*uses(origin, True)[1:], uses(origin, False)[0]):
            use()


@pytest.mark.parametrize("wrong", ["not there", "a text", "a key", "NUL"])
@pytest.mark.parametrize("setting", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "ca_bundle"])
def test_a_bundle_that_does_not_load_is_refused_by_its_name(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str, wrong: str
) -> None:
    file = tmp_path / "bundle.pem"
    if wrong == "a text":
        file.write_text("no certificates\n", encoding="utf-8")
    elif wrong == "a key":
        file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", encoding="utf-8")
    monkeypatch.delenv("AWS_CA_BUNDLE")
    named = f"{file}\0" if wrong == "NUL" else str(file)
    if wrong == "NUL" and setting != "ca_bundle":
        pytest.skip("no variable holds one")
    with profile(monkeypatch, tmp_path, f"ca_bundle = {named}" if setting == "ca_bundle" else ""):
        if setting != "ca_bundle":
            monkeypatch.setenv(setting, named)
        for use in (lambda: connect(origin.route()), lambda: verify(origin.route())):
            with pytest.raises(RouteError, match=rf"^{setting}.*bundle\.pem.* cannot be used to verify") as refused:
                use()
            assert "\n" not in str(refused.value)


def test_a_session_with_a_profile_of_its_own_is_verified_by_that(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also with a role, whose keys come in a session of ours."""
    monkeypatch.delenv("AWS_CA_BUNDLE")
    (tmp_path / "config").write_text(f"[profile mine]\nca_bundle = {tmp_path}/none.pem\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for role in (None, "arn:aws:iam::222222222222:role/reader"):
        with pytest.raises(RouteError, match=r"ca_bundle in the AWS profile: .*none\.pem"):
            connect(origin.route(), session=boto3.Session(profile_name="mine"), role_arn=role)


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_session_keys_are_written_nowhere(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lean: bool
) -> None:
    origin.put("b", "k", b"body")
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    for use in uses(origin, lean):
        use()
    # Where botocore makes the client, Python opens the file, and writes into it what it is.
    written = (tmp_path / "keys").read_text(encoding="utf-8").splitlines() if (tmp_path / "keys").exists() else []
    assert [line for line in written if not line.startswith("#")] == []


def serving_as(directory: Path, names: list[x509.GeneralName]) -> Authority:
    """An origin's certificate of an authority that is in `own.pem`: its common name is localhost, and `names` are its
    subjectAltNames, or none."""
    made = Authority(directory)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    building = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    if names:
        building = building.add_extension(x509.SubjectAlternativeName(names), critical=False)
    certificate = building.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made.file = directory / "own.pem"
    made.file.write_bytes(certificate)
    (directory / "pair.pem").write_bytes(private + certificate)
    made.server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.server_context.load_cert_chain(directory / "pair.pem")
    return made


OTHERS: dict[str, list[x509.GeneralName]] = {
    "a common name alone": [],
    "another name": [x509.DNSName("evil.example")],
    "another address": [x509.IPAddress(ip_address("127.0.0.2"))],
    "a name that begins so": [x509.DNSName("localhost.evil.example")],
}


@pytest.mark.parametrize("use", range(4))
@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
@pytest.mark.parametrize("names", OTHERS.values(), ids=list(OTHERS))
def test_a_certificate_without_the_name_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, names: list[x509.GeneralName], lean: bool, use: int
) -> None:
    """Its authority is trusted: it is the name alone that is missing."""
    authority = serving_as(tmp_path, names)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Origin(authority).serving() as origin:
        origin.put("b", "k", b"body")
        with pytest.raises(Exception, match=r"(?i)hostname mismatch"):
            uses(origin, lean)[use]()
        assert origin.requests == []


@pytest.mark.parametrize("use", range(4))
def test_a_certificate_with_the_name_is_believed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, use: int) -> None:
    """So it was the name."""
    authority = serving_as(tmp_path, [x509.DNSName("localhost")])
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Origin(authority).serving() as origin:
        origin.put("b", "k", b"body")
        uses(origin, True)[use]()
        uses(origin, False)[use]()


@pytest.mark.parametrize(
    "url",
    [
        "https://sts.eu-west-1.amazonaws.com",
        "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
        "https://sts.example:8443",
        "http://127.0.0.1:5000",
        "http://localhost",
    ],
)
def test_an_origin_is_a_host_by_https_or_this_machine(url: str) -> None:
    parsed = OneOrigin.parse(url, "STS")
    assert parsed is not None
    assert parsed.url == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://sts.amazonaws.com", "http://10.0.0.1", "http://127.0.0.1.evil.example", "http://localhost.example"),
        *("https://a@b", "https://a\\@b", "https://a/b", "https://a?b", "ftp://a", "a", "", "https://A", "https://a\n"),
    ],
)
def test_what_is_no_origin_is_none(url: str) -> None:
    assert OneOrigin.parse(url, "STS") is None


# --- what is said -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 307])
@pytest.mark.parametrize("body", [True, False], ids=["with a body", "without"])
def test_a_redirects_error_names_region_and_host(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, status: int, body: bool
) -> None:
    host = "b.s3.us-east-1.amazonaws.com"
    text = f"<Error><Code>PermanentRedirect</Code><Message>m</Message><Endpoint>{host}</Endpoint></Error>".encode()
    fields = {"x-amz-bucket-region": "us-east-1", "content-type": "application/xml"}
    if not body:
        fields["location"] = f"https://{host}/k"
    monkeypatch.setattr(origin, "_content", lambda request: (status, fields, text if body else b""))
    s3 = connect(origin.route())
    uses: list[Callable[[], object]] = [
        lambda: read_object(s3, "s3://b/k"),
        lambda: list(list_objects(s3, "s3://b/")),
        lambda: verify(origin.route()),
    ]
    for use in uses:
        with pytest.raises(
            ReadError,
            match=r"S3 says that b is elsewhere: in us-east-1 at b\.s3\.us-east-1\.amazonaws\.com\. The path demo is "
            r"to localhost in eu-west-1 and goes nowhere else",
        ):
            use()


ROLE = "arn:aws:iam::222222222222:role/reader"


def test_explain_names_every_host_and_every_setting_that_is_not_obeyed(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ignored = {
        "AWS_ENDPOINT_URL": "https://sts.example",
        "AWS_ENDPOINT_URL_S3": "http://evil.example",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "HTTPS_PROXY": "http://evil.example",
        "http_proxy": "http://evil.example",
        "AWS_CSM_HOST": "evil.example",
        "SSLKEYLOGFILE": str(tmp_path / "keys"),
    }
    for name in list(os.environ):
        if name.startswith(("SSL", "CURL")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    for name, value in ignored.items():
        monkeypatch.setenv(name, value)
    with profile(monkeypatch, tmp_path, "endpoint_url = http://evil.example\ns3 =\n  use_dualstack_endpoint = true"):
        session = boto3.Session()
        plain = explain(connect(origin.route(), session=session))
        asked = explain(connect(origin.route(), session=session, role_arn=ROLE))
    assert f"certificates    {origin.authority.file}" in plain
    assert "host            localhost, and no other, a name of this machine: nothing leaves it" in plain
    assert "STS" not in plain
    profiles = ", endpoint_url in the AWS profile, s3 in the AWS profile"
    assert f"ignored         {', '.join(ignored)}{profiles}" in plain
    assert "role            https://sts.example (STS, asked for the role's keys; not on the private path)" in asked
    assert "AWS_ENDPOINT_URL (but for STS), AWS_ENDPOINT_URL_S3, " in asked
    assert "not-a-secret" not in plain + asked


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("iam-role", "169.254.169.254 (this instance's metadata)"),
        ("container-role", "169.254.170.2 (this container's credentials)"),
        ("sso", "portal.sso."),
        ("assume-role-with-web-identity", "STS, for "),
        ("custom-process", "a program of the AWS profile"),
        ("what a later boto3 has", "where what a later boto3 has is from"),
    ],
)
def test_explain_says_whom_boto3_asks_for_keys(origin: Origin, method: str, said: str) -> None:
    session: Any = boto3.Session()
    session.get_credentials().method = method
    (line,) = [line for line in explain(connect(origin.route(), session=session)).splitlines() if line[:4] == "keys"]
    assert said in line


def seen(route: Route, *addresses: str) -> Verified:
    peer = Peer(resolved=addresses, address=addresses[0], names=(), protocol="TLSv1.3")
    return Verified(route=route, peer=peer, buckets=(BucketSeen(bucket="b", key=None, request_id="R1"),))


def test_verify_says_loudly_that_a_public_address_is_not_the_path(origin: Origin) -> None:
    public = seen(origin.route(), "10.0.0.5", "52.218.1.2", "2600:1fa0::1")
    assert public.peer.public == ("52.218.1.2", "2600:1fa0::1")
    lines = public.as_table().splitlines()
    assert lines[:2] == [f"NOT PRIVATE  {each} is a public address" for each in public.peer.public]
    assert public.proves_not[0].startswith(
        "THAT THIS IS THE PRIVATE PATH: 52.218.1.2, 2600:1fa0::1 is a public address"
    )
    assert public.as_dict()["peer"]["public"] == ["52.218.1.2", "2600:1fa0::1"]
    inside = ("10.0.0.5", "172.31.1.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1%3")
    private = seen(origin.route(), *inside)
    assert private.peer.public == ()
    assert "PRIVATE" not in private.as_table()


def test_verify_claims_no_endpoint_that_it_has_not_seen(origin: Origin) -> None:
    origin.put("b", "k", b"body")
    for each in (seen(origin.route(), "10.0.0.5"), verify(origin.route())):
        assert "vpce-1" not in " ".join(each.proves)
        (line,) = [line for line in each.proves_not if "vpce-1" in line]
        assert "CloudTrail" in line
        assert each.buckets[0].request_id in line

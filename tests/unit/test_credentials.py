"""Credentials come from where the code runs, refresh themselves, and ask the regional STS for the role."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError
from botocore.session import Session as BotocoreSession

from s3private import Route, connect, list_objects, open_object, read_object, read_objects
from s3private.cli import main
from s3private.credentials import assumed_role_session, base_session, dbutils, refreshing_session
from s3private.errors import PlatformError, RouteError

ROLE = "arn:aws:iam::222222222222:role/s3private-provisioner"
_ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>
<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Databricks compute, and no AWS settings of the machine."""
    for name in ("DATABRICKS_RUNTIME_VERSION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)


def vendor(vended: list[str]) -> SimpleNamespace:
    def provider(name: str) -> BotocoreSession:
        vended.append(name)
        session = BotocoreSession()
        session.set_credentials("ASIAVENDED", "secret", "token")
        return session

    return SimpleNamespace(getServiceCredentialsProvider=provider)


def module(**members: Any) -> ModuleType:
    made = ModuleType("made")
    made.__dict__.update(members)
    return made


def in_a_notebook(monkeypatch: pytest.MonkeyPatch, vended: list[str]) -> None:
    shell = SimpleNamespace(user_ns={"dbutils": SimpleNamespace(credentials=vendor(vended))})
    monkeypatch.setitem(sys.modules, "IPython", module(get_ipython=lambda: shell))


def as_a_plain_program(monkeypatch: pytest.MonkeyPatch, vended: list[str]) -> None:
    own = SimpleNamespace(credentials=vendor(vended))
    monkeypatch.setattr(sys.modules["__main__"], "dbutils", own, raising=False)


def in_a_wheel_task(monkeypatch: pytest.MonkeyPatch, vended: list[str]) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
    spark = object()

    def make(session: object) -> SimpleNamespace:
        assert session is spark
        return SimpleNamespace(credentials=vendor(vended))

    active = SimpleNamespace(getActiveSession=lambda: spark)
    monkeypatch.setitem(sys.modules, "pyspark.sql", module(SparkSession=active))
    monkeypatch.setitem(sys.modules, "pyspark.dbutils", module(DBUtils=make))


def in_a_udf(monkeypatch: pytest.MonkeyPatch, vended: list[str]) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.9")
    none = SimpleNamespace(getActiveSession=lambda: None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", module(SparkSession=none))
    worker = module(**vars(vendor(vended)))
    monkeypatch.setitem(sys.modules, "databricks.service_credentials", worker)


@pytest.mark.parametrize("place", [in_a_notebook, as_a_plain_program, in_a_wheel_task, in_a_udf])
def test_a_service_credential_is_had_wherever_databricks_runs_code(
    monkeypatch: pytest.MonkeyPatch, place: Callable[[pytest.MonkeyPatch, list[str]], None]
) -> None:
    vended: list[str] = []
    place(monkeypatch, vended)
    session = base_session("reader", "eu-west-1")
    credentials = session.get_credentials()
    assert credentials is not None
    assert (credentials.access_key, session.region_name, vended) == ("ASIAVENDED", "eu-west-1", ["reader"])


class ServiceException(Exception):
    """Of the platform's own, which nobody can name beforehand."""


SAID = "[PERMISSION_DENIED] User does not have ACCESS on Service Credential 'reader'."
STACK = f"\n{SAID}\n\tat com.databricks.example.Credentials.vend(Credentials.scala:1)\n"


def refused_at_the_call(name: str) -> BotocoreSession:
    raise ServiceException(STACK)


def refused_when_keys_are_asked_for(name: str) -> BotocoreSession:
    from botocore.credentials import CredentialProvider, CredentialResolver

    class Refusing(CredentialProvider):
        def load(self) -> None:
            raise ServiceException(STACK)

    session = BotocoreSession()
    session.register_component("credential_provider", CredentialResolver([Refusing()]))
    return session


@pytest.mark.parametrize("provider", [refused_at_the_call, refused_when_keys_are_asked_for])
def test_a_refused_service_credential_is_an_error_with_the_grant_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, provider: Callable[[str], BotocoreSession]
) -> None:
    own = SimpleNamespace(credentials=SimpleNamespace(getServiceCredentialsProvider=provider))
    monkeypatch.setattr(sys.modules["__main__"], "dbutils", own, raising=False)
    with pytest.raises(
        PlatformError, match=r"service credential reader: \[PERMISSION_DENIED\].* GRANT ACCESS ON SERVICE"
    ):
        base_session("reader")


def test_a_service_credential_that_is_refused_ends_a_plan_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("databricks.sdk")  # a notebook's environment has none
    own = SimpleNamespace(credentials=SimpleNamespace(getServiceCredentialsProvider=refused_at_the_call))
    monkeypatch.setattr(sys.modules["__main__"], "dbutils", own, raising=False)
    text = (Path(__file__).parents[2] / "paths" / "demo.toml").read_text(encoding="utf-8")
    file = tmp_path / "demo.toml"
    file.write_text(text.replace("[aws]", '[aws]\nservice_credential = "reader"'), encoding="utf-8")
    assert main(["plan", str(file)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"s3private: service credential reader: {SAID}")
    assert "GRANT ACCESS ON SERVICE CREDENTIAL `reader` TO" in line


def test_a_service_credential_of_another_cloud_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    own = SimpleNamespace(credentials=SimpleNamespace(getServiceCredentialsProvider=lambda _name: _empty()))
    monkeypatch.setattr(sys.modules["__main__"], "dbutils", own, raising=False)
    with pytest.raises(PlatformError, match="gives no AWS keys"):
        base_session("reader")


def test_a_service_credential_anywhere_else_is_refused_with_what_to_do() -> None:
    with pytest.raises(RouteError, match=r"credential reader .* Databricks compute only; .*connect\(route, session="):
        base_session("reader")


def test_outside_databricks_compute_there_is_no_dbutils() -> None:
    assert dbutils() is None


def test_without_a_service_credential_boto3_searches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    credentials = base_session(region="eu-west-1").get_credentials()
    assert credentials is not None
    assert credentials.access_key == "AKIAENVIRONMENT"


def test_keys_are_fetched_at_the_first_request_and_again_before_they_run_out() -> None:
    fetched: list[int] = []
    lasts = [timedelta(minutes=5), timedelta(hours=1)]

    def fetch() -> dict[str, str]:
        until = datetime.now(UTC) + lasts[len(fetched)]
        fetched.append(len(fetched))
        return {"access_key": f"ASIA{fetched[-1]}", "secret_key": "s", "token": "t", "expiry_time": until.isoformat()}

    credentials = refreshing_session(fetch, "test", "eu-west-1").get_credentials()
    assert credentials is not None
    assert fetched == []
    keys = [credentials.get_frozen_credentials().access_key for _ in range(4)]
    assert keys == ["ASIA0", "ASIA1", "ASIA1", "ASIA1"]


def base() -> boto3.Session:
    return boto3.Session(aws_access_key_id="AKIABASE", aws_secret_access_key="secret", region_name="us-east-1")


def asked_of_sts(session: boto3.Session, external_id: str | None, region: str) -> tuple[str, dict[str, list[str]]]:
    """The host and the parameters of the one AssumeRole request."""
    requests: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_event: Any) -> AWSResponse:
        requests.append(request)
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        body = BytesIO(_ANSWER.format(until=until).encode())
        return AWSResponse(str(request.url), 200, HTTPHeaders(), SimpleNamespace(stream=lambda: body))

    events: Any = session.events
    events.register("before-send.sts.AssumeRole", answer)
    credentials = assumed_role_session(session, ROLE, external_id, "s3private-demo", region).get_credentials()
    assert credentials is not None
    assert requests == [], "nothing is asked before the first use"
    assert credentials.get_frozen_credentials().access_key == "ASIAROLE"
    (request,) = requests
    sent = request.body.decode() if isinstance(request.body, bytes) else str(request.body)
    return urlsplit(str(request.url)).netloc, parse_qs(sent)


def test_the_role_is_asked_for_with_its_external_id_for_an_hour() -> None:
    _, asked = asked_of_sts(base(), "s3private-demo-id", "eu-west-1")
    assert asked["RoleArn"] == [ROLE]
    assert asked["ExternalId"] == ["s3private-demo-id"]
    assert asked["RoleSessionName"] == ["s3private-demo"]
    assert asked["DurationSeconds"] == ["3600"]


def test_no_external_id_is_sent_where_none_is_given() -> None:
    assert "ExternalId" not in asked_of_sts(base(), None, "eu-west-1")[1]


@pytest.mark.parametrize("old", ["1.34.69", "1.36.2", None])
def test_the_regions_own_sts_is_asked_whatever_the_botocore(monkeypatch: pytest.MonkeyPatch, old: str | None) -> None:
    if old:
        monkeypatch.setattr("botocore.__version__", old)
        # What was the default before 1.40: the global host.
        monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    assert asked_of_sts(base(), None, "eu-west-1")[0] == "sts.eu-west-1.amazonaws.com"


@pytest.mark.parametrize("version", ["1.36.2", "1.40.45"])
def test_a_configured_sts_endpoint_is_respected(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr("botocore.__version__", version)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com")
    assert asked_of_sts(base(), None, "eu-west-1")[0] == "vpce-1.sts.eu-west-1.vpce.amazonaws.com"


def test_a_role_without_anything_to_assume_it_with_is_refused() -> None:
    with pytest.raises(RouteError, match=f"no AWS credentials to assume {ROLE} with"):
        assumed_role_session(boto3.Session(botocore_session=_empty()), ROLE, None, "s3private-demo", "eu-west-1")


def sts_says(session: boto3.Session, answer: Callable[[AWSPreparedRequest], AWSResponse]) -> boto3.Session:
    events: Any = session.events
    events.register("before-send.sts.AssumeRole", lambda request, **_event: answer(request))
    return session


def refused_by_sts(request: AWSPreparedRequest) -> AWSResponse:
    body = BytesIO(b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>")
    return AWSResponse(str(request.url), 403, HTTPHeaders(), SimpleNamespace(stream=lambda: body))


def sts_is_not_there(request: AWSPreparedRequest) -> AWSResponse:
    raise EndpointConnectionError(endpoint_url=request.url)


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
@pytest.mark.parametrize(
    ("sts", "said"),
    [
        (refused_by_sts, "AccessDenied: not you. Its trust policy must let in who asks"),
        (
            sts_is_not_there,
            "Could not connect .* STS is not on the private path: name a Unity Catalog service credential",
        ),
    ],
)
def test_a_role_that_cannot_be_assumed_is_one_error_of_every_call(
    monkeypatch: pytest.MonkeyPatch, lean: bool, sts: Callable[[AWSPreparedRequest], AWSResponse], said: str
) -> None:
    """And not one of S3's, which was not asked: it would have the reader look at the bucket."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda seconds: None))
    route = Route(
        path="demo", region="eu-west-1", endpoint_url="https://localhost:1", vpc_endpoint_id="vpce-1", buckets=("b",)
    )
    s3 = connect(route, session=sts_says(base(), sts), role_arn=ROLE, lean=lean)
    asks: list[Callable[[], object]] = [
        lambda: read_object(s3, "s3://other/k"),
        lambda: list(read_objects(s3, ["s3://other/k"], on_error=lambda uri, error: None)),
        lambda: list(list_objects(s3, "s3://other/")),
        lambda: open_object(s3, "s3://other/k"),
        lambda: s3.get_object(Bucket="other", Key="k"),
    ]
    for ask in asks:
        with pytest.raises(PlatformError, match=f"^role {ROLE} cannot be assumed: {said}"):
            ask()


def _empty() -> BotocoreSession:
    from botocore.credentials import CredentialResolver

    session = BotocoreSession()
    session.register_component("credential_provider", CredentialResolver([]))
    return session

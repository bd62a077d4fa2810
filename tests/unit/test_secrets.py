"""No key, token or customer's encryption key is written into a log, kept in an error, or sent where it ends a field."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError

from origin.server import Origin
from s3private import ReadError, RouteError, connect, list_objects, read_object
from s3private.redaction import redact_logs, redacted

SECRETS = (
    "sEcrEt/kEy+0f==",
    "tOkEn/0f+thE/sEssiOn==",
    "rOlE/sEcrEt",
    "rOlE/tOkEn==",
    "cUstOmErs/kEy+0f/32/bytEs/lOng+x",
)
SECRET, TOKEN, ROLE_SECRET, ROLE_TOKEN, CUSTOMER = SECRETS


@pytest.fixture
def said() -> Iterator[io.StringIO]:
    """All that is logged, at level DEBUG, as `logging.basicConfig` does it."""
    root, stream = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(stream)
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


def session() -> boto3.Session:
    return boto3.Session(
        aws_access_key_id="AKIAEXAMPLE000000000",
        aws_secret_access_key=SECRET,
        aws_session_token=TOKEN,
        region_name="eu-west-1",
    )


def test_debug_logs_hold_no_secret(origin: Origin, said: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS"):
        monkeypatch.delenv(name, raising=False)
    origin.put("b", "k", b"body")
    made = session()
    events: Any = made.events
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()

    def answer(request: Any, **_event: Any) -> AWSResponse:
        body = io.BytesIO(
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>ASIAROLE</AccessKeyId><SecretAccessKey>{ROLE_SECRET}</SecretAccessKey>"
            f"<SessionToken>{ROLE_TOKEN}</SessionToken><Expiration>{until}</Expiration></Credentials>"
            "</AssumeRoleResult></AssumeRoleResponse>".encode()
        )
        return AWSResponse(str(request.url), 200, HTTPHeaders(), SimpleNamespace(stream=lambda: body))

    events.register("before-send.sts", answer)
    for role in (None, "arn:aws:iam::222222222222:role/reader"):
        s3: Any = connect(origin.route(), session=made, role_arn=role)
        assert s3.get_object(Bucket="b", Key="k")["Body"].read() == b"body"
        assert list(list_objects(s3, "s3://b/"))
        with pytest.raises(ReadError):
            read_object(s3, "s3://b/none")
        with pytest.raises(ClientError):
            s3.get_object(Bucket="b", Key="k", SSECustomerAlgorithm="AES256", SSECustomerKey=CUSTOMER)
        s3.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    text = said.getvalue()
    assert "AssumeRole" in text
    assert "<redacted>" in text
    for secret in SECRETS:
        assert secret not in text
    signature = [line for line in text.splitlines() if "Signature=" in line]
    assert all("Signature=<redacted>" in line for line in signature)


def test_the_sdk_of_databricks_logs_no_vended_keys_and_no_secret_of_a_scope(said: io.StringIO) -> None:
    redact_logs()
    logger = logging.getLogger("databricks.sdk")
    logger.debug(
        'POST /api/2.1/unity-catalog/temporary-service-credentials\n< 200 OK\n< {\n<   "aws_temp_credentials": {\n'
        f'<     "access_key_id": "ASIA",\n<     "secret_access_key": "{ROLE_SECRET}",\n<     "session_token": '
        f'"{ROLE_TOKEN}"\n<   }}\n< }}\n> * Authorization: Bearer {TOKEN}'
    )
    logger.debug('GET /api/2.0/secrets/get?scope=s&key=k\n< {\n<   "key": "k",\n<   "value": "%s"\n< }', SECRET)
    text = said.getvalue()
    assert text.count("<redacted>") == 4
    for secret in SECRETS:
        assert secret not in text
    assert '"access_key_id": "ASIA"' in text


def test_what_holds_no_secret_is_said_as_it_was() -> None:
    for text in (
        "SignedHeaders=host;x-amz-date;x-amz-security-token, and more",
        "Event before-send.s3.GetObject: calling handler <bound method x>",
        "GET /b/secret_key/session_token.csv HTTP/1.1",
        "key=value, token and secret",
        '"https://localhost:1 "GET /b?list-type=2&continuation-token=abc HTTP/1.1" 200 12',
    ):
        assert redacted(text) == text


def test_a_record_that_does_not_fit_its_arguments_is_loggings_own_matter(said: io.StringIO) -> None:
    redact_logs()
    record = logging.LogRecord("botocore.auth", logging.DEBUG, __file__, 1, "%d", ("no number",), None)
    assert logging.getLogger("botocore.auth").filter(record)


ECHO = (
    "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match</Message>"
    "<AWSAccessKeyId>AKIAEXAMPLE000000000</AWSAccessKeyId><StringToSign>AWS4-HMAC-SHA256\n20260101T000000Z</StringToSign>"
    "<CanonicalRequest>GET\n/b/k\n\nhost:h\nx-amz-security-token:{token}\n\nhost;x-amz-security-token\nabc"
    "</CanonicalRequest><CanonicalRequestBytes>{bytes}</CanonicalRequestBytes></Error>"
)


def everything(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += f"{error!r} {error} {vars(error)!r}"
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
def test_what_s3_sends_back_of_what_was_signed_is_kept_without_the_token(
    origin: Origin, monkeypatch: pytest.MonkeyPatch, lean: bool
) -> None:
    hexadecimal = " ".join(f"{byte:02x}" for byte in TOKEN.encode())
    body = ECHO.format(token=TOKEN, bytes=hexadecimal).encode()
    monkeypatch.setattr(origin, "_content", lambda request: (403, {"content-type": "application/xml"}, body))
    s3: Any = connect(origin.route(), session=session(), lean=lean)
    with pytest.raises(ReadError, match="SignatureDoesNotMatch") as ours:
        read_object(s3, "s3://b/k")
    with pytest.raises(ClientError) as botos:
        s3.get_object(Bucket="b", Key="k")
    for error in (ours.value, botos.value):
        said = everything(error)
        assert "SignatureDoesNotMatch" in said
        assert "x-amz-security-token:<redacted>" in said
        assert TOKEN not in said
        assert hexadecimal not in said


@pytest.mark.parametrize("lean", [True, False], ids=["own wire", "boto3 alone"])
@pytest.mark.parametrize("end", ["\r\nx-injected: 1", "\n", "\r", "\0"])
def test_a_token_that_ends_its_field_is_refused_and_not_sent(origin: Origin, lean: bool, end: str) -> None:
    origin.put("b", "k", b"body")
    made = boto3.Session("AKIAEXAMPLE000000000", SECRET, f"{TOKEN}{end}")
    s3 = connect(origin.route(), session=made, lean=lean)
    with pytest.raises(
        RouteError, match=r"^refused, not sent: the session token of the AWS credentials .*line end"
    ) as refused:
        read_object(s3, "s3://b/k")
    assert TOKEN not in everything(refused.value)
    with pytest.raises(RouteError, match="the session token"):
        list(list_objects(s3, "s3://b/"))
    assert origin.requests == []


@pytest.mark.parametrize("wrong", ["é", "日", "\u2028", "\x7f", "\t", "\ud800"])
@pytest.mark.parametrize("which", ["the access key id", "the secret key", "the session token"])
def test_what_no_header_field_holds_is_no_key(origin: Origin, which: str, wrong: str) -> None:
    given = [("AKIA", wrong)[which == "the access key id"], ("s", wrong)[which == "the secret key"], wrong]
    s3 = connect(origin.route(), session=boto3.Session(given[0], given[1], given[2] if "token" in which else "t"))
    with pytest.raises(RouteError, match=f"^refused, not sent: {which} of the AWS credentials"):
        read_object(s3, "s3://b/k")
    assert origin.requests == []


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\n", "\0", "é", "a\tb"])
def test_a_given_field_that_becomes_two_is_refused_by_its_name(origin: Origin, value: str) -> None:
    s3 = connect(origin.route(), session=session())
    with pytest.raises(RouteError, match=r"^refused, not sent: header field x-amz-expected-bucket-owner"):
        read_object(s3, "s3://b/k", extra_args={"ExpectedBucketOwner": value})
    assert origin.requests == []

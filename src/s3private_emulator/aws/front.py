"""The AWS API's front door: which service a request is for, who signed it, and an entry in the log for every one.

Anything that is not emulated answers 501, names itself, and is logged as unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.utils import camelcase_to_underscores, get_service_model
from moto.iam.models import iam_backends
from moto.iam.responses import IamResponse

from s3private_emulator.aws import credentials
from s3private_emulator.aws.answering import Answering
from s3private_emulator.aws.cloud import Cloud
from s3private_emulator.aws.credentials import Credential, Signature, read_signature
from s3private_emulator.aws.ec2 import Ec2
from s3private_emulator.aws.elb import Elb
from s3private_emulator.aws.refusals import NotEmulated, Refusal, error_xml
from s3private_emulator.aws.s3 import address_of, is_s3_host, raw_path
from s3private_emulator.aws.sts import Sts
from s3private_emulator.log import Request as Logged

NAMES = {"ec2": "ec2", "elasticloadbalancing": "elbv2", "sts": "sts", "iam": "iam"}
"""Signing name -> the name in the log."""
READS = ("Describe", "Get", "List", "Head", "Assume", "Simulate", "Decode")


CLOCK_TOLERANCE = timedelta(minutes=5)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html"""


class Iam(Answering, IamResponse):
    """IAM is moto's; the access keys that it makes sign here."""

    def __init__(self, cloud: Cloud, caller: Credential | None, region: str) -> None:
        super().__init__()
        self.cloud, self.caller, self.signed_region = cloud, caller, region

    def call_action(self) -> TYPE_RESPONSE:
        action = self._get_action()
        if action == "UpdateAccessKey":
            raise NotEmulated("iam:UpdateAccessKey")
        answer = super().call_action()
        if answer[0] < 300 and action in ("CreateAccessKey", "DeleteAccessKey"):
            self._learn_keys()
        return answer

    def _learn_keys(self) -> None:
        held = self.cloud.credentials
        users = iam_backends[self.current_account]["aws"].users.values()
        keys = {
            key.access_key_id: Credential(
                access_key_id=key.access_key_id,
                secret_access_key=key.secret_access_key,
                session_token=None,
                account=self.current_account,
                arn=user.arn,
                user_id=user.id,
            )
            for user in users
            for key in user.access_keys
        }
        held.replace_keys(self.current_account, keys, kept=self.cloud.world.access_key_id)


class ServerRequest(Request):
    from_wsgi_server = True


class Front:
    def __init__(self, cloud: Cloud, s3: WSGIApplication) -> None:
        self._cloud, self._s3 = cloud, s3

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = ServerRequest(environ)
        signature = _signature_of(request)
        if is_s3_host(environ.get("HTTP_HOST", "")):
            return self._s3(environ, start_response)
        action = request.values.get("Action") if _is_query(request) else None
        if action is None and (signature is None or signature.service == "s3"):
            return self._s3(environ, start_response)
        service = signature.service if signature is not None else "sts"
        environ["emulator.operation"] = f"{NAMES.get(service, service)}:{action or request.method + ' ' + request.path}"
        environ["emulator.params"] = {k: v for k, v in request.values.items() if k not in ("Action", "Version")}
        environ["emulator.writes"] = not str(action or "").startswith(READS) and not _dry(request)
        if service not in NAMES or action is None:
            raise NotEmulated(environ["emulator.operation"])
        with self._cloud.lock:
            status, headers, body = self._query(service, action, request, signature)
        content = body.encode() if isinstance(body, str) else body
        kept = {k: str(v) for k, v in headers.items() if k.lower() not in ("status", "content-length")}
        start_response(
            f"{status} {'OK' if status < 300 else 'Refused'}", [*kept.items(), ("Content-Length", str(len(content)))]
        )
        return [content]

    def _query(self, service: str, action: str, request: Request, signature: Signature | None) -> TYPE_RESPONSE:
        kinds: dict[str, Callable[[Cloud, Credential | None, str], Answering]] = {
            "ec2": Ec2,
            "elasticloadbalancing": Elb,
            "sts": Sts,
            "iam": Iam,
        }
        region = signature.region if signature is not None else self._cloud.world.region
        kind = kinds[service]
        name = camelcase_to_underscores(action)
        if action not in get_service_model(NAMES[service]).operation_names or not callable(getattr(kind, name, None)):
            raise NotEmulated(request.environ["emulator.operation"])
        try:
            caller = self._caller(service, request, signature)
        except Refusal as refusal:
            return kind(self._cloud, None, region).refuse(request, refusal)
        request.environ["emulator.account"] = caller.account
        try:
            return kind(self._cloud, caller, region).answer(request, service, action)
        except NotImplementedError as error:
            raise NotEmulated(f"{request.environ['emulator.operation']} ({error})") from error

    def _caller(self, service: str, request: Request, signature: Signature | None) -> Credential:
        """Who signed it. EC2 has its own words for the same refusals.
        https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
        https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html"""
        if signature is None:
            raise Refusal("MissingAuthenticationToken", "Request is missing Authentication Token", 403)
        try:
            return self._cloud.credentials.verify(
                signature,
                method=request.method,
                host=request.environ.get("HTTP_HOST", ""),
                path=raw_path(request.environ),
                query=request.environ.get("QUERY_STRING", ""),
                headers=request.headers,
                body=request.get_data(cache=True),
                tolerance=CLOCK_TOLERANCE,
            )
        except credentials.Skewed:
            if service == "ec2":
                raise Refusal("RequestExpired", "Request has expired.", 400) from None
            raise Refusal("SignatureDoesNotMatch", _skewed(signature.timestamp), 403) from None
        except (credentials.UnknownKey, credentials.WrongToken):
            if service == "ec2":
                message = "AWS was not able to validate the provided access credentials"
                raise Refusal("AuthFailure", message, 401) from None
            message = "The security token included in the request is invalid."
            raise Refusal("InvalidClientTokenId", message, 403) from None
        except credentials.Expired:
            if service == "ec2":
                raise Refusal("RequestExpired", "Request has expired.", 400) from None
            message = "The security token included in the request is expired"
            raise Refusal("ExpiredToken", message, 403) from None
        except credentials.WrongSignature:
            if service == "ec2":
                message = "AWS was not able to validate the provided access credentials"
                raise Refusal("AuthFailure", message, 401) from None
            message = (
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method."
            )
            raise Refusal("SignatureDoesNotMatch", message, 403) from None


class LoggedApp:
    """Writes every request into the log, and turns what is not emulated into 501."""

    def __init__(self, cloud: Cloud, app: WSGIApplication) -> None:
        self._cloud, self._app = cloud, app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        status = 500
        known = True

        def started(line: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
            nonlocal status
            status = int(line.split()[0])
            return start_response(line, headers, exc_info)

        try:
            return self._app(environ, started)
        except NotEmulated as missing:
            known = False
            return _not_emulated(str(missing), environ, started)
        finally:
            self._log(environ, status, known)

    def _log(self, environ: WSGIEnvironment, status: int, known: bool) -> None:
        method, path = environ["REQUEST_METHOD"], raw_path(environ)
        operation = environ.get("emulator.operation") or _s3_operation(environ, method, path)
        self._cloud.log.add(
            Logged(
                service="aws",
                operation=operation,
                method=method,
                path=path,
                status=status,
                writes=environ.get("emulator.writes", method not in ("GET", "HEAD", "OPTIONS")),
                account=environ.get("emulator.account", ""),
                known=known,
                params=environ.get("emulator.params", {}),
            )
        )


def _s3_operation(environ: WSGIEnvironment, method: str, path: str) -> str:
    try:
        address = address_of(environ.get("HTTP_HOST", ""), path)
    except NotEmulated as missing:
        return str(missing)
    return f"s3:{method} {address.bucket}" + (f"/{address.key}" if address.key else "")


def _not_emulated(what: str, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    service = str(environ.get("emulator.operation", "")).split(":")[0]
    content = error_xml(service, "NotImplemented", f"{what} is not emulated").encode()
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(content)))]
    start_response("501 Not Implemented", headers)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [content]


def _signature_of(request: Request) -> Signature | None:
    try:
        return read_signature(request.headers, request.environ.get("QUERY_STRING", ""))
    except credentials.Unsigned:
        return None


def _is_query(request: Request) -> bool:
    """Query APIs post a form to `/`; reading the body of anything else would take it from S3."""
    if request.path != "/":
        return False
    if request.method == "POST":
        request.get_data(cache=True)
        return request.mimetype == "application/x-www-form-urlencoded"
    return "Action" in request.args


def _skewed(timestamp: str) -> str:
    now = datetime.now(UTC)
    late = timestamp < f"{now:%Y%m%dT%H%M%SZ}"
    edge = now - CLOCK_TOLERANCE if late else now + CLOCK_TOLERANCE
    said = f"Signature expired: {timestamp} is now earlier than" if late else "Signature not yet current: "
    said += "" if late else f"{timestamp} is still later than"
    return f"{said} {edge:%Y%m%dT%H%M%SZ} ({now:%Y%m%dT%H%M%SZ} {'-' if late else '+'} 5 min.)"


def _dry(request: Request) -> bool:
    return str(request.values.get("DryRun", "")).lower() == "true"

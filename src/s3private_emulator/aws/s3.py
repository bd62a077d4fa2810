"""S3: moto's, behind the checks that moto lacks, so that what reaches it is a signed, allowed request in path style.

In S3's order: who signed, is the bucket in this region, do the endpoint's policy and the bucket's let it through.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, quote, unquote
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from xml.sax.saxutils import escape

from moto.core.request import Request
from moto.iam.access_control import PermissionResult
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import FakeBucket, s3_backends

from s3private_emulator.aws import credentials
from s3private_emulator.aws.authorizing import common_context
from s3private_emulator.aws.cloud import Cloud, Endpoint
from s3private_emulator.aws.credentials import Credential, Signature, read_signature
from s3private_emulator.aws.identities import identity_verdict, why
from s3private_emulator.aws.policies import Asked, Named, Verdict, judge
from s3private_emulator.aws.refusals import NotEmulated
from s3private_emulator.aws.s3_actions import action_of

ENDPOINT_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?(?P<kind>bucket|accesspoint|control)\.vpce-[0-9a-f]+-[0-9a-z]+(?:-[0-9a-z-]+)?"
    r"\.s3\.(?P<region>[0-9a-z-]+)\.vpce\.amazonaws\.com"
)
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html"""
PUBLIC_HOST = re.compile(r"(?:(?P<bucket>.+)\.)?s3(?:\.dualstack)?(?:[.-](?P<region>[0-9a-z-]+))?\.amazonaws\.com")
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html"""


CLOCK_TOLERANCE = timedelta(minutes=15)
"""https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)"""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a request is sent: `region` is None when the host names none."""

    bucket: str
    key: str
    region: str | None
    through_endpoint: bool


class S3Refusal(Exception):
    """S3's own form of error. `extra`: further elements; `headers`: further headers."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        extra: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message
        self.extra, self.headers = extra or {}, headers or {}


def denied(message: str = "Access Denied") -> S3Refusal:
    return S3Refusal(403, "AccessDenied", message)


def is_s3_host(host: str) -> bool:
    name = host.split(":")[0]
    return bool(ENDPOINT_HOST.fullmatch(name) or PUBLIC_HOST.fullmatch(name))


def raw_path(environ: WSGIEnvironment) -> str:
    """The path as it was sent and signed, percent signs and all."""
    sent = str(environ.get("RAW_URI") or "").split("?")[0]
    return sent or quote(environ.get("PATH_INFO", "/").encode("latin-1"))


def address_of(host: str, path: str) -> Address:
    name = host.split(":")[0]
    through = ENDPOINT_HOST.fullmatch(name)
    if through is not None and through["kind"] != "bucket":
        raise NotEmulated(f"s3:{through['kind']} endpoint")
    match = through or PUBLIC_HOST.fullmatch(name)
    bucket, rest = (match["bucket"] if match else None), unquote(path.lstrip("/"))
    if bucket is None:
        bucket, _, rest = rest.partition("/")
    elif path.startswith("//"):
        rest = unquote(path[1:])
    return Address(
        bucket=bucket, key=rest, region=match["region"] if match else None, through_endpoint=through is not None
    )


class S3:
    """`vpc_endpoint_id`: through which endpoint requests come; None for the public S3."""

    def __init__(self, cloud: Cloud, moto: WSGIApplication, vpc_endpoint_id: str | None) -> None:
        self._cloud, self._moto, self._vpc_endpoint_id = cloud, moto, vpc_endpoint_id

    @staticmethod
    def moto() -> WSGIApplication:
        # moto asks bucket policies too, for reads, and knows no condition: what comes to it is judged here already.
        patch.object(FakeBucket, "get_permission", _judged_already).start()
        app: WSGIApplication = create_backend_app("s3")
        return app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            address = address_of(environ.get("HTTP_HOST", ""), raw_path(environ))
            if address.through_endpoint and self._vpc_endpoint_id is None:
                raise NotEmulated("s3: an endpoint's host name on the public S3")
            with self._cloud.lock:
                signature, caller = self._caller(environ)
                environ["emulator.account"] = caller.account
                bucket = self._bucket(address, signature)
                self._authorize(environ, address, bucket, caller)
        except S3Refusal as refusal:
            return _answer(refusal, environ, start_response)
        lists = environ["REQUEST_METHOD"] == "GET" and not address.key
        passed_on = _path_style(environ, address, bucket, caller)
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._moto(passed_on, _in_chunks(start_response) if lists else start_response)
        # Its body first, which may take long to come; what moto then changes is nobody else's to look at meanwhile.
        passed_on["wsgi.input"] = io.BytesIO(Request(environ).get_data(cache=True))
        with self._cloud.lock:
            return list(self._moto(passed_on, start_response))

    def _caller(self, environ: WSGIEnvironment) -> tuple[Signature, Credential]:
        request = Request(environ)
        query = str(environ.get("QUERY_STRING", ""))
        try:
            signature = read_signature(request.headers, query)
        except credentials.Unsigned:
            # No bucket of this world is public.
            raise denied() from None
        hashed = "X-Amz-Content-SHA256" in request.headers or signature.presigned
        try:
            caller = self._cloud.credentials.verify(
                signature,
                method=request.method,
                host=environ.get("HTTP_HOST", ""),
                path=raw_path(environ),
                query=query,
                headers=request.headers,
                body=b"" if hashed else request.get_data(cache=True),
                tolerance=CLOCK_TOLERANCE,
            )
        except credentials.Skewed:
            message = "The difference between the request time and the current time is too large."
            extra = {"RequestTime": signature.timestamp, "MaxAllowedSkewMilliseconds": "900000"}
            raise S3Refusal(403, "RequestTimeTooSkewed", message, extra) from None
        except credentials.UnknownKey:
            message = "The AWS Access Key Id you provided does not exist in our records."
            extra = {"AWSAccessKeyId": signature.access_key_id}
            raise S3Refusal(403, "InvalidAccessKeyId", message, extra) from None
        except credentials.WrongToken:
            message = "The provided token is malformed or otherwise invalid."
            raise S3Refusal(400, "InvalidToken", message) from None
        except credentials.Expired:
            raise S3Refusal(400, "ExpiredToken", "The provided token has expired.") from None
        except credentials.WrongSignature:
            message = (
                "The request signature we calculated does not match the signature you provided. "
                "Check your key and signing method."
            )
            raise S3Refusal(403, "SignatureDoesNotMatch", message) from None
        return signature, caller

    def _bucket(self, address: Address, signature: Signature) -> FakeBucket | None:
        """The bucket, if it is where the request was sent and signed for.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html"""
        bucket = find_bucket(address.bucket) if address.bucket else None
        region = bucket.region_name if bucket is not None else address.region
        hint = {"x-amz-bucket-region": region} if bucket is not None and region else {}
        if bucket is not None and address.region is not None and address.region != region:
            raise S3Refusal(
                301,
                "PermanentRedirect",
                "The bucket you are attempting to access must be addressed using the specified endpoint. "
                "Please send all future requests to this endpoint.",
                {"Endpoint": f"{address.bucket}.s3.{region}.amazonaws.com", "Bucket": address.bucket},
                hint,
            )
        if region is not None and signature.region != region:
            raise S3Refusal(
                400,
                "AuthorizationHeaderMalformed",
                f"The authorization header is malformed; the region '{signature.region}' is wrong; "
                f"expecting '{region}'",
                {"Region": region},
                hint,
            )
        return bucket

    def _authorize(
        self, environ: WSGIEnvironment, address: Address, bucket: FakeBucket | None, caller: Credential
    ) -> None:
        """An endpoint's policy must allow and not deny. Of the caller's own policies and the bucket's none may deny;
        within an account one of them must allow, from another account both.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/how-s3-evaluates-access-control.html
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/example-bucket-policies-vpc-endpoint.html"""
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        for part in action_of(environ["REQUEST_METHOD"], address.bucket, address.key, query):
            self._allow(
                bucket,
                Asked(
                    caller=caller,
                    action=part,
                    resource=f"arn:aws:s3:::{address.bucket}" + (f"/{address.key}" if address.key else ""),
                    context=self._context(bucket, caller, query),
                ),
            )
            if bucket is not None and part == "s3:GetObject" and address.key not in bucket.keys:
                # Who may not list is not told that a key is not there.
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html
                listing = Asked(
                    caller=caller,
                    action="s3:ListBucket",
                    resource=f"arn:aws:s3:::{address.bucket}",
                    context=self._context(bucket, caller, {}),
                )
                self._allow(bucket, listing)

    def _allow(self, bucket: FakeBucket | None, asked: Asked) -> None:
        """Raises S3Refusal."""
        caller = asked.caller
        said = (
            f"User: {caller.arn if caller else ''} is not authorized to perform: {asked.action} on resource: "
            f'"{asked.resource}"'
        )
        if self._vpc_endpoint_id is not None:
            policy = json.loads(self._endpoint(self._vpc_endpoint_id).policy)
            if judge(policy, asked) is not Verdict.ALLOW:
                raise denied(f"{said} because no VPC endpoint policy allows the {asked.action} action")
        making = asked.action in ("s3:CreateBucket", "s3:ListAllMyBuckets")
        if bucket is None and not making:
            # A bucket that is not there is said to be not there.
            return
        own = identity_verdict(asked)
        if own is Verdict.DENY:
            raise denied(f"{said} {why(own, asked.action)}")
        held = json.loads(bucket.policy) if bucket is not None and bucket.policy else {}
        verdict = judge(held, asked)
        if verdict is Verdict.DENY:
            raise denied(f"{said} with an explicit deny in a resource-based policy")
        if bucket is not None and caller is not None and caller.account != bucket.account_id:
            if verdict is not Verdict.ALLOW:
                raise denied(f"{said} because no resource-based policy allows the {asked.action} action")
        elif judge(held, asked, named=Named.ITSELF) is Verdict.ALLOW:
            return
        if own is not Verdict.ALLOW:
            raise denied(f"{said} {why(own, asked.action)}")

    def _context(
        self, bucket: FakeBucket | None, caller: Credential, query: dict[str, str]
    ) -> dict[str, str | list[str]]:
        region = bucket.region_name if bucket is not None else self._cloud.world.region
        context = common_context(caller, region)
        if bucket is not None:
            context["aws:resourceaccount"] = str(bucket.account_id)
        for name in ("prefix", "delimiter"):
            if name in query:
                context[f"s3:{name}"] = query[name]
        if self._vpc_endpoint_id is not None:
            context["aws:sourcevpce"] = self._vpc_endpoint_id
            context["aws:sourcevpc"] = self._endpoint(self._vpc_endpoint_id).vpc_id
        return context

    def _endpoint(self, vpc_endpoint_id: str) -> Endpoint:
        for region in self._cloud.regions():
            endpoint = region.endpoints.get(vpc_endpoint_id)
            if endpoint is not None and endpoint.available:
                return endpoint
        raise S3Refusal(503, "ServiceUnavailable", f"{vpc_endpoint_id} is not an available endpoint")


def _judged_already(_bucket: FakeBucket, _action: str, _resource: str) -> PermissionResult:
    return PermissionResult.NEUTRAL


def _in_chunks(start_response: StartResponse) -> StartResponse:
    """S3 sends lists without a length, in chunks: the server does so where the application names none."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], object]:
        unframed = [(name, value) for name, value in headers if name.lower() != "content-length"]
        return start_response(status, unframed if status.startswith("200") else headers, exc_info)

    return start


def find_bucket(name: str) -> FakeBucket | None:
    found = s3_backends.bucket_accounts.get(name)
    if found is None:
        return None
    partition, account = found
    bucket: FakeBucket | None = s3_backends[account][partition].buckets.get(name)
    return bucket


def _path_style(
    environ: WSGIEnvironment, address: Address, bucket: FakeBucket | None, caller: Credential
) -> WSGIEnvironment:
    """The same request as moto reads it without doubt: a regional host, and the bucket in the path."""
    path = raw_path(environ)
    match = ENDPOINT_HOST.fullmatch(_name(environ)) or PUBLIC_HOST.fullmatch(_name(environ))
    if match is not None and match["bucket"]:
        path = f"/{address.bucket}{path}"
    region = bucket.region_name if bucket is not None else address.region
    query = environ.get("QUERY_STRING", "")
    return {
        **environ,
        "HTTP_HOST": f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com",
        "PATH_INFO": unquote(path, encoding="latin-1"),
        "RAW_URI": path + (f"?{query}" if query else ""),
        "REQUEST_URI": path + (f"?{query}" if query else ""),
        "HTTP_X_MOTO_ACCOUNT_ID": str(bucket.account_id) if bucket is not None else caller.account,
    }


def _name(environ: WSGIEnvironment) -> str:
    return str(environ.get("HTTP_HOST", "")).split(":")[0]


def _answer(refusal: S3Refusal, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    elements: dict[str, Any] = {"Code": refusal.code, "Message": refusal.message, **refusal.extra}
    inner = "".join(f"<{name}>{escape(str(text))}</{name}>" for name, text in elements.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}<RequestId>EMULATED</RequestId></Error>'.encode()
    headers = {"Content-Type": "application/xml", "x-amz-request-id": "EMULATED", **refusal.headers}
    if environ["REQUEST_METHOD"] == "HEAD":
        # A HEAD answer has no body, so that the client sees only the status.
        body = b""
    headers["Content-Length"] = str(len(body))
    start_response(f"{refusal.status} {refusal.code}", list(headers.items()))
    return [body]

"""Access keys and the principals behind them. A key that this store did not give out is no key at all.

Signatures are checked with botocore's own signer: a wrong secret must fail here as it does at AWS.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from werkzeug.datastructures import Headers


@dataclass(frozen=True, kw_only=True)
class Credential:
    """`expires`: the world's clock, as the client's is, and not the emulator's; None for a user's own key."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None
    account: str
    arn: str
    """Of the user, or of the assumed-role session."""
    user_id: str
    role_arn: str | None = None
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a signed request says of itself."""

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    session_token: str | None
    presigned: bool


class Unsigned(Exception):
    """The request carries no signature of version 4."""


class UnknownKey(Exception):
    """No such access key."""


class WrongSignature(Exception):
    """The signature is not the one that the secret makes."""


class WrongToken(Exception):
    """The session token is not the one that came with the key."""


class Skewed(Exception):
    """The request says another time than it is."""


class Expired(Exception):
    """The session is over."""


def read_signature(headers: Headers, query: str) -> Signature:
    """Raises Unsigned."""
    values = dict(parse_qsl(query, keep_blank_values=True))
    authorization = headers.get("Authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256"):
        parts = dict(p.strip().split("=", 1) for p in authorization[len("AWS4-HMAC-SHA256") :].split(",") if "=" in p)
        credential, signed, signature = (parts.get(k, "") for k in ("Credential", "SignedHeaders", "Signature"))
        timestamp, token = headers.get("X-Amz-Date", ""), headers.get("X-Amz-Security-Token")
    elif values.get("X-Amz-Algorithm") == "AWS4-HMAC-SHA256":
        credential, signed = values.get("X-Amz-Credential", ""), values.get("X-Amz-SignedHeaders", "")
        signature, timestamp = values.get("X-Amz-Signature", ""), values.get("X-Amz-Date", "")
        token = values.get("X-Amz-Security-Token")
    else:
        raise Unsigned
    scope = credential.split("/")
    if len(scope) != 5:
        raise Unsigned
    return Signature(
        access_key_id=scope[0],
        date=scope[1],
        region=scope[2],
        service=scope[3],
        signed_headers=tuple(signed.split(";")),
        signature=signature,
        timestamp=timestamp,
        session_token=token,
        presigned="X-Amz-Algorithm" in values,
    )


def _time(timestamp: str) -> datetime:
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Skewed from None


class _Signer(S3SigV4Auth):
    """botocore's signer over a request as it arrived: its own payload hash, and its path as it stands."""

    def __init__(self, credential: Credential, signature: Signature, payload_hash: str) -> None:
        keys = Credentials(credential.access_key_id, credential.secret_access_key)
        super().__init__(keys, signature.service, signature.region)
        self._payload_hash = payload_hash

    def payload(self, request: Any) -> str:
        return self._payload_hash


class CredentialStore:
    def __init__(self) -> None:
        self._keys: dict[str, Credential] = {}

    def add(self, credential: Credential) -> None:
        self._keys[credential.access_key_id] = credential

    def issue(self, *, role_arn: str, role_id: str, session_name: str, duration_seconds: float) -> Credential:
        """A session of a role, as STS hands it out."""
        account, role_name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
        credential = Credential(
            access_key_id="ASIA" + secrets.token_hex(8).upper(),
            secret_access_key=secrets.token_urlsafe(30),
            session_token=secrets.token_urlsafe(60),
            account=account,
            arn=f"arn:aws:sts::{account}:assumed-role/{role_name}/{session_name}",
            user_id=f"{role_id}:{session_name}",
            role_arn=role_arn,
            expires=datetime.now(UTC) + timedelta(seconds=duration_seconds),
        )
        self.add(credential)
        return credential

    def replace_keys(self, account: str, keys: dict[str, Credential], *, kept: str) -> None:
        """The keys of the account's users are these, and the one that was there from the beginning."""
        gone = [k for k, c in self._keys.items() if c.account == account and c.session_token is None and k != kept]
        for key in gone:
            del self._keys[key]
        self._keys |= keys

    def expire_sessions(self) -> None:
        """End every session now, as if its time were over."""
        for key, credential in self._keys.items():
            if credential.expires is not None:
                self._keys[key] = replace(credential, expires=datetime.now(UTC))

    def get(self, access_key_id: str) -> Credential | None:
        return self._keys.get(access_key_id)

    def verify(
        self,
        signature: Signature,
        *,
        method: str,
        host: str,
        path: str,
        query: str,
        headers: Headers,
        body: bytes,
        tolerance: timedelta,
    ) -> Credential:
        """Who signed this request. `tolerance`: how far its time may be from the real one; a presigned URL says itself
        how long it holds. Raises UnknownKey, WrongToken, Skewed, Expired, WrongSignature."""
        credential = self._keys.get(signature.access_key_id)
        if credential is None:
            raise UnknownKey
        if signature.session_token != credential.session_token:
            raise WrongToken
        if not signature.presigned and abs(datetime.now(UTC) - _time(signature.timestamp)) > tolerance:
            raise Skewed
        if credential.expires is not None and datetime.now(UTC) >= credential.expires:
            raise Expired
        if signature.presigned:
            pairs = [(k, v) for k, v in parse_qsl(query, keep_blank_values=True) if k != "X-Amz-Signature"]
            query, payload_hash = urlencode(pairs), "UNSIGNED-PAYLOAD"
        else:
            payload_hash = headers.get("X-Amz-Content-SHA256") or hashlib.sha256(body).hexdigest()
        signed = {name: headers[name] for name in signature.signed_headers if name != "host" and name in headers}
        request = AWSRequest(
            method=method,
            url=f"http://{host}{path}" + (f"?{query}" if query else ""),
            headers={**signed, "Host": host},
        )
        request.context["timestamp"] = signature.timestamp
        signer = _Signer(credential, signature, payload_hash)
        expected = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
        if not hmac.compare_digest(expected, signature.signature):
            raise WrongSignature
        return credential

"""OAuth machine-to-machine: a service principal's id and secret for a token that runs out.

Tokens live by real time, not by the emulator's clock: the SDK reckons by its own, and could not know that a test had
turned ours a day forward.

https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from s3private_emulator.account.refusals import unauthenticated
from s3private_emulator.clock import RealClock

TOKEN_SECONDS = 3600.0


@dataclass(frozen=True)
class ServicePrincipal:
    client_id: str
    client_secret: str
    account_admin: bool


class TokenRefused(Exception):
    """In the form of RFC 6749, section 5.2, not of the REST API."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.body = {"error": error, "error_description": description}


class Tokens:
    """`token_seconds` holds for tokens issued from then on."""

    def __init__(self) -> None:
        self.token_seconds = TOKEN_SECONDS
        self._clock = RealClock()
        self._principals: dict[str, ServicePrincipal] = {}
        self._issued: dict[str, tuple[ServicePrincipal, float]] = {}

    def add(self, principal: ServicePrincipal) -> None:
        self._principals[principal.client_id] = principal

    def issue(self, grant_type: str, client_id: str, client_secret: str) -> dict[str, object]:
        """The token endpoint's answer. Raises TokenRefused."""
        if grant_type != "client_credentials":
            raise TokenRefused(400, "unsupported_grant_type", f"Unsupported grant type: {grant_type or 'none'}")
        principal = self._principals.get(client_id)
        if principal is None or not secrets.compare_digest(principal.client_secret.encode(), client_secret.encode()):
            raise TokenRefused(401, "invalid_client", "Client authentication failed")
        token = secrets.token_urlsafe(32)
        self._issued[token] = (principal, self._clock.now() + self.token_seconds)
        return {
            "access_token": token,
            "scope": "all-apis",
            "token_type": "Bearer",
            "expires_in": int(self.token_seconds),
        }

    def revoke_all(self) -> None:
        self._issued.clear()

    def bearer(self, authorization: str | None) -> ServicePrincipal:
        """Whose token the header carries. Raises Refusal."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated("Credential was not sent or was of an unsupported type for this API.")
        principal, until = self._issued.get(token, (None, 0.0))
        if principal is None or self._clock.now() >= until:
            raise unauthenticated("Invalid access token: unknown or expired.")
        return principal

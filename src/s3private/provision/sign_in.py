"""Signing in to Databricks, bounded and said: as the SDK does it, a token endpoint is asked once and without a time
limit, a `Retry-After` is waited out without a word, and whatever is answered is taken for JSON.

Tokens last an hour and runs may last longer, so all of it holds in the middle of a run too.
https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from databricks.sdk.clock import Clock as SdkClock
from databricks.sdk.config import Config as DatabricksConfig
from databricks.sdk.credentials_provider import CredentialsProvider, CredentialsStrategy
from requests.exceptions import ConnectionError as NotConnected
from requests.exceptions import JSONDecodeError, ProxyError, RequestException, SSLError, Timeout
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from s3private.errors import ConfigError, PlatformError
from s3private.redaction import redacted
from s3private.threads import Threads

ANSWER_SECONDS = 20.0
"""How long one answer may take in all, with the host's name, a proxy and TLS."""
PATIENCE_SECONDS = 120.0
"""How long one is that has answered before, or says that it will."""
_SILENCE_SECONDS = 5.0
_EARLY_SECONDS = 60.0
_LATER = (429, 500, 502, 503, 504)

Say = Callable[[str], None]
T = TypeVar("T")


class _Later(Exception):
    """It may go well if it is asked again. after: seconds that the host asks to wait. heard: whether it answered."""

    def __init__(self, why: str, after: float = 0.0, *, heard: bool = False, stranger: bool = False) -> None:
        super().__init__(why)
        self.after = after
        self.heard = heard
        self.stranger = stranger


def within(seconds: float, call: Callable[[], T], waiting: Callable[[], None] = lambda: None) -> T:
    """What `call` returns or raises. Raises TimeoutError after `seconds`, whatever it waits for: a name, a proxy, bytes
    that come one by one. waiting: called where it takes longer than a few seconds."""
    # Not joined by anybody: its call may never end.
    threads = Threads(1, "s3private-sign-in")
    came = threads.submit(contextvars.copy_context().run, call)
    soon = min(_SILENCE_SECONDS, seconds)
    if not wait([came], timeout=soon).done:
        waiting()
        wait([came], timeout=seconds - soon)
    if not came.done():
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    answer: T = came.result()
    return answer


def why_not(error: BaseException) -> str:
    """What kept a request from its answer, in a few words and one line: the cause, not the layers around it."""
    if isinstance(error, JSONDecodeError):
        return "what came is no JSON: something else answers in Databricks' place, such as a proxy or a login page"
    if isinstance(error, Timeout | TimeoutError):
        return "no answer in time"
    reason: Any = error
    # Requests wraps urllib3's, which wraps the operating system's.
    while isinstance(reason, Exception):
        inner = getattr(reason, "reason", None) or next((a for a in reason.args if isinstance(a, Exception)), None)
        if not isinstance(inner, Exception) or isinstance(reason, NameResolutionError | NewConnectionError):
            break
        reason = inner
    said = redacted(" ".join(str(reason).rpartition(": ")[2 if isinstance(reason, HTTPError) else 0].split()))
    said = said or redacted(" ".join(str(reason).split())) or type(reason).__name__
    if isinstance(error, ProxyError):
        return f"the proxy does not let it through: {said[:200]}: look at HTTPS_PROXY and NO_PROXY"
    if isinstance(error, SSLError):
        return (
            f"its certificate is not trusted here: {said[:200]}: behind a proxy that opens TLS, name that one's "
            "authority in REQUESTS_CA_BUNDLE"
        )
    return said[:300]


class SignIn(CredentialsStrategy):
    """The account's service principal at the account console: one token for all clients, renewed before it runs out.

    secret_of: where client id and secret are from, in words. stranger_seconds: how long a host is asked
    that has never answered, as its name may be wrong. clock: by which is waited. say: told of each wait.
    """

    def __init__(
        self,
        host: str,
        account_id: str,
        login: tuple[str, str],
        secret_of: str,
        *,
        stranger_seconds: float,
        clock: SdkClock,
        say: Say,
    ) -> None:
        self._host = host
        self._account_id = account_id
        self._login = login
        self._secret_of = secret_of
        self._stranger_seconds = stranger_seconds
        self._clock = clock
        self._say = say
        self._lock = threading.Lock()
        self._endpoint = ""
        self._token = ""
        self._until = 0.0

    def auth_type(self) -> str:
        return "oauth-m2m"

    def __call__(self, cfg: DatabricksConfig) -> CredentialsProvider:
        return self.headers

    def headers(self) -> dict[str, str]:
        """Raises ConfigError where id or secret are refused, PlatformError where there is no way in."""
        with self._lock:
            if time.time() >= self._until:
                self._renew()
            return {"Authorization": f"Bearer {self._token}"}

    def _renew(self) -> None:
        began, tries = self._clock.time(), 0
        while True:
            tries += 1
            try:
                if not self._endpoint:
                    self._endpoint = self._discovered()
                self._token, lasts = self._asked_token()
            except _Later as later:
                patience = PATIENCE_SECONDS if later.heard or self._endpoint else self._stranger_seconds
                pause = later.after or float(min(10, tries))
                left = began + patience - self._clock.time()
                if later.stranger and not self._endpoint:
                    left = 0.0
                if pause >= left:
                    raise self._given_up(str(later), tries, later.after) from later
                self._say(f"signing in to Databricks: {self._host}: {later}: asked again in {max(1, round(pause))} s")
                self._clock.sleep(pause)
            else:
                self._until = time.time() + lasts - min(_EARLY_SECONDS, lasts / 2)
                return

    def _given_up(self, why: str, tries: int, after: float) -> PlatformError:
        asked = f", asked {tries} times" if tries > 1 else ""
        if after:
            asked += f"; it asks for {after:.0f} s of patience"
        if not self._endpoint:
            return PlatformError(
                f"{self._host} does not say how to sign in to a Databricks account: look at databricks.account_host, "
                f"DATABRICKS_HOST and the way there ({why}{asked})"
            )
        return PlatformError(
            f"signing in to Databricks at {self._host}: {why}{asked}. Nothing is lost: run the same command again"
        )

    def _discovered(self) -> str:
        """The token endpoint. https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m"""
        place = f"{self._host}/oidc/accounts/{self._account_id}/.well-known/oauth-authorization-server"
        said = self._json("GET", place, "where to sign in")
        endpoint = said.get("token_endpoint")
        ours, named = urlsplit(self._host), urlsplit(endpoint if isinstance(endpoint, str) else "")
        if (named.scheme, named.netloc) != (ours.scheme, ours.netloc):
            raise PlatformError(
                f"{self._host} does not say how to sign in to a Databricks account: it names the token endpoint "
                f"{str(endpoint)[:200]!a}, and the client secret goes to {self._host} alone"
            )
        return str(endpoint)

    def _asked_token(self) -> tuple[str, float]:
        said = self._json("POST", self._endpoint, "for a token")
        token, lasts = said.get("access_token"), said.get("expires_in")
        well = isinstance(token, str) and token.isascii() and token.isprintable() and " " not in token and token
        if not well or isinstance(lasts, bool) or not isinstance(lasts, int | float) or lasts <= 0:
            raise PlatformError(
                f"signing in to Databricks at {self._host}: what came is no token with the time that it lasts"
            )
        return str(token), float(lasts)

    def _json(self, method: str, url: str, asked: str) -> dict[str, Any]:
        answer = self._answer(method, url, asked)
        kind = answer.headers.get("Content-Type", "")
        try:
            said = answer.json()
        except ValueError:
            said = None
        named: dict[str, Any] = said if isinstance(said, dict) else {}
        code = str(named.get("error") or named.get("error_code") or "")
        words = str(named.get("error_description") or named.get("message") or "")
        told = redacted(": ".join(filter(None, (f"HTTP {answer.status_code}", code, " ".join(words.split())))))[:300]
        if answer.status_code in _LATER:
            raise _Later(told, _seconds(answer.headers.get("Retry-After", "")), heard=True)
        if answer.status_code in (400, 401, 403) and code in ("invalid_client", "unauthorized_client"):
            raise ConfigError(f"signing in to Databricks at {self._host}: {told}: look at {self._secret_of}")
        if answer.status_code != 200 and named:
            raise PlatformError(
                f"signing in to Databricks at {self._host}, asked {asked}: {told}: look at databricks.account_id, "
                f"databricks.account_host and {self._secret_of}"
            )
        if answer.status_code != 200 or not named:
            what = f"HTTP {answer.status_code} with {ascii(kind)[1:-1][:60] or 'no content type'}, and no JSON"
            raise PlatformError(
                f"signing in to Databricks at {self._host}, asked {asked}: {what}: something else answers in its "
                "place, such as a proxy or a login page: look at databricks.account_host, DATABRICKS_HOST, HTTPS_PROXY"
            )
        return named

    def _answer(self, method: str, url: str, asked: str) -> requests.Response:
        form = {"grant_type": "client_credentials", "scope": "all-apis"} if method == "POST" else None

        def send() -> requests.Response:
            with requests.Session() as session:
                # Nothing of a .netrc: and what is asked where to sign in gets no secret.
                session.auth = self._login if method == "POST" else _nobody
                return session.request(method, url, data=form, timeout=ANSWER_SECONDS, allow_redirects=False)

        def waiting() -> None:
            self._say(f"signing in to Databricks: {self._host} has not answered yet")

        try:
            return within(ANSWER_SECONDS, send, waiting)
        except (SSLError, ProxyError) as error:
            raise PlatformError(f"signing in to Databricks at {self._host}: {why_not(error)}") from error
        except (NotConnected, Timeout, TimeoutError) as error:
            unknown = "NameResolutionError" in str(error)
            raise _Later(why_not(error), stranger=unknown) from error
        except (RequestException, OSError, ValueError) as error:
            raise PlatformError(
                f"signing in to Databricks at {self._host}: {why_not(error)}: look at DATABRICKS_HOST, HTTPS_PROXY and "
                "REQUESTS_CA_BUNDLE"
            ) from error


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _seconds(retry_after: str) -> float:
    """Of the header; 0 where it names a date, or nothing."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdecimal() and len(retry_after) < 7 else 0.0

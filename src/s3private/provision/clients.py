"""The only module that builds SDK clients, so that retries, regions and credentials are decided in one place.

NCCs and private endpoint rules have no client token, and the Databricks SDK retries POSTs: `account_once` sends exactly
one request. The SDK cannot be told so: it asks again until its budget is used up, so here every pause uses it up.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from configparser import Error as ConfigParserError
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import boto3
from botocore.config import Config as BotocoreConfig
from databricks.sdk import WorkspaceClient
from databricks.sdk.clock import Clock as SdkClock
from databricks.sdk.clock import RealClock
from databricks.sdk.config import Config as DatabricksConfig
from databricks.sdk.core import ApiClient
from databricks.sdk.errors.base import DatabricksError
from databricks.sdk.service.provisioning import WorkspacesAPI
from databricks.sdk.service.settings import NetworkConnectivityAPI
from requests.exceptions import RequestException

from s3private.authorities import authorities
from s3private.credentials import (
    assumed_role_session,
    credential_settings,
    refreshing_session,
    refused_credential,
    searching_session,
    vended_on_compute,
)
from s3private.errors import ConfigError, PlatformError, RouteError
from s3private.provision.config import ACCOUNT_HOST, GOVCLOUD_ACCOUNT_HOST, PathConfig
from s3private.provision.patience import RETRY_SECONDS, PatientApi, patiently
from s3private.provision.sign_in import SignIn, why_not, within
from s3private.redaction import redact_logs

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client
    from types_boto3_sts import STSClient

_DISCOVERY_SECONDS = 20
"""How long an account console is asked that has never answered."""
_WORKSPACE_SECONDS = 60
"""How long a workspace's way in may take by the SDK's own settings: what they are is not known here."""
T = TypeVar("T")
_UNANSWERED = (DatabricksError, RequestException, TimeoutError)
_RETRIES = BotocoreConfig(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)


@dataclass(frozen=True, kw_only=True)
class SecretKeys:
    """Where a job finds the account service principal's client id and secret: two keys of one secret scope."""

    scope: str
    client_id_key: str
    client_secret_key: str


class _OneAttempt(SdkClock):
    """The SDK's clock for a client that asks once. A retry budget of 1 s, the smallest that the SDK honours, is not
    enough: told `Retry-After: 0`, it asks again within it."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        self._ahead += 3600.0


class _SpokenWaits(RealClock):
    """What Databricks cannot do now is waited out for up to two minutes, by the SDK without a word: here it is said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    def sleep(self, seconds: float) -> None:
        # Whatever an answer asks for: past this the SDK asks no more.
        seconds = min(seconds, RETRY_SECONDS)
        self._say(f"Databricks throttles, fails or does not answer: asked again in {max(1, round(seconds))} s")
        super().sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a path has to do with of an account's API."""

    config: DatabricksConfig
    network_connectivity: NetworkConnectivityAPI
    workspaces: WorkspacesAPI


class Clients:
    """Clients for both sides of the path, each built when a step asks for it: who runs one side needs only its rights.

    say: told when Databricks keeps a call waiting.
    Building raises ConfigError where nothing says who asks, and PlatformError where Databricks will not hand it out.
    """

    def __init__(
        self,
        config: PathConfig,
        secret_keys: SecretKeys | None = None,
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self._config = config
        self._secret_keys = secret_keys
        self._say = say
        self._waits = _SpokenWaits(say)
        redact_logs()
        # What its settings stumble over comes as an error of ours; Python would print the SDK's warning beside it.
        logging.getLogger("databricks.sdk").addHandler(logging.NullHandler())

    @cached_property
    def ec2(self) -> EC2Client:
        with _aws_settings():
            return self._data_account.client(
                "ec2", region_name=self._config.region, config=_RETRIES, verify=self._verify
            )

    @cached_property
    def elbv2(self) -> ElasticLoadBalancingv2Client:
        with _aws_settings():
            made = self._data_account.client(
                "elbv2", region_name=self._config.region, config=_RETRIES, verify=self._verify
            )
        # A first provision would write with an older one, and no command after it could read.
        if not hasattr(made, "describe_listener_attributes"):
            raise ConfigError(
                f"boto3 {boto3.__version__} cannot read a listener's attributes: this command needs boto3 1.36 or "
                "newer: pip install 's3private[provision]'"
            )
        return made

    @cached_property
    def sts(self) -> STSClient:
        with _aws_settings():
            return self._data_account.client("sts", region_name=self._config.region, config=_RETRIES)

    @cached_property
    def account(self) -> Account:
        """For what may be asked twice: it reads, or deletes."""
        settings = self._account(retry_seconds=RETRY_SECONDS, clock=self._waits)
        return _account_of(settings, PatientApi(settings, self._waits))

    @cached_property
    def account_once(self) -> Account:
        """Sends a request exactly once: whether what it creates or changes is there is looked at before the next."""
        settings = self._account(retry_seconds=1, clock=_OneAttempt())
        return _account_of(settings, ApiClient(settings))

    @cached_property
    def _base(self) -> boto3.Session:
        config = self._config
        if config.service_credential:
            return _vended(config, self._waits)
        session = searching_session(config.region)
        with credential_settings():
            found = session.get_credentials()
            if found is None:
                raise RouteError("no AWS credentials: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            # Fetched now: who cannot get them learns it before anything is asked.
            found.get_frozen_credentials()
        return session

    @cached_property
    def _verify(self) -> bool | str:
        """Given to every client: by itself boto3 takes an empty AWS_CA_BUNDLE for "do not verify"."""
        return authorities(self._base)

    @cached_property
    def _data_account(self) -> boto3.Session:
        config, base = self._config, self._base
        if config.role_arn is None:
            return base
        return assumed_role_session(base, config.role_arn, config.external_id, config.resource_name, config.region)

    @cached_property
    def _login(self) -> tuple[str, str]:
        """Client id and secret of a service principal that is an account admin."""
        keys = self._secret_keys
        if keys is not None:
            workspace = _workspace(self._config, self._waits)
            return (
                _secret(workspace, keys.scope, keys.client_id_key, self._waits),
                _secret(workspace, keys.scope, keys.client_secret_key, self._waits),
            )
        client_id, secret = os.environ.get("DATABRICKS_CLIENT_ID"), os.environ.get("DATABRICKS_CLIENT_SECRET")
        if not client_id or not secret:
            raise ConfigError(
                "no Databricks account credentials: set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of a service "
                "principal that is an account admin; in a job, name them with --secret-scope"
            )
        return client_id, secret

    @cached_property
    def _sign_in(self) -> SignIn:
        keys = self._secret_keys
        scope = f"{keys.client_id_key} and {keys.client_secret_key} of the secret scope {keys.scope}" if keys else ""
        made = SignIn(
            account_host(self._config),
            self._config.databricks_account_id,
            self._login,
            scope or "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
            stranger_seconds=_DISCOVERY_SECONDS,
            clock=RealClock(),
            say=self._say,
        )
        # At once: who cannot sign in learns it before anything is asked.
        made.headers()
        return made

    def _account(self, *, retry_seconds: int, clock: SdkClock) -> DatabricksConfig:
        client_id, secret = self._login
        sign_in = self._sign_in
        with _databricks_settings():
            config = DatabricksConfig(
                # Set below: asked now, the SDK would look up what the host is, by a clock of its own.
                host="",
                account_id=self._config.databricks_account_id,
                client_id=client_id,
                client_secret=secret,
                # Notebook-native auth would overwrite the host with the workspace's.
                # https://github.com/databricks/databricks-sdk-py/issues/955
                auth_type="oauth-m2m",
                credentials_strategy=sign_in,
                retry_timeout_seconds=retry_seconds,
                http_timeout_seconds=60,
                clock=clock,
                product="s3private",
                product_version="0.1.0",
            )
        config.host = account_host(self._config)
        return config


def _account_of(settings: DatabricksConfig, api: ApiClient) -> Account:
    def served(kind: Callable[[ApiClient], T]) -> T:
        return kind(api)

    return Account(
        config=settings, network_connectivity=served(NetworkConnectivityAPI), workspaces=served(WorkspacesAPI)
    )


@contextmanager
def _databricks_settings() -> Iterator[None]:
    """What the SDK cannot make a client of: one line, without the settings that it adds to its words."""
    try:
        yield
    except (ValueError, OSError, ConfigParserError) as error:
        said = _without_settings(" ".join(str(error).split()))
        raise ConfigError(
            f"{said}: look at DATABRICKS_CONFIG_PROFILE, the other DATABRICKS_ variables and ~/.databrickscfg"
        ) from error


def _without_settings(said: str) -> str:
    """The SDK ends its words with the whole of its settings."""
    return re.split(r"\.? (?:Config: \w+=|Env: [A-Z_]+)", said, maxsplit=1)[0]


@contextmanager
def _aws_settings() -> Iterator[None]:
    """What boto3 cannot make a client of is found before any call is made."""
    try:
        with credential_settings():
            yield
    except RouteError as error:
        raise ConfigError(str(error)) from error


def account_host(config: PathConfig) -> str:
    """The account console's host: the path file's, else DATABRICKS_HOST, else the public one.

    Inside Databricks compute DATABRICKS_HOST is the workspace, where account calls answer 404: it is not looked at.
    """
    if config.account_host:
        return config.account_host
    own = GOVCLOUD_ACCOUNT_HOST if config.partition == "aws-us-gov" else ACCOUNT_HOST
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return own
    host = (os.environ.get("DATABRICKS_HOST") or own).rstrip("/")
    return host if "://" in host else f"https://{host}"


def _workspace(config: PathConfig, waits: SdkClock) -> WorkspaceClient:
    """Signs in by itself on Databricks compute; elsewhere as the SDK's own settings say.
    https://databricks-sdk-py.readthedocs.io/en/latest/authentication.html"""

    def settle() -> DatabricksConfig:
        return DatabricksConfig(
            host=config.workspace_host,
            retry_timeout_seconds=RETRY_SECONDS,
            http_timeout_seconds=60,
            clock=waits,
            product="s3private",
            product_version="0.1.0",
        )

    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        # The compute's own way in is the thread's: and asks nobody.
        with _databricks_settings():
            return WorkspaceClient(config=settle())
    where = config.workspace_host or os.environ.get("DATABRICKS_HOST") or "the workspace"
    with _databricks_settings(), _bounded(where):
        settings = within(_WORKSPACE_SECONDS, settle)
    return WorkspaceClient(config=settings)


@contextmanager
def _bounded(where: str) -> Iterator[None]:
    """What the SDK's own ways to sign in let through, where something else answers, or nothing."""
    try:
        yield
    except (RequestException, TimeoutError) as error:
        raise PlatformError(f"signing in to {where}: {why_not(error)}") from error
    except (KeyError, NotImplementedError) as error:
        raise PlatformError(
            f"signing in to {where}: what came is no answer of Databricks: something else answers in its place, such "
            "as a proxy or a login page"
        ) from error


def _asked(workspace: WorkspaceClient, call: Callable[[], T], waits: SdkClock) -> T:
    """Of a workspace, with the signing in that it may need: bounded, whatever way in the SDK's settings name."""
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return patiently(call, waits)
    with _bounded(str(workspace.config.host)):
        # Signing in alone is what has no limit of its own.
        within(_WORKSPACE_SECONDS, workspace.config.authenticate)
    return patiently(call, waits)


def _secret(workspace: WorkspaceClient, scope: str, key: str, waits: SdkClock) -> str:
    try:
        value = _asked(workspace, lambda: workspace.secrets.get_secret(scope, key), waits).value or ""
        return base64.b64decode(value).decode()
    except (*_UNANSWERED, ValueError) as error:
        raise PlatformError(f"secret {key} of scope {scope}: {databricks_words(error)}") from error


def databricks_words(error: Exception) -> str:
    """The platform's own. What the SDK asked for until its time was up is in the cause."""
    if isinstance(error, TimeoutError) and isinstance(error.__cause__, Exception):
        return databricks_words(error.__cause__)
    if isinstance(error, RequestException):
        return why_not(error)
    if unread := re.match(r"unable to parse response\..*\n< (\d{3}[^\n]{0,60})", str(error), re.DOTALL):
        return f"HTTP {unread.group(1).strip()}, and no words of Databricks: something on the way answers in its place"
    code, said = getattr(error, "error_code", None), _without_settings(" ".join(str(error).split()))
    return f"{code}: {said}" if code else said


def _vended(config: PathConfig, waits: SdkClock) -> boto3.Session:
    """A session of `aws.service_credential`: from the compute where this runs, else asked of the workspace."""
    name = config.service_credential or ""
    provider = vended_on_compute(name)
    if provider is not None:
        return boto3.Session(botocore_session=provider, region_name=config.region)
    workspace = _workspace(config, waits)

    def fetch() -> dict[str, str]:
        try:
            answer = _asked(workspace, lambda: workspace.credentials.generate_temporary_service_credential(name), waits)
        except DatabricksError as error:
            raise refused_credential(name, databricks_words(error)) from error
        except (*_UNANSWERED, ValueError) as error:
            raise PlatformError(f"service credential {name}: {databricks_words(error)}") from error
        keys = answer.aws_temp_credentials
        if keys is None or answer.expiration_time is None:
            raise ConfigError(f"aws.service_credential: {name} gives no AWS keys: it is for another cloud")
        return {
            "access_key": keys.access_key_id or "",
            "secret_key": keys.secret_access_key or "",
            "token": keys.session_token or "",
            "expiry_time": datetime.fromtimestamp(answer.expiration_time / 1000, UTC).isoformat(),
        }

    return refreshing_session(fetch, "databricks-service-credential", config.region)

"""The only module that builds SDK clients, so that retries, regions and credentials are decided in one place.

NCCs and private endpoint rules have no client token, and the Databricks SDK retries POSTs: `account_once` sends exactly
one request (a retry budget of 1 s is the smallest that the SDK honours; 0 means its default of 300 s).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config as BotocoreConfig
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.session import get_session
from databricks.sdk import AccountClient
from databricks.sdk.config import Config as DatabricksConfig

from s3private.errors import ConfigError
from s3private.provision.config import ACCOUNT_HOST, PathConfig

if TYPE_CHECKING:
    from types_boto3_ec2 import EC2Client
    from types_boto3_elbv2 import ElasticLoadBalancingv2Client

_ROLE_SECONDS = 3600
"""Above 1800: botocore refreshes 15 minutes before the end, so a shorter session is refreshed at every call."""


@dataclass(frozen=True, kw_only=True)
class Clients:
    ec2: EC2Client
    elbv2: ElasticLoadBalancingv2Client
    account: AccountClient
    account_once: AccountClient
    """Sends a request exactly once."""


def build_clients(config: PathConfig, base: boto3.Session | None = None) -> Clients:
    """Clients for both sides of the path. `base`: the session whose credentials assume the role; None: the environment.

    Raises ConfigError where the environment does not say who asks.
    """
    session = _data_account(config, base or boto3.Session(region_name=config.region))
    retries = BotocoreConfig(retries={"mode": "standard", "max_attempts": 5}, connect_timeout=10, read_timeout=60)
    return Clients(
        ec2=session.client("ec2", region_name=config.region, config=retries),
        elbv2=session.client("elbv2", region_name=config.region, config=retries),
        account=_account(config, retry_seconds=120),
        account_once=_account(config, retry_seconds=1),
    )


def _data_account(config: PathConfig, base: boto3.Session) -> boto3.Session:
    if config.role_arn is None:
        return base
    source = base.get_credentials()
    if source is None:
        raise ConfigError(
            f"no AWS credentials to assume {config.role_arn} with: set AWS_PROFILE, or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    extra: dict[str, Any] = {"RoleSessionName": config.resource_name, "DurationSeconds": _ROLE_SECONDS}
    if config.external_id:
        extra["ExternalId"] = config.external_id

    def sts_client(service: str, **kwargs: Any) -> Any:
        # The regional STS host: older botocore would call the global one.
        kwargs["region_name"] = config.region
        return base.client("sts", **kwargs)

    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts_client, source_credentials=source, role_arn=config.role_arn, extra_args=extra
    )
    botocore_session = get_session()
    botocore_session.register_component("credential_provider", CredentialResolver([_AssumedRole(fetcher)]))
    return boto3.Session(botocore_session=botocore_session, region_name=config.region)


class _AssumedRole(CredentialProvider):
    """Asks for the role at the first request, and again before it runs out."""

    METHOD = "assume-role"

    def __init__(self, fetcher: AssumeRoleCredentialFetcher) -> None:
        super().__init__()
        self._fetcher = fetcher

    def load(self) -> DeferredRefreshableCredentials:
        return DeferredRefreshableCredentials(self._fetcher.fetch_credentials, self.METHOD)


def account_host(config: PathConfig) -> str:
    """The account console's host: the path file's, else DATABRICKS_HOST, else the public one.

    Inside Databricks compute DATABRICKS_HOST is the workspace, where account calls answer 404: it is not looked at.
    """
    if config.account_host:
        return config.account_host
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        return ACCOUNT_HOST
    return os.environ.get("DATABRICKS_HOST") or ACCOUNT_HOST


def _account(config: PathConfig, *, retry_seconds: int) -> AccountClient:
    client_id, secret = os.environ.get("DATABRICKS_CLIENT_ID"), os.environ.get("DATABRICKS_CLIENT_SECRET")
    if not client_id or not secret:
        raise ConfigError(
            "no Databricks account credentials: set DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of a service "
            "principal that is an account admin"
        )
    return AccountClient(
        config=DatabricksConfig(
            host=account_host(config),
            account_id=config.databricks_account_id,
            client_id=client_id,
            client_secret=secret,
            # Notebook-native auth would overwrite the host with the workspace's.
            # https://github.com/databricks/databricks-sdk-py/issues/955
            auth_type="oauth-m2m",
            retry_timeout_seconds=retry_seconds,
            http_timeout_seconds=60,
            product="s3private",
            product_version="0.1.0",
        )
    )

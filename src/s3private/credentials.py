"""Where AWS credentials come from: a Unity Catalog service credential, an assumed role, or boto3's own search.

All of them refresh themselves, in the middle of a listing or a download too. No key is written anywhere.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from s3private.authorities import authorities
from s3private.errors import PlatformError, RouteError, S3PrivateError
from s3private.printable import shown
from s3private.redaction import redacted

if TYPE_CHECKING:
    import boto3
    from botocore.session import Session as BotocoreSession

ROLE_SECONDS = 3600
"""Above 1800: botocore refreshes 15 minutes before the end, so a shorter session is refreshed at every call.
3600 is also the most that a role session may ask for another role."""

_STS_CONNECT, _STS_READ = 5.0, 30.0


def base_session(service_credential: str | None = None, region: str | None = None) -> boto3.Session:
    """A session of the named Unity Catalog service credential, or of boto3's own search where none is named.

    The control plane vends the keys: no STS is called from here, and the session refreshes itself. What boto3's search
    comes upon is a RouteError, now or at a request. Raises RouteError where there is nothing that gives service
    credentials, PlatformError where it refuses.
    https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-services/use-service-credentials
    """
    from boto3 import Session

    if service_credential is None:
        return searching_session(region)
    provider = vended_on_compute(service_credential)
    if provider is None:
        raise RouteError(
            f"the Unity Catalog service credential {service_credential} is to be had on Databricks compute only; "
            "elsewhere give connect(route, session=boto3.Session(...)), or --profile on the command line"
        )
    return Session(botocore_session=provider, region_name=region)


def searching_session(region: str | None) -> boto3.Session:
    """A session of boto3's own search, whose every failure is a RouteError of one line: now or at a request, for keys
    are fetched again in the middle of a run. botocore lets its providers' exceptions through as they are.
    https://docs.aws.amazon.com/boto3/latest/guide/credentials.html
    """
    from boto3 import Session
    from botocore.credentials import CredentialProvider, CredentialResolver, create_credential_resolver
    from botocore.session import get_session

    class Search(CredentialProvider):
        METHOD = "search"

        def load(self) -> _Found | None:
            with credential_settings():
                found = create_credential_resolver(session, region_name=region).load_credentials()
            return _Found(found) if found is not None else None

    session = get_session()
    session.register_component("credential_provider", CredentialResolver([Search()]))
    return Session(botocore_session=session, region_name=region)


class _Found:
    """What the search found; whatever is asked of it may fetch keys."""

    def __init__(self, found: Any) -> None:
        self._found = found

    def __getattr__(self, name: str) -> Any:
        with credential_settings():
            return getattr(self._found, name)

    def get_frozen_credentials(self) -> Any:
        with credential_settings():
            return self._found.get_frozen_credentials()


@contextmanager
def credential_settings() -> Iterator[None]:
    """Within, the machine's AWS settings are read. Raises RouteError for whatever they come to."""
    try:
        yield
    except S3PrivateError:
        raise
    except Exception as error:
        # A program's output, files, other hosts, a terminal: there is no list of what a provider may raise.
        raise RouteError(_settings_words(error)) from error


_ENDED_LOGINS = {"SSOError": "aws sso login", "TokenRetrievalError": "aws sso login", "LoginError": "aws login"}


def _settings_words(error: Exception) -> str:
    """One line: what it came to, and what to look at."""
    profile = os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE") or ""
    kinds = [kind.__name__ for kind in type(error).__mro__]
    said = redacted(" ".join(str(error).split()))[:400].rstrip(".") or kinds[0]
    if isinstance(error, OSError) and error.strerror:
        said = f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    elif isinstance(error, EOFError):
        said = "the AWS profile asks for an MFA code, and there is no terminal to ask at"
    elif isinstance(error, ValueError) and "BotoCoreError" not in kinds:
        said = f"{said} (a credential_process that prints no JSON, or what is written in a file or variable)"
    where = "look at AWS_PROFILE, the other AWS_ variables and ~/.aws"
    login = next((_ENDED_LOGINS[kind] for kind in kinds if kind in _ENDED_LOGINS), "")
    if login:
        return f"{said}: log in with `{login}{f' --profile {shown(profile)}' if profile else ''}`, or {where}"
    return f"{said}: {where}"


def vended_on_compute(service_credential: str) -> BotocoreSession | None:
    """A refreshing botocore session: from `dbutils` on the driver, from `databricks.service_credentials` in a UDF.
    None anywhere else. Raises PlatformError where the credential is not there, or is not for who asks.

    Which exceptions Databricks raises, and whether at the call or when keys are first asked for, is nowhere documented:
    keys are asked for here, once, and every exception is taken for a no.
    """
    source = dbutils()
    try:
        vendor = source.credentials if source else importlib.import_module("databricks.service_credentials")
    except ImportError:
        return None
    try:
        session: BotocoreSession = vendor.getServiceCredentialsProvider(service_credential)
        keys = session.get_credentials()
    except Exception as error:
        raise refused_credential(service_credential, str(error) or type(error).__name__) from error
    if keys is None:
        raise refused_credential(service_credential, "it gives no AWS keys")
    return session


def refused_credential(name: str, said: str) -> PlatformError:
    """The first line of what Databricks said, which may be followed by a stack of its own, and what to do.
    https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-services/manage-service-credentials"""
    first = next((line.strip() for line in said.splitlines() if line.strip()), "no reason given")[:300].rstrip(".")
    return PlatformError(
        f"service credential {name}: {first}. SHOW SERVICE CREDENTIALS says whether it is there; who runs this "
        f"needs GRANT ACCESS ON SERVICE CREDENTIAL `{name}` TO `<user, group or application id>`"
    )


def assumed_role_session(
    base: boto3.Session, role_arn: str, external_id: str | None, session_name: str, region: str
) -> boto3.Session:
    """A session of `role_arn`, assumed with `base`'s credentials at the first request and again before it runs out.

    external_id: what the role's trust policy asks for, or None. session_name: seen in CloudTrail. region: whose STS
    host is asked; botocore before 1.40 would ask the global one. Proxies of the environment are obeyed.
    Raises RouteError when `base` has no credentials, or its settings name an STS endpoint or authorities that no keys
    are fetched from; requests raise a PlatformError where STS refuses or is not reached.
    https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
    """
    verify = authorities(base)
    endpoint = sts_endpoint(base, region)

    def sts_client(_service: str, **keywords: Any) -> Any:
        return _sts(base, region, endpoint, verify, keywords)

    fetch = _fetching(base, role_arn, external_id, session_name, sts_client)
    refused = "aws.external_id where it names one: look at both, and at AWS_PROFILE"
    unreached = f": look at the way to {endpoint}"
    assumed = partial(_assumed, fetch, f"aws.role_arn: {role_arn}", refused, unreached)
    return refreshing_session(assumed, "assume-role", region)


def role_session(
    base: boto3.Session,
    role_arn: str,
    external_id: str | None,
    session_name: str,
    region: str,
    verify: bool | str,
) -> tuple[boto3.Session, str]:
    """As `assumed_role_session`, for a client that goes to named hosts alone; and STS's URL, the one that it asks.

    Through no proxy. verify: as of `authorities`. Requests raise a PlatformError where STS refuses or is not reached.
    """
    from s3private.guard import OneHost, Origin, guard

    endpoint = sts_endpoint(base, region)
    origin = Origin.parse(endpoint, f"STS for the role {role_arn} ({endpoint})")
    assert origin is not None

    def sts_client(_service: str, **keywords: Any) -> Any:
        made = _sts(base, region, origin.url, verify, keywords, proxies={})
        # STS keeps no connection for long, and is asked once an hour.
        http_session = OneHost(
            origin, verify, connect_timeout=_STS_CONNECT, read_timeout=_STS_READ, connections=1, idle_timeout=60
        )
        guard(made, http_session, base)
        return made

    fetch = _fetching(base, role_arn, external_id, session_name, sts_client)
    unreached = (
        ". STS is not on the private path: name a Unity Catalog service credential of that role, whose keys come from "
        "Databricks"
    )
    assumed = partial(_assumed, fetch, f"role {role_arn}", "the external id that it names", unreached)
    return refreshing_session(assumed, "assume-role", region), origin.url


def _fetching(
    base: boto3.Session,
    role_arn: str,
    external_id: str | None,
    session_name: str,
    sts_client: Callable[..., Any],
) -> Callable[[], Mapping[str, str]]:
    from botocore.credentials import AssumeRoleCredentialFetcher

    source = base.get_credentials()
    if source is None:
        raise RouteError(
            f"no AWS credentials to assume {role_arn} with: set AWS_PROFILE, or name a Unity Catalog service credential"
        )
    asked = {"RoleSessionName": session_name, "DurationSeconds": ROLE_SECONDS}
    if external_id:
        asked["ExternalId"] = external_id
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=sts_client, source_credentials=source, role_arn=role_arn, extra_args=asked
    )
    fetch: Callable[[], Mapping[str, str]] = fetcher.fetch_credentials
    return fetch


def _sts(
    base: boto3.Session, region: str, endpoint: str, verify: bool | str, keywords: dict[str, Any], **options: Any
) -> Any:
    from botocore.config import Config

    # STS is not on the private path: where there is no way to it, say so in half a minute rather than in five.
    patience = Config(
        connect_timeout=_STS_CONNECT,
        read_timeout=_STS_READ,
        retries={"mode": "standard", "total_max_attempts": 3},
        **options,
    )
    keywords |= {"region_name": region, "endpoint_url": endpoint, "verify": verify, "config": patience}
    return base.client("sts", **keywords)


def _assumed(fetch: Callable[[], Mapping[str, str]], role: str, refused: str, unreached: str) -> Mapping[str, str]:
    """role: how it is called in a message. refused, unreached: what to do then."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return fetch()
    except ClientError as error:
        said = error.response.get("Error", {})
        raise PlatformError(
            f"{role} cannot be assumed: {said.get('Code')}: {said.get('Message')}. Its trust policy must let in who "
            f"asks, with {refused}"
        ) from error
    except BotoCoreError as error:
        raise PlatformError(f"{role} cannot be assumed: {' '.join(str(error).split())}{unreached}") from error


def refreshing_session(fetch: Callable[[], Mapping[str, str]], method: str, region: str) -> boto3.Session:
    """A session whose keys are fetched at the first request, and again before they run out.

    fetch: returns access_key, secret_key, token and expiry_time (ISO 8601). method: botocore's word for the source.
    """
    from boto3 import Session
    from botocore.credentials import CredentialProvider, CredentialResolver, DeferredRefreshableCredentials
    from botocore.session import get_session

    class Fetched(CredentialProvider):
        METHOD = method

        def load(self) -> DeferredRefreshableCredentials:
            return DeferredRefreshableCredentials(fetch, method)

    session = get_session()
    session.register_component("credential_provider", CredentialResolver([Fetched()]))
    return Session(botocore_session=session, region_name=region)


def sts_endpoint(base: boto3.Session, region: str) -> str:
    """`https://<host>[:<port>]` of the STS that is asked for a role: the region's own, or the one that
    AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL or the profile names, such as an interface endpoint of STS.

    Raises RouteError where that is anything else: keys come back in the answer. Plain http is for this machine alone.
    https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
    """
    from botocore.config import Config

    from s3private.guard import Origin

    # Whatever settings this botocore knows, it has resolved them here; nothing is sent.
    made = base.client("sts", region_name=region, verify=True, config=Config(proxies={}))
    endpoint = str(made.meta.endpoint_url)
    if endpoint == "https://sts.amazonaws.com":
        china = base.get_partition_for_region(region) == "aws-cn"
        endpoint = f"https://sts.{region}.amazonaws.com{'.cn' if china else ''}"
    origin = Origin.parse(endpoint.removesuffix("/"), "STS")
    if origin is None:
        raise RouteError(
            f"no role is assumed at {ascii(endpoint)[1:-1]}: STS answers with keys, so it must be https://<host>, or "
            "http:// to a name of this machine. Look at AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and the AWS profile"
        )
    return origin.url


def keys_come_from(session: boto3.Session) -> list[str]:
    """Of the credentials that boto3 found for `session`: whom they are asked of, now and when they run out; one fact
    each, none where nobody is asked.
    https://docs.aws.amazon.com/boto3/latest/guide/credentials.html
    """
    credentials: Any = session.get_credentials()
    inner: Any = session._session
    settings = inner.get_scoped_config()
    method = credentials.method if credentials is not None else ""
    if method == "iam-role":
        host = inner.get_config_variable("ec2_metadata_service_endpoint") or "169.254.169.254"
        return [f"{host} (this instance's metadata)"]
    if method == "container-role":
        host = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or "169.254.170.2"
        return [f"{host} (this container's credentials)"]
    if method == "sso":
        region = settings.get("sso_region") or "<region>"
        return [f"portal.sso.{region}.amazonaws.com and oidc.{region}.amazonaws.com (IAM Identity Center)"]
    if method.startswith("assume-role"):
        return [f"STS, for {settings.get('role_arn') or os.environ.get('AWS_ROLE_ARN')} (boto3's own; as it is set up)"]
    if method == "custom-process":
        return [f"whoever {settings.get('credential_process')!r} asks (a program of the AWS profile)"]
    if method in ("", "env", "explicit", "shared-credentials-file", "config-file", "boto-config"):
        return []
    return [f"where {method} is from (asked by its provider, and not by this client)"]


def dbutils() -> Any | None:
    """A notebook's own `dbutils`; for a wheel's entry point in a job, the one made from its Spark session. None
    elsewhere, in a UDF too: a worker has no session of its own."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and "dbutils" in shell.user_ns:
        return shell.user_ns["dbutils"]
    given = getattr(sys.modules.get("__main__"), "dbutils", None)
    if given is not None or "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        return given
    try:
        spark = importlib.import_module("pyspark.sql").SparkSession.getActiveSession()
        return importlib.import_module("pyspark.dbutils").DBUtils(spark) if spark is not None else None
    except ImportError:
        return None

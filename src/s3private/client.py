"""`connect(route)` gives a real boto3 S3 client that can go no other way: there is no fallback.

A request for any host but the Route's is refused before it is sent. Endpoints and proxies of the environment are
ignored. TLS is always verified (`AWS_CA_BUNDLE` is respected); there is no switch for it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from s3private.errors import OutsideRoute, RouteError
from s3private.route import Route

if TYPE_CHECKING:
    import boto3
    from types_boto3_s3 import S3Client


_CONFIG: dict[str, Any] = {
    "signature_version": "s3v4",
    "s3": {"addressing_style": "path"},
    "ignore_configured_endpoint_urls": True,
    "proxies": {},
    "retries": {"mode": "standard", "total_max_attempts": 4},
    "connect_timeout": 10,
    "read_timeout": 60,
    "tcp_keepalive": True,
    "max_pool_connections": 32,
}


def connect(route: Route | str | os.PathLike[str], *, session: boto3.Session | None = None) -> S3Client:
    """A boto3 S3 client for the Route's host alone, safe to share between threads.

    route: a Route, or the file that provisioning wrote. session: whose credentials sign; default: the Route's Unity
    Catalog service credential where it names one, else boto3's usual search.

    Raises RouteError when the Route cannot be read or its service credential cannot be had here. Its calls raise
    OutsideRoute for another host, and botocore's own errors otherwise.
    Path style: `bucket.vpce-…` serves every bucket in it; virtual style would make another host.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
    """
    from boto3 import Session
    from botocore.config import Config

    chosen = route if isinstance(route, Route) else Route.load(route)
    if session is None:
        credential = chosen.service_credential
        session = Session(botocore_session=_service_credential(credential)) if credential else Session()
    s3 = session.client("s3", region_name=chosen.region, endpoint_url=chosen.endpoint_url, config=Config(**_CONFIG))
    guard = _Guard(chosen)
    # Last of all handlers before the wire, so that nothing can change the host after it was looked at.
    s3.meta.events.register_last("before-send.s3", guard)
    return s3


class _Guard:
    def __init__(self, route: Route) -> None:
        self._route = route
        self._origin = _origin(route.endpoint_url)

    def __call__(self, request: Any, **_kwargs: Any) -> None:
        if _origin(request.url) != self._origin:
            raise OutsideRoute(
                f"refused, not sent: {urlsplit(request.url).hostname} is not the host of the path {self._route.path} "
                f"({self._route.host}); access point and multi-region ARNs, redirects and other endpoints leave it"
            )


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or 443


def _service_credential(name: str) -> Any:
    """A refreshing botocore session for a Unity Catalog service credential; `dbutils` is there on Databricks compute.
    https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-services/use-service-credentials"""
    dbutils = _dbutils()
    if dbutils is None:
        raise RouteError(
            f"the route reads with the Unity Catalog service credential {name}, which is to be had on Databricks "
            "compute only; elsewhere give connect(route, session=boto3.Session(...))"
        )
    return dbutils.credentials.getServiceCredentialsProvider(name)


def _dbutils() -> Any | None:
    """The notebook's own: IPython is what Databricks notebooks and jobs run in, and is not loaded elsewhere."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell.user_ns.get("dbutils") if shell is not None else None

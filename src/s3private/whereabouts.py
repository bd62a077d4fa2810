"""Whether a Route's host can be used from here, and what it means where it cannot: the usual causes first.

The name of an interface endpoint resolves anywhere, to addresses that only its VPC has: elsewhere a connection waits
for nobody. So it is tried once and shortly before anything is listed, where all attempts together take a minute.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import os
import socket

from s3private.errors import NotYet, RouteError, S3PrivateError
from s3private.route import Route

SECONDS = 6.0
"""For all addresses of the name together."""


def why_not_here() -> str:
    """What it usually is, and what to do."""
    if "DATABRICKS_RUNTIME_VERSION" not in os.environ:
        return (
            "This machine is no Databricks compute, and the path leads from serverless compute of the attached "
            "workspaces alone: run it in a notebook or a job there, such as `databricks bundle run list`"
        )
    return (
        "Either this workspace is not in databricks.workspace_ids of the path file (its owner adds it and provisions "
        "again), or this compute is not serverless, or its DNS is older than the path: a new or changed path takes "
        "about ten minutes to reach serverless compute, and running compute keeps what it knows. Run this again as a "
        "new task or session"
    )


def not_from_here(route: Route, said: str) -> S3PrivateError:
    """said: what was seen. NotYet on Databricks compute; RouteError elsewhere, where waiting is no use."""
    kind = NotYet if "DATABRICKS_RUNTIME_VERSION" in os.environ else RouteError
    return kind(f"{route.host} {said}. {why_not_here()}")


def connected(route: Route) -> tuple[socket.socket, tuple[str, ...]]:
    """A connection to the Route's host, and the addresses of its name. Raises NotYet, RouteError."""
    try:
        found = socket.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise not_from_here(route, f"does not resolve here: {error.strerror or error}") from error
    reason: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in found:
        tried = socket.socket(family, kind, protocol)
        try:
            tried.settimeout(SECONDS / len(found))
            tried.connect(address)
        except OSError as error:
            tried.close()
            reason = error
        else:
            return tried, tuple(dict.fromkeys(str(place[4][0]) for place in found))
    raise not_from_here(route, f"does not answer here: {reason}") from reason


def refuse_elsewhere(route: Route) -> None:
    """Raises NotYet, RouteError where the Route's host does not take a connection from here."""
    connected(route)[0].close()

"""`verify(route)` walks the path once as a client does, and says what that proves and what it does not.

A working read alone proves nothing: without a deny in the bucket policy a plain client reaches S3 by other ways too.
What is seen here is the one host that the guarded client may talk to: what its name resolves to, what answered, whose
certificate it showed, and one key of each bucket.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from s3private.authorities import tls_context
from s3private.botocore_errors import as_ours
from s3private.client import connect, route_of, verify_of
from s3private.errors import PlatformError
from s3private.list_xml import page_of
from s3private.notebook_html import text_html
from s3private.printable import plain
from s3private.raw_answers import raw_answer
from s3private.route import Route
from s3private.whereabouts import connected, not_from_here

if TYPE_CHECKING:
    import boto3

_ANSWER_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Peer:
    """What answered at the Route's host.

    resolved: every address of the name. address: the one that was connected to. names: those of its certificate, which
    was verified. protocol: such as TLSv1.3.
    """

    resolved: tuple[str, ...]
    address: str
    names: tuple[str, ...]
    protocol: str

    @property
    def public(self) -> tuple[str, ...]:
        """Those of the addresses that are of the internet's: no private path leads there."""
        return tuple(dict.fromkeys(each for each in (*self.resolved, self.address) if _public(each)))


@dataclass(frozen=True, kw_only=True)
class BucketSeen:
    """One listing of one key. key: the first, or None where the bucket is empty. request_id: S3's own."""

    bucket: str
    key: str | None
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """The path as it was just used; it is only made when everything answered."""

    route: Route
    peer: Peer
    buckets: tuple[BucketSeen, ...]

    @property
    def proves(self) -> tuple[str, ...]:
        return (
            f"{self.route.host} is reached from here, and its certificate is verified for that name",
            "the listings went to that host only: this client refuses every other before it sends",
            "S3 let these credentials list",
        )

    @property
    def proves_not(self) -> tuple[str, ...]:
        ids = ", ".join(seen.request_id for seen in self.buckets)
        public = ", ".join(self.peer.public)
        loud = (
            f"THAT THIS IS THE PRIVATE PATH: {public} is a public address. Look at the private endpoint rule, the "
            "workspace's NCC and the DNS of this compute"
        )
        return (
            *((loud,) if public else ()),
            f"that S3 saw {self.route.vpc_endpoint_id}: no answer says so. CloudTrail's data events for request {ids} "
            "name the vpcEndpointId; and where the bucket policy denies all others, a listing shows it",
            "that other clients on this compute go this way: boto3 without a Route does not",
            "that the buckets are closed to other ways: only a deny on aws:SourceVpce in the bucket policy does that",
        )

    def as_dict(self) -> dict[str, Any]:
        """Data for JSON."""
        return {
            "path": self.route.path,
            "host": self.route.host,
            "vpc_endpoint_id": self.route.vpc_endpoint_id,
            "peer": {**asdict(self.peer), "public": list(self.peer.public)},
            "buckets": [asdict(seen) for seen in self.buckets],
            "proves": list(self.proves),
            "proves_not": list(self.proves_not),
        }

    def _repr_html_(self) -> str:
        return text_html(self.as_table())

    def as_table(self) -> str:
        """Lines for people."""
        names = self.peer.names
        lines = [
            *(f"NOT PRIVATE  {address} is a public address" for address in self.peer.public),
            f"path         {self.route.path}",
            f"host         {self.route.host}",
            f"resolves to  {', '.join(self.peer.resolved)}",
            f"connected    {self.peer.address} ({self.peer.protocol})",
            f"certificate  {plain(names[0]) if names else 'no name'} and {max(0, len(names) - 1)} names more",
            *(f"listed       s3://{seen.bucket}/{plain(seen.key or ' (empty)')}" for seen in self.buckets),
            *(f"proves       {line}" for line in self.proves),
            *(f"proves not   {line}" for line in self.proves_not),
        ]
        return "\n".join(lines)


def _public(address: str) -> bool:
    """Shared address space, 100.64.0.0/10, is nobody's on the internet either. https://www.rfc-editor.org/rfc/rfc6598"""
    return ipaddress.ip_address(address.partition("%")[0]).is_global


def verify(
    route: Route | str | os.PathLike[str],
    *,
    session: boto3.Session | None = None,
    service_credential: str | None = None,
    role_arn: str | None = None,
    external_id: str | None = None,
) -> Verified:
    """Use the path once: resolve, connect, read the certificate, list one key of each bucket.

    session, service_credential, role_arn, external_id: whose credentials sign, as in `connect`. Raises RouteError where
    the Route or its credentials cannot be had, and where this is no Databricks compute and the host does not answer;
    NotYet where it does not answer there (a new path takes about ten minutes to reach serverless); PlatformError where
    what answers is not S3; ReadError where S3 refuses a listing.
    https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network
    """
    s3 = connect(
        route, session=session, service_credential=service_credential, role_arn=role_arn, external_id=external_id
    )
    chosen = route_of(s3)
    peer = _peer(chosen, verify_of(s3))
    buckets = []
    for bucket in chosen.buckets:
        uri = f"s3://{bucket}/"
        with as_ours(s3, uri):
            answer = raw_answer(s3, "list_objects_v2", uri, Bucket=bucket, MaxKeys=1)
        first = next(iter(page_of(uri, answer.body).keys), None)
        buckets.append(BucketSeen(bucket=bucket, key=first, request_id=answer.request_id))
    return Verified(route=chosen, peer=peer, buckets=tuple(buckets))


def _peer(route: Route, verified_by: bool | str) -> Peer:
    trusted = tls_context(verified_by)
    connection, resolved = connected(route)
    connection.settimeout(_ANSWER_SECONDS)
    try:
        with connection as plain, trusted.wrap_socket(plain, server_hostname=route.host) as secure:
            address = str(secure.getpeername()[0])
            certificate: dict[str, Any] = secure.getpeercert() or {}
            protocol = secure.version() or ""
    except ssl.SSLCertVerificationError as error:
        raise PlatformError(f"{route.host}: what answers is not S3's endpoint: {error.verify_message}") from error
    except OSError as error:
        raise not_from_here(route, f"does not answer here: {error}") from error
    names = tuple(name for _, name in certificate.get("subjectAltName", ()))
    return Peer(resolved=resolved, address=address, names=names, protocol=protocol)

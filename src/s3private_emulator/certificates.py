"""The emulator's certificate authority, and certificates with exactly the names that AWS's and Databricks' carry.

The names matter: a client that verifies TLS must fail on a bare `vpce-…` name here because it fails on S3.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

import trustme

S3_PREFIXES = ("bucket", "*.bucket", "*.accesspoint", "*.control")
"""What stands before `.vpce-…` in the certificate of an S3 interface endpoint."""

REGIONAL_SERVICES = ("ec2", "elasticloadbalancing", "s3", "*.s3", "sts")
GLOBAL_NAMES = ("iam.amazonaws.com", "s3.amazonaws.com", "*.s3.amazonaws.com", "sts.amazonaws.com")


class Authority:
    """Issues the certificates; clients trust it by the file `ca_file` (PEM)."""

    def __init__(self, directory: Path) -> None:
        self._ca = trustme.CA(organization_name="s3private emulator")
        self.ca_file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def server(self, names: Iterable[str]) -> ssl.SSLContext:
        """A server's context, with one certificate that carries those names and no others."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._ca.issue_cert(*names).configure_cert(context)
        return context


def s3_endpoint_names(region: str, dns_names: Iterable[str]) -> list[str]:
    """The names on its certificate; `dns_names` as EC2 writes them: `*.vpce-….vpce.amazonaws.com`."""
    hosts = [name.removeprefix("*.") for name in dns_names]
    private = [f"{prefix}.{host}" for host in hosts for prefix in S3_PREFIXES]
    return [*private, f"s3.{region}.amazonaws.com", f"*.s3.{region}.amazonaws.com"]


def internet_names(region: str) -> list[str]:
    """The public hosts: AWS's APIs of the region, the global ones, and Databricks'."""
    regional = [f"{service}.{region}.amazonaws.com" for service in REGIONAL_SERVICES]
    return [*regional, *GLOBAL_NAMES, "*.cloud.databricks.com"]

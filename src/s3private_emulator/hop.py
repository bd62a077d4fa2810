"""What the network asks of AWS: does a byte pass, and if not, how does it fail?

`aws` answers from what it holds at that moment; `network` and `forwarder` do as the answer says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Passes(StrEnum):
    OPEN = "open"
    TIMEOUT = "timeout"
    """Packets vanish: no listener's security group, no endpoint, nobody to answer."""
    RESET = "reset"
    """Somebody answers, with a TCP reset."""


@dataclass(frozen=True, kw_only=True)
class Hop:
    """An endpoint service as its consumer meets it, from the load balancer to the S3 interface endpoint."""

    passes: Passes
    reason: str
    """The first thing on the way that is not what it should be; for `OPEN`, what was passed."""
    vpc_endpoint_id: str = ""
    """The S3 interface endpoint that the bytes reach, when open."""
    idle_timeout_seconds: float = 350.0
    """The listener's `tcp.idle_timeout.seconds`."""


@dataclass(frozen=True, kw_only=True)
class EndpointView:
    """An S3 interface endpoint, as DNS and a machine inside its VPC see it."""

    vpc_endpoint_id: str
    dns_names: tuple[str, ...]
    """As EC2 writes them: `*.vpce-<id>-<x>.s3.<region>.vpce.amazonaws.com`."""
    available: bool
    admits_vpc: bool
    """Its security groups let TCP 443 in from the VPC's own addresses."""

"""Endpoint service names that a rule takes on AWS: a customer's own endpoint service, or S3 of the region.

https://docs.databricks.com/api/networking/v1/private-endpoint-rule/object.md
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from s3private_emulator.account.refusals import invalid

_CUSTOMER = re.compile(r"com\.amazonaws\.vpce\.(?P<region>[a-z0-9-]+)\.vpce-svc-[0-9a-z]+")
_S3 = re.compile(r"com\.amazonaws\.(?P<region>[a-z0-9-]+)\.s3")


@dataclass(frozen=True)
class ServiceName:
    region: str
    first_party: bool


def parse_service_name(name: str) -> ServiceName:
    """Raises Refusal."""
    if found := _CUSTOMER.fullmatch(name):
        return ServiceName(found["region"], first_party=False)
    if found := _S3.fullmatch(name):
        return ServiceName(found["region"], first_party=True)
    raise invalid(
        f"endpoint_service {name!r} is neither com.amazonaws.vpce.<region>.vpce-svc-<id> nor com.amazonaws.<region>.s3."
    )

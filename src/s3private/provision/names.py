"""The DNS names that a path may have to do with: those of its S3 interface endpoint, and those that no rule may carry.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/privatelink-interface-endpoints.html
"""

from __future__ import annotations

import re

_PLATFORMS = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "aws.amazon.com",
    "api.aws",
    "amazon.com",
    "databricks.com",
    "databricks.us",
    "azuredatabricks.net",
)
"""Whoever carries off a name of theirs cuts workspaces off from the platform itself."""
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?"


def _below(region: str) -> str:
    """The end of every S3 interface endpoint's name in the region, as a regular expression."""
    return rf"[.]s3[.]{re.escape(region)}[.]vpce[.]amazonaws[.]com"


def is_regional_name(name: str, region: str, endpoint_id: str) -> bool:
    """Whether `name` is an S3 endpoint's regional DNS name as EC2 gives it: `*.vpce-….s3.<region>.vpce.amazonaws.com`.
    Those of its zones have the zone's name in their second label."""
    return bool(re.fullmatch(rf"[*][.]{re.escape(endpoint_id)}-[0-9a-z]+{_below(region)}", name, re.ASCII))


def refused_domain(name: str, region: str) -> str | None:
    """Why a rule must not carry `name`, or None. An endpoint's names and the region's `*.s3.<region>.vpce.…` may be."""
    if not re.fullmatch(rf"(?:[*][.])?(?:{_LABEL}[.])+[a-z][a-z0-9-]*[a-z0-9]", name, re.ASCII):
        return "must hold DNS names in lower case, such as bucket.vpce-….s3.eu-west-1.vpce.amazonaws.com"
    if len(name) > 253:
        return f"{name[:40]}… is longer than a DNS name's 253 characters"
    endpoint = r"(?:[*]|(?:[*][.])?[a-z0-9-]+)[.]vpce-[0-9a-f]+-[0-9a-z-]+"
    if re.fullmatch(rf"(?:[*]|{endpoint}){_below(region)}", name, re.ASCII):
        return None
    below = name.removeprefix("*.")
    for platform in _PLATFORMS:
        if below == platform or below.endswith(f".{platform}"):
            return (
                f"{name} is a name of {platform}: the rule would carry off every workload of the workspace that uses "
                "it. Of AWS's, the S3 endpoint's own names may be carried"
            )
        if name.startswith("*.") and platform.endswith(f".{below}"):
            return f"{name} takes in {platform}"
    return None

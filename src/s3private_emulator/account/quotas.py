"""The limits of an account, checked before anything is made. What is deactivated counts: its endpoint exists.

https://docs.databricks.com/aws/en/security/network/serverless-network-security/pl-to-internal-network
"""

from __future__ import annotations

from s3private_emulator.account.refusals import invalid, quota_exceeded

NCCS_PER_REGION = 10
PRIVATE_ENDPOINTS_PER_REGION = 30
WORKSPACES_PER_NCC = 50
DOMAIN_NAMES_PER_RULE = 10


def admit_ncc(region: str, present: int) -> None:
    if present >= NCCS_PER_REGION:
        raise quota_exceeded(
            f"The account has {present} network connectivity configs in {region}; the limit is {NCCS_PER_REGION}."
        )


def admit_rule(region: str, present: int) -> None:
    if present >= PRIVATE_ENDPOINTS_PER_REGION:
        raise quota_exceeded(
            f"The account has {present} private endpoints in {region}, deactivated ones included; the limit is "
            f"{PRIVATE_ENDPOINTS_PER_REGION}."
        )


def admit_workspace(ncc_id: str, present: int) -> None:
    if present >= WORKSPACES_PER_NCC:
        raise quota_exceeded(
            f"Network Connectivity Config {ncc_id} is attached to {present} workspaces; the limit is "
            f"{WORKSPACES_PER_NCC}."
        )


def admit_domain_names(wanted: int) -> None:
    if wanted > DOMAIN_NAMES_PER_RULE:
        raise invalid(f"{wanted} domain names; a private endpoint rule takes at most {DOMAIN_NAMES_PER_RULE}.")

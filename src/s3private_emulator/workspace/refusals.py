"""What a workspace's REST API answers when it says no: the same form as the account's, and a few codes more.

https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/errors/platform.py
"""

from __future__ import annotations

from s3private_emulator.account.refusals import Refusal, does_not_exist, invalid, permission_denied, unauthenticated

__all__ = [
    "Refusal",
    "already_exists",
    "does_not_exist",
    "invalid",
    "missing",
    "not_emulated",
    "permission_denied",
    "unauthenticated",
]


def missing(message: str) -> Refusal:
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", message)


def already_exists(message: str, status: int = 400) -> Refusal:
    return Refusal(status, "RESOURCE_ALREADY_EXISTS", message)


def not_emulated(what: str) -> Refusal:
    """The emulator's own, not the platform's: a test that meets it fails."""
    return Refusal(501, "NOT_IMPLEMENTED", f"the emulated workspace has no {what}")

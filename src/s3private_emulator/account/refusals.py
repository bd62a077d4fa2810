"""What the account's REST API answers when it says no: the error codes by which the SDK chooses its typed errors.

https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/errors/platform.py
"""

from __future__ import annotations

import uuid
from typing import Any


class Refusal(Exception):
    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message

    def as_dict(self) -> dict[str, Any]:
        request = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "request_id": str(uuid.uuid4())}
        return {"error_code": self.error_code, "message": self.message, "details": [request]}


def unauthenticated(message: str) -> Refusal:
    return Refusal(401, "UNAUTHENTICATED", message)


def permission_denied(message: str) -> Refusal:
    return Refusal(403, "PERMISSION_DENIED", message)


def does_not_exist(what: str, which: object) -> Refusal:
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"{what} {which} does not exist.")


def invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def invalid_state(message: str) -> Refusal:
    return Refusal(400, "INVALID_STATE", message)


def quota_exceeded(message: str) -> Refusal:
    """The code that the same API family documents for its IP access lists; that of the NCC limits is not documented.
    https://docs.databricks.com/api/workspace/ipaccesslists/create"""
    return Refusal(400, "QUOTA_EXCEEDED", message)


def not_emulated(method: str, path: str) -> Refusal:
    """The emulator's own, not the platform's: a test that meets it fails."""
    return Refusal(501, "NOT_IMPLEMENTED", f"the emulated Databricks account has no {method} {path}")

"""The account's way to say no: HTTP status, error_code and message, which databricks-sdk maps to its typed errors."""

from __future__ import annotations


class Refusal(Exception):
    def __init__(self, status: int, error_code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message

    def as_dict(self) -> dict[str, object]:
        return {"error_code": self.error_code, "message": self.message, "details": []}


def bad_request(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETER_VALUE", message)


def not_found(what: str) -> Refusal:
    return Refusal(404, "RESOURCE_DOES_NOT_EXIST", f"{what} does not exist.")


def conflict(message: str) -> Refusal:
    return Refusal(409, "RESOURCE_CONFLICT", message)


def quota(message: str) -> Refusal:
    return Refusal(429, "QUOTA_EXCEEDED", message)

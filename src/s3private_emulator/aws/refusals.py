"""What AWS answers when it says no: an error code, a message and the HTTP status it comes with.

Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (EC2) and the `errors` of each
operation in botocore's models (Elastic Load Balancing, STS).
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from moto.core.exceptions import ServiceException


class Refusal(ServiceException):
    """An AWS error. `status` is its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(code, message)
        self.status = status


class NotEmulated(Exception):
    """A request that this emulator does not answer: 501 naming it, so that a test sees it."""


def dry_run() -> Refusal:
    """`DryRun` with all permissions is refused with DryRunOperation, HTTP 412, and writes nothing.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/CommonParameters.html"""
    return Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)


def not_found(code: str, what: str, which: str) -> Refusal:
    return Refusal(code, f"The {what} '{which}' does not exist")


def unsuccessful(resource_id: str, code: str, message: str) -> dict[str, object]:
    """An entry of an `Unsuccessful` list, which comes with HTTP 200.
    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_UnsuccessfulItem.html"""
    return {"ResourceId": resource_id, "Error": {"Code": code, "Message": message}}


def error_xml(service: str, code: str, message: str) -> str:
    """An error as the query APIs write it; EC2 has a form of its own."""
    error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
    if service == "ec2":
        body = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>emulated</RequestID></Response>"
    else:
        body = (
            f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>emulated</RequestId></ErrorResponse>"
        )
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'

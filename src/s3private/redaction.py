"""No key of ours is written into a log or kept in an error: where botocore or Databricks' SDK say one, it is redacted.

At level DEBUG botocore logs requests with their session token, the answers of STS with the keys in them, and what it
signs; S3 sends that back where the signature does not match. A record is known by what stands in it, whichever client
it is of. Not reached: the debuglevel of `http.client`, botocore's history recorder, and loggers of other names to which
an application writes requests by itself.
"""

from __future__ import annotations

import logging
import re
from typing import Any

REDACTED = "<redacted>"
_LIBRARIES = ("boto3", "botocore", "databricks", "s3transfer", "urllib3")
_NAMES = ("botocore.auth", "botocore.endpoint", "botocore.parsers", "databricks.sdk")
"""Those that are known to; they may not be there yet."""
_QUOTE = r"\\{0,2}[\"']?"
_SECRETS = "|".join(
    (
        "x-amz-security-token",
        "x-amz-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "SSECustomerKey",
        "CopySourceSSECustomerKey",
        "aws_?secret_?access_?key",
        "secret_?access_?key",
        "secret_?key",
        "aws_?session_?token",
        "session_?token",
        "security_?token",
        "access_?token",
        "refresh_?token",
        "id_?token",
        "client_?secret",
    )
)
_PATTERNS = (
    # A field, as a header, a Python or JSON value, a query's parameter, or a line of what is signed.
    (re.compile(rf"(?i)\b((?:{_SECRETS}){_QUOTE}\s*[:=]\s*b?{_QUOTE})[^\s\"'\\&,;<>(){{}}]+"), rf"\1{REDACTED}"),
    # An element of an answer.
    (re.compile(rf"(?i)<({_SECRETS})>[^<]*<"), rf"<\1>{REDACTED}<"),
    # A signature, and whoever bears a token.
    (re.compile(r"(?i)(Signature\"?'?\s*[=:]\s*b?[\"']?)[0-9a-f]{64}\b"), rf"\1{REDACTED}"),
    (re.compile(rf"(?i)(authorization{_QUOTE}\s*[:=]\s*b?{_QUOTE}(?:Bearer|Basic)\s+)[^\s\"'\\,]+"), rf"\1{REDACTED}"),
)
# A secret of a Databricks scope comes under a name that says nothing.
_OF_A_SCOPE = "/secrets/get"
_VALUE = re.compile(rf"(?i)(\b(?:value|string_value|bytes_value){_QUOTE}\s*:\s*{_QUOTE})[^\s\"'\\,]+")
_BYTES = re.compile(r"(?i)Bytes$")


def redacted(text: str) -> str:
    """`text` without the values of keys, tokens, customers' encryption keys and signatures."""
    for pattern, replaced in _PATTERNS:
        text = pattern.sub(replaced, text)
    return _VALUE.sub(rf"\1{REDACTED}", text) if _OF_A_SCOPE in text else text


def redact_logs() -> None:
    """From now on the loggers of botocore, of what is beside it and of Databricks' SDK write no secret."""
    there = [name for name in list(logging.root.manager.loggerDict) if name.partition(".")[0] in _LIBRARIES]
    for name in (*_NAMES, *there):
        logger = logging.getLogger(name)
        if _FILTER not in logger.filters:
            logger.addFilter(_FILTER)


def redact_answer(parsed: Any, **_event: Any) -> None:
    """In an error of S3's, as botocore has parsed it: what was signed comes back in it, in plain and as bytes."""
    error = parsed.get("Error") if isinstance(parsed, dict) else None
    if not isinstance(error, dict):
        return
    for name, value in error.items():
        if isinstance(value, str):
            error[name] = REDACTED if _BYTES.search(name) else redacted(value)


class _Redacting(logging.Filter):
    """Costs nothing where the level keeps the record from being made."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            said = record.getMessage()
        except (KeyError, TypeError, ValueError):
            # Logging says by itself that a record does not fit its arguments.
            return True
        if (clean := redacted(said)) != said:
            record.msg, record.args = clean, ()
        return True


_FILTER = _Redacting()

"""How every job begins and ends: parameters in; a table, one line of JSON and the wheel's version out.

A failed job raises: the service shows the exception's text as the run's error, where the exit code of `sys.exit` would
be all that a reader sees. https://docs.databricks.com/api/workspace/jobs/getrunoutput
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NoReturn

from s3private.errors import S3PrivateError
from s3private.printable import escape_what_cannot_be_shown, plain


class JobFailed(Exception):
    """The one line that the run shows as its error."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a job has to say. reason: why it failed, or empty."""

    table: str
    result: dict[str, Any]
    reason: str = ""


class Parameters(argparse.ArgumentParser):
    """A job's parameters, `--name=value`. An empty value is none: a job's parameter is never absent."""

    def error(self, message: str) -> NoReturn:
        raise JobFailed(f"{self.prog}: {message}") from None


def run_job(job: Callable[[argparse.Namespace], Ending], parameters: Parameters, argv: Sequence[str] | None) -> None:
    """Run a job and print its ending. Raises JobFailed."""
    from botocore.exceptions import BotoCoreError, ClientError

    escape_what_cannot_be_shown()
    try:
        ending = job(parameters.parse_args(argv))
    except (S3PrivateError, BotoCoreError, ClientError, OSError) as error:
        reason = plain(str(error))
        ending = Ending(table=f"{parameters.prog}: {reason}", result={"outcome": "failed"}, reason=reason)
    wheel = version("s3private")
    result = {"job": parameters.prog, **ending.result, "message": ending.reason, "wheel": wheel}
    print(_only_a_table(ending.table), json.dumps(result), f"s3private {wheel}", sep="\n\n", flush=True)
    if ending.reason:
        raise JobFailed(ending.reason)


def _only_a_table(text: str) -> str:
    """The line of JSON is the only one that begins as one: a key may look like it."""
    return "\n".join(line.replace("{", "\\u007b", 1) if line.lstrip()[:1] == "{" else line for line in text.split("\n"))

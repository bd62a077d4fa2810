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
        raise JobFailed(f"{self.prog}: {message}")


def run_job(job: Callable[[argparse.Namespace], Ending], parameters: Parameters, argv: Sequence[str] | None) -> None:
    """Run a job and print its ending. Raises JobFailed."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        ending = job(parameters.parse_args(argv))
    except (S3PrivateError, BotoCoreError, ClientError, OSError) as error:
        reason = str(error)
        ending = Ending(table=f"{parameters.prog}: {reason}", result={"outcome": "failed"}, reason=reason)
    wheel = version("s3private")
    result = {"job": parameters.prog, **ending.result, "message": ending.reason, "wheel": wheel}
    print(ending.table, json.dumps(result, ensure_ascii=False), f"s3private {wheel}", sep="\n\n", flush=True)
    if ending.reason:
        raise JobFailed(ending.reason)

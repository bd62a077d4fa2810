"""What is printed, in one place: the work does not hang on who reads it.

A closed pipe, a full disk or a closed stream lets provision and destroy go on to their end. Results are on standard
output, all else on standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from s3private.errors import S3PrivateError
from s3private.printable import plain


def aside(text: str, end: str = "\n") -> None:
    """On standard error: progress, totals, the reason of an ending. Raises nothing where nobody takes it."""
    # To `print` a stream that is not there is standard output, where results are.
    if sys.stderr is None:
        return
    try:
        print(text, end=end, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        nothing_more(sys.stderr)


def result(text: str) -> None:
    """On standard output; whoever reads it may have gone away, such as `head`. Raises S3PrivateError where it cannot be
    written for another reason, such as a full disk."""
    try:
        print(plain(text, keep="\n"), flush=True)
    except BrokenPipeError:
        nothing_more(sys.stdout)
    except (OSError, ValueError) as error:
        nothing_more(sys.stdout)
        why = getattr(error, "strerror", None) or error
        raise S3PrivateError(f"cannot write to standard output: {why}") from error


def nothing_more(stream: TextIO) -> None:
    """Python flushes its streams once more at its end: into nothing, then."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())

"""What is printed: a line stays one line, nothing in it moves a terminal, and no character ends it with a traceback.

Keys, tags and the words of errors were written by others. Escapes are those of JSON, so that JSON stays JSON.
"""

from __future__ import annotations

import codecs
import io
import json
import sys

_HANDLER = "s3private-escaped"


def shown(name: str) -> str:
    """A key on one line of a terminal: what cannot be printed is escaped, as in JSON."""
    return name if name.isprintable() else json.dumps(name)[1:-1]


def plain(text: str, keep: str = "") -> str:
    """`text` with each character escaped that is not printable, but for those in `keep`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else json.dumps(each)[1:-1] for each in text)


def escape_what_cannot_be_shown() -> None:
    """From now on, on standard output and error: a character that their encoding does not have is escaped."""
    for stream in (sys.stdout, sys.stderr):
        # A notebook's are of another kind, and show everything.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error(_HANDLER, _escaped)

"""What a notebook shows of a record that is a cell's last value. Others wrote its keys: none of them is markup."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from s3private.printable import plain


def fields_html(fields: Mapping[str, Any]) -> str:
    """A table of names and values."""
    rows = (f"<tr><th>{escape(name)}</th><td>{escape(plain(str(value)))}</td></tr>" for name, value in fields.items())
    return f"<table>{''.join(rows)}</table>"


def text_html(text: str) -> str:
    """Lines as they are printed."""
    return f"<pre>{escape(plain(text, keep=chr(10)))}</pre>"

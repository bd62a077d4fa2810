"""A `.py` source notebook as code: one object per cell, with the line numbers of the file.

https://docs.databricks.com/aws/en/notebooks/notebook-format
"""

from __future__ import annotations

import shlex
from types import CodeType

CELL = "# COMMAND ----------"
MAGIC = "# MAGIC"
TITLE = "# DBTITLE"
HEADER = "# Databricks notebook source"


def cells(source: str, file: str) -> list[CodeType]:
    """Markdown is left out, `%pip install` is run. Raises NotImplementedError for magics that do not run here."""
    found = []
    lines: list[str] = []
    first = 1
    for number, line in enumerate([*source.splitlines(), CELL], start=1):
        if line.strip() != CELL:
            lines.append(line)
            continue
        text = _code(lines, first)
        if text.strip():
            found.append(compile("\n" * (first - 1) + text, file, "exec"))
        lines, first = [], number + 1
    return found


def _code(lines: list[str], first: int) -> str:
    """Blank lines stand for what is no code, so that line numbers hold."""
    kept = []
    markdown = False
    for number, line in enumerate(lines, start=first):
        if line.startswith(MAGIC):
            magic = line.removeprefix(MAGIC).strip()
            if magic.startswith("%"):
                markdown = magic.startswith("%md")
                if magic.startswith("%pip install "):
                    kept.append(f"__import__('notebook_packages').install({shlex.split(magic)[2:]!r})")
                    continue
                if not markdown and not magic.startswith("%python"):
                    raise NotImplementedError(
                        f"line {number}: {magic.split()[0]} does not run in the emulated workspace: "
                        "put dependencies into the job's environment, and code into Python cells"
                    )
            elif not markdown and magic:
                raise NotImplementedError(f"line {number}: a magic cell of another language: {magic}")
            kept.append("")
        elif line.startswith((TITLE, HEADER)):
            kept.append("")
        else:
            kept.append(line)
    return "\n".join(kept) + "\n"

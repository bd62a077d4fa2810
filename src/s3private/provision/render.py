"""A Report as a table for people and as JSON for programs: two renderings of the same data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence

from s3private.printable import plain
from s3private.provision.engine import Action, Change, Outcome, Report

_MARKS = {
    Action.KEEP: " ",
    Action.WAIT: "…",
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.REMAINS: "!",
    Action.CONFLICT: "x",
}


def as_json(report: Report, path: str) -> str:
    """One JSON document: verb, path, outcome, message, changes and notes."""
    changes = [
        {"step": c.step, "action": c.action, "id": c.id, "reason": c.reason, "until": c.until} for c in report.changes
    ]
    document = {
        "verb": report.verb,
        "path": path,
        "outcome": report.outcome,
        "message": report.message,
        "where": report.where,
        "changes": changes,
        "notes": list(report.notes),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


_MEANINGS = {
    Action.WAIT: "not ready yet",
    Action.CREATE: "make",
    Action.UPDATE: "change in place",
    Action.DELETE: "delete",
    Action.REMAINS: "stays for now",
    Action.CONFLICT: "for a person to decide",
}


def as_table(report: Report, path: str, width: int | None = None) -> str:
    """Lines of at most one change each, then notes, what the marks mean, and what it comes to.

    width: the terminal's, in columns: what is wider goes on below, and no id is cut; None: of any width.
    """
    rows = [("", "STEP", "ACTION", "ID", "WHY")]
    rows += [(_MARKS[c.action], c.step, c.action.value, _short(c.id), _why(c)) for c in report.changes]
    lines = _columns(rows)
    if width is not None and max(map(len, lines)) > width:
        lines = _folded(rows, width)
    lines += [f"note: {plain(note)}" for note in report.notes]
    if there := [a for a in _MEANINGS if any(c.action is a for c in report.changes)]:
        lines += ["", f"marks: {', '.join(f'{_MARKS[action]} {_MEANINGS[action]}' for action in there)}"]
    lines.append("")
    lines.append(_closing(report, path))
    return "\n".join(lines)


def _short(identifier: str) -> str:
    """An ARN's last parts say which; the rest says what everybody knows."""
    return identifier.split(":", 5)[-1] if identifier.startswith("arn:") else identifier


def _why(change: Change) -> str:
    return f"{change.reason}; until {change.until}" if change.until else change.reason


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    rows = [tuple(map(plain, row)) for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        lines.append("  ".join([*cells, row[-1]]).rstrip())
    return lines


def _folded(rows: Sequence[tuple[str, ...]], width: int) -> list[str]:
    """Mark, step and action on a line, and below it id and reason, each as far as the width goes."""
    lines = _columns([(mark, step, action, "") for mark, step, action, _, _ in rows[1:]])
    folded = []
    for line, row in zip(lines, rows[1:], strict=True):
        folded.append(line)
        for text in map(plain, row[3:]):
            folded += textwrap.wrap(
                text, max(width, 40), initial_indent=" " * 6, subsequent_indent=" " * 8, break_long_words=False,
                break_on_hyphens=False,
            )  # fmt: skip
    return folded


def _closing(report: Report, path: str) -> str:
    counts = {action: sum(c.action is action for c in report.changes) for action in Action}
    done = ", ".join(f"{n} to {a.value}" for a, n in counts.items() if n and a is not Action.KEEP)
    if report.outcome is Outcome.PLANNED:
        return f"path {path}: {done}. Nothing was written; `s3private provision` does it."
    if report.outcome is Outcome.SETTLED:
        if report.verb == "destroy":
            spared = [c for c in report.changes if c.action is Action.KEEP]
            left = "; what is listed as kept was left" if spared else ""
            other = f" {report.elsewhere}" if report.elsewhere else ""
            return f"path {path}: nothing of it is left{f' in {report.where}' if report.where else ''}{left}.{other}"
        made = counts[Action.CREATE] + counts[Action.UPDATE]
        return f"path {path}: settled" + (f", {made} changed." if made else "; nothing to do.")
    return f"path {path}: {report.outcome.value}: {report.message}"

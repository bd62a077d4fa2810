"""What a scheduled job does: keeps the targets in step, and says what else has drifted, without mending it.

Targets follow addresses that AWS may change at any time, so they are mended unasked; the rest was changed by a person,
and a person decides when `provision` puts it back. It is looked at first: where it is what keeps the targets from
being healthy, nothing that is waited for would come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from s3private.errors import S3PrivateError
from s3private.provision.engine import (
    Action,
    AnyStep,
    Change,
    Clock,
    Outcome,
    Progress,
    Report,
    plan,
    provision,
)

_MENDED = (Action.CREATE, Action.UPDATE)


def maintain(
    targets: Sequence[AnyStep],
    path: Sequence[AnyStep],
    *,
    clock: Clock,
    timeout: float,
    poll: float = 10.0,
    progress: Progress = lambda _line: None,
) -> Report:
    """Plan `path`, then make the last of `targets` true. Settled: nothing has drifted; run again: `provision` has
    something to do; refused: a person must decide. Raises nothing that S3PrivateError covers.

    timeout, poll: seconds, for the targets; they are not waited for where something before them has drifted.
    """
    own, before = targets[-1], {step.title for step in targets[:-1]}
    try:
        planned = plan(path)
    except S3PrivateError as error:
        # The targets are kept in step also where, say, Databricks does not answer.
        kept = provision(targets, clock=clock, timeout=timeout, poll=poll, progress=progress, only=own)
        return replace(kept, verb="maintain", outcome=Outcome.FAILED, message=kept.message or str(error))
    drifted = [change for change in planned.changes if change.action is not Action.KEEP and change.step != own.title]
    hindered = any(change.step in before for change in drifted)
    asked = next(change for change in planned.changes if change.step == own.title)
    kept = Report(verb="maintain")
    if asked.action is Action.UPDATE or (asked.action is not Action.KEEP and not hindered):
        patience = 0.0 if hindered else timeout
        kept = provision(targets, clock=clock, timeout=patience, poll=poll, progress=progress, only=own)
    done = [change for change in kept.changes if change.step == own.title and kept.outcome is Outcome.SETTLED]
    changes = tuple(done[0] if done and change is asked else change for change in planned.changes)
    outcome, message = kept.outcome, kept.message
    if drifted:
        conflict = any(change.action is Action.CONFLICT for change in drifted)
        outcome, message = Outcome.REFUSED if conflict else Outcome.RUN_AGAIN, _message(drifted)
    return Report(verb="maintain", changes=changes, outcome=outcome, message=message, found=planned.found)


def _message(drifted: Sequence[Change]) -> str:
    """What a person decides, what `provision` mends, and what is waited for, each by its own word."""
    decided = [_said(change) for change in drifted if change.action is Action.CONFLICT]
    mended = "; ".join(_said(change) for change in drifted if change.action in _MENDED)
    others = [_said(change) for change in drifted if change.action not in (*_MENDED, Action.CONFLICT)]
    said = list(dict.fromkeys(decided))
    if mended and decided:
        said.append(f"when that is decided, `s3private provision` has more to do: {mended}")
    elif mended:
        said.append(f"drifted: {mended}. `s3private provision` mends it")
    if others:
        said.append(f"not ready: {'; '.join(others)}")
    return "; ".join(said)


def _said(change: Change) -> str:
    return f"{change.step}: {change.reason or change.action.value}"

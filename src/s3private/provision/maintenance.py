"""What a scheduled job does: keeps the targets in step, and says what else has drifted, without mending it.

Targets follow addresses that AWS may change at any time, so they are mended unasked; the rest was changed by a person,
and a person decides when `provision` puts it back.
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


def maintain(
    targets: Sequence[AnyStep],
    path: Sequence[AnyStep],
    *,
    clock: Clock,
    timeout: float,
    poll: float = 10.0,
    progress: Progress = lambda _line: None,
) -> Report:
    """Make the last of `targets` true, then plan `path`. Settled: nothing has drifted; run again: `provision` has
    something to do; refused: a person must decide. Raises nothing that S3PrivateError covers.

    timeout, poll: seconds, for the targets.
    """
    kept = provision(targets, clock=clock, timeout=timeout, poll=poll, progress=progress, only=targets[-1])
    try:
        planned = plan(path)
    except S3PrivateError as error:
        return replace(kept, verb="maintain", outcome=Outcome.FAILED, message=kept.message or str(error))
    done = {change.step: change for change in kept.changes if change.action is not Action.KEEP}
    changes = tuple(done.get(change.step, change) for change in planned.changes)
    drifted = [change for change in changes if change.action is not Action.KEEP and change.step not in done]
    outcome, message = kept.outcome, kept.message
    if outcome is Outcome.SETTLED and drifted:
        conflict = any(change.action is Action.CONFLICT for change in drifted)
        outcome = Outcome.REFUSED if conflict else Outcome.RUN_AGAIN
        message = f"drifted: {'; '.join(_said(change) for change in drifted)}. `s3private provision` mends it"
    return Report(verb="maintain", changes=changes, outcome=outcome, message=message, found=planned.found)


def _said(change: Change) -> str:
    return f"{change.step}: {change.reason or change.action.value}"

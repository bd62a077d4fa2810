"""When a task runs, seen from the tasks it depends on, and what a run's tasks make of the run.

https://docs.databricks.com/aws/en/jobs/run-if · https://docs.databricks.com/aws/en/jobs/monitor (run status)
"""

from __future__ import annotations

from collections.abc import Sequence

from s3private_emulator.workspace import states

Record = dict[str, object]

BAD = (states.FAILED, states.TIMEDOUT, states.UPSTREAM_FAILED)
STOPPED = (states.CANCELED, states.UPSTREAM_CANCELED)
GOOD = (states.SUCCESS, states.SUCCESS_WITH_FAILURES)


def instead_of_running(run_if: str, before: Sequence[str]) -> str | None:
    """What becomes of a task that must not run, None where it runs. `before`: results of the tasks it depends on; those
    that were excluded count as success, unless all were."""
    if not before:
        return None
    met = {
        "ALL_SUCCESS": all(result in (*GOOD, states.EXCLUDED) for result in before),
        "ALL_DONE": True,
        "NONE_FAILED": not any(result in (*BAD, *STOPPED) for result in before),
        "AT_LEAST_ONE_SUCCESS": any(result in GOOD for result in before),
        "ALL_FAILED": all(result in BAD for result in before),
        "AT_LEAST_ONE_FAILED": any(result in BAD for result in before),
    }[run_if]
    if met and run_if != "ALL_DONE" and all(result == states.EXCLUDED for result in before):
        return states.EXCLUDED
    if met:
        return None
    if run_if in ("ALL_FAILED", "AT_LEAST_ONE_FAILED"):
        return states.EXCLUDED
    return states.UPSTREAM_FAILED if any(result in BAD for result in before) else states.UPSTREAM_CANCELED


def run_result(results: dict[str, str], depended_on: set[str]) -> str:
    """Of the whole run, by task key: its leaves decide."""
    leaves = [result for key, result in results.items() if key not in depended_on]
    if any(result in STOPPED for result in leaves):
        return states.CANCELED
    if any(result in BAD for result in leaves):
        return states.FAILED
    return states.SUCCESS if all(result not in BAD for result in results.values()) else states.SUCCESS_WITH_FAILURES

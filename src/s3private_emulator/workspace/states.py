"""A run's state, in the words of both API versions: `state` (deprecated, and what most clients read) and `status`.

https://docs.databricks.com/api/workspace/jobs/getrun
"""

from __future__ import annotations

from typing import Any

SUCCESS = "SUCCESS"
FAILED = "FAILED"
TIMEDOUT = "TIMEDOUT"
CANCELED = "CANCELED"
EXCLUDED = "EXCLUDED"
UPSTREAM_FAILED = "UPSTREAM_FAILED"
UPSTREAM_CANCELED = "UPSTREAM_CANCELED"
SUCCESS_WITH_FAILURES = "SUCCESS_WITH_FAILURES"
SKIPPED = "SKIPPED"

WORKLOAD_FAILED = "Workload failed, see run output for details"

_V2 = {"PENDING": "PENDING", "QUEUED": "QUEUED", "RUNNING": "RUNNING", "BLOCKED": "BLOCKED"}
_CODES = {
    SUCCESS: "SUCCESS",
    SUCCESS_WITH_FAILURES: "SUCCESS_WITH_FAILURES",
    FAILED: "RUN_EXECUTION_ERROR",
    TIMEDOUT: "RUN_EXECUTION_ERROR",
    CANCELED: "USER_CANCELED",
    UPSTREAM_FAILED: "RUN_EXECUTION_ERROR",
    UPSTREAM_CANCELED: "USER_CANCELED",
    EXCLUDED: "SUCCESS",
}


def going(life_cycle_state: str) -> dict[str, Any]:
    """PENDING, QUEUED, BLOCKED or RUNNING."""
    return {
        "state": {"life_cycle_state": life_cycle_state, "state_message": "", "user_cancelled_or_timedout": False},
        "status": {"state": _V2[life_cycle_state]},
    }


def ended(result: str, message: str = "", *, internal: bool = False, code: str = "") -> dict[str, Any]:
    """`internal`: the old state says INTERNAL_ERROR, as it does for a run one of whose tasks failed."""
    code = code or _CODES[result]
    ok = result in (SUCCESS, SUCCESS_WITH_FAILURES, EXCLUDED)
    kind = "SUCCESS" if ok else "INTERNAL_ERROR" if code == "INTERNAL_ERROR" else "CLIENT_ERROR"
    return {
        "state": {
            "life_cycle_state": "INTERNAL_ERROR" if internal else "TERMINATED",
            "result_state": result,
            "state_message": message,
            "user_cancelled_or_timedout": result in (CANCELED, TIMEDOUT),
        },
        "status": {"state": "TERMINATED", "termination_details": {"code": code, "type": kind, "message": message}},
    }


def skipped(message: str) -> dict[str, Any]:
    """https://docs.databricks.com/aws/en/jobs/advanced (maximum concurrent runs)"""
    return {
        "state": {"life_cycle_state": "SKIPPED", "state_message": message, "user_cancelled_or_timedout": False},
        "status": {
            "state": "TERMINATED",
            "termination_details": {"code": "MAX_CONCURRENT_RUNS_EXCEEDED", "type": "CLIENT_ERROR", "message": message},
        },
    }


def is_over(record: dict[str, Any]) -> bool:
    return bool(record["status"]["state"] == "TERMINATED")


def result_of(record: dict[str, Any]) -> str:
    return str(record["state"].get("result_state", ""))

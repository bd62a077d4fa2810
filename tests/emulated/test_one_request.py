"""An NCC and a rule are asked for exactly once in a run, whatever the SDK would do: proven by the log of requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulated.inspection import not_settled
from emulated.interruptions import world
from s3private.provision.engine import Outcome
from s3private_emulator.faults import KEPT, Fault, Planned

NCCS = "account:POST network-connectivity-configs"
RULES = f"{NCCS}/{{ncc_id}}/private-endpoint-rules"

TRANSIENT = "Please try again later or try a faster operation."
"""One of the messages for which the SDK asks again whatever the status.
https://github.com/databricks/databricks-sdk-py/blob/main/databricks/sdk/_base_client.py"""
ANSWERS: dict[str, dict[str, Any]] = {
    # After each of these the SDK would ask again.
    "504": {"fault": Fault.GATEWAY_TIMEOUT},
    "504, retry at once": {"fault": Fault.GATEWAY_TIMEOUT, "retry_after": "0"},
    "reply lost": {"fault": Fault.REPLY_LOST},
    "request lost": {"fault": Fault.REQUEST_LOST},
    "503, retry at once": {"fault": Fault.ERROR, "status": 503, "code": "TEMPORARILY_UNAVAILABLE", "retry_after": "0"},
    "429, retry at once": {"fault": Fault.THROTTLED, "retry_after": "0"},
    "500, transient by its message": {"fault": Fault.ERROR, "message": TRANSIENT},
}


SHORT = ("504, retry at once", "request lost")
"""In `make test`; the others in `make test-matrix`."""


@pytest.mark.parametrize("operation", [NCCS, RULES])
@pytest.mark.parametrize(
    "answer", [pytest.param(answer, marks=() if answer in SHORT else pytest.mark.matrix) for answer in ANSWERS]
)
def test_one_request_is_sent_and_the_answer_is_found(tmp_path: Path, operation: str, answer: str) -> None:
    planned = Planned(operation=operation, times=20, **ANSWERS[answer])
    with world(tmp_path) as run:
        emulator = run.ground.emulator
        emulator.faults.add(planned)
        report = run.run(run.ground.provision)
        assert report is not None
        assert [r.operation for r in emulator.log.writes()].count(operation) == 1
        made = planned.fault in KEPT
        assert report.outcome is Outcome.SETTLED if made else report.outcome is not Outcome.SETTLED, report.message
        emulator.faults.clear()
        run.until_settled(run.ground.provision, runs=1)
        assert [r.operation for r in emulator.log.writes()].count(operation) == (1 if made else 2)
        assert not_settled(run.ground) == ""

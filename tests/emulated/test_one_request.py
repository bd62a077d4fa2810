"""An NCC and a rule are asked for once, whatever the SDK would do, and again only where it was looked for and is not
there: proven by the log of requests."""

from __future__ import annotations

from itertools import pairwise
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
def test_one_request_is_sent_and_the_answer_is_looked_for(tmp_path: Path, operation: str, answer: str) -> None:
    planned = Planned(operation=operation, times=1000, **ANSWERS[answer])
    with world(tmp_path) as run:
        emulator = run.ground.emulator
        emulator.faults.add(planned)
        report = run.run(run.ground.provision)
        assert report is not None
        asked = [
            r.operation for r in emulator.log.since() if r.operation in (operation, operation.replace("POST", "GET"))
        ]
        sent = asked.count(operation)
        made = planned.fault in KEPT
        assert report.outcome is Outcome.SETTLED if made else report.outcome is Outcome.FAILED, report.message
        # A throttled one had no effect, so a look is enough; what may come late is looked for for minutes.
        assert sent == 1 if made else sent > 10 if planned.fault is Fault.THROTTLED else sent == 2
        assert (operation, operation) not in pairwise(asked), "asked again without a look"
        emulator.faults.clear()
        run.until_settled(run.ground.provision, runs=1)
        assert [r.operation for r in emulator.log.writes()].count(operation) == sent + (not made)
        assert not_settled(run.ground) == ""

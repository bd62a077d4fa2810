"""Every writing call of provision, of mending and of destroy, interrupted in every way and run again.

Nothing is doubled or lost. The cases come from the request log of a clean run, so that a new call joins by itself. Here
is the long form, one world for each case (`make test-matrix`); the short form is in test_interrupted.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from emulated.interruptions import WAYS
from emulated.scenarios import SCENARIOS


@pytest.mark.matrix
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_interrupted_anywhere_and_run_again_nothing_is_doubled_or_lost(tmp_path: Path, scenario: str, way: str) -> None:
    wrong = {}
    found = SCENARIOS[scenario].clean(tmp_path / "clean")
    for number, write in enumerate(found):
        try:
            said = SCENARIOS[scenario].interrupted(tmp_path / str(number), WAYS[way](write))
        except AssertionError as error:
            said = str(error)
        if said:
            wrong[write] = said
    print(f"{scenario}, {way}: {len(found)} cases")
    assert not wrong, "\n".join(f"{scenario}, {way} at {write}: {said}" for write, said in wrong.items())

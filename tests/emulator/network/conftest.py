from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.network.ground import Ground, laid


@pytest.fixture
def ground() -> Iterator[Ground]:
    with laid() as ground:
        yield ground

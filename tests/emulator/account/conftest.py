from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.account.desk import Desk, opened


@pytest.fixture
def desk() -> Iterator[Desk]:
    """An account in which nothing takes time; a request it does not know fails the test."""
    with opened() as desk:
        yield desk
    unknown = [request.operation for request in desk.log.unknown()]
    assert not unknown, f"the account was asked what it does not know: {unknown}"

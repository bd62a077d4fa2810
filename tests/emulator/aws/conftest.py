from __future__ import annotations

from collections.abc import Iterator

import pytest

from emulator.aws.site import Site, site


@pytest.fixture
def aws() -> Iterator[Site]:
    """A fresh AWS in which nothing takes time."""
    with site() as fresh:
        yield fresh

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from loopback import only_loopback

if TYPE_CHECKING:
    from s3private_emulator.emulator import Emulator

only_loopback()
# boto3's search for credentials ends at the instance's metadata service, which is another machine.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """Fresh clouds in which nothing takes time. What the emulator does not know, or fails at, fails the test; so does a
    fault that never came to pass."""
    # Imported here: the clouds take a second to load, and most unit tests need none.
    from s3private_emulator.emulator import Emulator

    with Emulator() as emulator:
        yield emulator
    unknown = [f"{request.service} {request.operation}" for request in emulator.log.unknown()]
    assert not unknown, f"the emulator was asked what it does not know: {unknown}"
    unstruck = [str(planned) for planned in emulator.faults.unstruck()] + [str(e) for e in emulator.delays.endings()]
    assert not unstruck, f"what was to go wrong never did: {unstruck}"

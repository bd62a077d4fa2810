from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from botocore.loaders import JSONFileLoader, Loader

from loopback import only_loopback

if TYPE_CHECKING:
    from s3private_emulator.emulator import Emulator

only_loopback()
# boto3's search for credentials ends at the instance's metadata service, which is another machine.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
# A shell lets what it starts in the background ignore Ctrl-C, which many tests press.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


class _ReadOnce(JSONFileLoader):
    """Every session of botocore reads the services' models anew, EC2's for a second: here a process shares them."""

    read: ClassVar[dict[str, Any]] = {}

    def load_file(self, file_path: str) -> Any:
        if file_path not in self.read:
            self.read[file_path] = super().load_file(file_path)
        return self.read[file_path]


Loader.FILE_LOADER_CLASS = _ReadOnce


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

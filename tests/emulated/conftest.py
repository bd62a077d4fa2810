from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from emulated.ground import SETTINGS, Ground
from s3private.provision.engine import Outcome
from s3private_emulator.emulator import Emulator


def prepared(emulator: Emulator, home: Path, environment: pytest.MonkeyPatch) -> Ground:
    for name in SETTINGS:
        environment.delenv(name, raising=False)
    environment.setenv("HOME", str(home))
    for name, value in emulator.exports().items():
        environment.setenv(name, value)
    return Ground(emulator, home)


@pytest.fixture
def ground(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return prepared(emulator, tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A path that is whole, for tests that leave it so: it is built once for all tests of a module."""
    with Emulator() as emulator, pytest.MonkeyPatch.context() as environment:
        ground = prepared(emulator, tmp_path_factory.mktemp("built"), environment)
        assert ground.provision().outcome is Outcome.SETTLED
        yield ground
        assert emulator.log.unknown() == []

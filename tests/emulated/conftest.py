from __future__ import annotations

from pathlib import Path

import pytest

from emulated.ground import Ground
from s3private_emulator.emulator import Emulator


@pytest.fixture
def ground(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "DATABRICKS_RUNTIME_VERSION", "DATABRICKS_CONFIG_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in emulator.exports().items():
        monkeypatch.setenv(name, value)
    return Ground(emulator, tmp_path)

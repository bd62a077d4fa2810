from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from origin.authority import Authority
    from origin.server import Origin


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    from origin.authority import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def origin(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    """An S3 of our own on loopback, empty, which clients trust."""
    from origin.server import Origin

    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.file))
    with Origin(authority).serving() as serving:
        yield serving

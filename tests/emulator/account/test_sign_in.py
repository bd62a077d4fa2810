from __future__ import annotations

import pytest
import requests
from databricks.sdk.errors import NotFound, PermissionDenied, Unauthenticated

from emulator.account.desk import Desk


def test_the_sdk_signs_in_and_reads(desk: Desk) -> None:
    assert list(desk.client.network_connectivity.list_network_connectivity_configurations()) == []

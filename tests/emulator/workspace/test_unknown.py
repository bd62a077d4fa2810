"""What the workspace does not know fails loudly."""

from __future__ import annotations

import pytest
from databricks.sdk.errors.base import DatabricksError

from emulator.workspace.site import Site
from s3private_emulator.emulator import Emulator


def test_a_route_nobody_emulates_answers_501_and_is_kept_as_unknown() -> None:
    with Emulator() as emulator:
        with pytest.raises(DatabricksError, match="GET") as error:
            Site(emulator).call("GET", "/api/2.0/clusters/list")
        assert error.value.error_code == "NOT_IMPLEMENTED"
        assert "/api/2.0/clusters/list" in str(error.value)
        assert [request.operation for request in emulator.log.unknown()] == ["workspace:GET clusters/list"]

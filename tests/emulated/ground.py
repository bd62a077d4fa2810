"""One path file and the clients of an operator's environment, on fresh emulated clouds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from databricks.sdk.service.provisioning import Workspace
from databricks.sdk.service.settings import CreateNetworkConnectivityConfiguration

from s3private.provision.clients import Clients
from s3private.provision.config import PathConfig
from s3private.provision.engine import Report, destroy, plan, provision
from s3private.provision.steps import path_steps
from s3private_emulator.emulator import Emulator

PATHS = Path(__file__).parents[2] / "paths" / "demo.toml"


class PollingClock:
    """Time passes only by waiting, so a test with delays in polls never sleeps."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += max(seconds, 0.001)


SETTINGS = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "DATABRICKS_RUNTIME_VERSION", "DATABRICKS_CONFIG_PROFILE")
"""Of the machine: they would be taken for the operator's."""


class Ground:
    """One path file, and the clients that an operator's environment gives for it."""

    def __init__(self, emulator: Emulator, directory: Path) -> None:
        self.emulator = emulator
        self.directory = directory
        self.route = directory / "demo.route.json"
        self.file = directory / "demo.toml"
        self._clients: dict[str, Clients] = {}
        self.write()

    def write(self, **replaced: str) -> None:
        text = PATHS.read_text(encoding="utf-8").replace("routes/demo.route.json", str(self.route))
        for old, new in replaced.items():
            line = next(one for one in text.splitlines() if one.startswith(old))
            text = text.replace(line, f"{old} = {new}")
        self.file.write_text(text, encoding="utf-8")

    @property
    def config(self) -> PathConfig:
        return PathConfig.load(self.file)

    @property
    def clients(self) -> Clients:
        """Made once for each path file: loading EC2's model takes botocore longer than a whole plan."""
        text = self.file.read_text(encoding="utf-8")
        if text not in self._clients:
            self._clients[text] = Clients(self.config)
        return self._clients[text]

    @property
    def hand(self) -> Clients:
        """Of an administrator of the data account: whatever the path's role may not, somebody does by hand."""
        if "hand" not in self._clients:
            administrator = self.emulator.world.administrator_role_arn
            self._clients["hand"] = Clients(replace(self.config, role_arn=administrator))
        return self._clients["hand"]

    def forget_clients(self) -> None:
        """What runs next signs in anew, as a new process does."""
        self._clients.clear()

    def plan(self) -> Report:
        return plan(path_steps(self.config, self.clients))

    def provision(self, timeout: float = 7200) -> Report:
        return provision(path_steps(self.config, self.clients), clock=PollingClock(), timeout=timeout)

    def destroy(self) -> Report:
        return destroy(path_steps(self.config, self.clients), clock=PollingClock(), timeout=7200)

    def make_ncc(self, name: str) -> str:
        api = self.clients.account.network_connectivity
        made = api.create_network_connectivity_configuration(
            CreateNetworkConnectivityConfiguration(name=name, region=self.config.region)
        )
        assert made.network_connectivity_config_id
        return made.network_connectivity_config_id

    def attach(self, workspace: int, ncc: str) -> None:
        self.clients.account.workspaces.update(
            workspace, Workspace(network_connectivity_config_id=ncc), update_mask="network_connectivity_config_id"
        )

"""The matrix in short: one path, every writing call on its way interrupted in turn. The long form is test_matrix."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

import s3private.provision.steps
from emulated.inspection import count, not_settled
from emulated.interruptions import WAYS, Interrupted, world
from emulated.scenarios import SCENARIOS
from s3private.provision.engine import Outcome
from s3private_emulator.aws.front import READS

SHORT = ("reply lost", "killed before", "killed after, then stale reads")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Scenario -> its writing operations, each once, in order."""
    return {
        name: list(dict.fromkeys(operation for operation, _ in scenario.clean(tmp_path_factory.mktemp(name))))
        for name, scenario in SCENARIOS.items()
    }


def interrupt(run: Interrupted, operations: list[str], way: str) -> None:
    run.ground.emulator.faults.add(*[WAYS[way]((operation, 1)) for operation in operations])


@pytest.mark.parametrize("way", SHORT)
def test_provision_interrupted_at_every_write_in_turn_ends_with_one_of_each(
    tmp_path: Path, clean: dict[str, list[str]], way: str
) -> None:
    with world(tmp_path) as run:
        interrupt(run, clean["provision"], way)
        run.until_settled(run.ground.provision, runs=len(clean["provision"]) + (4 if "stale" in way else 1))
        plans = [run.ground.plan() for _ in range(4 if "stale" in way else 1)]
        assert plans[-1].outcome is Outcome.SETTLED, plans[-1].pending
        assert not_settled(run.ground) == ""


@pytest.mark.parametrize("way", SHORT)
def test_destroy_interrupted_at_every_write_in_turn_leaves_nothing(
    tmp_path: Path, clean: dict[str, list[str]], way: str
) -> None:
    with world(tmp_path, workspaces="[]") as run:
        run.until_settled(run.ground.provision, runs=1)
        interrupt(run, clean["destroy"], way)
        run.remove(again=len(clean["destroy"]))
        assert run.reports[-1].outcome is Outcome.SETTLED, run.reports[-1].message
        assert count(run.ground.emulator) == {}


SDK_WRITES = {
    "create_network_connectivity_configuration": "account:POST network-connectivity-configs",
    "delete_network_connectivity_configuration": "account:DELETE network-connectivity-configs/{ncc_id}",
    "create_private_endpoint_rule": "account:POST network-connectivity-configs/{ncc_id}/private-endpoint-rules",
    "update_private_endpoint_rule": (
        "account:PATCH network-connectivity-configs/{ncc_id}/private-endpoint-rules/{rule_id}"
    ),
    "delete_private_endpoint_rule": (
        "account:DELETE network-connectivity-configs/{ncc_id}/private-endpoint-rules/{rule_id}"
    ),
    "update": "account:PATCH workspaces/{workspace_id}",
}


def called() -> Iterator[str]:
    """The writing operations that the steps' source calls, by the names of the SDKs' methods."""
    methods: dict[str, str] = {}
    for service in ("ec2", "elbv2"):
        make = boto3.client
        client = make(service, region_name="eu-west-1", aws_access_key_id="-", aws_secret_access_key="-")
        for method, operation in client.meta.method_to_api_mapping.items():
            if not operation.startswith(READS):
                methods[method] = f"{service}:{operation}"
    for file in Path(s3private.provision.steps.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if owner in ("self.ec2", "self.elbv2") and node.func.attr in methods:
                    yield methods[node.func.attr]
                elif "account" in owner or owner == "api":
                    yield from (SDK_WRITES[name] for name in [node.func.attr] if name in SDK_WRITES)


def test_every_writing_call_of_the_steps_is_in_the_matrix(clean: dict[str, list[str]]) -> None:
    used, covered = set(called()), {operation for operations in clean.values() for operation in operations}
    assert len(used) > 20
    assert used - covered == set()
    assert covered - used == set()

"""The operator half at the lower bounds that pyproject.toml gives it: one path's whole life on the emulated clouds."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import pytest

from s3private_emulator.emulator import Emulator
from versions.environments import REPOSITORY, environment


def lower_bounds() -> list[str]:
    """`boto3>=1.36` as `boto3==1.36.0`."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [wanted.split(">=") for wanted in project["optional-dependencies"]["provision"]]
    return [f"{name}=={'.'.join([*bound.split('.'), '0', '0'][:3])}" for name, bound in named]


@pytest.mark.versions
@pytest.mark.timeout(900)
def test_the_operator_half_builds_keeps_and_removes_a_path_at_its_lower_bounds(tmp_path: Path) -> None:
    python = environment(tmp_path, *lower_bounds())
    with Emulator() as emulator:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        env = {**kept, **emulator.exports(), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
        for words, code in (
            ("plan", 0),
            ("provision --poll 0.1s", 0),
            ("plan --exit-code", 0),
            ("maintain --poll 0.1s", 0),
            # Databricks keeps the rule for days.
            ("destroy --confirm demo --poll 0.1s", 3),
        ):
            verb, *more = words.split()
            command: list[str] = [str(python), "-m", "s3private", verb, str(REPOSITORY / "paths/demo.toml"), *more]
            done = subprocess.run(
                [*command, f"--route-base={tmp_path}"], env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        assert not (tmp_path / "routes/demo.route.json").exists()
        assert emulator.log.unknown() == []

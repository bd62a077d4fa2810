from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from s3private_emulator import serverless
from s3private_emulator.emulator import Emulator
from s3private_emulator.place import serverless as serverless_of

PATH_FILE = Path(__file__).parents[2] / "paths" / "demo.toml"


@dataclass(frozen=True)
class Site:
    """Clouds with the demo path built on them, and the folder that stands for the bundle's volume."""

    emulator: Emulator
    volume: Path

    @property
    def bucket(self) -> str:
        return next(iter(self.emulator.world.buckets))

    @property
    def objects(self) -> dict[str, bytes]:
        return dict(self.emulator.world.buckets[self.bucket])

    def environment(self) -> dict[str, str]:
        """What an operator's shell holds, with nothing of this machine's."""
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "DATABRICKS_"))},
            **self.emulator.exports(),
            "HOME": str(self.emulator.home),
        }

    def python(self, *argv: str) -> CompletedProcess[str]:
        """A Python program as serverless compute of the first workspace, with the reader's credentials."""
        world, env = self.emulator.world, self.emulator.reader_keys()
        return serverless.run(
            self.emulator, argv, place=serverless_of(world.workspaces[0].id), env=env, cwd=self.volume
        )

    def job(self, module: str, **parameters: str) -> CompletedProcess[str]:
        named = [f"--{name.replace('_', '-')}={value}" for name, value in parameters.items()]
        code = f"import sys; from s3private.jobs.{module} import main; main(sys.argv[1:])"
        return self.python("-c", code, f"--volume={self.volume}", *named)


def result(done: CompletedProcess[str]) -> dict[str, object]:
    """The job's one line of JSON."""
    (line,) = [line for line in done.stdout.splitlines() if line.startswith('{"job"')]
    document: dict[str, object] = json.loads(line)
    return document


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    volume = tmp_path_factory.mktemp("volume")
    with Emulator() as emulator:
        site = Site(emulator, volume)
        command = [
            sys.executable,
            "-m",
            "s3private",
            "provision",
            str(PATH_FILE),
            f"--route-base={volume}",
            "--poll=0.1s",
        ]
        done = subprocess.run(command, env=site.environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        yield site
        unknown = [f"{request.service} {request.operation}" for request in emulator.log.unknown()]
        assert not unknown, f"the emulator was asked what it does not know: {unknown}"

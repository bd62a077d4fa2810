"""The real `databricks` command, typed in a copy of the repository, in a shell that has only the emulator's exports."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
OF_THE_BUNDLE = (
    "databricks.yml",
    "resources",
    "notebooks",
    "paths",
    "pyproject.toml",
    "version.py",
    "README.md",
    "src",
)
LEAST = (1, 13)


def real_command() -> str | None:
    """The command on PATH, where it is the real one of at least 1.13: nutter brings an old program of the same name."""
    command = shutil.which("databricks")
    if command is None:
        return None
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False)
    version = re.search(r"Databricks CLI v(\d+)\.(\d+)", said.stdout + said.stderr)
    return command if version and (int(version[1]), int(version[2])) >= LEAST else None


COMMAND = real_command()
needs_command = pytest.mark.skipif(
    COMMAND is None,
    reason="the databricks command 1.13 or later is not on PATH: https://docs.databricks.com/dev-tools/cli/install",
)


class Typed:
    """`folder`: the copy. `home`: an empty home directory, for the command finds profiles there."""

    def __init__(self, exports: Mapping[str, str], folder: Path, home: Path) -> None:
        self.folder = folder
        kept = {name: os.environ[name] for name in ("TMPDIR", "LANG") if name in os.environ}
        # uv may lie beside this Python; last, because nutter's old program lies there too.
        path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
        cache = Path(os.environ.get("UV_CACHE_DIR", Path.home() / ".cache" / "uv"))
        self.environment = {
            **kept,
            **{name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))},
            "PATH": path,
            "HOME": str(home),
            "UV_CACHE_DIR": str(cache),
            **exports,
        }
        home.mkdir(exist_ok=True)
        for name in OF_THE_BUNDLE:
            source = REPOSITORY / name
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "s3private_emulator")
                shutil.copytree(source, folder / name, ignore=ignored)
            else:
                folder.mkdir(exist_ok=True)
                shutil.copy(source, folder / name)

    def __call__(self, line: str, status: int = 0) -> str:
        """Type `databricks …`; what it said on both streams."""
        name, *words = line.split()
        assert name == "databricks"
        assert COMMAND is not None
        ended = subprocess.run(
            [COMMAND, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )
        said = ended.stdout + ended.stderr
        assert ended.returncode == status, f"$ {line}\n{said}"
        return said

    def version(self) -> str:
        """Of the wheel that was built last."""
        (wheel,) = (self.folder / "dist").glob("*.whl")
        return wheel.name.split("-")[1]

"""/Volumes and /Workspace for a task, as on serverless, without a trace on this machine's own root.

Where the kernel lets a process have namespaces of its own, the task gets a private root: everything of this machine
bound into an empty one, and the two folders beside it. Elsewhere Python's own file functions are turned to the folders
(`child/redirected_folders.py`).
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDERS_VARIABLE = "S3PRIVATE_EMULATOR_FOLDERS"
ENTER = Path(__file__).parent / "runtime" / "enter.sh"


@dataclass(frozen=True)
class Folders:
    """`volumes` is seen as /Volumes, `tree` as /Workspace, read only. `private_root`: which of the two ways."""

    volumes: Path
    tree: Path
    private_root: bool = True

    def on_disk(self, path: str) -> Path:
        """Where `/Volumes/…` or `/Workspace/…` lies on this machine. Raises LookupError where there is no such file."""
        for name, root in (("/Volumes/", self.volumes), ("/Workspace/", self.tree)):
            if path.startswith(name) and ".." not in path.split("/"):
                place = root / path.removeprefix(name)
                if place.is_file():
                    return place
        raise LookupError(path)

    def command(self, root: Path) -> list[str]:
        """Goes before a command, to run it with the folders in place. `root`: an empty directory of its own."""
        if not self.private_root:
            return []
        return ["unshare", "-U", "-r", "-m", "sh", str(ENTER), str(root), str(self.volumes), str(self.tree)]

    def environment(self) -> dict[str, str]:
        """What its environment must say besides."""
        if self.private_root:
            return {}
        folders = {"/Volumes": self.volumes, "/Workspace": self.tree}
        turned = os.pathsep.join(f"{name}={folder.resolve()}" for name, folder in folders.items())
        # Imports go past the turned functions, and would write beside what they import.
        return {FOLDERS_VARIABLE: turned, "PYTHONDONTWRITEBYTECODE": "1"}


@functools.cache
def namespaces_allowed() -> bool:
    """Whether this machine lets an ordinary process make its own namespaces: some containers and kernels do not."""
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as directory:
        parts = [Path(directory, name) for name in ("root", "volumes", "tree")]
        for part in parts:
            part.mkdir()
        command = [*Folders(parts[1], parts[2]).command(parts[0]), "true"]
        try:
            return subprocess.run(command, capture_output=True, timeout=20, check=False).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return False

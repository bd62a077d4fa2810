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
from dataclasses import astuple, dataclass
from pathlib import Path

FOLDERS_VARIABLE = "S3PRIVATE_EMULATOR_FOLDERS"
HIDDEN_VARIABLE, READ_ONLY_VARIABLE = "S3PRIVATE_EMULATOR_HIDDEN", "S3PRIVATE_EMULATOR_READ_ONLY"
ENTER = Path(__file__).parent / "runtime" / "enter.sh"


@dataclass(frozen=True)
class Denied:
    """Places below /Volumes and /Workspace that a task's identity has no right to: `hidden` to read, `read_only` to
    write."""

    hidden: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()


EVERYTHING_ALLOWED = Denied()


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

    def command(self, root: Path, denied: Denied = EVERYTHING_ALLOWED) -> list[str]:
        """Goes before a command, to run it with the folders in place. `root`: an empty directory of its own."""
        if not self.private_root:
            return []
        places = [str(root), str(self.volumes), str(self.tree), *("\n".join(p) for p in astuple(denied))]
        return ["unshare", "-U", "-r", "-m", "sh", str(ENTER), *places]

    def environment(self, denied: Denied = EVERYTHING_ALLOWED) -> dict[str, str]:
        """What its environment must say besides."""
        if self.private_root:
            return {}
        folders = {"/Volumes": self.volumes, "/Workspace": self.tree}
        turned = os.pathsep.join(f"{name}={folder.resolve()}" for name, folder in folders.items())
        # Imports go past the turned functions, and would write beside what they import.
        return {
            FOLDERS_VARIABLE: turned,
            HIDDEN_VARIABLE: os.pathsep.join(denied.hidden),
            READ_ONLY_VARIABLE: os.pathsep.join(denied.read_only),
            "PYTHONDONTWRITEBYTECODE": "1",
        }


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

"""The wheel's version follows its content: `0.1.0+<hash>` of what runs, so that what is deployed can be told apart.

A clock in the version would make every build a new file name, and every deployment a change to every job. Read by
hatchling (`tool.hatch.version` in pyproject.toml) whoever builds: uv, pip or `databricks bundle deploy`.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

RELEASE = "0.1.0"


def content_version(root: Path) -> str:
    """`<release>+<12 hex digits>` of the package's files and pyproject.toml under `root`."""
    package = root / "src" / "s3private"
    files = [file for file in package.rglob("*") if file.is_file() and "__pycache__" not in file.parts]
    digest = hashlib.sha256()
    for file in sorted([*files, root / "pyproject.toml"], key=lambda file: file.relative_to(root).as_posix()):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{RELEASE}+{digest.hexdigest()[:12]}"


__version__ = content_version(Path(__file__).parent)

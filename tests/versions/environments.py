"""An environment of its own with the notebook half and a given boto3."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
VERSIONS = ("boto3==1.34.69", "boto3==1.36.2", "boto3==1.40.45", "boto3")
"""Those of the serverless environments, and the newest.
https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/"""


def environment(directory: Path, *wanted: str) -> Path:
    """Make it in `directory`, with s3private as it is here and what else is `wanted`; its interpreter."""
    python = directory / "venv" / "bin" / "python"
    packages = ["--editable", str(REPOSITORY), *wanted]
    if uv := shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"):
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, directory / "venv"], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    else:
        subprocess.run([sys.executable, "-m", "venv", directory / "venv"], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    return python

"""An emulated Databricks workspace: what the `databricks` command and databricks-sdk ask of it, and jobs that run.

It serves the paths that they call and no others. What it knows lies in one folder, so that another emulator can go on
with it; what it refuses, it refuses for a reason named beside the refusal.
https://docs.databricks.com/api/workspace/introduction
"""

from __future__ import annotations

from s3private_emulator.workspace.workspace import Workspace

__all__ = ["Workspace"]

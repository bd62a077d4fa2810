"""The emulated Databricks account: network connectivity configs, private endpoint rules, workspaces, behind OAuth M2M.

It serves the paths that databricks-sdk calls and no others. What it refuses, it refuses for a reason named beside the
refusal; where the platform's answer is not documented, it takes what it is given.
https://docs.databricks.com/api/networking/v1/private-endpoint-rule.md
"""

from __future__ import annotations

from s3private_emulator.account.account import Account
from s3private_emulator.account.nccs import NetworkConnectivityConfig
from s3private_emulator.account.rule import ConnectionState, Rule
from s3private_emulator.account.workspaces import AttachedWorkspace

__all__ = ["Account", "AttachedWorkspace", "ConnectionState", "NetworkConnectivityConfig", "Rule"]

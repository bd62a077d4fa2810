"""The Databricks account console's REST API: NCCs, private endpoint rules, workspaces, OAuth.

Over the paths that databricks-sdk really calls. Facts and refusals stand on
https://docs.databricks.com/aws/en/security/network/serverless-network-security/manage-private-endpoint-rules
unless a line says otherwise.
"""

from s3private_emulator.account.account import Account

__all__ = ["Account"]

"""Update masks: which fields a PATCH touches.

https://github.com/databricks/terraform-provider-databricks/blob/main/CHANGELOG.md (an empty mask and how it is refused)
"""

from __future__ import annotations

from s3private_emulator.account.refusals import invalid

EVERYTHING = "*"
"""A mask of `*` is a full replacement: what the body leaves out is cleared.
https://docs.databricks.com/api/workspaces/v1/update-workspace-public.md"""


def masked_fields(mask: str | None) -> list[str]:
    """Raises Refusal for an empty one."""
    fields = [field for field in (mask or "").split(",") if field]
    if not fields:
        raise invalid("Update mask must be specified.")
    return fields

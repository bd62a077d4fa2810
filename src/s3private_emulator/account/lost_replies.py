"""Requests that are carried out and whose reply never arrives: the field's 504, which the SDK answers by asking again.

https://github.com/databricks/terraform-provider-databricks/issues/4559
"""

from __future__ import annotations

from collections import Counter

from s3private_emulator.account.refusals import Refusal


class LostReplies:
    def __init__(self) -> None:
        self._due: Counter[str] = Counter()

    def lose(self, operation: str, times: int) -> None:
        self._due[operation] += times

    def instead(self, operation: str, path: str) -> Refusal | None:
        """What the client gets instead of the reply, if this one is lost."""
        if not self._due[operation]:
            return None
        self._due[operation] -= 1
        message = (
            f"The service at {path} is taking too long to process your request. "
            "Please try again later or try a faster operation."
        )
        return Refusal(504, "DEADLINE_EXCEEDED", message)

"""Lists come in pages; a page token stands for the last item of the page before, so that deletions skip nothing.

https://docs.databricks.com/api/networking/v1/list-ncc-private-endpoint-rules
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Protocol, TypeVar

from s3private_emulator.account.refusals import invalid


class Numbered(Protocol):
    @property
    def serial(self) -> int:
        """Rises with every object made."""


N = TypeVar("N", bound=Numbered)


def page(items: Sequence[N], size: int, token: str | None) -> tuple[list[N], str | None]:
    """The page after `token` (None: the first), and the token of the next one, None after the last."""
    after = _serial(token) if token else 0
    rest = [item for item in items if item.serial > after]
    if len(rest) <= size:
        return rest, None
    return rest[:size], base64.urlsafe_b64encode(str(rest[size - 1].serial).encode()).decode()


def _serial(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (binascii.Error, ValueError) as error:
        raise invalid(f"Invalid page token: {token}") from error

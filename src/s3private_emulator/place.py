"""Where a program runs: serverless compute of a workspace, a machine inside the VPC, or any machine on the internet."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    SERVERLESS = "serverless"
    VPC = "vpc"
    INTERNET = "internet"


@dataclass(frozen=True)
class Place:
    """Written as `serverless:<workspace id>`, `vpc` or `internet`."""

    kind: Kind
    workspace_id: int = 0

    @classmethod
    def parse(cls, text: str) -> Place:
        """Raises ValueError."""
        kind, _, workspace = text.partition(":")
        if kind == Kind.SERVERLESS and workspace.isascii() and workspace.isdigit():
            return cls(Kind.SERVERLESS, int(workspace))
        if kind in (Kind.VPC, Kind.INTERNET) and not workspace:
            return cls(Kind(kind))
        raise ValueError(f"not a place: {text!r} (write: serverless:<workspace id>, vpc, or internet)")

    def __str__(self) -> str:
        return f"{self.kind}:{self.workspace_id}" if self.kind is Kind.SERVERLESS else self.kind.value


VPC = Place(Kind.VPC)
INTERNET = Place(Kind.INTERNET)


def serverless(workspace_id: int) -> Place:
    """Serverless compute of that workspace."""
    return Place(Kind.SERVERLESS, workspace_id)

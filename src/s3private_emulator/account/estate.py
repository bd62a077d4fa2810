"""All that an account owns, under one lock: what the routes work on."""

from __future__ import annotations

import threading
from typing import Any

from s3private_emulator.account.nccs import Nccs
from s3private_emulator.account.oauth import ServicePrincipal, Tokens
from s3private_emulator.account.rules import Rules
from s3private_emulator.account.wall_clock import WallClock
from s3private_emulator.account.workspaces import Workspaces
from s3private_emulator.delays import Delays
from s3private_emulator.privatelink import PrivateLink
from s3private_emulator.world import World

PAGE_SIZE = 10
KEPT = ("tokens", "nccs", "rules", "workspaces")


class Estate:
    def __init__(self, world: World, delays: Delays, link: PrivateLink) -> None:
        wall = WallClock(delays.clock)
        self.lock = threading.RLock()
        self.account_id = world.databricks_account
        self.page_size = PAGE_SIZE
        self.tokens = Tokens()
        self.tokens.add(ServicePrincipal(world.client_id, world.client_secret, account_admin=True))
        self.nccs = Nccs(self.account_id, wall)
        self.rules = Rules(self.account_id, delays, link, wall)
        self.workspaces = Workspaces(world, delays, wall, self.nccs)

    def contents(self) -> dict[str, Any]:
        """To be kept, in one piece, and given to `recall`."""
        return {name: getattr(self, name) for name in KEPT}

    def recall(self, contents: dict[str, Any]) -> None:
        for name in KEPT:
            setattr(self, name, contents[name])

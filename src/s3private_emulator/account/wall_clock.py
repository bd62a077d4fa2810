"""The emulator's clock as the API tells it: milliseconds since the epoch, counted from when the account was made."""

from __future__ import annotations

import time

from s3private_emulator.clock import Clock


class WallClock:
    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._epoch = time.time() - clock.now()

    def milliseconds(self, at: float) -> int:
        """`at`: emulator clock, seconds."""
        return int((self._epoch + at) * 1000)

"""What the load balancer sends traffic to, written down by the emulated AWS after every request that changed something.

A gap is a moment without a healthy target; a cut is a target that still has connections and nobody at its address.
"""

from __future__ import annotations

from emulated.inspection import region_of
from s3private_emulator.aws.health import HEALTHY, endpoint_at, health_of
from s3private_emulator.emulator import Emulator
from s3private_emulator.log import Request


class Serving:
    """Watches from now on. `moments`: how many it has looked at."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self.moments = 0
        self.wrong: list[str] = []
        emulator.log.watch(self._seen)

    def _seen(self, request: Request) -> None:
        if request.writes and request.service == "aws":
            self.moments += 1
            self.wrong += [f"{request.operation}: {one}" for one in self._look()]

    def _look(self) -> list[str]:
        cloud, region = self._emulator.aws.cloud, region_of(self._emulator)
        with cloud.lock:
            [group] = [group for group in region.target_groups.values() if group.name != "by-hand"]
            healths = {t.ip: health_of(cloud, region, group, t, read=False) for t in group.targets.values()}
            at = {ip for ip in healths if endpoint_at(region, ip)}
        gone = [f"nobody is at {ip}, which is {seen.state}" for ip, seen in healths.items() if seen and ip not in at]
        serves = any(seen == HEALTHY for ip, seen in healths.items() if ip in at)
        return gone if serves else [*gone, f"no healthy target: {healths}"]

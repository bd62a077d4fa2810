"""An address on loopback where a connection attempt hangs until the client's own timeout, as packets to nowhere do.

It listens and never accepts; once its queue is full the kernel drops each SYN, and nothing leaves loopback.
"""

from __future__ import annotations

import select
import socket

from s3private_emulator.wire import LOOPBACK, listen, port_of

MOST_FILLERS = 512
"""Linux needs one; other kernels round the backlog up."""


class BlackHole:
    def __init__(self) -> None:
        self._listener = listen(backlog=0)
        self._fillers: list[socket.socket] = []
        self.port = port_of(self._listener)
        try:
            while self._connects():
                if len(self._fillers) >= MOST_FILLERS:
                    raise RuntimeError(f"no black hole: this kernel accepted {MOST_FILLERS} connections nobody accepts")
        except BaseException:
            self.close()
            raise

    def _connects(self) -> bool:
        """One more connection: kept and True while the queue takes it, False once it is full."""
        filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        filler.setblocking(False)
        filler.connect_ex((LOOPBACK, self.port))
        _, writable, _ = select.select([], [filler], [], 0.005)
        if writable:
            self._fillers.append(filler)
            return True
        filler.close()
        return False

    def close(self) -> None:
        for filler in self._fillers:
            filler.close()
        self._listener.close()

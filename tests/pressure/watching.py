"""What a server's process holds and does, and how long somebody else waits for its answers."""

import asyncio
import os
import time
from pathlib import Path

from attrs import frozen

from tests.end_to_end.processes import Server

MIB = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
SETTLE_S = 30.0
SETTLED_EVERY_S = 0.25
GIVES_BACK_S = 2.0
"""Memory is given back a second after a crowd has left, and again after half a minute."""


@frozen
class Held:
    """What a process holds at one moment."""

    memory_mib: float
    descriptors: int


class Watched:
    """A server's process."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._proc = Path(f"/proc/{server.process.pid}")

    @property
    def lives(self) -> bool:
        return self._server.process.poll() is None

    def held(self) -> Held:
        pages = int((self._proc / "statm").read_text(encoding="ascii").split()[1])
        return Held(pages * _PAGE / MIB, len(os.listdir(self._proc / "fd")))

    def cpu_s(self) -> float:
        """Processor time so far."""
        fields = (self._proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    async def settled(self, descriptors: int, gives_back_s: float = GIVES_BACK_S) -> Held:
        """What it holds once it has no more descriptors than that; what it has after half a minute where it does."""
        end_s = time.monotonic() + SETTLE_S
        while self.held().descriptors > descriptors and time.monotonic() < end_s:
            await asyncio.sleep(SETTLED_EVERY_S)
        await asyncio.sleep(gives_back_s)
        return self.held()

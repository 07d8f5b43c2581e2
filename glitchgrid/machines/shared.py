"""One network for all machines, for where the kernel makes no tap devices: nothing on it can be cut, held or slowed."""

import os
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from glitchgrid.machines.errors import CannotBeMade
from glitchgrid.machines.means import tool

MAKE_TIMEOUT_S = 20.0
SEGMENT = "glitchgrid.machines.segment"
READY = b"ready\n"


class SharedNetwork(ProcessProtocol):
    """:ivar pid: of the process whose namespaces the machines are made in; 0 while there is none."""

    def __init__(self, reactor: Any, address: str) -> None:
        """:param address: of the network itself, none of a machine's; all of its ``/24`` are here."""
        self._reactor = reactor
        self._address = address
        self._said = b""
        self._made: Deferred[None] = Deferred()
        self._gone: Deferred[None] | None = None

    @property
    def pid(self) -> int:
        return int(self.transport.pid or 0) if self.transport is not None else 0

    async def make(self) -> None:
        """:raises CannotBeMade: when the system does not allow it."""
        enclosed = [tool("unshare"), "--user", "--map-root-user", "--net", "--"]
        argv = [tool("setpriv"), "--pdeathsig", "KILL", "--", *enclosed]
        argv += [sys.executable, "-P", "-m", SEGMENT, self._address]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._gone = Deferred()
        self._reactor.spawnProcess(self, argv[0], argv, env=environment)
        await self._made.addTimeout(MAKE_TIMEOUT_S, self._reactor, _too_late)

    def end(self) -> "Deferred[None]":
        """Fires when it is gone."""
        if self._gone is None:
            gone: Deferred[None] = Deferred()
            gone.callback(None)
            return gone
        if self.pid:
            self.transport.signalProcess("KILL")  # type: ignore[union-attr]
        return self._gone

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        self._said += data
        if self._said.endswith(READY) and not self._made.called:
            self._made.callback(None)

    def processEnded(self, reason: Failure) -> None:
        if not self._made.called:
            lines = self._said.decode("utf-8", "replace").strip().splitlines()
            self._made.errback(CannotBeMade(f"no network for machines: {(lines or ['it has ended'])[-1]}"))
        if self._gone is not None:
            self._gone.callback(None)


def _too_late(_result: object, timeout_s: float) -> Any:
    raise CannotBeMade(f"no network for machines within {timeout_s:g} s")

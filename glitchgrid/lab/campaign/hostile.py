"""Clients that mean no good: half requests, slow ones, too large ones, and what is no HTTP at all.

Whatever they are told is not recorded: they ask for nothing. What counts is that the others are served.
"""

from collections import Counter
from typing import Any

from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from glitchgrid.lab.campaign.programs import CONTROL_PORT, VAULT_PORT
from glitchgrid.lab.simulation.machine import Machine
from glitchgrid.lab.simulation.process import Process

PAUSE_MS = 100
BYTE_EVERY_S = 0.5
STAYS_S = 15
"""Longer than a server lets a request take. One whose server has lost its power would wait for ever."""

SLOW = "a slow one"
KINDS: dict[str, bytes] = {
    "half a head": b"POST / HTTP/1.1\r\nHost: gr",
    "half a body": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 5\r\n\r\n1",
    SLOW: b"GET / HTTP/1.1\r\nHost: grid\r\n\r\n",
    "too large a body": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 1000000\r\n\r\n" + b"9" * 5000,
    "a chunked body": b"POST / HTTP/1.1\r\nHost: grid\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n"
    + b"9" * 65
    + b"\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    "no number": b"POST / HTTP/1.1\r\nHost: grid\r\nContent-Length: 9\r\n\r\n-1e3 \xff\x00ab",
    "no path": b"DELETE /../x HTTP/1.1\r\nHost: grid\r\n\r\n",
}
"""What they send, all at once but for the slow one."""

NAMES = tuple(KINDS)

HOSTILE = "hostile: "
"""What the lines for them begin with, in the table of what was reached."""


class _Nuisance(Protocol):
    """Sends something, all at once or byte by byte, and stays until it is thrown out or leaves."""

    transport: Any

    def __init__(self, client: "Hostile", kind: str) -> None:
        self._client = client
        self._kind = kind
        self._data = KINDS[kind]

    def connectionMade(self) -> None:
        self._client.reactor.callLater(STAYS_S, self._leave)
        self._client.reached[HOSTILE + self._kind] += 1
        if self._kind == SLOW:
            self._next_byte()
        else:
            self.transport.write(self._data)

    def _leave(self) -> None:
        if self.connected:
            self.transport.abortConnection()

    def _next_byte(self) -> None:
        if self._data and self.connected:
            self.transport.write(self._data[:1])
            self._data = self._data[1:]
            self._client.reactor.callLater(BYTE_EVERY_S, self._next_byte)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._client.again()


class Hostile(Service):
    """One such client, against every server; it begins anew whenever its connection ends.

    :ivar reached: what it has done, counted.
    """

    def __init__(
        self, name: str, process: Process, controls: list[Machine], vaults: list[Machine], reached: "Counter[str]"
    ) -> None:
        self.reactor = process.reactor
        self.reached = reached
        self._draws = process.world.draws(f"hostile {name}")
        self._servers = [(machine, CONTROL_PORT) for machine in controls]
        self._servers += [(machine, VAULT_PORT) for machine in vaults]

    def startService(self) -> None:
        super().startService()
        self.again()

    def again(self) -> None:
        self.reactor.callLater(self._draws.rarely_long(PAUSE_MS) / 1000, self._attack)

    def _attack(self) -> None:
        machine, port = self._draws.pick(self._servers)
        endpoint = TCP4ClientEndpoint(self.reactor, machine.address, port, timeout=1)
        connecting = connectProtocol(endpoint, _Nuisance(self, self._draws.pick(NAMES)))
        connecting.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        failure.trap(ConnectError)
        self.again()

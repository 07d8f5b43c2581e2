"""A VaultClient whose connections end in the test: over Twisted's own client protocol, in memory."""

from typing import Any

from twisted.internet.error import ConnectError, ConnectionLost
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure

from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.vaults.client import VaultClient
from glitchgrid.vaults.connections import vault_http
from tests.raw_client import Wire

ADDRESS = "10.0.0.1:8001"


class VaultEnd:
    """The vault's end of one connection: what control sent there, and what is said in return."""

    def __init__(self, reactor: Any, protocol: Any) -> None:
        self._reactor = reactor
        self._protocol = protocol
        self.wire = Wire(reactor, protocol)
        protocol.makeConnection(self.wire)
        self.settle()

    @property
    def received(self) -> bytes:
        data: bytes = self.wire.value()
        return data

    @property
    def is_closed(self) -> bool:
        self.settle()
        return not self.wire.open

    def settle(self) -> None:
        self._reactor.advance(0)

    def send(self, data: bytes) -> None:
        if self.wire.open and not self.wire.disconnecting:
            self._protocol.dataReceived(data)
        self.settle()

    def answer(self, body: bytes, *headers: bytes, status: bytes = b"200 OK") -> None:
        """A whole answer, over a connection that stays."""
        self.wire.clear()
        self.send(b"\r\n".join([b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers, b"", body]))

    def close(self, reason: Exception | None = None) -> None:
        self.wire.lose(reason or ConnectionLost())
        self.settle()


class VaultNetwork:
    """One vault's client, and what its connections are asked to do."""

    def __init__(self, address: str = ADDRESS, timeout_s: float = 1.0, observer: Observer = UNOBSERVED) -> None:
        self.reactor: Any = MemoryReactorClock()
        self.http = vault_http(self.reactor, VaultAddress.parse(address), timeout_s)
        self.client = VaultClient(self.http, self.reactor, VaultAddress.parse(address), timeout_s, observer)

    @property
    def dialled(self) -> list[Any]:
        """One (host, port, factory, timeout, bind address) for each connection that was asked for."""
        connections: list[Any] = self.reactor.tcpClients
        return connections

    def accept(self, number: int = -1) -> VaultEnd:
        return VaultEnd(self.reactor, self.dialled[number][2].buildProtocol(None))

    def refuse(self, number: int = -1) -> None:
        connector = self.reactor.connectors[number]
        self.dialled[number][2].clientConnectionFailed(connector, Failure(ConnectError()))

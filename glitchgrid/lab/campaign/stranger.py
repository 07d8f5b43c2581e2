"""What answers at a vault's address and is no vault: nothing that it says may count.

Its numbers are such that nobody has written them: a control that takes one for a vote shows it to its clients.
"""

import socket
import struct
from collections.abc import Callable
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import Factory, Protocol

from glitchgrid.lab.campaign.programs import BACKLOG, VAULT_PORT
from glitchgrid.lab.simulation.process import Process, Program

NUMBER = b"8888888888888888"
_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
_NAME = b"Glitchgrid-Vault: stranger\r\n"


def _answer(status: bytes, body: bytes, head: bytes = _TEXT + _NAME, version: bytes = b"HTTP/1.1") -> bytes:
    return b"%b %b\r\n%bContent-Length: %d\r\n\r\n%b" % (version, status, head, len(body), body)


OPEN, CLOSED, BROKEN = "open", "closed", "broken"
"""What becomes of the connection behind the answer."""

WAYS: dict[str, tuple[bytes, str]] = {
    "no number": (_answer(b"200 OK", b"vault"), OPEN),
    "a sign": (_answer(b"200 OK", b"+" + NUMBER), OPEN),
    "too long": (_answer(b"200 OK", NUMBER.rjust(65)), OPEN),
    "far too long": (_answer(b"200 OK", NUMBER.rjust(100_000)), OPEN),
    "too large": (_answer(b"200 OK", NUMBER * 2), OPEN),
    "cut": (_answer(b"200 OK", NUMBER)[:-3], CLOSED),
    "without a length": (b"HTTP/1.1 200 OK\r\n" + _NAME + b"\r\n" + NUMBER, CLOSED),
    "without a length, broken": (b"HTTP/1.0 200 OK\r\n" + _NAME + b"\r\n" + NUMBER, BROKEN),
    "two names": (_answer(b"200 OK", NUMBER, _NAME * 2), OPEN),
    "a name that is none": (_answer(b"200 OK", NUMBER, b"Glitchgrid-Vault: a b\r\n"), OPEN),
    "failed": (_answer(b"500 Internal Server Error", NUMBER), OPEN),
    "found elsewhere": (_answer(b"302 Found", NUMBER, b"Location: http://vault1:8001/\r\n"), OPEN),
    "created": (_answer(b"201 Created", NUMBER), OPEN),
    "silence": (b"", OPEN),
    "no answer": (b"", CLOSED),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", OPEN),
}
"""How it answers whatever it is asked."""


class _Stranger(Protocol):
    transport: Any

    def __init__(self, answer: bytes, then: str) -> None:
        self._answer, self._then = answer, then
        self._heard = b""

    def connectionMade(self) -> None:
        if self._then == BROKEN:  # whoever ends it, and be it the end of the process
            self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def dataReceived(self, data: bytes) -> None:
        self._heard += data
        if b"\r\n\r\n" not in self._heard:
            return
        self._heard = b""
        self.transport.write(self._answer)
        if self._then == CLOSED:
            self.transport.loseConnection()
        elif self._then == BROKEN:
            # Behind the answer, so that it is not lost with the connection.
            self.transport.reactor.callLater(0.05, self.transport.abortConnection)


class _Strangers(Factory):
    noisy = False

    def __init__(self, make: Callable[[], Protocol]) -> None:
        self._make = make

    def buildProtocol(self, addr: object) -> Protocol:
        return self._make()


class _Listens(Service):
    def __init__(self, process: Process, how: str) -> None:
        self._endpoint = TCP4ServerEndpoint(process.reactor, VAULT_PORT, BACKLOG)
        self._how = how

    def startService(self) -> None:
        super().startService()
        self._endpoint.listen(_Strangers(lambda: _Stranger(*WAYS[self._how])))


def stranger(how: str) -> Program:
    """The program of one that answers in one of these `WAYS`."""

    def program(process: Process) -> IService:
        return _Listens(process, how)

    return program

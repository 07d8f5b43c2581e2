"""A server in a vault's place that says what it is told to say, and remembers what it was asked."""

import re
import socket
import struct
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.application.service import IService, Service
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from glitchgrid.lab.place.inside import Inside, Program
from glitchgrid.lab.register.layout import VAULT_PORT
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.tap import BACKLOG
from glitchgrid.wire import GUARD_HEADER, GUARD_INCREASE, IDENTITY_HEADER

OPEN, CLOSED, BROKEN = "open", "closed", "broken"
"""What becomes of the connection behind a reply."""

BREAKS_S = 0.05
"""A broken connection breaks so long after the reply, which is not to be lost with it."""

_TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
_REQUEST = re.compile(rb"(GET|POST) / HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)\r\n")
_LENGTH = re.compile(rb"(?i)content-length: ([0-9]+)\r\n")
_PHRASES = {200: b"OK", 201: b"Created", 302: b"Found", 412: b"Precondition Failed", 500: b"Internal Server Error"}


@frozen
class Asked:
    """:ivar value: to be stored; None for a read, and 0 for what is no number.
    :ivar first: is it the first request on its connection?
    """

    at_s: float
    value: int | None
    is_guarded: bool
    first: bool


@frozen
class Reply:
    data: bytes
    after_s: float = 0.0
    then: str = OPEN


SILENCE = Reply(b"")
NO_ANSWER = Reply(b"", 0.0, CLOSED)


def said(
    status: int,
    body: bytes,
    *fields: tuple[bytes, bytes],
    version: bytes = b"HTTP/1.1",
    has_length: bool = True,
) -> bytes:
    """An answer."""
    head = b"%b %d %b\r\n%b" % (version, status, _PHRASES[status], _TEXT)
    head += b"".join(b"%b: %b\r\n" % each for each in fields)
    return head + (b"Content-Length: %d\r\n" % len(body) if has_length else b"") + b"\r\n" + body


class Script:
    """:ivar asked: every request so far.
    :ivar ended: how often its clients have ended a connection themselves, in good order or not.
    :param value: what it holds. It keeps what it is sent, as a vault does.
    :param name: what it calls itself; None for nothing, as the original vaults.
    :param how: may give another reply than the usual one; where it returns None, the usual reply is sent.
    :param late_s: how long each answer takes.
    """

    def __init__(
        self,
        value: int,
        name: bytes | None = b"",
        how: "Callable[[Script, Asked], Reply | None] | None" = None,
        late_s: float = 0.0,
    ) -> None:
        self.value = value
        self.name = name
        self.how = how
        self.late_s = late_s
        self.asked: list[Asked] = []
        self.open = self.ended = 0

    @property
    def reads(self) -> list[Asked]:
        return [each for each in self.asked if each.value is None]

    @property
    def stores(self) -> list[int]:
        return [each.value for each in self.asked if each.value is not None]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        other = None if self.how is None else self.how(self, asked)
        return self.usual(asked) if other is None else other

    def usual(self, asked: Asked) -> Reply:
        """What a vault answers."""
        status = 200
        if asked.value is not None:
            if asked.value >= self.value:
                self.value = asked.value
            else:
                status = 412
        return Reply(self.says(status, b"%d" % self.value, asked), self.late_s)

    def says(self, status: int, body: bytes, asked: Asked) -> bytes:
        """An answer with the fields that a vault's has."""
        name = [] if self.name is None else [(IDENTITY_HEADER, self.name)]
        return said(status, body, *name, *([(GUARD_HEADER, GUARD_INCREASE)] if asked.is_guarded else []))


class _ScriptedConnection(Protocol):
    transport: Any

    def __init__(self, script: Script, process: Inside) -> None:
        self._script = script
        self._process = process
        self._heard = b""
        self._is_first = True
        self._is_leaving = False
        self.breaks = False

    def connectionMade(self) -> None:
        self._script.open += 1

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._script.open -= 1
        self._script.ended += not self._is_leaving or not reason.check(ConnectionDone)

    def dataReceived(self, data: bytes) -> None:
        self._heard += data
        while (head := _REQUEST.match(self._heard)) is not None:
            length = _LENGTH.search(head[2])
            end = head.end() + (int(length[1]) if length else 0)
            if len(self._heard) < end:
                return
            body, self._heard = self._heard[head.end() : end], self._heard[end:]
            self._answer(
                Asked(
                    self._process.world.now_ns / SECOND_NS,
                    None if head[1] == b"GET" else int(body) if body.isdigit() else 0,
                    GUARD_HEADER.lower() in head[2].lower(),
                    self._is_first,
                )
            )
            self._is_first = False

    def _answer(self, asked: Asked) -> None:
        reply = self._script.reply(asked)
        if reply.after_s:
            self._process.reactor.callLater(reply.after_s, self._send, reply)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        if not self.connected:
            return
        self.transport.write(reply.data)
        if reply.then == CLOSED:
            self._is_leaving = True
            self.transport.loseConnection()
        elif reply.then == BROKEN:
            self._is_leaving = self.breaks = True
            self.transport.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._process.reactor.callLater(BREAKS_S, self.transport.abortConnection)


class _Scripted(Factory):
    noisy = False

    def __init__(self, script: Script, process: Inside) -> None:
        self._script = script
        self._process = process
        self.connections: list[_ScriptedConnection] = []

    def buildProtocol(self, addr: object) -> Protocol:
        self.connections.append(_ScriptedConnection(self._script, self._process))
        return self.connections[-1]


class _Listens(Service):
    def __init__(self, script: Script, process: Inside) -> None:
        self._factory = _Scripted(script, process)
        self._endpoint = TCP4ServerEndpoint(process.reactor, VAULT_PORT, BACKLOG)

    def startService(self) -> None:
        super().startService()
        self._endpoint.listen(self._factory)

    def stopService(self) -> None:
        """Break the connections that are to break: if they ended in good order, their answers would be complete."""
        super().stopService()
        for talk in self._factory.connections:
            if talk.breaks and talk.connected:
                talk.transport.abortConnection()


def scripted(script: Script) -> Program:
    """Its program."""

    def program(process: Inside) -> IService:
        return _Listens(script, process)

    return program

"""A link: a port of this process's through which one process reaches another, and what can be done to it.

The verbs are the simulated network's. A link that is cut takes connections, as the kernel does for a process that is
stopped, and nothing is heard of the other end; what was said meanwhile arrives when it is healed, unless somebody has
lost patience.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from glitchgrid.lab.relay.ear import Ear, Heard
from glitchgrid.lab.relay.way import Stream, Way
from glitchgrid.lab.trace.transcript import Reader

HOST = "127.0.0.1"
CONNECT_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 1000
CUT, HELD = "cut", "held"


class Direction(Enum):
    """THERE is from whoever connects to whoever is connected to."""

    THERE = "there"
    BACK = "back"


@frozen
class Passing:
    """A message on a link.

    :ivar source: who has sent it.
    :ivar number: no other message of this connection's direction has it.
    :ivar sent_s: when, by the reactor's clock.
    :ivar arrived_s: None as long as it is on its way.
    """

    source: str
    target: str
    connection: int
    number: int
    text: str
    detail: str
    tone: str
    sent_s: float
    arrived_s: float | None = None


Told = Callable[[Passing], object]


class Link:
    """:param source: who is to connect here.
    :param target: who is reached, and at which port of this machine.
    :param told: is told of each message when it is sent, and when it has arrived.
    """

    def __init__(self, reactor: Any, source: str, target: str, port: int, read: Reader, told: Told) -> None:
        self._reactor = reactor
        self.source = source
        self.target = target
        self.target_port = port
        self._read = read
        self._told = told
        self.ways = {direction: Way(reactor) for direction in Direction}
        self._connections: dict[_Connection, None] = {}
        self._made = 0
        self._listening: Any = None
        self.port = 0

    def open(self) -> int:
        """Take connections; returns the port."""
        factory = _Near(self)
        self._listening = self._reactor.listenTCP(0, factory, interface=HOST)
        self.port = int(self._listening.getHost().port)
        return self.port

    def close(self) -> Deferred[None]:
        """Take no more, and end those that there are."""
        listening, self._listening = self._listening, None
        self.reset()
        closed: Deferred[None] = maybeDeferred(listening.stopListening) if listening else maybeDeferred(lambda: None)
        return closed

    # What can be done to it.

    def cut(self, *directions: Direction) -> None:
        """Let nothing through: in one direction, or in both."""
        for way in self._ways(directions):
            way.stop(CUT)

    def mend(self, *directions: Direction) -> None:
        """Let through again what was cut."""
        for way in self._ways(directions):
            way.go_on(CUT)
        self._dial_those_that_wait()

    def hold(self, *directions: Direction) -> None:
        """Keep what is said, until it is released."""
        for way in self._ways(directions):
            way.stop(HELD)

    def release(self, *directions: Direction) -> None:
        """Let go what was held, in its order."""
        for way in self._ways(directions):
            way.go_on(HELD)
        self._dial_those_that_wait()

    def slow(self, delay_s: float, *directions: Direction) -> None:
        """Let everything take so long.

        :raises ValueError: for a delay that there is not.
        """
        for way in self._ways(directions):
            way.slow(delay_s)

    def heal(self) -> None:
        """As it was in the beginning."""
        for way in self.ways.values():
            way.slow(0)
            way.go_on(CUT)
            way.go_on(HELD)
        self._dial_those_that_wait()

    def reset(self) -> None:
        """End all connections, as a machine does that knows nothing of them."""
        for connection in list(self._connections):
            connection.abort()

    @property
    def connections(self) -> int:
        return len(self._connections)

    @property
    def is_well(self) -> bool:
        return all(way.is_open and not way.delay_s for way in self.ways.values())

    # What its connections need.

    def taken(self, near: "_End") -> "_Connection | None":
        """A connection has come; None where there are too many."""
        if len(self._connections) >= CONNECTIONS_MAX:
            return None
        self._made += 1
        connection = _Connection(self, self._made, near)
        self._connections[connection] = None
        connection.dial()
        return connection

    def gone(self, connection: "_Connection") -> None:
        self._connections.pop(connection, None)

    def reach(self, end: "_End") -> Deferred[IProtocol]:
        """Connect to the target."""
        endpoint = TCP4ClientEndpoint(self._reactor, HOST, self.target_port, CONNECT_TIMEOUT_S)
        factory = Factory.forProtocol(lambda: end)
        factory.noisy = False
        return endpoint.connect(factory)

    def ear(self, direction: Direction, connection: int) -> Ear:
        """Hears one direction of one connection, and tells of it."""
        source, target = (self.source, self.target) if direction is Direction.THERE else (self.target, self.source)
        sent_s: dict[int, float] = {}

        def passing(heard: Heard, arrived_s: float | None) -> Passing:
            message, at_s = heard.message, sent_s[heard.number]
            tone = message.tone.value
            return Passing(
                source, target, connection, heard.number, message.text, message.detail, tone, at_s, arrived_s
            )

        def sent(heard: Heard) -> None:
            sent_s[heard.number] = self._reactor.seconds()
            self._told(passing(heard, None))

        def arrived(heard: Heard) -> None:
            self._told(passing(heard, self._reactor.seconds()))
            del sent_s[heard.number]

        return Ear(self._read, sent, arrived)

    def _ways(self, directions: Sequence[Direction]) -> Sequence[Way]:
        return [self.ways[direction] for direction in directions or Direction]

    def _dial_those_that_wait(self) -> None:
        for connection in list(self._connections):
            connection.dial()


class _Near(Factory):
    """Takes connections."""

    noisy = False

    def __init__(self, link: Link) -> None:
        self._link = link

    def buildProtocol(self, _address: object) -> "_End":
        return _End(self._link)


class _End(Protocol):
    """One end of a connection: the near one of whoever has connected, or the far one, which was connected to."""

    connection: "_Connection | None" = None
    goes_into: Stream | None = None

    def __init__(self, link: Link) -> None:
        self._link = link

    def connectionMade(self) -> None:
        self.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        if self.connection is None:
            self.transport.pauseProducing()  # type: ignore[union-attr] # until the other end is there
            self.connection = self._link.taken(self)
            if self.connection is None:
                self.transport.abortConnection()  # type: ignore[union-attr]

    def dataReceived(self, data: bytes) -> None:
        assert self.goes_into is not None, "it is asked for data when the other end is there"
        self.goes_into.put(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.connection is not None:
            self.connection.ended(self, in_good_order=reason.check(ConnectionDone) is not None)


class _Connection:
    """Two ends, and what is on its way between them."""

    def __init__(self, link: Link, number: int, near: _End) -> None:
        self._link = link
        self._number = number
        self._near = near
        self._far: _End | None = None
        self._dialling: Deferred[Any] | None = None
        self._streams: list[Stream] = []
        self._open_ends = 1

    def dial(self) -> None:
        """Connect to the target, unless the way there is stopped, or it is connected already."""
        if self._dialling is not None or not self._link.ways[Direction.THERE].is_open:
            return
        far = _End(self._link)
        far.connection = self
        self._dialling = self._link.reach(far)
        self._dialling.addCallbacks(lambda _: self._join(far), lambda _: self.abort())

    def abort(self) -> None:
        """End it, as if nobody knew of it."""
        for stream in self._streams:
            stream.close()
        self._link.gone(self)
        dialling = self._dialling
        if dialling is not None and self._far is None:
            dialling.cancel()
        for end in (self._near, self._far):
            transport: Any = None if end is None else end.transport
            if transport is not None:
                transport.abortConnection()

    def ended(self, end: _End, *, in_good_order: bool) -> None:
        """One end is gone: the other one hears of it when it has heard all that was said before."""
        self._open_ends -= 1
        if self._far is None or not in_good_order:
            self.abort()
            return
        for stream in self._streams:
            if stream.sink is end.transport:
                stream.close()
        if end.goes_into is not None:
            end.goes_into.end()
        if not self._open_ends:
            self._link.gone(self)

    def _join(self, far: _End) -> None:
        self._far = far
        self._open_ends += 1
        near_transport: Any = self._near.transport
        far_transport: Any = far.transport
        for end, other, direction in (
            (self._near, far_transport, Direction.THERE),
            (far, near_transport, Direction.BACK),
        ):
            ear = self._link.ear(direction, self._number)
            end.goes_into = Stream(self._link.ways[direction], other, end.transport, ear)  # type: ignore[arg-type]
            self._streams.append(end.goes_into)
            other.registerProducer(end.goes_into, True)
        near_transport.resumeProducing()

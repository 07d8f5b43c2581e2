"""Two machines and what runs on them, for tests of the world."""

from collections.abc import Callable
from typing import Any

from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from glitchgrid.simulation.containment import contained
from glitchgrid.simulation.machine import Machine
from glitchgrid.simulation.process import Process
from glitchgrid.simulation.world import World

PORT = 7
MS = 1_000_000
SECOND = 1000 * MS


class Talker(Protocol):
    """One end of a connection. It notes what it hears, and says what the test wants."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.ended: str | None = None
        self.is_connected = False

    def connectionMade(self) -> None:
        self.is_connected = True

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended = type(reason.value).__name__


@implementer(IHalfCloseableProtocol)
class HalfTalker(Talker):
    """Goes on when the other end has finished."""

    read_ended = False

    def readConnectionLost(self) -> None:
        self.read_ended = True

    def writeConnectionLost(self) -> None:
        """It knows."""


class Program(Service):
    """Does what it is told when it starts."""

    def __init__(self, process: Process, begin: Callable[[Process], object], end: Callable[[], object] | None) -> None:
        self._process = process
        self._begin = begin
        self._end = end

    def startService(self) -> None:
        super().startService()
        self._begin(self._process)

    def stopService(self) -> Any:
        super().stopService()
        return None if self._end is None else self._end()


def nothing(_process: Process) -> None:
    """A program that waits."""


class WorldTestCase(SynchronousTestCase):
    """`self.world` is contained from the beginning of a test to its end."""

    def setUp(self) -> None:
        self.world = World(self.id(), keep_trace=True)
        self.near = self.world.machine("near")
        self.far = self.world.machine("far")
        self.servers: list[Talker] = []
        self.failures: list[str] = []
        inside = contained(self.world)
        inside.__enter__()
        self.addCleanup(inside.__exit__, None, None, None)
        self.addCleanup(self.world.end)

    def program(
        self, machine: Machine, begin: Callable[[Process], object] = nothing, end: Callable[[], object] | None = None
    ) -> Process:
        return machine.start(lambda process: Program(process, begin, end))

    def serve(self, protocol: type[Talker] = Talker, backlog: int = 50) -> Process:
        """Let the far machine listen."""

        class Serving(Factory):
            noisy = False

            def buildProtocol(_self, addr: object) -> Talker:
                self.servers.append(protocol())
                return self.servers[-1]

        def begin(process: Process) -> None:
            TCP4ServerEndpoint(process.reactor, PORT, backlog).listen(Serving())

        return self.program(self.far, begin)

    def connect(self, protocol: type[Talker] = Talker, timeout_s: float = 30, port: int = PORT) -> Talker:
        """Let the near machine connect to it; nothing has happened yet when this returns."""
        talker = protocol()

        def begin(process: Process) -> None:
            endpoint = TCP4ClientEndpoint(process.reactor, self.far.address, port, timeout=timeout_s)
            connecting = connectProtocol(endpoint, talker)
            connecting.addErrback(lambda failure: self.failures.append(type(failure.value).__name__))

        if self.near.process is None:
            self.program(self.near, begin)
        else:
            process = self.near.process
            process.run(lambda: begin(process))
        return talker

    def connected(self, near: type[Talker] = Talker, far: type[Talker] = Talker) -> tuple[Talker, Talker]:
        """Both ends of a new connection."""
        if self.far.process is None:
            self.serve(far)
        talker = self.connect(near)
        self.world.run(SECOND)
        self.assertTrue(talker.is_connected)
        return talker, self.servers[-1]

    def say(self, talker: Talker, data: bytes) -> None:
        self.act(talker, lambda: talker.transport.write(data))

    def act(self, talker: Talker, step: Callable[[], object]) -> None:
        """Let the process that holds this end do something."""
        talker.transport.reactor.process.run(step)

"""Somebody else's service in the world: twenty lines that have nothing to do with the grid."""

from typing import Any

from twisted.application.service import Service
from twisted.internet.endpoints import TCP4ServerEndpoint, clientFromString, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.containment import contained
from glitchgrid.simulation.process import Process
from glitchgrid.simulation.world import World


class Shouter(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data.upper())


class ShoutingService(Service):
    """Any service will do, if it takes its reactor from whoever makes it."""

    def __init__(self, reactor: Any) -> None:
        self._endpoint = TCP4ServerEndpoint(reactor, 7777)

    def startService(self) -> None:
        super().startService()
        self._endpoint.listen(Factory.forProtocol(Shouter))


class Asker(Protocol):
    heard = b""

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(b"is anybody there?")

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


class AskingService(Service):
    def __init__(self, reactor: Any, asker: Asker) -> None:
        self._connect = lambda: connectProtocol(clientFromString(reactor, "tcp:shouter:7777"), asker)

    def startService(self) -> None:
        super().startService()
        self._connect()


class ExampleTests(SynchronousTestCase):
    def run_once(self, seed: str) -> tuple[bytes, str]:
        world, asker = World(seed), Asker()

        def shouting(process: Process) -> Service:
            return ShoutingService(process.reactor)

        def asking(process: Process) -> Service:
            return AskingService(process.reactor, asker)

        with contained(world):
            world.machine("shouter").start(shouting)
            world.machine("asker").start(asking)
            world.run(5 * SECOND_NS)
        return asker.heard, world.trace.digest

    def test_it_runs_as_it_is(self) -> None:
        heard, _ = self.run_once("1")
        self.assertEqual(heard, b"IS ANYBODY THERE?")

    def test_a_seed_is_a_run(self) -> None:
        self.assertEqual(self.run_once("1"), self.run_once("1"))
        self.assertNotEqual(self.run_once("1")[1], self.run_once("2")[1])

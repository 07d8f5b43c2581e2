"""What a simulated test costs: an echo service, ten connections of five requests each, in three ways.

``pytest examples/echo --durations=3`` says how long 300 seeds take of each.
"""

from pathlib import Path

from twisted.internet.protocol import ClientFactory, Protocol

from glitchgrid.testing import simulated

SERVICE = str(Path(__file__).with_name("echo.tac"))
PORT = 7
CONNECTIONS, REQUESTS = 10, 5
SEEDS = 300


class Asking(Protocol):
    def connectionMade(self):
        self.left = REQUESTS
        self.transport.write(b"hello")

    def dataReceived(self, data):
        self.factory.heard.append(data)
        self.left -= 1
        if self.left:
            self.transport.write(b"hello")
        else:
            self.transport.loseConnection()


def ask(reactor, heard):
    factory = ClientFactory.forProtocol(Asking)
    factory.heard = heard
    for number in range(CONNECTIONS):
        reactor.callLater(1 + number / 10, reactor.connectTCP, "server", PORT, factory)


def echo(world):
    heard = []
    world["server"].run("-n", "--pidfile=", "-y", SERVICE)
    world["client"].run(ask, heard)
    world.run(10, until=lambda: len(heard) == CONNECTIONS * REQUESTS)
    assert heard == [b"HELLO"] * CONNECTIONS * REQUESTS


@simulated(seeds=SEEDS)
def test_modules_of_its_own(world):
    echo(world)


@simulated(seeds=SEEDS, modules="shared")
def test_shared_modules(world):
    echo(world)


@simulated(seeds=SEEDS, modules="shared", fork=False)
def test_shared_modules_without_forks(world):
    echo(world)

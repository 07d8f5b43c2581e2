"""Tests for `test_simulated` to run: a small service with a planted bug, and tests that are wrong in many ways."""

import unittest
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet import defer, endpoints, protocol, task
from twisted.internet.error import ConnectionLost
from twisted.protocols.basic import LineReceiver

from glitchgrid.testing import SimulatedTestCase, World, fault, simulated

PORT = 7000


class Register(LineReceiver):
    """Keeps a number. Its planted bug: it answers before the number is on the disk, where there is none."""

    value = b"0"

    def lineReceived(self, line: bytes) -> None:
        if line.startswith(b"write "):
            type(self).value = line.removeprefix(b"write ")
            self.sendLine(b"ok")
        else:
            self.sendLine(self.value)


class Asking(LineReceiver):
    transport: Any

    def __init__(self) -> None:
        self.answer: defer.Deferred[bytes] = defer.Deferred()

    def lineReceived(self, line: bytes) -> None:
        self.answer.callback(line)
        self.transport.loseConnection()

    def connectionLost(self, reason: Any = None) -> None:
        if not self.answer.called:
            self.answer.errback(ConnectionLost())


async def serve(reactor: Any) -> None:
    Register.value = b"0"
    await endpoints.TCP4ServerEndpoint(reactor, PORT).listen(protocol.Factory.forProtocol(Register))
    await defer.Deferred()


async def ask(reactor: Any, line: bytes) -> bytes:
    endpoint = endpoints.clientFromString(reactor, f"tcp:server:{PORT}:timeout=2")
    asking = await endpoint.connect(protocol.Factory.forProtocol(Asking))
    asking.sendLine(line)
    asking.answer.addTimeout(2, reactor)
    answer: bytes = await asking.answer
    return answer


async def client(reactor: Any, world: World, name: str) -> None:
    for number in range(1, 6):
        await task.deferLater(reactor, 1, lambda: None)
        write = world.history.call(name, "write", number)
        try:
            await ask(reactor, b"write %d" % number)
            write.ok()
        except Exception:  # noqa: BLE001 - whatever it is, the write may have happened
            write.ambiguous()
        await task.deferLater(reactor, 0.7, lambda: None)
        read = world.history.call(name, "read")
        try:
            read.ok(int(await ask(reactor, b"read")))
        except Exception:  # noqa: BLE001 - as above
            read.failed()


def grid(world: World) -> None:
    world["server"].run(serve)
    world["client"].run(client, world, "c1")


@simulated(seeds=3, modules="shared")
def test_well(world: World) -> None:
    grid(world)
    world.run(60)
    assert len(world.history) == 10
    world.history.check("register", initial=0)


@simulated(seeds=30, modules="shared")
def test_it_forgets(world: World) -> None:
    grid(world)
    world.faults("kill", "cut", on=["server"], until=10)
    world.run(60)
    world.history.check("register", initial=0)


@pytest.mark.parametrize("line", [b"read", b"write 7"])
@simulated(seeds=1, modules="shared")
def test_with_parameters(world: World, line: bytes) -> None:
    heard = []

    async def once(reactor: Any) -> None:
        await task.deferLater(reactor, 1, lambda: None)
        heard.append(await ask(reactor, line))

    world["server"].run(serve)
    world["client"].run(once)
    assert world.run(10, until=lambda: heard)
    assert heard == [b"ok" if line.startswith(b"write") else b"0"]


@simulated(seeds=1, modules="shared")
def test_always(world: World) -> None:
    grid(world)
    world.always(lambda: len(world.history) < 4, "fewer than four operations")
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_eventually(world: World) -> None:
    grid(world)
    world.eventually(lambda: len(world.history) > 4, "more than four operations")
    world.eventually(lambda: len(world.history) > 400, "more than four hundred operations")
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_a_crash(world: World) -> None:
    def crash(_reactor: Any) -> None:
        raise LookupError("of all things")

    world["server"].run(crash)
    world.run(60)


@simulated(seeds=1)
def test_a_program_that_ends(world: World) -> None:
    world["server"].run("-n", "--pidfile=", "no-such-plugin")
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_never_runs(world: World) -> None:
    grid(world)


@simulated(seeds=1, modules="shared")
def test_no_such_machine(world: World) -> None:
    grid(world)
    world.faults("kill", on=["sever"])
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_no_such_fault(world: World) -> None:
    grid(world)
    world.faults("kil")
    world.run(60)


@simulated(seeds=2, modules="shared", timeout_s=1)
def test_hangs(world: World) -> None:
    def spin(_reactor: Any) -> None:
        while True:
            pass

    world["server"].run(spin)
    world.run(60)


@fault("bad weather")
def bad_weather(world: World, machine: str) -> Iterator[None]:
    """Nothing gets to a machine, whoever sends it."""
    links = [world.link(each.name, machine) for each in world.machines if each.name != machine]
    for link in links:
        link.cut()
    yield
    for link in links:
        link.mend()


@simulated(seeds=30, modules="shared")
def test_own_fault(world: World) -> None:
    grid(world)
    world.faults("bad weather", bad_weather, on=["server"], until=10)
    world.run(60)
    assert not [each for each in world.history if each.return_ns is None], "a write that may have happened"


class RegisterTests(SimulatedTestCase):
    @simulated(seeds=2, modules="shared")
    def test_a_method(self, world: World) -> None:
        grid(world)
        world.run(60)
        self.assertEqual(len(world.history), 10)

    @simulated(seeds=2, modules="shared")
    def test_a_method_that_fails(self, world: World) -> None:
        grid(world)
        world.run(60)
        self.assertEqual(len(world.history), 11)


class PlainTests(unittest.TestCase):
    @simulated(seeds=1, modules="shared")
    def test_a_method(self, world: World) -> None:
        grid(world)
        world.run(60)
        self.assertEqual(len(world.history), 10)

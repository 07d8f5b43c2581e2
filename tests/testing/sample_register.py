"""Tests for `test_simulated` to run: a small service with a planted bug, and tests that are wrong in many ways."""

import contextlib
import ctypes
import os
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from antithesis.assertions import always, sometimes
from twisted.internet import defer, endpoints, protocol, task
from twisted.internet.error import ConnectionLost
from twisted.protocols.basic import LineReceiver

from glitchgrid.testing import SimulatedTestCase, World, fault, simulated
from glitchgrid.testing.faults import DRAWN

PORT = 7000
HERE = Path(__file__).parent


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
def test_no_descriptor_is_left(world: World) -> None:
    """A server closes one that it keeps for this, and with it takes and ends the connection: each process its own."""
    ended = []

    async def once(reactor: Any) -> None:
        try:
            await ask(reactor, b"read")
        except ConnectionLost:
            ended.append(world.now)

    world["another"].run(serve)
    world["server"].run(serve)
    world.run(1)
    running = world["server"].host.process
    assert running is not None
    running.descriptors_max = 0
    world["client"].run(once)
    assert world.run(1, until=lambda: ended)


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


@simulated(seeds=1, modules="shared")
def test_parses_xml(world: World) -> None:
    parsed = []
    world["client"].run(lambda _reactor: parsed.append(ET.fromstring("<a/>").tag))
    assert world.run(1, until=lambda: parsed)


@simulated(seeds=1)
def test_a_program_that_ends(world: World) -> None:
    world["server"].run("-n", "--pidfile=", "no-such-plugin")
    world.run(60)


def states(world: World, seconds: float) -> None:
    world["server"].run_script(str(HERE / "stating.py"))
    world.run(seconds)


@simulated(seeds=2)
def test_states_what_holds(world: World) -> None:
    states(world, 2.5)
    world["server"].kill()
    world["server"].start()
    world.run(2.5)


@simulated(seeds=1)
def test_states_what_does_not_hold(world: World) -> None:
    states(world, 10)


@simulated(seeds=2, modules="shared", fork=False)
def test_states_what_does_not_hold_run_after_run(world: World) -> None:
    """Twice in one process, whose SDK would hand it over once."""
    world["server"].run(lambda _reactor: always(world.seed == "0", "it is the first seed"))
    world.run(1)
    world["server"].run(lambda _reactor: sometimes(world.seed == "2", "it is the third seed"))
    world.run(1)


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


@simulated(seeds=2, modules="shared", fork=False, timeout_s=1)
def test_hangs_without_a_fork(world: World) -> None:
    def spin(_reactor: Any) -> None:
        while True:
            pass

    world["server"].run(spin)
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_dies(world: World) -> None:
    world["server"].run(lambda _reactor: ctypes.string_at(0))
    world.run(60)


@simulated(seeds=1, modules="shared")
def test_depends_on_hashes(world: World) -> None:
    world["server"].run(lambda _reactor: print(hash("text"), flush=True))
    world.run(1)


class Durable(LineReceiver):
    """Answers once what it was told is on the disk."""

    def lineReceived(self, line: bytes) -> None:
        try:
            with open("value", "rb+" if os.path.exists("value") else "wb") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
            with open("value", "rb") as file:
                file.read()
        except OSError:
            self.sendLine(b"no")
        else:
            self.sendLine(b"ok")


async def serve_durably(reactor: Any) -> None:
    await endpoints.TCP4ServerEndpoint(reactor, PORT).listen(protocol.Factory.forProtocol(Durable))
    await defer.Deferred()


async def ask_on_and_on(reactor: Any) -> None:
    while True:
        await task.deferLater(reactor, 0.02, lambda: None)
        with contextlib.suppress(Exception):
            await ask(reactor, b"x" * 5000)


@simulated(seeds=40, modules="shared")
def test_every_kind_of_fault(world: World) -> None:
    world["server"].run(serve_durably)
    for name in ("c1", "c2"):
        world[name].run(ask_on_and_on)
    world.faults(*DRAWN, on=["server", "c1"], until=15, every=0.1)
    world.run(20)
    heard: list[bytes] = []

    async def once(reactor: Any) -> None:
        heard.append(await ask(reactor, b"at last"))

    world["last"].run(once)
    assert world.run(5, until=lambda: heard)
    assert heard == [b"ok"], "all is well by now"


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

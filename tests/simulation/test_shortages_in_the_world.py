"""What a machine runs out of, as programs of Twisted's feel it: processor, descriptors, names, threads, and time."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.endpoints import HostnameEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.threads import deferToThread

from glitchgrid.testing import World, simulated

in_a_world = simulated(seeds=1, modules="shared")

MS = 1_000_000
PORT = 4000


class Talker(Protocol):
    def __init__(self) -> None:
        self.ended: str | None = None

    def connectionLost(self, reason: Any = None) -> None:
        self.ended = type(reason.value).__name__


def serve(reactor: Any) -> None:
    TCP4ServerEndpoint(reactor, PORT).listen(Factory.forProtocol(Talker))


class Connecting:
    """A program that connects to a server by its name, so many times at once."""

    def __init__(self, world: World, count: int = 1, name: str = "server") -> None:
        self.made_s: list[float] = []
        self.talkers: list[Talker] = []
        self.failed: list[tuple[str, float]] = []
        self._now: Callable[[], float] = lambda: world.now
        self._count = count
        self._name = name

    def __call__(self, reactor: Any) -> None:
        for _ in range(self._count):
            endpoint = HostnameEndpoint(reactor, self._name, PORT)
            connectProtocol(endpoint, Talker()).addCallbacks(self._connected, self._failed)

    def _connected(self, talker: Talker) -> None:
        self.made_s.append(self._now())
        self.talkers.append(talker)

    def _failed(self, failure: Any) -> None:
        self.failed.append((type(failure.value).__name__, self._now()))


# The processor.


@in_a_world
def test_a_throttled_machine_is_slow(world: World) -> None:
    turns: list[None] = []

    def again(reactor: Any) -> None:
        turns.append(None)
        reactor.callLater(0, again, reactor)

    world["a"].host.throttle(MS)
    world["a"].run(again)
    world.run(0.1)
    assert 90 < len(turns) < 110


@in_a_world
def test_who_calls_itself_as_from_a_thread_does_not_stop_time(world: World) -> None:
    turns: list[None] = []

    def again(reactor: Any) -> None:
        turns.append(None)
        reactor.callFromThread(again, reactor)

    world["a"].run(again)
    world.run(0.01)
    assert world.now == pytest.approx(0.01)
    assert len(turns) > 100


# Clocks.


@in_a_world
def test_a_reactor_is_fooled_where_the_time_of_day_is_set(world: World) -> None:
    """As the real one is: the call comes as late as the clock was set back."""
    fired: list[float] = []
    world["a"].run(lambda reactor: reactor.callLater(2, lambda: fired.append(world.now)))
    world.run(1)
    world["a"].host.clock.jump(-5 * 1000 * MS)
    world.run(10)
    assert fired == pytest.approx([7], abs=0.01)


@in_a_world
def test_a_clock_that_is_fast(world: World) -> None:
    fired: list[float] = []
    world["a"].host.clock.drift(0, 100_000)
    world["a"].run(lambda reactor: reactor.callLater(11, lambda: fired.append(world.now)))
    world.run(20)
    assert fired == pytest.approx([10], abs=0.01)


# Descriptors.


@in_a_world
def test_a_server_without_descriptors_closes_what_it_cannot_take(world: World) -> None:
    world["server"].run(serve)
    world.run(1)
    running = world["server"].host.process
    assert running is not None
    running.descriptors_max = 0
    early = Connecting(world)
    world["client"].run(early)
    world.run(1)
    assert [each.ended for each in early.talkers] == ["ConnectionDone"]
    assert running.descriptors_missed > 0
    running.descriptors_max = None
    late = Connecting(world)
    world["client"].run(late)
    world.run(1)
    assert [each.ended for each in late.talkers] == [None]


@in_a_world
def test_a_client_without_descriptors_connects_to_nobody(world: World) -> None:
    connecting = Connecting(world, name="10.0.0.1")

    def begin(reactor: Any) -> None:
        running = world["client"].host.process
        assert running is not None
        running.descriptors_max = 0
        connecting(reactor)

    world["server"].run(serve)
    world["client"].run(begin)
    world.run(1)
    assert [name for name, _ in connecting.failed] == ["ConnectBindError"]


# Names.


@in_a_world
def test_a_name_that_leads_elsewhere(world: World) -> None:
    world["server"].run(serve)
    world["other"].run(lambda _reactor: None)
    world.kernel.names.elsewhere["server"] = "other"
    misled = Connecting(world)
    world["client"].run(misled)
    world.run(1)
    assert [name for name, _ in misled.failed] == ["ConnectionRefusedError"]
    world.kernel.names.heal()
    well = Connecting(world)
    world["client"].run(well)
    world.run(1)
    assert len(well.made_s) == 1


@in_a_world
def test_lookups_that_hang_keep_others_waiting(world: World) -> None:
    """Twisted's resolver has ten threads, and all names share them."""
    world["server"].run(serve)
    world["silent"].run(lambda _reactor: None)
    world.kernel.names.silent.add("silent")
    hang, well = Connecting(world, count=10, name="silent"), Connecting(world)

    def begin(reactor: Any) -> None:
        hang(reactor)
        reactor.callLater(1, well, reactor)

    world["client"].run(begin)
    world.run(60)
    given_up_s = min(at_s for _, at_s in hang.failed)
    assert {name for name, _ in hang.failed} == {"DNSLookupError"}
    assert given_up_s > 1
    assert well.made_s[0] >= given_up_s


# Threads.


@in_a_world
def test_an_end_waits_for_the_threads_that_still_work(world: World) -> None:
    def begin(reactor: Any) -> None:
        deferToThread(time.sleep, 5)
        reactor.callLater(1, reactor.stop)

    world["a"].run(begin, may_end=True)
    world.run(4.9)
    assert world["a"].is_running
    world.run(0.2)
    assert not world["a"].is_running

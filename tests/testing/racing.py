"""Small services with races between a thread pool and the reactor, and tests of them as users write them."""

from collections.abc import Callable
from typing import Any

from glitchgrid.testing import World, simulated

Service = Callable[[Any, Any], None]

HERE = {__name__: 1000}
SEEDS = 60
TICKS = 20
WORK = 30


class Counter:
    """Two threads count, and nobody sees to it that they do so one after the other."""

    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        for _ in range(3):
            self.count += 1


class Pair:
    """What it takes to go wrong: `first` stops where it is in, `second` comes in and stops, and `first` goes on."""

    def __init__(self) -> None:
        self.first_is_in = self.second_is_in = self.has_gone_wrong = False

    def first(self) -> None:
        self.first_is_in = True
        for _ in range(WORK):
            pass
        if self.second_is_in:
            self.has_gone_wrong = True
        self.first_is_in = False

    def second(self) -> None:
        if self.first_is_in:
            self.second_is_in = True
            for _ in range(WORK):
                pass
            self.second_is_in = False


class Index:
    """One thread goes through a dictionary that another one adds to: the first is told that it has changed."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}

    def sizes(self) -> list[int]:
        return [len(each) for each in self.names.values()]


def counting(reactor: Any, counted: list[int]) -> None:
    """A service that counts in its reactor and in a thread of its pool, a few times a second."""
    from twisted.internet import threads  # noqa: PLC0415 - in the process, with its modules

    counter = Counter()

    def tick(left: int) -> None:
        threads.deferToThread(counter.add)
        counter.add()
        if left > 1:
            reactor.callLater(0.1, tick, left - 1)
        else:
            reactor.callLater(5, lambda: counted.append(counter.count))

    tick(TICKS)


def pairing(reactor: Any, ended: list[bool]) -> None:
    from twisted.internet import threads  # noqa: PLC0415 - in the process, with its modules

    pair = Pair()

    def go() -> None:
        threads.deferToThread(pair.second)
        pair.first()

    reactor.callLater(1, go)
    reactor.callLater(5, lambda: ended.append(pair.has_gone_wrong))


def indexing(reactor: Any, ended: list[bool]) -> None:
    """A service that learns a name each 10 ms, and goes through its names in a thread now and then."""
    from twisted.internet import task, threads  # noqa: PLC0415 - in the process, with its modules

    index, names = Index(), iter(range(1000))
    failed: list[object] = []

    def learn() -> None:
        name = str(next(names))
        index.names[name] = name

    task.LoopingCall(learn).start(0.01)
    task.LoopingCall(lambda: threads.deferToThread(index.sizes).addErrback(failed.append)).start(0.3)
    reactor.callLater(3, lambda: ended.append(bool(failed)))


def run(world: World, service: Service) -> list[object]:
    told: list[object] = []
    world["server"].run(service, told)
    world.run(10, until=lambda: told)
    return told


def nothing_is_lost(world: World) -> None:
    assert run(world, counting) == [6 * TICKS]


@simulated(seeds=SEEDS)
def plain(world: World) -> None:
    nothing_is_lost(world)


@simulated(seeds=SEEDS, preempt=HERE)
def random(world: World) -> None:
    nothing_is_lost(world)


@simulated(seeds=SEEDS, preempt=HERE)
def pct(world: World) -> None:
    world.threads("pct", depth=2)
    nothing_is_lost(world)


@simulated(seeds=SEEDS)
def plain_index(world: World) -> None:
    assert run(world, indexing) == [False]


@simulated(seeds=SEEDS, preempt=HERE)
def index(world: World) -> None:
    assert run(world, indexing) == [False]


@simulated(seeds=SEEDS, preempt=HERE)
def elsewhere(world: World) -> None:
    world["other"]
    world.threads(on=["other"])
    nothing_is_lost(world)


@simulated(seeds=SEEDS, preempt=HERE)
def with_faults(world: World) -> None:
    world["server"]
    world.faults("pause", "clock jump", on=["server"], until=5)
    nothing_is_lost(world)


@simulated(seeds=SEEDS, preempt=HERE)
def deep_2(world: World) -> None:
    world.threads("pct", depth=2)
    assert run(world, pairing) == [False]


@simulated(seeds=SEEDS, preempt=HERE)
def deep_3(world: World) -> None:
    world.threads("pct", depth=3)
    assert run(world, pairing) == [False]


@simulated(seeds=1)
def without_points(world: World) -> None:
    world["server"]
    world.threads()


@simulated(seeds=1, preempt=HERE)
def with_a_wrong_schedule(world: World) -> None:
    world["server"]
    world.threads("fair")


@simulated(seeds=1, preempt=HERE, modules="shared", fork=False)
def pct_without_forks(world: World) -> None:
    world["server"]
    world.threads("pct")


@simulated(seeds=1, preempt=HERE)
def as_a_fault(world: World) -> None:
    world["server"]
    world.faults("preemption", on=["server"])


@simulated(seeds=1, preempt={"nonesuch": 10})
def of_nothing(world: World) -> None:
    world.run(1)


@simulated(seeds=1, preempt={"attr": 10})
def of_what_the_world_needs(world: World) -> None:
    world.run(1)

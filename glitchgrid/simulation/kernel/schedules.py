"""Schedules: who is preempted at which preemption point, and for how long."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from glitchgrid.simulation.clock import MILLION
from glitchgrid.simulation.kernel.preemption import Passing
from glitchgrid.simulation.kernel.process import Process, Thread
from glitchgrid.simulation.random_stream import RandomStream

MANNERS = ((1000, 20), (250, 200), (50, 2_000), (10, 20_000))
"""How a process is preempted: so often, in per mille of the weights, and for about so many microseconds, seldom up to
64 times that. Some races need many short stops, and others one that is long enough for a timer to ring meanwhile. All
of them slow a program down by about as much.
"""

LOWERED_STAYS_US = (20, 500, 10_000, 200_000)
"""The same for a change point of PCT: from the time that it takes to wake a thread to what a timer may wait for."""

DEPTH_MAX = 20

Streams = Callable[[str], RandomStream]
"""Makes the stream of a purpose."""

Of = TypeVar("Of")


class _Each(Generic[Of]):
    """What a schedule keeps for each process."""

    def __init__(self, make: Callable[[Process, str], Of]) -> None:
        self._make = make
        self._found: dict[Process, Of] = {}

    def of(self, process: Process) -> Of:
        found = self._found.get(process)
        if found is None:
            found = self._found[process] = self._make(process, f"threads of {process.name} {process.pid}")
        return found


class Random:
    """Each time that a thread comes by a point it may be preempted: as likely as the weight of its module says, or less
    likely and for longer. Each process has a manner of its own.

    :param rng: makes streams; each process has one of its own.
    :param machines: by name, those whose threads are preempted; None for all.
    """

    def __init__(
        self, rng: Streams, machines: Collection[str] | None = None, manners: Sequence[tuple[int, int]] = MANNERS
    ) -> None:
        self._machines = machines
        self._manners = manners
        self._each = _Each(lambda _process, name: self._begun(rng(name)))

    def _begun(self, stream: RandomStream) -> tuple[RandomStream, int, int]:
        return stream, *stream.pick(self._manners)

    def stay_us(self, passing: Passing) -> int | None:
        if self._machines is not None and passing.process.host.name not in self._machines:
            return None
        stream, share_per_mille, usual_us = self._each.of(passing.process)
        if stream.below(MILLION) >= passing.per_mille * share_per_mille:
            return None
        return stream.rarely_long(usual_us)

    def stay_us_more(self, _passing: Passing) -> int | None:
        return None


class Pct:
    """Priorities at random that change at few points: PCT, "A Randomized Scheduler with Probabilistic Guarantees of
    Finding Bugs", Burckhardt, Kothari, Musuvathi, Nagarakatte, ASPLOS 2010.

    Each thread of a process has a priority of its own, at random. At a point, a thread gives way where another thread
    of its process is ready and has a higher one. At d-1 of the k points that the process passes, drawn at random, the
    thread that comes by gets a priority below all that were given at first. A bug has depth d where d orderings of two
    events each are what it takes to see it. In a process of n threads, a run finds a bug of depth d with a probability
    of at least 1/(n k^(d-1)); each process has its own n and k.

    What differs from the paper here:

    - k is what whoever makes the schedule takes it for, from a run without any preemption. n is not needed: a thread
      finds a random place among the priorities when it is first seen.
    - Code takes no time, and threads that wait for a timer or the network are ready at different times: a priority
      alone would never let one overtake another. So the thread of a change point stays away for a random time as well
      (`LOWERED_STAYS_US`). The bound holds for orderings among threads that are ready together; where an event that
      comes later has to overtake, it holds as often as that time is long enough.
    - The ready thread of the highest priority goes on at the next point, and not before: what another one does from
      where it waited to its first point, it does all the same.

    Weights have no meaning here: each point counts.

    :param steps: by the name of a machine, k: how many points a process passes there, at the most.
    :param machines: by name, those whose threads are preempted; None for all.
    """

    def __init__(
        self, rng: Streams, depth: int, steps: Mapping[str, int], machines: Collection[str] | None = None
    ) -> None:
        self._machines = machines
        self._states = _Each(lambda process, name: _Priorities(rng(name), depth, steps.get(process.host.name, 0)))

    def stay_us(self, passing: Passing) -> int | None:
        if self._machines is not None and passing.process.host.name not in self._machines:
            return None
        priorities = self._states.of(passing.process)
        lowered_us = priorities.step(passing.thread)
        return self.stay_us_more(passing) if lowered_us is None else lowered_us

    def stay_us_more(self, passing: Passing) -> int | None:
        return 0 if self._states.of(passing.process).is_behind(passing.thread) else None


class _Priorities:
    """Of the threads of one process: the higher goes first. Those of change points are from 1 to d-1."""

    def __init__(self, rng: RandomStream, depth: int, steps: int) -> None:
        self._rng = rng
        self._step = 0
        self._changes = {rng.between(1, max(1, steps)): priority for priority in range(1, depth)}
        self._of: dict[Thread, int] = {}

    def step(self, thread: Thread) -> int | None:
        """A thread comes by a point. Returns for how many microseconds it is away, if it is one where it is lowered."""
        self._step += 1
        lowered = self._changes.get(self._step)
        if lowered is None:
            return None
        self._of[thread] = lowered
        return self._rng.rarely_long(self._rng.pick(LOWERED_STAYS_US))

    def is_behind(self, thread: Thread) -> bool:
        """Whether another thread of its process has to go first."""
        mine = self._priority(thread)
        others = [each for each in thread.process.threads.values() if each is not thread]
        return any(self._priority(each) > mine and each.is_ready for each in others)

    def _priority(self, thread: Thread) -> int:
        found = self._of.get(thread)
        if found is None:
            found = self._of[thread] = DEPTH_MAX + self._rng.below(MILLION)
        return found


class Spot(NamedTuple):
    """A point in a run, by what stays the same from run to run.

    :ivar program: the how-manieth process of its machine, from 1.
    :ivar thread: the how-manieth of its process, from 1, which is the main thread.
    """

    machine: str
    program: int
    thread: int
    place: str
    nth: int


class Given:
    """Preempts exactly there.

    :param stays_us: how long, and where; several for one spot come one after the other, in that order.
    :param spot_of: finds out where a thread is.
    """

    def __init__(self, stays_us: Iterable[tuple[Spot, int]], spot_of: Callable[[Passing], Spot]) -> None:
        self._stays_us: dict[Spot, deque[int]] = defaultdict(deque)
        for spot, stay_us in stays_us:
            self._stays_us[spot].append(stay_us)
        self._places = {each.place for each in self._stays_us}
        self._spot_of = spot_of

    def stay_us(self, passing: Passing) -> int | None:
        if passing.place not in self._places:
            return None
        left_us = self._stays_us.get(self._spot_of(passing))
        return left_us.popleft() if left_us else None

    stay_us_more = stay_us

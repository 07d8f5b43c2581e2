"""What a fault is, and what it acts on."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from attrs import field, frozen

from glitchgrid.lab.layout import Layout, Link
from glitchgrid.lab.limits import text
from glitchgrid.machines.roughness import Roughness
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import RandomStream

MS_NS = 1_000_000
US_NS = 1000
DURATIONS_MS = (10, 100, 500, 2000, 5000)
"""How long faults last: from the blink of an eye to longer than any operation of the register may take."""


class Network(Protocol):
    """What lies between machines, which are named; each method is for one direction."""

    def cut(self, source: str, target: str) -> object: ...

    def mend(self, source: str, target: str) -> object: ...

    def hold(self, source: str, target: str) -> object: ...

    def release(self, source: str, target: str) -> object: ...

    def slow(self, source: str, target: str, slowness: Slowness) -> object: ...

    def calm(self, source: str, target: str) -> object: ...


class FrameNetwork(Network, Protocol):
    """One that carries frames, which may be told apart: real machines have one, and the simulator's has streams."""

    def roughen(self, source: str, target: str, roughness: Roughness) -> object: ...

    def smooth(self, source: str, target: str, roughness: Roughness) -> object: ...


class Names(Protocol):
    """How names are answered for: see `glitchgrid.simulation.names`."""

    late_ns: dict[str, int]
    silent: set[str]
    elsewhere: dict[str, str]


class Clock(Protocol):
    """A machine's: see `glitchgrid.simulation.clock`."""

    def jump(self, by_ns: int) -> object: ...

    def drift(self, now_ns: int, drift_ppm: int | None) -> object: ...


class Marks(Protocol):
    """Words that are there or not."""

    def add(self, word: str, /) -> object: ...

    def discard(self, word: str, /) -> object: ...


class Disk(Protocol):
    """A machine's: see `glitchgrid.simulation.drive`."""

    stalled_until_ns: int
    is_full: bool
    is_read_only: bool
    syncs_to_fail: int
    when_syncing: Callable[[], object] | None

    @property
    def fails_to(self) -> Marks: ...


class Held(Protocol):
    @property
    def listening(self) -> int:
        """How many sockets take connections."""


class Process(Protocol):
    """What runs on a machine, as one: see `glitchgrid.simulation.kernel.machine.Running`."""

    descriptors_max: int | None
    descriptors_missed: int

    @property
    def held(self) -> Held: ...

    @property
    def sockets(self) -> Sequence[object]: ...

    def terminate(self) -> object: ...

    def signal(self, number: int) -> object: ...

    def pause(self) -> object: ...

    def resume(self) -> object: ...

    def pause_threads(self) -> object: ...

    def resume_threads(self) -> object: ...

    def break_connections(self, other: Any) -> int: ...


class Machine(Protocol):
    """A machine of a stage."""

    @property
    def name(self) -> str: ...

    @property
    def world(self) -> "Timed": ...

    @property
    def process(self) -> Process | None: ...

    @property
    def disk(self) -> Disk: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def disk_has_refused(self) -> bool: ...

    def kill(self) -> object: ...

    def cut_power(self) -> object: ...

    def throttle(self, turn_ns: int | None, *, varies: bool = False) -> object: ...


class Timed(Protocol):
    @property
    def now_ns(self) -> int:
        """Its time, in nanoseconds since some beginning."""


class World(Timed, Protocol):
    """Where the machines of a stage are."""

    @property
    def network(self) -> Network: ...

    @property
    def names(self) -> Names: ...

    @property
    def machines(self) -> Mapping[str, Any]: ...


class Stage(Protocol):
    """What faults act on: the machines of a system, and the world in which they are. The simulator has one, and real
    machines are one (`glitchgrid.lab.rehearsal.stage`).
    """

    @property
    def world(self) -> World: ...

    @property
    def servers(self) -> Sequence[Machine]:
        """What the system is made of."""

    @property
    def keepers(self) -> Sequence[Machine]:
        """Those of them that keep something on their disks, and that others look up by their names."""

    @property
    def machines(self) -> Sequence[Machine]:
        """Servers and clients."""

    @property
    def by_name(self) -> bool:
        """Are keepers looked up by their names?"""

    def start(self, machine: Any) -> None:
        """Start a machine's program again, unless it runs; where it is about to end, once it has."""


class Scope(enum.Enum):
    """Whom a fault is done to: the machines that it names, all keepers, or all servers."""

    NAMED = "named"
    KEEPERS = "keepers"
    SERVERS = "servers"


class Fault(ABC):
    """:cvar kind: its name, in plans and tables.
    :cvar breaks: the assumption of the system that it breaks, in words; empty for none.
    :cvar scope: whom it is done to.
    :cvar stays: it is not undone by a machine's `calm`, but by its own `end`.
    """

    kind: ClassVar[str]
    breaks: ClassVar[str] = ""
    scope: ClassVar[Scope] = Scope.NAMED
    stays: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        """One such fault, at random."""

    @property
    def machines(self) -> Sequence[str]:
        """The machines that it is done to, as far as it names any."""
        return ()

    @property
    def keepers(self) -> Sequence[str]:
        """Those of them that must be keepers."""
        return ()

    def troubles(self, stage: Stage) -> "Sequence[str | Link]":
        """The machines and directed links that are not well while the fault lasts."""
        if self.scope is Scope.NAMED:
            return self.machines
        return [machine.name for machine in (stage.keepers if self.scope is Scope.KEEPERS else stage.servers)]

    @abstractmethod
    def begin(self, stage: Stage) -> bool:
        """Begin the fault. Returns False where it had no effect: a machine that is off cannot be paused."""

    @abstractmethod
    def end(self, stage: Stage) -> bool:
        """Undo the fault after its time. Returns True where it took effect only after its beginning."""


@frozen
class OfServer(Fault):
    """A fault of one server."""

    machine: str = field(validator=text)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.servers))

    @property
    def machines(self) -> Sequence[str]:
        return (self.machine,)

    def on(self, stage: Stage) -> Machine:
        machine: Machine = stage.world.machines[self.machine]
        return machine


@frozen
class OfKeeper(OfServer):
    """A fault of one keeper."""

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers))

    @property
    def keepers(self) -> Sequence[str]:
        return (self.machine,)


@frozen
class OfLink(Fault):
    """A fault of one direction between two machines that talk with each other."""

    source: str = field(validator=text)
    target: str = field(validator=text)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(*layout.draw_link(rng))

    @property
    def machines(self) -> Sequence[str]:
        return (self.source, self.target)

    def troubles(self, _stage: Stage) -> Sequence[str | Link]:
        # A cut of one way is felt on the other: what is sent is acknowledged there.
        return (self.source, self.target), (self.target, self.source)

"""What a fault is, and what it acts on."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from attrs import field, frozen

from glitchgrid.lab.layout import Layout, Link
from glitchgrid.lab.limits import text
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.random_stream import RandomStream

MS_NS = 1_000_000
US_NS = 1000
DURATIONS_MS = (10, 100, 500, 2000, 5000)
"""How long faults last: from the blink of an eye to longer than any operation of the register may take."""


class Stage(Protocol):
    """What faults act on: the machines of a system, and the world in which they are."""

    world: Kernel

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

    def start(self, machine: Machine) -> None:
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
        return stage.world.machines[self.machine]


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

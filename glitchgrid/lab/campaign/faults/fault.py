"""What a fault is, and what it acts on."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Protocol, Self

from attrs import field, frozen

from glitchgrid.lab.campaign.limits import text
from glitchgrid.simulation.draws import Draws
from glitchgrid.simulation.machine import Machine
from glitchgrid.simulation.world import World

MS_NS = 1_000_000
US_NS = 1000
DURATIONS_MS = (10, 100, 500, 2000, 5000)
"""How long faults last: from the blink of an eye to beyond every deadline."""

CLIENTS_PER_MILLE = 200
"""How often a link is one between the clients and a control."""


Link = tuple[str, str]
"""From one machine to another, by their names."""


class Stage(Protocol):
    """What faults act on."""

    world: World
    clients: Machine

    @property
    def by_name(self) -> bool:
        """Do controls look the vaults' names up?"""

    @property
    def vaults(self) -> Sequence[Machine]: ...

    @property
    def controls(self) -> Sequence[Machine]: ...

    @property
    def servers(self) -> Sequence[Machine]:
        """Vaults and controls."""

    def start(self, machine: Machine) -> None:
        """Start a machine's program again, unless it runs; where it is about to end, once it has."""

    def store_by_hand(self, vault: Machine, value: int) -> None:
        """Send a store to a vault, past all controls and without the guard."""


class Reach(enum.Enum):
    """Those that a fault names, all vaults, or all servers."""

    NAMED = "named"
    VAULTS = "vaults"
    SERVERS = "servers"


class Fault(ABC):
    """:cvar kind: its name, in plans and tables.
    :cvar breaks: the assumption of the register that it breaks, in words; empty for none.
    :cvar reaches: whom it is done to.
    :cvar stays: it is not undone by a machine's `calm`, but by its own `end`.
    """

    kind: ClassVar[str]
    breaks: ClassVar[str] = ""
    reaches: ClassVar[Reach] = Reach.NAMED
    stays: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        """One such fault, at random."""

    @property
    def machines(self) -> Sequence[str]:
        """The machines that it is done to, as far as it names any."""
        return ()

    @property
    def vaults(self) -> Sequence[str]:
        """Those of them that must be vaults."""
        return ()

    def troubles(self, stage: Stage) -> "Sequence[str | Link]":
        """The machines, and the directed links between two, that are not well meanwhile."""
        if self.reaches is Reach.NAMED:
            return self.machines
        return [machine.name for machine in (stage.vaults if self.reaches is Reach.VAULTS else stage.servers)]

    @abstractmethod
    def begin(self, stage: Stage) -> bool:
        """Do it. False where there was nothing to do it to: what is off cannot be paused."""

    @abstractmethod
    def end(self, stage: Stage) -> bool:
        """Undo it, after its time. True where it has found something to do only in between."""


@frozen
class OfServer(Fault):
    """A fault of one vault or control."""

    machine: str = field(validator=text)

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.servers).name)

    @property
    def machines(self) -> Sequence[str]:
        return (self.machine,)

    def on(self, stage: Stage) -> Machine:
        return stage.world.machines[self.machine]


@frozen
class OfVault(OfServer):
    """A fault of one vault."""

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name)

    @property
    def vaults(self) -> Sequence[str]:
        return (self.machine,)


@frozen
class OfLink(Fault):
    """A fault of one direction between a control and a vault, or the clients and a control."""

    source: str = field(validator=text)
    target: str = field(validator=text)

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(*draw_link(draws, stage))

    @property
    def machines(self) -> Sequence[str]:
        return (self.source, self.target)

    def troubles(self, _stage: Stage) -> Sequence[str | Link]:
        # A cut of one way is felt on the other: what is sent is acknowledged there.
        return (self.source, self.target), (self.target, self.source)


def draw_link(draws: Draws, stage: Stage) -> tuple[str, str]:
    source = draws.pick(stage.controls).name
    target = stage.clients.name if draws.chance(CLIENTS_PER_MILLE) else draws.pick(stage.vaults).name
    return (target, source) if draws.below(2) else (source, target)

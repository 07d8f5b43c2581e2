"""Which machines there are in a run, by their names: what faults are drawn for."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from attrs import frozen

from glitchgrid.simulation.random_stream import RandomStream

CLIENTS = "clients"
"""The machine of all clients."""

Link = tuple[str, str]
"""From one machine to another, by their names."""


@frozen
class Layout(ABC):
    """The machines of one run. A system has a class of its own, whose fields a plan may give: how many servers of
    which sort, which protocol they speak, how much their clients do.

    :cvar system: where the system is found, as ``module:attribute``; see `glitchgrid.lab.system`.
    """

    system: ClassVar[str]

    @property
    @abstractmethod
    def servers(self) -> Sequence[str]:
        """The machines that the system is made of."""

    @property
    @abstractmethod
    def keepers(self) -> Sequence[str]:
        """Those servers that keep something on their disks, and that others look up by their names."""

    @property
    def machines(self) -> Sequence[str]:
        """Servers and clients, in the order in which their machines are made."""
        return [*self.servers, CLIENTS]

    @abstractmethod
    def draw_link(self, rng: RandomStream) -> Link:
        """Two machines that talk with each other, at random."""

"""A machine as its network sees it: a name, an address, ports, a disk, two clocks, and power."""

from collections.abc import Mapping
from typing import Any, Protocol

from glitchgrid.simulation.clock import Clock
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.disk import Disk
from glitchgrid.simulation.names import Names
from glitchgrid.simulation.network import Network

FIRST_PORT = 32768
LOOPBACK = "127.0.0.1"

TURN_NS = 5_000
"""How long one turn of a reactor takes, at the least: a program that never waits must not stop time."""


class Bound(Protocol):
    """What holds a port."""

    @property
    def local(self) -> tuple[str, int]: ...

    @property
    def is_listening(self) -> bool: ...

    @property
    def listens_since_ns(self) -> int: ...


class Host:
    """:param others: every host of the world, this one too, by its name.
    :ivar cuts_segments: what is sent from here arrives in pieces of any size.
    """

    def __init__(
        self, world: RunContext, network: Network, names: Names, others: "Mapping[str, Host]", name: str, address: str
    ) -> None:
        self.world = world
        self.network = network
        self.names = names
        self.name = name
        self.address = address
        self.clock = Clock()
        self.disk: Any = Disk(world, name)
        self.cuts_segments = False
        self.is_powered = True
        self._turn_ns = TURN_NS
        self._turns_vary = False
        self._turns = world.rng(f"turns {name}")
        self._others = others
        self._ports: dict[int, Bound] = {}
        self._next_port = FIRST_PORT

    @property
    def address6(self) -> str:
        """Its address of IPv6."""
        return "fd00::" + self.address.rpartition(".")[2]

    # Its processor.

    def throttle(self, turn_ns: int | None, *, varies: bool = False) -> None:
        """Let every turn of its reactor take so long, or now more and now less; None for as long as usual."""
        self._turn_ns = TURN_NS if turn_ns is None else turn_ns
        self._turns_vary = varies

    def turn_ns(self) -> int:
        """How long the next turn takes."""
        return self._turns.rarely_long(self._turn_ns) if self._turns_vary else self._turn_ns

    # Its ports.

    def take_port(self, port: int, by: Bound) -> int | None:
        """`port`, or a free one for 0; None where it is in use."""
        if not port:
            while self._next_port in self._ports:
                self._next_port += 1
            port, self._next_port = self._next_port, self._next_port + 1
        elif port in self._ports:
            return None
        self._ports[port] = by
        return port

    def free_port(self, by: Bound) -> None:
        if self._ports.get(by.local[1]) is by:
            del self._ports[by.local[1]]

    def free_all_ports(self) -> None:
        self._ports.clear()

    def listener(self, port: int) -> Bound | None:
        """What takes connections there."""
        found = self._ports.get(port)
        return found if found is not None and found.is_listening else None

    # The others.

    def at(self, address: str) -> "Host | None":
        """The host of that address, as seen from here."""
        if address == LOOPBACK:
            return self
        return next((host for host in self._others.values() if host.address == address), None)

"""A machine as its network sees it: a name, addresses, two clocks, a processor, and power."""

from glitchgrid.simulation.clock import Clock
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.names import Names
from glitchgrid.simulation.network import Network

FIRST_PORT = 32768
"""Of those that a machine chooses itself."""
TURN_NS = 5_000
"""How long one turn of a reactor takes, at the least: a program that never waits must not stop time."""


class Host:
    """:ivar address6: its address of IPv6.
    :ivar activity: goes up whenever code of one of its processes goes on.
    :ivar cuts_segments: what is sent from here arrives in pieces of any size.
    :ivar loading_ns: how long it takes from the start of a program until its own code runs: until then the interpreter
        reads modules.
    """

    def __init__(self, world: RunContext, network: Network, names: Names, name: str, address: str) -> None:
        self.world = world
        self.network = network
        self.names = names
        self.name = name
        self.address = address
        self.address6 = "fd00::" + address.rpartition(".")[2]
        self.clock = Clock()
        self.cuts_segments = False
        self.is_powered = True
        self.loading_ns = 0
        self.activity = 0
        self._turn_ns = TURN_NS
        self._turns_vary = False
        self._turns = world.rng(f"turns {name}")

    # Its processor.

    def throttle(self, turn_ns: int | None, *, varies: bool = False) -> None:
        """Let every turn of its reactor take so long, or now more and now less; None for as long as usual."""
        self._turn_ns = TURN_NS if turn_ns is None else turn_ns
        self._turns_vary = varies

    def turn_ns(self) -> int:
        """How long the next turn takes."""
        return self._turns.rarely_long(self._turn_ns) if self._turns_vary else self._turn_ns

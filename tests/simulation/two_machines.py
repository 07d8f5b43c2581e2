"""Two machines, and the stacks of their networks, for tests of sockets as open files."""

from glitchgrid.simulation.kernel.stack import Stack
from tests.simulation.hosts import Hosts

MS = 1_000_000


class TwoMachines:
    def __init__(self) -> None:
        self.world = Hosts("a seed")
        self.a, self.b = self.world.machine("a"), self.world.machine("b")
        self.stacks: dict[str, Stack] = {}
        for each in (self.a, self.b):
            self.stacks[each.name] = Stack(each, self.stacks, lambda _host, _name: None)

    def run(self, ms: int = 20) -> None:
        self.world.run(ms * MS)

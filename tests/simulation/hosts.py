"""Machines without a kernel: a context, a network and names, for tests of what stands on these."""

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.names import Names
from glitchgrid.simulation.network import Network


class Hosts(RunContext):
    def __init__(self, seed: str) -> None:
        super().__init__(seed)
        self.machines: dict[str, Host] = {}
        self.network = Network(self)
        self.names = Names(self.machines)

    def machine(self, name: str) -> Host:
        """A new machine, with the next address."""
        address = f"10.0.0.{len(self.machines) + 1}"
        made = self.machines[name] = Host(self, self.network, self.names, name, address)
        return made

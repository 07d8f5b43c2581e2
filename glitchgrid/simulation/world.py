"""A simulated world: machines and the network between them, all of it decided by one seed."""

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.machine import Machine
from glitchgrid.simulation.names import Names
from glitchgrid.simulation.network import Network


class World(RunContext):
    """The machines of one run.

    :param keep_trace: whether the lines of the trace are kept.
    """

    def __init__(self, seed: str, *, keep_trace: bool = False) -> None:
        super().__init__(seed, keep_trace=keep_trace)
        self.machines: dict[str, Machine] = {}
        self.network = Network(self)
        self.names = Names(self.machines)

    def machine(self, name: str) -> Machine:
        """A new machine, with the next address."""
        assert name not in self.machines, f"there is a machine {name} already"
        made = Machine(self, self.network, self.names, self.machines, name, f"10.0.0.{len(self.machines) + 1}")
        self.machines[name] = made
        return made

    def end(self) -> None:
        """The run is over. Within its containment still: what ends now is the last that its programs do."""
        for machine in self.machines.values():
            machine.let_go()

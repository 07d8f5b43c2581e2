"""Everything that one seed decides: time, machines, what lies between them, and what happened."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from glitchgrid.lab.simulation.draws import Draws
from glitchgrid.lab.simulation.machine import Machine
from glitchgrid.lab.simulation.network import Network
from glitchgrid.lab.simulation.timeline import Timeline
from glitchgrid.lab.simulation.trace import Trace

if TYPE_CHECKING:
    from glitchgrid.lab.simulation.process import Process

LOOPBACK = "127.0.0.1"


class World(Timeline):
    """The machines of one run.

    :param keep_trace: whether the lines of the trace are kept.
    :ivar current: the process whose code runs just now.
    """

    def __init__(self, seed: str, *, keep_trace: bool = False) -> None:
        super().__init__()
        self.seed = seed
        self.trace = Trace(keep=keep_trace)
        self.machines: dict[str, Machine] = {}
        self.current: Process | None = None
        self._connections = 0
        self._draws: dict[str, Draws] = {}
        self.network = Network(self)

    def draws(self, name: str) -> Draws:
        """The stream of that name."""
        stream = self._draws.get(name)
        if stream is None:
            stream = self._draws[name] = Draws(f"{self.seed}:{name}")
        return stream

    def machine(self, name: str) -> "Machine":
        """A new machine, with the next address."""
        assert name not in self.machines, f"there is a machine {name} already"
        made = Machine(self, name, f"10.0.0.{len(self.machines) + 1}")
        self.machines[name] = made
        return made

    def machine_at(self, address: str, seen_from: "Machine | None" = None) -> "Machine | None":
        if address == LOOPBACK:
            return seen_from
        return next((machine for machine in self.machines.values() if machine.address == address), None)

    def next_connection(self) -> int:
        self._connections += 1
        return self._connections

    def end(self) -> None:
        """The run is over. Within its containment still: what ends now is the last that its programs do."""
        for machine in self.machines.values():
            machine.let_go()

    def note(self, who: str, what: str) -> None:
        """Put a line into the trace."""
        self.trace.add(self.now_ns, who, what)

    @contextmanager
    def inside(self, process: "Process") -> "Iterator[None]":
        """What runs within is that process's doing: its clocks are what the time functions say."""
        before, self.current = self.current, process
        try:
            yield
        finally:
            self.current = before

"""What the laboratory has to be told of a system that it tests.

A system is an object of a class that extends `System`, and is found by other processes under its `Layout.system`. It
says which plans there are for it, who judges its runs, and makes a `Deployment` for each run: the system's programs
and its clients on the machines of a simulated world. `glitchgrid.lab.register.system` has the register;
`tests/lockserver` has a small one, to begin with.
"""

import pkgutil
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from attrs import frozen
from twisted.application.service import IService

from glitchgrid.lab.faults.fault import MS_NS, Fault
from glitchgrid.lab.glitch import Glitch
from glitchgrid.lab.layout import CLIENTS, Layout
from glitchgrid.lab.picture.model import Lane, Operation, Stair
from glitchgrid.lab.place import here, logs
from glitchgrid.lab.place.commands import Read, twistd
from glitchgrid.lab.place.inside import Inside, run_inside
from glitchgrid.lab.plan.plan import Environment, Plan
from glitchgrid.lab.plan.simpler import Simpler
from glitchgrid.lab.plan.vocabulary import Vocabulary
from glitchgrid.lab.trace.transcript import Reader
from glitchgrid.lab.verdict import Judgement, Oracles
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process

US_NS = 1000
FAULT = "fault: "
"""What the lines for faults begin with, in the table of what was reached."""

SHOWED = "a broken assumption showed"
"""The line for a run that went wrong, as its plan had said."""


class Run(Protocol):
    """The run that goes on, for a deployment that takes part in it."""

    @property
    def world(self) -> Kernel:
        """The machines, and what lies between them."""

    @property
    def plan(self) -> Plan:
        """What was planned for it."""

    @property
    def reached(self) -> "Counter[str]":
        """The table of what was reached: a count for each line."""

    @property
    def is_well(self) -> bool:
        """Has nothing been found that would make it pointless to go on? A statement of the servers may have failed."""

    def find(self, oracle: str, message: str) -> None:
        """Something is wrong."""

    def go_on(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        """Let time go by, looking after each event. Returns whether `until` has come true."""

    def let_pass(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        """As `go_on`, without looking."""

    def system_is_over(self) -> None:
        """What happens from now on concerns the system no more; pictures end here, if nothing is wrong with it."""


class Deployment(ABC):
    """A system on the machines of one run: what faults act on, and what oracles look at.

    :ivar clients: the machine of all clients, and `talkers` is the process on it.
    :ivar by_name: servers are told the keepers' names, and not their addresses.
    """

    talkers: Inside

    def __init__(self, run: Run, layout: Layout) -> None:
        self.run = run
        self.world = run.world
        self.machines: Sequence[Machine] = [self.world.host(name) for name in layout.machines]
        by_name = self.world.machines
        self.servers: Sequence[Machine] = [by_name[name] for name in layout.servers]
        self.keepers: Sequence[Machine] = [by_name[name] for name in layout.keepers]
        self.clients = by_name[CLIENTS]
        self.by_name = False
        self._begun: set[Machine] = set()
        self._read: Read = {}

    def surround(self, environment: Environment) -> None:
        """Set what stays the same throughout a run."""
        self.by_name = environment.by_name
        surround(self.world, self.machines, environment)

    def start(self, machine: Machine) -> None:
        """Start a machine's program, unless it runs; where it is about to end, once it has."""
        running = machine.process
        if running is not None:
            if running.is_terminating:
                machine.when_free = lambda: self.start(machine)
        elif machine in self._begun:
            machine.start_again()
        else:
            self._begun.add(machine)
            machine.run(lambda: self.launch(machine))

    def start_clients(self) -> None:
        """Start what all clients run in."""
        self.talkers = run_inside(self.world, self.clients, self.clients_program)

    def are_clients_over(self) -> bool:
        """Have the clients begun, and done all that they wanted to?"""
        return self.talkers.has_begun and self.have_clients_ended()

    def twistd(self, machine: Machine, *arguments: str) -> Process:
        """Run a program by its twistd command line, in the foreground; what it logs, `logged` is told."""
        argv = ["twistd", "-n", "--pidfile=", "--logger", logs.OBSERVER, *arguments]
        return here.installed().run_program(machine, twistd(self._read), argv, own_modules=False)

    def start_all(self) -> None:
        """Start all servers. The run begins when they are loaded; whichever is started again is loaded again."""
        for machine in self.servers:
            self.start(machine)
            machine.loading_ns = self.run.plan.environment.loading_ms * MS_NS

    # What a system has to say.

    @property
    @abstractmethod
    def history(self) -> str:
        """All that the clients have called, and what was returned to them, as text."""

    @property
    @abstractmethod
    def operations(self) -> int:
        """How many operations the clients have called."""

    @abstractmethod
    def launch(self, machine: Machine) -> Process:
        """Start a server's program, as by `twistd`. It is called for each start."""

    @abstractmethod
    def clients_program(self, process: Inside) -> IService:
        """All clients: they begin when this service starts."""

    @abstractmethod
    def have_clients_ended(self) -> bool:
        """Have the clients done all that they wanted to? Asked after each event."""

    @abstractmethod
    def finish(self) -> None:
        """The clients and all faults have ended: let the run go on for as long as its end takes, and look at it."""

    @abstractmethod
    def judge(self) -> Judgement:
        """The run is over."""

    # What it may say.

    def attached(self) -> AbstractContextManager[object]:
        """Within this the run lives: for what looks into its programs."""
        return nullcontext()

    def before_clients(self) -> None:
        """The servers have been started, the clients have not."""

    def look(self) -> None:
        """After each event: does everything hold that has to hold all the time?"""

    def fault_begins(self, fault: Fault) -> None:
        """It is about to."""

    def fault_ends(self, fault: Fault) -> None:
        """It is about to."""

    def all_faults_end(self) -> None:
        """They are about to."""

    def logged(self, event: Mapping[str, Any], process: Process) -> None:
        """A server has logged something."""

    def expects(self, event: Mapping[str, Any], process: Process) -> bool:
        """May a server log this, although it is critical, or a failure?"""
        return False

    def excuses(self, stated: str) -> bool:
        """May this statement of the servers not hold just now?"""
        return False

    def stairs(self) -> Sequence[Stair]:
        """The values that the servers held, over time, where the run is to be drawn."""
        return ()


def surround(kernel: Kernel, machines: Sequence[Machine], environment: Environment) -> None:
    """Set what stays the same throughout a run, from now on."""
    kernel.network.set_usual(environment.latency_us * US_NS, environment.loss_per_mille)
    rng = kernel.rng("surroundings")
    for machine in machines:
        machine.cuts_segments = environment.cuts_segments
        machine.clock.usual_ppm = rng.between(-environment.drift_ppm, environment.drift_ppm)
        machine.clock.drift(kernel.now_ns, None)
        machine.disk.slowness = environment.disk_slowness


@frozen
class Acts:
    """What the clients of a run did, to be drawn.

    :ivar clients: the lanes of the clients, in their order.
    :ivar client_at: whose connection it is, by its port on the clients' machine.
    """

    clients: Sequence[str]
    operations: Sequence[Operation]
    client_at: Mapping[int, str]


class Runner(Protocol):
    """Runs a system in a process elsewhere. Both methods return a `glitchgrid.lab.campaign.result.Result`, and any
    number of threads may ask at once.
    """

    def run_seed(self, seed: str, layout: Layout, *, keep_trace: bool, hash_seed: int | None) -> Any:
        """The run that a seed stands for, on these machines.

        :param hash_seed: of Python's hashes there; None for this process's.
        """

    def run_plan(self, plan: Plan, *, keep_trace: bool, hash_seed: int | None) -> Any:
        """The run that a plan describes."""


class System(ABC):
    """:cvar plans: what plans for it may say.
    :cvar simpler: how a plan that fails is made simpler, in the order in which that is tried.
    :cvar oracles: who judges its runs.
    :cvar lines: what a campaign has to reach, each at least once.
    :cvar package: the properties that modules of this package state of themselves are counted.
    :cvar glitches: its deliberate bugs.
    :cvar read: reads the messages that its machines send each other.
    """

    plans: Vocabulary
    simpler: Sequence[Simpler]
    oracles: Oracles
    lines: Sequence[str]
    package: str
    read: Reader
    glitches: Mapping[str, Glitch]

    @property
    def runner(self) -> "Runner | None":
        """Who runs it, where that is not this process."""
        return None

    @abstractmethod
    def draw_layout(self, seed: str) -> Layout:
        """The machines of a seed, where nobody wants others."""

    @abstractmethod
    def deploy(self, run: Run) -> Deployment:
        """The system on the machines of a run, whose plan has the layout. Nothing runs yet."""

    @abstractmethod
    def lanes(self, layout: Layout, others: Sequence[str]) -> Sequence[Lane]:
        """The lanes of a picture, below those of the clients.

        :param others: machines that took part, and are not in the layout.
        """

    @abstractmethod
    def acts(self, history: str, wrong: "frozenset[int]") -> Acts:
        """What the clients did.

        :param wrong: the numbers of the operations that show what is wrong.
        """


def system_of(layout: Layout) -> System:
    """The system that has such a layout."""
    system: System = pkgutil.resolve_name(layout.system)
    return system


def fault_lines(plans: Vocabulary) -> Sequence[str]:
    """The lines for all faults that seeds draw."""
    return [FAULT + kind.kind for kind in plans.drawn]

"""A grid on the machines of a simulated world: what faults act on, and what the oracles look at."""

from collections import Counter
from collections.abc import Callable, Sequence
from io import StringIO

from twisted.application.service import IService

from glitchgrid.errors import StartError, StoreDamaged
from glitchgrid.lab.campaign.availability import Availability, Pace
from glitchgrid.lab.campaign.clients import Workload, store_by_hand
from glitchgrid.lab.campaign.events import Reach
from glitchgrid.lab.campaign.hostile import Hostile
from glitchgrid.lab.campaign.invariant import Invariant, durable_identity, shown
from glitchgrid.lab.campaign.lines import Lines
from glitchgrid.lab.campaign.plan import ATOMIC, CLIENTS, Layout, Surroundings
from glitchgrid.lab.campaign.programs import CONTROL_PORT, VAULT_PORT, control_program, vault_program
from glitchgrid.lab.campaign.wellness import Wellness
from glitchgrid.lab.campaign.wire import CONTROL, VAULT, Known
from glitchgrid.lab.faults.fault import Link
from glitchgrid.lab.recorder import Recorder
from glitchgrid.observer import Observers
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.draws import Draws
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.machine import Machine
from glitchgrid.simulation.process import Process, Program
from glitchgrid.simulation.world import World

US_NS = 1000
CLIENTS_PER_MILLE = 200
"""How often a link is one between the clients and a control."""


class Grid:
    """Made of `layout`, in `surroundings`; nothing runs until `start_all`."""

    def __init__(self, world: World, layout: Layout) -> None:
        self.world = world
        self.reached: Counter[str] = Counter()
        self.find: Callable[[str, str], object] = lambda _oracle, _message: None
        self.layout = layout
        self.vaults = [world.machine(name) for name in layout.vault_names]
        self.controls = [world.machine(name) for name in layout.control_names]
        self.clients = world.machine(CLIENTS)
        keep_changes = world.tape is not None
        self.invariant = Invariant.of(
            self.vaults,
            lambda: world.now_ns,
            all_are_guarded=layout.protocol == ATOMIC,
            keep_changes=keep_changes,
        )
        self._history = StringIO()
        recorder = Recorder(self._history, lambda: world.now_ns)
        self.ports = dict.fromkeys(self.vaults, VAULT_PORT) | dict.fromkeys(self.controls, CONTROL_PORT)
        self.wellness = Wellness(world, self.ports)
        self.availability = Availability(self.wellness, CLIENTS, layout.vault_names, self._found, self.reached)
        self.workload = Workload(recorder, self.invariant, self.availability, lambda: world.now_ns, layout.steps)
        self.lines = Lines(lambda message: self._found("log", message))
        self.services: dict[str, IService] = {}
        self.hostile: list[Hostile] = []
        self.by_name = False
        self.observer = Reach(self.reached)
        self._control = control_program(self._addresses, layout.protocol, self.observer)
        self._programs: dict[str, Program] = {machine.name: self._controlling for machine in self.controls}
        self._programs |= {machine.name: self._watched for machine in self.vaults}

    @property
    def history(self) -> str:
        """All that the clients have called, and what was returned to them."""
        return self._history.getvalue()

    @property
    def servers(self) -> Sequence[Machine]:
        return [*self.vaults, *self.controls]

    @property
    def keepers(self) -> Sequence[Machine]:
        return self.vaults

    @property
    def machines(self) -> Sequence[Machine]:
        return [*self.servers, self.clients]

    def draw_link(self, draws: Draws) -> Link:
        """Between a control and a vault, or now and then between the clients and a control."""
        source = draws.pick(self.controls).name
        target = self.clients.name if draws.chance(CLIENTS_PER_MILLE) else draws.pick(self.vaults).name
        return (target, source) if draws.below(2) else (source, target)

    def _found(self, oracle: str, message: str) -> None:
        self.find(oracle, message)

    def surround(self, surroundings: Surroundings) -> None:
        """Set what stays the same throughout a run."""
        self.by_name = surroundings.by_name
        machines = self.machines
        self.world.network.set_usual(surroundings.latency_us * US_NS, surroundings.loss_per_mille)
        draws = self.world.draws("surroundings")
        for machine in machines:
            machine.cuts_segments = surroundings.cuts_segments
            machine.clock.usual_ppm = draws.between(-surroundings.drift_ppm, surroundings.drift_ppm)
            machine.clock.drift(0, None)
            machine.disk.slowness = surroundings.disk_slowness
        if self.layout.protocol == ATOMIC:
            self.availability.pace = Pace.of(
                surroundings.latency_us, surroundings.loss_per_mille, surroundings.disk_slowness
            )

    def known(self, machine: Machine) -> Known:
        """What the answers of a server depend on, where the whole grid holds one value."""
        is_vault = machine in self.vaults
        kind = VAULT if is_vault else CONTROL
        identity = durable_identity(machine) if is_vault else None
        return Known(
            kind,
            max(shown(vault.store) for vault in self.invariant.vaults),
            len(self.vaults),
            identity,
            lambda: machine.clock.wall_ns(self.world.now_ns) / SECOND_NS,
        )

    def start(self, machine: Machine) -> None:
        """Start a machine's program, unless it runs; where it is about to end, once it has."""
        if machine.process is None:
            machine.start(self._programs[machine.name])
        elif machine.process.is_terminating:
            machine.when_free = lambda: self.start(machine)

    def start_all(self) -> None:
        for machine in self.servers:
            self.start(machine)

    def store_by_hand(self, vault: Machine, value: int) -> None:
        process = self.clients.process
        assert process is not None, "faults begin once the clients run"
        process.run(lambda: store_by_hand(process, self.workload, vault, value))

    def _addresses(self) -> Sequence[str]:
        """What controls are told of the vaults."""
        return [vault.name if self.by_name else vault.address for vault in self.vaults]

    def _watched(self, process: Process) -> IService:
        service = vault_program(
            process,
            lambda error: self._cannot_start(process.machine, error),
            Observers(self.observer, self.invariant.observer(process.machine)),
        )
        self.invariant.watch(process.machine, service.store)
        self.services[process.name] = service
        return service

    def _controlling(self, process: Process) -> IService:
        service = self._control(process)
        self.services[process.name] = service
        return service

    def _cannot_start(self, vault: Host, error: StartError) -> None:
        """Disks are full here, or fail; but they do not rot, and no crash damages what a vault has written."""
        if isinstance(error, StoreDamaged):
            self.invariant.find(f"{vault.name} does not start: {error}")

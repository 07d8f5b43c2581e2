"""A grid on the machines of a simulated world: vaults, controls, their clients, and the oracles that look on."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from io import StringIO
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.logger import formatEvent

from glitchgrid.errors import StartError, StoreDamaged
from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.history.recorder import Recorder
from glitchgrid.lab.layout import CLIENTS
from glitchgrid.lab.place.inside import Inside
from glitchgrid.lab.plan.plan import Environment
from glitchgrid.lab.register.layout import ATOMIC, CONTROL_PORT, VAULT_PORT
from glitchgrid.lab.register.oracles.availability import Availability, Pace
from glitchgrid.lab.register.oracles.coverage import Coverage
from glitchgrid.lab.register.oracles.invariant import (
    ROSTER,
    VALUE,
    Invariant,
    durable_identity,
    fenced_by,
    is_formed,
    shown,
)
from glitchgrid.lab.register.oracles.log_lines import Lines
from glitchgrid.lab.register.oracles.wellness import Wellness
from glitchgrid.lab.register.oracles.wire import CONTROL, VAULT, Known
from glitchgrid.lab.register.plans import grid_of, habits_of
from glitchgrid.lab.register.simulated.clients import SimulatedClient, Workload, store_by_hand
from glitchgrid.lab.register.simulated.hostile import Hostile
from glitchgrid.lab.register.simulated.programs import (
    Attachment,
    Attachments,
    attached,
    control_arguments,
    vault_arguments,
)
from glitchgrid.lab.system import Deployment, Run
from glitchgrid.lab.verdict import LOG
from glitchgrid.observer import Observers
from glitchgrid.protocol.member import Membership, Phase
from glitchgrid.protocol.roster import Place, Roster
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.storage.record import Record
from glitchgrid.storage.rosterfile import encode_membership
from glitchgrid.storage.slots import Slot, encode_file
from glitchgrid.value import NOTHING_STORED

FIRST_SLOT = 2
"""A new vault's."""

UP_S = 2
"""In a run without faults, the clients begin this long after the servers: by then the grid is up."""


BIRTHS_EVERY = 4
"""One run in so many sees the grid's birth. In the others it was before: with enough faults it might never end."""

BORN_S = 3
"""In any other run they wait for the grid's birth, and so long at most: faults may keep it from that."""

OTHER_LIST = "twistd control: bad --vaults: "
LIST_REFUSED = "a control with another list was refused, and stopped"
"""What a control says that has another list than the vaults."""

NO_VAULT = "10.255.255.1"
"""Nobody is there."""

CANNOT_START = "twistd vault: "
"""What a vault that does not start logs, by its beginning."""


class Grid(Deployment):
    """:ivar services: what runs on each server, by its machine's name.
    :ivar attachments: what looks into the servers of a machine.
    """

    def __init__(self, run: Run) -> None:
        layout = grid_of(run.plan)
        super().__init__(run, layout)
        world = run.world
        self.layout = layout
        self.vaults = self.keepers
        self.controls = self.servers[layout.vaults :]
        self.reached = run.reached
        self.invariant = Invariant.of(
            self.vaults,
            lambda: world.now_ns,
            all_are_guarded=layout.protocol == ATOMIC,
            keep_changes=world.context.capture is not None,
        )
        self._history = StringIO()
        recorder = Recorder(self._history, lambda: world.now_ns)
        self.ports = dict.fromkeys(self.vaults, VAULT_PORT) | dict.fromkeys(self.controls, CONTROL_PORT)
        self.wellness = Wellness(world, self.ports)
        self.availability = Availability(
            self.wellness, CLIENTS, layout.vault_names, run.find, run.reached, self.invariant.votes_since_ns
        )
        self.workload = Workload(recorder, self.invariant, self.availability, lambda: world.now_ns, layout.steps)
        self.lines = Lines(lambda message: run.find(LOG, message), self._was_refused)
        self.services: dict[str, IService] = {}
        self.hostile: list[Hostile] = []
        self._misled: set[Machine] = set()
        self._were_misled: set[Machine] = set()
        self.observer = Coverage(run.reached)
        self.attachments: Attachments = {
            **{vault.name: self._of_vault(vault) for vault in self.vaults},
            **{control.name: Attachment(self.observer, self._keep) for control in self.controls},
        }

    # The programs.

    def launch(self, machine: Machine) -> Process:
        if machine in self.vaults:
            peers = self._addresses() if self.layout.protocol == ATOMIC else ()
            return self.twistd(machine, *vault_arguments(peers))
        vaults = self._addresses()
        if machine in self._misled:
            vaults = [*vaults[:-1], NO_VAULT]
        return self.twistd(machine, *control_arguments(vaults, self.layout.protocol))

    def attached(self) -> AbstractContextManager[object]:
        return attached(self.attachments)

    def surround(self, environment: Environment) -> None:
        super().surround(environment)
        if self.layout.protocol == ATOMIC and self.world.rng("birth").below(BIRTHS_EVERY) > 0:
            self._be_born()
        if self.layout.protocol == ATOMIC and not self.run.plan.breaks:  # a value that was lost is no matter of time
            self.availability.pace = Pace.of(
                environment.latency_us, environment.loss_per_mille, environment.disk_slowness
            )

    def _be_born(self) -> None:
        """Lay on the disks what is there after a birth."""
        peers = tuple(sorted(f"{address}:{VAULT_PORT}" for address in self._addresses()))
        identities = [f"{self.world.rng(f'identity of {peer}').below(1 << 128):032x}" for peer in peers]
        roster = Roster(tuple(map(Place, peers, identities)))
        for vault, address in zip(self.vaults, self._addresses(), strict=True):
            identity = identities[peers.index(f"{address}:{VAULT_PORT}")]
            vault.disk.put(VALUE, encode_file(Slot(FIRST_SLOT, Record(identity, NOTHING_STORED))))
            vault.disk.put(ROSTER, encode_membership(Membership(identity, Phase.FORMED, peers, roster)))

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
            fenced_by(machine) if is_vault else b"",
        )

    def store_by_hand(self, vault: Machine, value: int) -> bool:
        """Send a store to a vault, past all controls and without the guard; False before there is anybody to do so."""
        if self.clients.process is None:
            return False
        self.talkers.run(lambda: store_by_hand(self.talkers, self.workload, vault, value))
        return True

    def mislead(self, control: Machine, *, on: bool) -> bool:
        """Start a control anew, with an address in its list that is no vault's, or with the right list."""
        if control not in self.controls or (on and control.process is None):
            return False
        control.kill()
        (self._misled.add if on else self._misled.discard)(control)
        self._were_misled.add(control)
        self.start(control)
        return True

    def may_lose_disk(self, vault: Machine) -> bool:
        """Are there others, each one of the grid for good? Two without their disks could be waited for in vain."""
        others = [each for each in self.vaults if each is not vault]
        return bool(others) and all(is_formed(each) for each in others)

    def lose_disk(self, vault: Machine) -> None:
        """Put an empty disk into a machine without power."""
        self.invariant.replace_disk(vault)

    def _addresses(self) -> Sequence[str]:
        """What controls are told of the vaults."""
        return [vault.name if self.by_name else vault.address for vault in self.vaults]

    def _of_vault(self, vault: Machine) -> Attachment:
        def served(service: Any, process: Process) -> None:
            self.invariant.watch(vault, service.store, service.membership, process)
            self._keep(service, process)

        observer = Observers(self.observer, self.invariant.observer(vault))
        return Attachment(observer, served, lambda error: self._cannot_start(vault, error))

    def _keep(self, service: IService, process: Process) -> None:
        self.services[process.host.name] = service

    def _cannot_start(self, vault: Machine, error: StartError) -> None:
        """Disks are full here, or fail; but they do not rot, and no crash damages what a vault has written."""
        if isinstance(error, StoreDamaged):
            self.invariant.find(f"{vault.name} does not start: {error}")

    # The clients.

    def before_clients(self) -> None:
        """All that happens in a run without faults is judged, from when the grid is up. Others begin at its birth."""
        if not self.run.plan.faults and self.availability.pace is not None:
            self.run.go_on(UP_S * SECOND_NS, lambda: False)
        elif self.layout.protocol == ATOMIC:
            self.run.go_on(BORN_S * SECOND_NS, lambda: all(map(is_formed, self.vaults)))

    def clients_program(self, process: Inside) -> IService:
        service = MultiService()
        habits = habits_of(self.run.plan)
        for number in range(habits.clients):
            client = SimulatedClient(f"c{number + 1}", process, habits, self.workload, self.controls)
            client.setServiceParent(service)
        for number in range(habits.hostile):
            hostile = Hostile(f"h{number + 1}", process, self.ports, self.known, self.availability, self.reached)
            self.hostile.append(hostile)
            hostile.setServiceParent(service)
        return service

    def have_clients_ended(self) -> bool:
        return self.workload.working == 0

    @property
    def history(self) -> str:
        return self._history.getvalue()

    @property
    def operations(self) -> int:
        return self.history.count('"call"')

    # Who looks on.

    def look(self) -> None:
        self.invariant.check()

    def fault_begins(self, fault: Fault) -> None:
        self.wellness.trouble(fault.troubles(self))

    def fault_ends(self, fault: Fault) -> None:
        self.wellness.relieve(fault.troubles(self))

    def all_faults_end(self) -> None:
        self.wellness.relieve_all()

    def logged(self, event: Mapping[str, Any], process: Process) -> None:
        self.lines.logged(event, process)

    def expects(self, event: Mapping[str, Any], process: Process) -> bool:
        """A vault that does not start says why; and it starts unless its disk has refused something.

        What servers beside the grid say, is for those to judge who have started them.
        """
        if event.get("log_failure") is not None:
            return False
        if self.world.machines[process.host.name] not in self.servers:
            return True
        said = formatEvent(dict(event))
        if said.startswith(OTHER_LIST):
            is_known = self.world.machines[process.host.name] in self._were_misled
            self.run.reached[LIST_REFUSED] += is_known
            return is_known
        return self._was_refused(process) and said.startswith(CANNOT_START)

    def _was_refused(self, process: Process) -> bool:
        return self.world.machines[process.host.name].disk.refused is process

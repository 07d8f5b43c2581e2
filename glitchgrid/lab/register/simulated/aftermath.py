"""The calm end of a run: all faults are over, every server that can run goes on running, and has to be well.

One thing after another, and what each has to show:

=========  ==================================================================================================
start      every server listens
reads      every control answers one within `SERVES_S`, and no vault stays behind what a majority showed before
writes     the same, and soon all vaults show one value
a wave     all clients at once, on a grid that is well: no operation fails, and each takes a few round trips
the wire   some rows of the wire's table, at a control and at a vault
idleness   connections end by their time-outs, and servers hold what they held at first: nothing but a port
the end    SIGTERM, to servers that are idle, busy, or hang in their disks: each ends in time
=========  ==================================================================================================
"""

from collections import Counter
from collections.abc import Callable, Sequence
from signal import SIGTERM

from attrs import evolve
from twisted.application.service import MultiService
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.python.failure import Failure

from glitchgrid.lab.faults.fault import US_NS
from glitchgrid.lab.plan.plan import Plan, number_of
from glitchgrid.lab.register.habits import PATIENT
from glitchgrid.lab.register.oracles.availability import Pace
from glitchgrid.lab.register.oracles.contract import majority
from glitchgrid.lab.register.oracles.holdings import too_many
from glitchgrid.lab.register.oracles.invariant import shown
from glitchgrid.lab.register.oracles.wellness import SETTLES_NS
from glitchgrid.lab.register.oracles.wire import CONTROL, ROWS, VAULT, Inquiry, Row
from glitchgrid.lab.register.simulated.clients import Prober, SimulatedClient
from glitchgrid.lab.register.simulated.grid import Grid
from glitchgrid.lab.register.simulated.stops import STOPPED, STOPS, Stops
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import PER_MILLE

SERVES_S = 10
"""A control answers so long after the faults have ended, at the latest: whatever it waits for has its time-out."""

STARTS_S = 7
"""A server listens so long afterwards: one that is just being stopped has 5 s for that."""

TOLD_NS = 1_000_000
"""So long after it goes on again a server that stood still knows what its disk had said meanwhile."""

RESTED_S = 3
"""A question that finds nobody, and the rest that follows, are over by then."""

EQUAL_S = 5
"""The vaults show one value so long after a write has been answered."""

LATENCY_US_MAX = 500
"""The network is no slower than that afterwards, loses nothing, and the disks are as fast as they can be."""

WAVE_WRITES = 8
WAVE_PAUSE_MS = 1
WAVE_CLIENTS = 8
WAVE_JITTER_NS = 10_000_000
WAVE_S = 30
HOSTILE_LEAVE_S = 20
ROWS_EACH = 6
ROWS_S = 90
CACHED_S = 31
"""Control keeps an unused connection to a vault for 30 s."""

ASKED_S = 3
"""A question to peers is over by then, and its connections are closed."""

IDLE_S = 62
"""No connection on which nothing happens is left after a minute."""


SERVED, EQUAL, WAVE, HELD = (
    "calm: every control served again",
    "calm: all vaults came to one value",
    "calm: a wave of clients was judged",
    "calm: what servers hold was compared",
)
ASKED = "wire: "
LINES = (
    SERVED,
    EQUAL,
    WAVE,
    HELD,
    *(STOPPED + kind for kind in STOPS),
    *(ASKED + row.name for row in ROWS),
)
"""The lines for all of this, in the table of what was reached."""


class Aftermath:
    """:param find: is told of what is wrong, by which oracle and in words.
    :param go_on: lets the run go on for so many nanoseconds, or until something; it says whether that has come.
    """

    def __init__(
        self,
        grid: Grid,
        plan: Plan,
        reached: "Counter[str]",
        find: Callable[[str, str], object],
        go_on: Callable[[int, Callable[[], bool]], bool],
    ) -> None:
        self._grid = grid
        self._plan = plan
        self._world = grid.world
        self._reached = reached
        self._find = find
        self._go_on = go_on
        self._rng = grid.world.rng("aftermath")

    def live(self) -> None:
        """Go through all parts in order; stop at the first that finds something wrong."""
        self._begin()
        for part in (self._start, self._reads, self._writes, self._wave, self._wire, self._idleness, self._end):
            if not part():
                return

    def _begin(self) -> None:
        grid, environment = self._grid, self._plan.environment
        calm = evolve(
            environment,
            latency_us=min(environment.latency_us, LATENCY_US_MAX),
            loss_per_mille=0,
            disk_slowness=1,
        )
        self._world.network.set_usual(calm.latency_us * US_NS, calm.loss_per_mille)
        self._pace = Pace.of(calm.latency_us, calm.loss_per_mille, calm.disk_slowness)
        busy_ns = max(vault.disk.busy_until_ns for vault in grid.vaults) - self._world.now_ns
        for machine in grid.servers:
            machine.calm()
        self._start_anew()
        # One that stood still is told only now of a sync that had failed before.
        self._world.after(TOLD_NS, self._start_anew)
        self._go_on(max(0, busy_ns), lambda: False)  # what a disk has begun while it stalled ends with the stall

    def _start_anew(self) -> None:
        """Whoever is down; and those whose disks have refused something, which take no store any more."""
        for machine in self._grid.servers:
            if machine.disk_has_refused:
                machine.kill()
            self._grid.start(machine)

    # What clients get.

    def _start(self) -> bool:
        def silent() -> list[str]:
            return [each.name for each in self._grid.servers if each.listener(self._grid.ports[each]) is None]

        return self._wait(STARTS_S, lambda: not silent(), "liveness", lambda: (
            f"{', '.join(silent())} did not listen {STARTS_S} s after all faults had ended"
        ))  # fmt: skip

    def _reads(self) -> bool:
        # What any majority of them shows at least.
        before = sorted(self._shown())[majority(len(self._grid.vaults)) - 1]
        nothing: list[int | None] = [None for _ in self._grid.controls]
        if not self._probe(nothing):
            return False
        # A vault that has just failed rests, and is not asked then; the second read asks them all.
        self._go_on(RESTED_S * SECOND_NS, lambda: False)
        if not self._probe(nothing):
            return False
        return self._wait(EQUAL_S, lambda: min(self._shown()) >= before, "convergence", lambda: (
            f"{EQUAL_S} s after every control has read, the vaults show {self._shown()}, and a majority had shown"
            f" {before} before"
        ))  # fmt: skip

    def _writes(self) -> bool:
        workload = self._grid.workload
        values = [workload.largest + 1 + number for number in range(len(self._grid.controls))]
        workload.largest = values[-1]
        return self._probe(values) and self._come_to_one_value()

    def _probe(self, values: Sequence[int | None]) -> bool:
        """Have every control read, or write a value."""
        process = self._grid.talkers
        probers = [
            Prober(process, self._grid.workload, control, value, reads=value is None)
            for control, value in zip(self._grid.controls, values, strict=True)
        ]
        for prober in probers:
            process.run(prober.startService)
        self._go_on(SERVES_S * SECOND_NS, lambda: all(prober.served for prober in probers))
        for prober in probers:
            if not prober.served:
                what = "read" if prober.value is None else "write"
                self._find(
                    "liveness",
                    f"{prober.control.name} does not {what} {SERVES_S} s after all faults have ended",
                )
        have_served = all(prober.served for prober in probers)
        self._reached[SERVED] += have_served
        return have_served

    def _come_to_one_value(self) -> bool:
        is_well = self._wait(EQUAL_S, lambda: len(set(self._shown())) == 1, "convergence", lambda: (
            f"{EQUAL_S} s after the last write the vaults still show {self._shown()}"
        ))  # fmt: skip
        self._reached[EQUAL] += is_well
        return is_well

    def _shown(self) -> list[int]:
        return [shown(vault.store) for vault in self._grid.invariant.vaults]

    def _wave(self) -> bool:
        grid, workload = self._grid, self._grid.workload
        for hostile in grid.hostile:
            hostile.has_enough = True
        settled_s = HOSTILE_LEAVE_S if grid.hostile else SETTLES_NS // SECOND_NS
        self._go_on(settled_s * SECOND_NS, lambda: False)
        # Until now some of what the network lost before may have come late.
        grid.availability.pace = self._pace
        process = grid.talkers
        clients = MultiService()
        workload.writes_left = WAVE_WRITES
        for number in range(WAVE_CLIENTS):
            control = grid.controls[number % len(grid.controls)]
            # Where there are several controls one takes the writes, and the others read what is just being stored.
            writes_per_mille = PER_MILLE // 2 if len(grid.controls) == 1 else PER_MILLE if number % 2 == 0 else 1
            habits = evolve(PATIENT, pause_ms=WAVE_PAUSE_MS, writes_per_mille=writes_per_mille)
            SimulatedClient(f"w{number + 1}", process, habits, workload, [control]).setServiceParent(clients)
        self._slow_down_a_minority()
        process.run(clients.startService)
        if not self._go_on(WAVE_S * SECOND_NS, lambda: workload.working == 0):
            self._find("availability", f"clients of a grid that is well had not ended after {WAVE_S} s")
            return False
        self._world.network.heal()
        self._reached[WAVE] += 1
        grid.lines.all_are_well(grid.servers)
        self._go_on(self._pace.bound_ns, lambda: False)  # whoever was slower than a majority has answered by then
        return self._holds_no_more("while nobody asks for anything", None) and self._come_to_one_value()

    def _slow_down_a_minority(self) -> None:
        """Let some vaults be late, as many as a majority can do without: their answers come into the next rounds."""
        vaults, network = self._grid.vaults, self._world.network
        latency_ns = self._pace.latency_us * US_NS
        for vault in vaults[: len(vaults) - majority(len(vaults))]:
            for control in self._grid.controls:
                slowness = Slowness(latency_ns, WAVE_JITTER_NS, 0)
                network.slow(control.name, vault.name, slowness)
                network.slow(vault.name, control.name, slowness)

    # What servers say.

    def _wire(self) -> bool:
        inquiries = []
        for kind, machine in (
            (VAULT, self._rng.pick(self._grid.vaults)),
            (CONTROL, self._rng.pick(self._grid.controls)),
        ):
            rows = [row for row in ROWS if kind in row.kinds]
            first = number_of(self._plan.seed) * ROWS_EACH
            drawn = [rows[(first + place) % len(rows)] for place in range(ROWS_EACH)]
            inquiries += [(machine, self._ask(machine, row)) for row in drawn]
        self._go_on(ROWS_S * SECOND_NS, lambda: all(inquiry.is_over for _, inquiry in inquiries))
        problems = self._problems(inquiries)
        for problem in problems:
            self._find("wire", problem)
        return not problems

    def _ask(self, machine: Machine, row: Row) -> Inquiry:
        grid, process = self._grid, self._grid.talkers
        self._reached[ASKED + row.name] += 1
        inquiry = Inquiry(process.reactor, lambda: self._world.now_ns, row, grid.known(machine), lambda _: None)
        endpoint = TCP4ClientEndpoint(process.reactor, machine.address, grid.ports[machine])
        process.run(lambda: connectProtocol(endpoint, inquiry).addErrback(Failure.trap, ConnectError))
        return inquiry

    @staticmethod
    def _problems(inquiries: Sequence[tuple[Machine, Inquiry]]) -> list[str]:
        return [
            f"{machine.name} was sent {inquiry.row.name}: {inquiry.problem}"
            for machine, inquiry in inquiries
            if inquiry.problem is not None
        ]

    # What servers hold.

    def _idleness(self) -> bool:
        if not self._probe([None for _ in self._grid.controls]):
            return False
        self._go_on(CACHED_S * SECOND_NS, lambda: False)
        for control in self._grid.controls:
            assert control.process is not None, "it runs"
            kept = sum(len(control.process.connections_to(vault)) for vault in self._grid.vaults)
            if kept:
                self._find("holdings", f"{control.name} keeps {kept} connections to vaults, unused for {CACHED_S} s")
                return False
        self._go_on((IDLE_S - CACHED_S) * SECOND_NS, lambda: False)
        self._reached[HELD] += 1
        return self._holds_no_more(f"after {IDLE_S} s in which nobody asked for anything", 0)

    def _holds_no_more(self, when: str, connections: int | None) -> bool:
        is_well = True
        # A vault asks its peers now and then, and closes the connections behind that.
        self._go_on(
            ASKED_S * SECOND_NS, lambda: not any(self._beyond(each, connections) for each in self._grid.servers)
        )
        for machine in self._grid.servers:
            if machine.process is None:
                self._find("holdings", f"{machine.name} has ended by itself")
                return False
            found = self._beyond(machine, connections)
            if found:
                self._find("holdings", f"{machine.name} holds {', '.join(found)} {when}")
                is_well = False
        return is_well

    def _beyond(self, machine: Machine, connections: int | None) -> list[str]:
        return [] if machine.process is None else too_many(machine, self._grid.services[machine.name], connections)

    # How servers end.

    def _end(self) -> bool:
        stops = Stops(self._grid, self._rng, self._ask, lambda: self._probe([None for _ in self._grid.controls]))
        kind = stops.draw()
        self._reached[STOPPED + kind] += 1
        self._go_on(stops.occupy(kind), lambda: False)
        processes = [process for machine in stops.told for process in machine.processes]
        for process in processes:
            process.kill(SIGTERM)
        end_ns = int(stops.within_s * SECOND_NS)
        have_ended = self._go_on(end_ns, lambda: not any(process.alive for process in processes))
        self._go_on(SECOND_NS, lambda: all(inquiry.is_over for _, inquiry in stops.inquiries))
        for problem in (*stops.problems(processes), *self._problems(stops.inquiries)):
            self._find("stop", problem)
        return have_ended

    def _wait(self, for_s: float, until: Callable[[], bool], oracle: str, problem: Callable[[], str]) -> bool:
        is_well = until() or self._go_on(int(for_s * SECOND_NS), until)
        if not is_well:
            self._find(oracle, problem())
        return is_well

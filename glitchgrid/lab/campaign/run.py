"""One run: a plan, carried out, and what is to be said of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from glitchgrid.lab.campaign import interruption
from glitchgrid.lab.campaign.aftermath import Aftermath
from glitchgrid.lab.campaign.clients import Client, Prober
from glitchgrid.lab.campaign.contract import majority
from glitchgrid.lab.campaign.exercises.course import Course
from glitchgrid.lab.campaign.grid import US_NS, Grid
from glitchgrid.lab.campaign.hostile import Hostile
from glitchgrid.lab.campaign.oracles import EXCUSED, HISTORY, STATEMENT
from glitchgrid.lab.campaign.plan import ATOMIC, CALM, POWER_LOSS, Layout, Plan, Planned, draw_plan
from glitchgrid.lab.campaign.properties import collecting
from glitchgrid.lab.campaign.reach import FAULT, SHOWED
from glitchgrid.lab.campaign.recording import Recording, Span
from glitchgrid.lab.campaign.result import Finding, Result, Verdict
from glitchgrid.lab.checker import CannotSay, NotLinearizable, check
from glitchgrid.lab.history import read_history
from glitchgrid.lab.properties import Seen
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.containment import Escape, contained
from glitchgrid.simulation.process import Process
from glitchgrid.simulation.timeline import Stuck
from glitchgrid.simulation.world import World

MS_NS = 1_000_000
UP_S = 2
"""Clients of a grid to which nothing happens come when it is up."""

RUN_S = 600
"""How long the clients may take, in the run's own time."""

SERVES_AGAIN_S = 20
"""The grid answers so long after a majority of it is well, at the latest."""

ACKNOWLEDGED_PERCENT_MIN = 10
"""Of the writes; with fewer, and as many reads, a run proves nothing."""


def run_seed(seed: str, layout: Layout, *, keep_trace: bool = False) -> Result:
    """The run that a seed stands for."""
    world = World(seed, keep_trace=keep_trace)
    grid = Grid(world, layout)
    return _Run(world, grid, draw_plan(seed, layout, grid)).result()


def run_plan(plan: Plan, *, keep_trace: bool = False) -> Result:
    """The run that a plan describes."""
    world = World(plan.seed, keep_trace=keep_trace)
    return _Run(world, Grid(world, plan.layout), plan).result()


class _Run:
    def __init__(self, world: World, grid: Grid, plan: Plan) -> None:
        self._world = world
        self._grid = grid
        self._plan = plan
        self._reached = grid.reached
        grid.find = self._find
        self._is_quiet = False
        self._findings: list[Finding] = []
        self._spans: list[Span] = []
        self._stated: Seen = Counter()
        self._broken: set[str] = set()
        self._workload = grid.workload
        self._grid_ended_ns = 0
        self._course = Course(grid, self._reached, self._find)

    def result(self) -> Result:
        world = self._world
        try:
            listening, stated = _listening(self._logged), collecting(self._stated, self._broke)
            # The garbage collector rests within the containment, and so nothing is heard of what went before.
            with contained(world), listening, stated:
                try:
                    self._live()
                finally:
                    world.end()
        except (Escape, Stuck) as error:
            self._find(type(error).__name__, str(error))
        history = self._grid.history
        for broken in self._grid.invariant.broken[:1]:
            self._findings.append(Finding("invariant", broken.what, broken.at_ns))
        verdict = self._judge(history)
        return Result(
            plan=self._plan,
            verdict=verdict,
            findings=tuple(self._findings),
            digest=world.trace.digest,
            operations=history.count('"call"'),
            events=world.events,
            duration_ns=world.now_ns,
            reached=self._reached,
            history=history,
            trace=tuple(world.trace.lines),
            recording=self._recording(),
            stated=self._stated,
        )

    def _recording(self) -> Recording | None:
        tape, changes = self._world.tape, self._grid.invariant.changes
        return (
            None
            if tape is None or changes is None
            else Recording(tape.ways, changes, self._spans, self._grid_ended_ns or self._world.now_ns)
        )

    # What happens.

    def _live(self) -> None:
        world, grid, plan = self._world, self._grid, self._plan
        grid.surround(plan.surroundings)
        if plan.breaks:
            grid.availability.pace = None  # a value that was lost is no matter of time
        grid.start_all()
        for planned in plan.faults:
            world.after(planned.at_ms * MS_NS, self._begin, planned)
        if not plan.faults and grid.availability.pace is not None:
            self._go_on(UP_S * SECOND_NS, lambda: False)  # all that happens in such a run is judged
        grid.clients.start(self._clients)
        if not world.run(RUN_S * SECOND_NS, self._after_each_event):
            self._find("liveness", f"the clients had not ended after {RUN_S} s")
        self._end_faults()
        is_judged = plan.layout.protocol == ATOMIC and not plan.breaks
        if plan.ends_with == CALM and is_judged:
            Aftermath(grid, plan, self._reached, self._find, self._go_on).live()
        else:
            self._let_a_majority_be_well()
            self._probe()
        self._grid_ended_ns = world.now_ns
        # A statement that did not hold has disturbed nothing; after anything else there is enough to look at.
        if plan.breaks or all(each.oracle == STATEMENT for each in self._findings):
            self._course.run(plan.seed, self._let_pass)

    def _after_each_event(self) -> bool:
        interruption.check()
        self._grid.invariant.check()
        return self._workload.working == 0

    def _clients(self, process: Process) -> IService:
        service = MultiService()
        for number in range(self._plan.habits.clients):
            client = Client(f"c{number + 1}", process, self._plan.habits, self._workload, self._grid.controls)
            client.setServiceParent(service)
        for number in range(self._plan.habits.hostile):
            grid = self._grid
            hostile = Hostile(f"h{number + 1}", process, grid.ports, grid.known, grid.availability, self._reached)
            grid.hostile.append(hostile)
            hostile.setServiceParent(service)
        return service

    def _begin(self, planned: Planned) -> None:
        if self._is_quiet:
            return
        self._world.note("fault", f"{planned.fault}")
        self._grid.wellness.trouble(planned.fault.troubles(self._grid))
        found_something = planned.fault.begin(self._grid)
        if found_something:
            self._reached[f"{FAULT}{planned.fault.kind}"] += 1
        span = Span(planned, self._world.now_ns, not found_something)
        self._spans.append(span)
        self._world.after(planned.for_ms * MS_NS, self._end, span)

    def _end(self, span: Span) -> None:
        if not self._is_quiet:
            self._world.note("fault", f"end of {span.planned.fault}")
            self._grid.wellness.relieve(span.planned.fault.troubles(self._grid))
            span.end_ns = self._world.now_ns
            if span.planned.fault.end(self._grid):
                self._reached[f"{FAULT}{span.planned.fault.kind}"] += 1
                span.was_idle = False

    # The end.

    def _go_on(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        """Let time go by; whether something has come."""

        def after_each_event() -> bool:
            interruption.check()
            self._grid.invariant.check()
            return until()

        return self._world.run(duration_ns, after_each_event)

    def _let_pass(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        """The same, where nobody uses the grid any more."""
        interruption.check()
        return self._world.run(duration_ns, until)

    def _end_faults(self) -> None:
        world, plan = self._world, self._plan
        self._is_quiet = True
        self._grid.wellness.relieve_all()
        world.note("fault", "end of all")
        for span in self._spans:
            if span.end_ns is None and span.planned.fault.stays:
                span.planned.fault.end(self._grid)
            span.end_ns = span.end_ns or world.now_ns
        world.network.set_usual(plan.surroundings.latency_us * US_NS, 0)
        world.network.heal()
        world.names.heal()

    def _let_a_majority_be_well(self) -> None:
        """And nothing else."""
        world, grid, plan = self._world, self._grid, self._plan
        grid.availability.pace = None
        draws = world.draws("liveness")
        well = list(grid.vaults)
        while len(well) > majority(len(grid.vaults)):
            well.remove(draws.pick(well))
        for machine in grid.servers:
            machine.calm()
            # A vault whose sync has failed takes no store until it is started anew, and the others stay dead.
            is_leaving = machine.process is not None and machine.process.is_terminating
            if plan.ends_with == POWER_LOSS:
                machine.cut_power()
            elif is_leaving or machine in grid.vaults:
                machine.kill()
        for machine in (*well, *grid.controls):
            grid.start(machine)

    def _probe(self) -> None:
        """Write and read through each control until that succeeds."""
        process = self._grid.clients.process
        assert process is not None
        probers = []
        for control in self._grid.controls:
            self._workload.largest += 1
            probers.append(Prober(process, self._workload, control, self._workload.largest))
        for prober in probers:
            process.run(prober.startService)
        self._go_on(SERVES_AGAIN_S * SECOND_NS, lambda: all(prober.served for prober in probers))
        for prober in probers:
            if not prober.served:
                late = f"{SERVES_AGAIN_S} s after a majority is well"
                self._find("liveness", f"{prober.control.name} does not serve {late}")

    # What is said of it.

    def _judge(self, history: str) -> Verdict:
        said = check(
            read_history(line.encode() + b"\n" for line in history.splitlines()),
            max(1, self._plan.layout.steps * ACKNOWLEDGED_PERCENT_MIN // 100),
        )
        if isinstance(said, NotLinearizable):
            shows = said.operations[0]
            self._findings.append(
                Finding(
                    HISTORY,
                    said.sentence,
                    self._world.now_ns if shows.return_ns is None else shows.return_ns,
                    tuple(operation.op for operation in said.operations),
                )
            )
        if self._plan.breaks and all(finding.oracle in EXCUSED for finding in self._findings):
            self._reached[SHOWED] += bool(self._findings)
            return Verdict.EXPECTED_BROKEN
        if self._findings:
            return Verdict.VIOLATION
        if isinstance(said, CannotSay):
            return Verdict.CANNOT_SAY
        return Verdict.PASSED

    def _broke(self, stated: str) -> None:
        """Once a run: it would break again and again."""
        if stated in self._course.excused:
            self._course.broken.add(stated)
            self._stated[stated, False] -= 1
        elif stated not in self._broken:
            self._broken.add(stated)
            self._find(STATEMENT, stated)

    def _find(self, oracle: str, message: str) -> None:
        self._findings.append(Finding(oracle, message, self._world.now_ns))

    def _logged(self, event: dict[str, Any]) -> None:
        current = self._world.current
        if isinstance(current, Process) and current.machine is not self._grid.clients:
            self._grid.lines.logged(event, current)
        if event.get("log_failure") is not None or event.get("log_level") is LogLevel.critical:
            failure = event.get("log_failure")
            self._find("log", f"{formatEvent(event)}: {failure.getErrorMessage() if failure else ''}")


@contextmanager
def _listening(observer: Any) -> Iterator[None]:
    globalLogPublisher.addObserver(observer)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observer)

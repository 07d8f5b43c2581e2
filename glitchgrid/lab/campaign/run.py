"""One run: carries out a plan on a system, and collects the findings."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.logger import LogLevel, formatEvent, globalLogPublisher

from glitchgrid.lab import interruption
from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.faults.fault import MS_NS
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import Plan, Planned
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.properties import Seen
from glitchgrid.lab.system import FAULT, SHOWED, US_NS, Run, system_of
from glitchgrid.lab.trace.recording import Recording, Span
from glitchgrid.lab.verdict import LIVENESS, LOG, STATEMENT, Finding, Judgement, Verdict
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.containment import Escape, contained
from glitchgrid.simulation.event_queue import Stuck
from glitchgrid.simulation.process import Process
from glitchgrid.simulation.world import World

RUN_S = 600
"""How long the clients may take, in the run's own time."""


def run_seed(seed: str, layout: Layout, *, keep_trace: bool = False) -> Result:
    """The run that a seed stands for."""
    runner = system_of(layout).runner
    if runner is not None:
        result: Result = runner.run_seed(seed, layout, keep_trace=keep_trace)
        return result
    return run_plan(draw_plan(seed, layout, system_of(layout).plans), keep_trace=keep_trace)


def run_plan(plan: Plan, *, keep_trace: bool = False) -> Result:
    """The run that a plan describes."""
    runner = system_of(plan.layout).runner
    if runner is not None:
        result: Result = runner.run_plan(plan, keep_trace=keep_trace)
        return result
    return _Run(plan, keep_trace=keep_trace).result()


class _Run(Run):
    """:ivar is_well: is it worth going on? It is if the plan breaks an assumption, or if all findings are statements of
    the servers that did not hold: those disturb nothing. Any other finding is enough to look at."""

    def __init__(self, plan: Plan, *, keep_trace: bool) -> None:
        self._world = World(plan.seed, keep_trace=keep_trace)
        self._plan = plan
        self._reached: Counter[str] = Counter()
        self._is_quiet = False
        self._findings: list[Finding] = []
        self._spans: list[Span] = []
        self._stated: Seen = Counter()
        self._broken: set[str] = set()
        self._over_ns = 0
        self._system = system_of(plan.layout)
        self._deployment = self._system.deploy(self)

    def result(self) -> Result:
        world, deployment = self._world, self._deployment
        try:
            listening = _listening(self._logged)
            stated = collecting(self._system.package, self._stated, self._broke)
            # The garbage collector rests within the containment, and so nothing is heard of what went before.
            with contained(world), listening, stated:
                try:
                    self._live()
                finally:
                    world.end()
        except (Escape, Stuck) as error:
            self.find(type(error).__name__, str(error))
        judgement = deployment.judge()
        self._findings += judgement.findings
        return Result(
            plan=self._plan,
            verdict=self._verdict(judgement),
            findings=tuple(self._findings),
            digest=world.trace.digest,
            operations=deployment.operations,
            events=world.events,
            duration_ns=world.now_ns,
            reached=self._reached,
            history=deployment.history,
            trace=tuple(world.trace.lines),
            recording=self._recording(),
            stated=self._stated,
        )

    def _recording(self) -> Recording | None:
        capture = self._world.capture
        if capture is None:
            return None
        end_ns = self._over_ns or self._world.now_ns
        return Recording(capture.flows, self._deployment.stairs(), self._spans, end_ns)

    # What deployments have of it.

    @property
    def world(self) -> World:
        return self._world

    @property
    def plan(self) -> Plan:
        return self._plan

    @property
    def reached(self) -> Counter[str]:
        return self._reached

    @property
    def is_well(self) -> bool:
        return bool(self._plan.breaks) or all(each.oracle == STATEMENT for each in self._findings)

    def find(self, oracle: str, message: str) -> None:
        assert oracle in self._system.oracles.all, f"{oracle} is none of the system's oracles"
        self._findings.append(Finding(oracle, message, self._world.now_ns))

    def go_on(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        look = self._deployment.look

        def after_each_event() -> bool:
            interruption.check()
            look()
            return until()

        return self._world.run(duration_ns, after_each_event)

    def let_pass(self, duration_ns: int, until: Callable[[], bool]) -> bool:
        interruption.check()
        return self._world.run(duration_ns, until)

    def system_is_over(self) -> None:
        self._over_ns = self._world.now_ns

    # What happens.

    def _live(self) -> None:
        world, deployment, plan = self._world, self._deployment, self._plan
        deployment.surround(plan.environment)
        deployment.start_all()
        for planned in plan.faults:
            world.after(planned.at_ms * MS_NS, self._begin, planned)
        deployment.before_clients()
        deployment.clients.start(deployment.clients_program)
        if not self.go_on(RUN_S * SECOND_NS, deployment.have_clients_ended):
            self.find(LIVENESS, f"the clients had not ended after {RUN_S} s")
        self._end_faults()
        deployment.finish()

    def _begin(self, planned: Planned) -> None:
        if self._is_quiet:
            return
        self._world.note("fault", f"{planned.fault}")
        self._deployment.fault_begins(planned.fault)
        found_something = planned.fault.begin(self._deployment)
        if found_something:
            self._reached[f"{FAULT}{planned.fault.kind}"] += 1
        span = Span(planned, self._world.now_ns, not found_something)
        self._spans.append(span)
        self._world.after(planned.for_ms * MS_NS, self._end, span)

    def _end(self, span: Span) -> None:
        if not self._is_quiet:
            self._world.note("fault", f"end of {span.planned.fault}")
            self._deployment.fault_ends(span.planned.fault)
            span.end_ns = self._world.now_ns
            if span.planned.fault.end(self._deployment):
                self._reached[f"{FAULT}{span.planned.fault.kind}"] += 1
                span.was_idle = False

    def _end_faults(self) -> None:
        world = self._world
        self._is_quiet = True
        self._deployment.all_faults_end()
        world.note("fault", "end of all")
        for span in self._spans:
            if span.end_ns is None and span.planned.fault.stays:
                span.planned.fault.end(self._deployment)
            span.end_ns = span.end_ns or world.now_ns
        world.network.set_usual(self._plan.environment.latency_us * US_NS, 0)
        world.network.heal()
        world.names.heal()

    # What is said of it.

    def _verdict(self, judgement: Judgement) -> Verdict:
        if self._plan.breaks and all(finding.oracle in self._system.oracles.excused for finding in self._findings):
            self._reached[SHOWED] += bool(self._findings)
            return Verdict.EXPECTED_BROKEN
        if self._findings:
            return Verdict.VIOLATION
        return Verdict.CANNOT_SAY if judgement.proves_nothing else Verdict.PASSED

    def _broke(self, stated: str) -> None:
        """Once a run: the statement would break again and again."""
        if self._deployment.excuses(stated):
            self._stated[stated, False] -= 1
        elif stated not in self._broken:
            self._broken.add(stated)
            self.find(STATEMENT, stated)

    def _logged(self, event: dict[str, Any]) -> None:
        current = self._world.current
        if isinstance(current, Process) and current.machine is not self._deployment.clients:
            self._deployment.logged(event, current)
        if event.get("log_failure") is not None or event.get("log_level") is LogLevel.critical:
            failure = event.get("log_failure")
            self.find(LOG, f"{formatEvent(event)}: {failure.getErrorMessage() if failure else ''}")


@contextmanager
def _listening(observer: Any) -> Iterator[None]:
    globalLogPublisher.addObserver(observer)
    try:
        yield
    finally:
        globalLogPublisher.removeObserver(observer)

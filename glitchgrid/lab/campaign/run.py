"""One run: carries out a plan on a system, and collects the findings.

It is done in a process of its own (`serving`), in which the seam was put in before anything else was imported. Whoever
asks for a run elsewhere has it done there.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from twisted.logger import LogLevel, formatEvent

from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.campaign.placed import ask
from glitchgrid.lab.campaign.request import Request
from glitchgrid.lab.campaign.result import Result
from glitchgrid.lab.faults.fault import MS_NS
from glitchgrid.lab.glitch import names_on
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.place import changes, here, logs
from glitchgrid.lab.place.watch import STILL_S
from glitchgrid.lab.plan.plan import Plan, Planned
from glitchgrid.lab.plan.swarm import draw_plan
from glitchgrid.lab.properties import Seen
from glitchgrid.lab.system import FAULT, SHOWED, US_NS, Run, system_of
from glitchgrid.lab.trace.recording import Recording, Span
from glitchgrid.lab.verdict import HANG, LIVENESS, LOG, STATEMENT, Finding, Judgement, Verdict
from glitchgrid.simulation.clock import SECOND_NS
from glitchgrid.simulation.event_queue import Stuck
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.process import Process

RUN_S = 600
"""How long the clients may take, in the run's own time."""


def run_seed(
    seed: str, layout: Layout, *, keep_trace: bool = False, glitch: str | None = None, hash_seed: int | None = None
) -> Result:
    """The run that a seed stands for. The system's glitches that are switched on here are there, too.

    :param glitch: another one.
    :param hash_seed: of Python's hashes where it is run; None for this process's.
    """
    runner = system_of(layout).runner
    if runner is not None:
        result: Result = runner.run_seed(seed, layout, keep_trace=keep_trace, hash_seed=hash_seed)
        return result
    return ask(Request(layout, None, seed, keep_trace, _glitches(glitch), changes.now()), hash_seed)


def run_plan(
    plan: Plan, *, keep_trace: bool = False, glitch: str | None = None, hash_seed: int | None = None
) -> Result:
    """The run that a plan describes. For the rest see `run_seed`."""
    runner = system_of(plan.layout).runner
    if runner is not None:
        result: Result = runner.run_plan(plan, keep_trace=keep_trace, hash_seed=hash_seed)
        return result
    return ask(Request(plan.layout, plan, "", keep_trace, _glitches(glitch), changes.now()), hash_seed)


def _glitches(name: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*names_on(), *([] if name is None else [name])]))


def planned(request: Request) -> Plan:
    """What is asked for, as a plan."""
    if request.plan is not None:
        return request.plan
    return draw_plan(request.seed, request.layout, system_of(request.layout).plans)


def perform(plan: Plan, *, keep_trace: bool, glitches: tuple[str, ...] = ()) -> Result:
    """Carry out a plan in this process, in which systems run."""
    known = system_of(plan.layout).glitches
    with ExitStack() as stack:
        for name in glitches:
            stack.enter_context(known[name].on())
        return _Run(plan, keep_trace=keep_trace).result()


def hung(plan: Plan, where: str) -> Result:
    """Of a run in which nothing goes on: nothing else is known of it."""
    message = (
        f"nothing has happened for {STILL_S} s of real time: something runs on and on and asks nothing of its system. "
        f"It was, innermost first, at\n{where}"
    )
    finding = Finding(HANG, message)
    return Result(plan, Verdict.VIOLATION, (finding,), digest="", operations=0, events=0, duration_ns=0)


class _Run(Run):
    """:ivar is_well: is it worth going on? It is if the plan breaks an assumption, or if all findings are statements of
    the servers that did not hold: those disturb nothing. Any other finding is enough to look at."""

    def __init__(self, plan: Plan, *, keep_trace: bool) -> None:
        self._installed = here.installed()
        # What its programs find where they begin is not to depend on where this process was started.
        self._world = self._installed.new_kernel(plan.seed, keep_trace=keep_trace, home="/")
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
            stated = collecting(self._system.package, self._stated, self._broke)
            with logs.heard_by(self._logged), stated, deployment.attached():
                self._live()
        except Stuck as error:
            self.find(type(error).__name__, str(error))
        finally:
            self._installed.settle()
        judgement = deployment.judge()
        self._findings += judgement.findings
        context = world.context
        result = Result(
            plan=self._plan,
            verdict=self._verdict(judgement),
            findings=tuple(self._findings),
            digest=context.trace.digest,
            operations=deployment.operations,
            events=context.events,
            duration_ns=world.now_ns,
            reached=Counter(self._reached),
            history=deployment.history,
            trace=tuple(context.trace.lines),
            recording=self._recording(),
            stated=Counter(self._stated),
        )
        self._installed.leave()
        return result

    def _recording(self) -> Recording | None:
        capture = self._world.context.capture
        if capture is None:
            return None
        end_ns = self._over_ns or self._world.now_ns
        return Recording(capture.flows, self._deployment.stairs(), self._spans, end_ns)

    # What deployments have of it.

    @property
    def world(self) -> Kernel:
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
            look()
            return until()

        return self._world.run(duration_ns, after_each_event)

    def let_pass(self, duration_ns: int, until: Callable[[], bool]) -> bool:
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
        deployment.start_clients()
        if not self.go_on(RUN_S * SECOND_NS, deployment.are_clients_over):
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

    def _logged(self, event: dict[str, Any], process: Process) -> None:
        if process.host is not self._deployment.clients:
            self._deployment.logged(event, process)
        failure = event.get("log_failure")
        is_bad = failure is not None or event.get("log_level") is LogLevel.critical
        if is_bad and not self._deployment.expects(event, process):
            self.find(LOG, f"{formatEvent(event)}: {failure.getErrorMessage() if failure else ''}")

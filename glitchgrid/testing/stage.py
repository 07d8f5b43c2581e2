"""Faults at work in the world of a test: each begins and ends in its time, and at last all is well again."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from glitchgrid.lab.faults.fault import MS_NS, Fault
from glitchgrid.lab.plan.plan import Environment, Planned
from glitchgrid.lab.system import FAULT, surround
from glitchgrid.lab.trace.recording import Span
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine


class Stage:
    """What faults act on.

    :param own_world: what faults that a test has written are given.
    :ivar world: the machines and the network.
    :ivar going_on: the test's own faults that have begun.
    :ivar spans: every fault that has begun, for pictures.
    """

    by_name = True

    def __init__(self, kernel: Kernel, own_world: Any) -> None:
        self.world = kernel
        self.own_world = own_world
        self.going_on: dict[Fault, list[Iterator[None]]] = defaultdict(list)
        self.spans: list[Span] = []
        self.reached: Counter[str] = Counter()
        self._targets: Sequence[str] = ()
        self._is_quiet = False

    @property
    def servers(self) -> Sequence[Machine]:
        return [self.world.machines[name] for name in self._targets]

    keepers = servers

    @property
    def machines(self) -> Sequence[Machine]:
        return list(self.world.machines.values())

    def start(self, machine: Machine) -> None:
        """Start a machine's programs again, unless they run; where they are about to end, once they have."""
        running = machine.process
        if running is not None and running.is_terminating:
            machine.when_free = lambda: self.start(machine)
        else:
            machine.start_again()

    def surround(self, environment: Environment) -> None:
        """What stays the same throughout a run."""
        surround(self.world, self.machines, environment)

    def carry_out(self, faults: Sequence[Planned], targets: Sequence[str], until_ms: int) -> None:
        """From now on. Those that go on after `until_ms` are ended then."""
        self._targets = targets
        after = self.world.context.after
        for planned in faults:
            after(planned.at_ms * MS_NS, self._begin, planned)
        after(until_ms * MS_NS, self.end_all)

    def _begin(self, planned: Planned) -> None:
        if self._is_quiet:
            return
        self.world.context.note("fault", f"{planned.fault}")
        did_something = planned.fault.begin(self)
        self.reached[FAULT + planned.fault.kind] += did_something
        span = Span(planned, self.world.now_ns, not did_something)
        self.spans.append(span)
        self.world.context.after(planned.for_ms * MS_NS, self._end, span)

    def tell(self, planned: Planned, for_ns: int) -> None:
        """Note what has begun elsewhere, and ends after that time."""
        self.world.context.note("fault", f"{planned.fault}")
        self.reached[FAULT + planned.fault.kind] += 1
        self.spans.append(Span(planned, self.world.now_ns, was_idle=False, end_ns=self.world.now_ns + for_ns))

    def _end(self, span: Span) -> None:
        if self._is_quiet or span.end_ns is not None:
            return
        self.world.context.note("fault", f"end of {span.planned.fault}")
        span.end_ns = self.world.now_ns
        if span.planned.fault.end(self):
            self.reached[FAULT + span.planned.fault.kind] += 1
            span.was_idle = False

    def end_all(self) -> None:
        """Every machine runs, and every link lets everything through."""
        if self._is_quiet:
            return
        for span in self.spans:
            if span.end_ns is None:
                self._end(span)
        self._is_quiet = True
        self.world.context.note("fault", "end of all")
        self.world.network.heal()
        self.world.names.heal()
        for machine in self.servers:
            machine.calm()
            self.start(machine)

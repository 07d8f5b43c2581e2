"""How the threads of a test's programs take turns.

A schedule decides during a run, for nobody knows before how many points there will be. What it decides is written into
the plan, one preemption after another. So a plan holds those that took place, and none besides; shrinking leaves out
one after the other; and a plan file replays them, whichever schedule it was.
"""

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from attrs import evolve

from glitchgrid.lab.faults.fault import MS_NS
from glitchgrid.lab.plan.plan import FAULTS_MAX, Plan, Planned
from glitchgrid.lab.system import US_NS
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.preemption import Passing, Points
from glitchgrid.simulation.kernel.preemption_points import WITHIN
from glitchgrid.simulation.kernel.schedules import DEPTH_MAX, Given, Pct, Random, Spot
from glitchgrid.testing import system
from glitchgrid.testing.errors import WorldError
from glitchgrid.testing.preemption import US_IN_MS, Preemption
from glitchgrid.testing.stage import Stage

RANDOM, PCT = "random", "pct"
DEPTH = 3
STEPS_MORE = 16
"""A run may pass a quarter more points than the first one has shown, and so many more."""

LONG_US = 1_000_000
"""Many timers of services ring within that, and few clients give up."""

PREEMPTIONS_MAX = 5_000
"""After so many in one run there are no more: shrinking has to try whether it needs them."""


class Threads:
    """Of one run.

    :param stage: is told of each preemption.
    :param given: the faults of a plan; None where a schedule is to decide.
    """

    def __init__(self, points: Points, kernel: Kernel, stage: Stage, given: Sequence[Planned] | None) -> None:
        self._points = points
        self._kernel = kernel
        self._stage = stage
        self._is_given = given is not None
        self._found: list[Planned] = []
        self._machines: dict[str, None] = {}
        stays_us = [(each.spot, each.for_us) for each in preemptions(given or ())]
        points.follow(Given(stays_us, self._spot) if self._is_given else None, self._preempted, FAULTS_MAX)

    def follow(self, schedule: str, depth: int, machines: Collection[str] | None = None) -> None:
        """Let a schedule decide from now on, unless a plan does.

        :raises WorldError: for what can't be.
        """
        if schedule not in {RANDOM, PCT}:
            raise WorldError(f"schedule={schedule!r}: {RANDOM!r} or {PCT!r}")
        if not 1 <= depth <= DEPTH_MAX:
            raise WorldError(f"depth={depth}: from 1 to {DEPTH_MAX}")
        if self._is_given:
            return
        streams = self._kernel.context.rng
        if schedule == RANDOM:
            found: Random | Pct = Random(streams, machines)
        else:
            steps = {name: known + known // 4 + STEPS_MORE for name, known in self._points.steps_known.items()}
            found = Pct(streams, depth, steps, machines)
        self._points.follow(found, self._preempted, PREEMPTIONS_MAX)

    def leave_room(self, faults: int) -> None:
        """So many other faults are in the plan, too."""
        self._points.left = min(self._points.left, FAULTS_MAX - faults)

    def _spot(self, passing: Passing) -> Spot:
        process = passing.process
        of_machine = [each for each in self._kernel.processes if each.host is process.host]
        program = of_machine.index(process) + 1
        return Spot(process.host.name, program, passing.thread.number, passing.place, passing.nth)

    def _preempted(self, passing: Passing, stay_us: int) -> None:
        fault = Preemption(*self._spot(passing), stay_us)
        planned = Planned(self._kernel.now_ns // MS_NS, -(-stay_us // US_IN_MS), fault)
        self._stage.tell(planned, stay_us * US_NS)
        self._machines[fault.machine] = None
        if not self._is_given:
            self._found.append(planned)

    def added_to(self, plan: Plan) -> Plan:
        """The plan, with what a schedule has decided; the machines where it did something are among its targets."""
        faults = sorted([*plan.faults, *self._found], key=lambda each: each.at_ms) if self._found else plan.faults
        targets = dict.fromkeys([*system.layout_of(plan).targets, *self._machines])
        return system.with_layout(evolve(plan, faults=faults), targets=tuple(targets))


def with_one(plan: Plan) -> Iterator[Plan]:
    """Plans with one preemption of a plan's and nothing else, for as long as it may be.

    The middle one at each place comes first, then those a quarter of the way, and so on.

    Where threads are preempted all the time, each of them decides on when all later things happen: one may be what it
    takes to see a race, and yet none can be left out. But a thread that stays away long enough is overtaken anyway.
    """
    places: dict[Spot, list[Preemption]] = defaultdict(list)
    for each in preemptions(plan.faults):
        places[each.spot._replace(nth=0)].append(each)
    # What reads and writes is suspected first, and then what was passed seldom.
    suspected = sorted(places, key=lambda each: (not each.place.endswith(WITHIN), len(places[each])))
    for faults in zip_longest(*(_middle_first(places[each]) for each in suspected)):
        for fault in faults:
            if fault is not None:
                # The last one may be of a time that the run does not reach any more.
                alone = Planned(0, LONG_US // US_IN_MS, evolve(fault, for_us=LONG_US))
                yield evolve(plan, faults=[alone])


def _middle_first(faults: Sequence[Preemption]) -> Iterator[Preemption]:
    """All of them: the middle one, then those in the middle of both halves, and so on."""
    parts = deque([faults])
    while parts:
        part = parts.popleft()
        if part:
            middle = len(part) // 2
            yield part[middle]
            parts += [part[:middle], part[middle + 1 :]]


def preemptions(faults: Sequence[Planned]) -> list[Preemption]:
    """Those of a plan's faults that happen at a point and not at a time."""
    return [each.fault for each in faults if isinstance(each.fault, Preemption)]

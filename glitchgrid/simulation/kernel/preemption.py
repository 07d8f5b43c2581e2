"""Preemption: a thread of a process is stopped between two statements, and others run, as a kernel does it any time.

Threads of the world give way where they wait, and nowhere else: so what one does between two waits, no other sees half
done, and races never show. At a preemption point, a call that stands in the source of chosen packages (see
`preemption_points`), a *schedule* says whether the thread gives way there, and for how long. A thread that holds a lock
then makes others wait.

Tracing is no way to do this: where a greenlet is switched away from in a trace function, others are traced no more.

A point is known by what does not change when another preemption is left out: the thread, the line, and how often this
thread has come by there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from greenlet import getcurrent

from glitchgrid.simulation.kernel.importing import is_importing
from glitchgrid.simulation.kernel.process import Process, Thread
from glitchgrid.simulation.kernel.seam import Seam

US_NS = 1000
_PASSED = object()
"""Under which a thread keeps how often it has come by where."""


class Passing(NamedTuple):
    """A thread comes by a point.

    :ivar place: "module:line", or "module:line within".
    :ivar nth: its how-manieth time there, from 1; what it did while it was alone in its process does not count.
    :ivar per_mille: the weight of the module.
    """

    process: Process
    thread: Thread
    place: str
    nth: int
    per_mille: int


class Schedule(Protocol):
    """Who says when a thread is preempted."""

    def stay_us(self, passing: Passing) -> int | None:
        """How long it gives way: None for not at all, 0 for until those that are ready have had their turns."""

    def stay_us_more(self, passing: Passing) -> int | None:
        """The same when it is back, and has not gone on yet."""


Told = Callable[[Passing, int], None]
"""Is told of each preemption, and for how many microseconds it is, before it begins."""


class Points:
    """The points of this real process.

    :param current: the process of the world whose code runs.
    :ivar steps: how many points each process has passed in this run, while it had more than one thread.
    :ivar left: so many more preemptions may be in this run.
    :ivar steps_known: by the name of a machine, how many that were in an earlier run, for schedules that ask.
    """

    def __init__(self, seam: Seam, current: Callable[[], Process]) -> None:
        self.steps: dict[Process, int] = {}
        self.steps_known: dict[str, int] = {}
        self.left = 0
        self._seam = seam
        self._current = current
        self._schedule: Schedule | None = None
        self._told: Told = lambda _passing, _stay_us: None

    def follow(self, schedule: Schedule | None, told: Told, most: int) -> None:
        """From now on, for one run; None lets nobody be preempted.

        :param most: so many preemptions may be.
        """
        self._schedule, self._told, self.left = schedule, told, most
        self.steps = {}

    def most_steps(self) -> dict[str, int]:
        """By the name of a machine, how many points the process has passed there that has passed the most."""
        most: dict[str, int] = {}
        for process, steps in self.steps.items():
            most[process.host.name] = max(steps, most.get(process.host.name, 0))
        return most

    def point(self, place: str, per_mille: int, value: Any = None) -> Any:
        """What code with points calls. Returns the value."""
        if self._schedule is not None and self._seam.is_inside and self._seam.applies():
            process = self._current()
            if len(process.threads) > 1:
                self._pass(process, place, per_mille, self._schedule)
        return value

    def _pass(self, process: Process, place: str, per_mille: int, schedule: Schedule) -> None:
        thread = process.threads.get(getcurrent())
        if thread is None or not process.alive:
            return
        self.steps[process] = self.steps.get(process, 0) + 1
        passed: dict[str, int] = thread.locals.setdefault(_PASSED, {})
        nth = passed[place] = passed.get(place, 0) + 1
        passing = Passing(process, thread, place, nth, per_mille)
        stay_us = schedule.stay_us(passing)
        # The locks of imports are the interpreter's, and not each process's: if this one were killed while it has one,
        # all others would wait for ever.
        while stay_us is not None and self.left and not is_importing():
            self.left -= 1
            self._told(passing, stay_us)
            if stay_us:
                process.sleep(stay_us * US_NS)
            else:
                process.park(0)
            stay_us = schedule.stay_us_more(passing)

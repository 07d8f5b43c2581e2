"""Which exercises a run has, and how they are gone through."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing

from glitchgrid.lab.faults.fault import US_NS
from glitchgrid.lab.plan.plan import number_of
from glitchgrid.lab.register.simulated.exercises.addresses import ADDRESSES
from glitchgrid.lab.register.simulated.exercises.answers import ANSWERS
from glitchgrid.lab.register.simulated.exercises.bench import LATENCY_US, Bench, Exercise
from glitchgrid.lab.register.simulated.exercises.files import FILE_EXERCISES
from glitchgrid.lab.register.simulated.exercises.limits import LIMITS
from glitchgrid.lab.register.simulated.exercises.services import SERVICES
from glitchgrid.lab.register.simulated.exercises.times import TIMES
from glitchgrid.lab.register.simulated.grid import Grid

EXERCISES: tuple[Exercise, ...] = (*ANSWERS, *TIMES, *FILE_EXERCISES, *SERVICES, *LIMITS, *ADDRESSES)
EACH = 2
"""So many of them in a run that has some."""

CYCLE = 100
"""The first of every hundred runs go through all exercises, two in each run; the others have none. Chance plays little
part in exercises, so once in a hundred runs is often enough. A campaign from seed 0 has them all after thirty runs."""

DONE = "exercise: "
"""What the lines for them begin with, in the table of what was reached."""

LINES = tuple(DONE + exercise.name for exercise in EXERCISES)


class Turns:
    """The exercises of one run.

    :param find: is told of what is wrong, by which oracle and in words.
    """

    def __init__(self, grid: Grid, reached: "Counter[str]", find: Callable[[str, str], object]) -> None:
        self._grid = grid
        self._reached = reached
        self._find = find
        self._excused: frozenset[str] = frozenset()
        self._broken: set[str] = set()

    def excuses(self, stated: str) -> bool:
        """A statement did not hold: has the exercise that goes on broken it on purpose?"""
        if stated not in self._excused:
            return False
        self._broken.add(stated)
        return True

    def run(self, seed: str, go_on: Callable[[int, Callable[[], bool]], bool]) -> None:
        """Go through the exercises of this run; the first that finds something is the last."""
        number = number_of(seed)
        first = number % CYCLE * EACH
        self._grid.world.network.set_usual(LATENCY_US * US_NS, 0)
        self._grid.clients.cuts_segments = False
        bench = Bench(self._grid, go_on, number // CYCLE)
        for exercise in EXERCISES[first : first + EACH]:
            if not self._perform(exercise, bench):
                return

    def _perform(self, exercise: Exercise, bench: Bench) -> bool:
        self._excused = exercise.states
        self._broken.clear()
        with closing(exercise.perform(bench)) as problems:
            problem = next(problems, None)
        bench.clear()
        self._excused = frozenset()
        self._reached[DONE + exercise.name] += 1
        if problem is None:
            problem = next((f"it was not stated that {each}" for each in sorted(exercise.states - self._broken)), None)
        if problem is not None:
            self._find("exercise", f"{exercise.name}: {problem}")
        return problem is None

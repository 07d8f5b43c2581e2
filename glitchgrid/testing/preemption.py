"""Preemptions as a part of plans: which thread is stopped where, and for how long."""

from typing import Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import OfServer, Stage
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import text, whole
from glitchgrid.lab.plan.plan import HOUR_MS
from glitchgrid.simulation.clock import MILLION
from glitchgrid.simulation.kernel.preemption_points import WITHIN
from glitchgrid.simulation.kernel.schedules import Spot
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.testing.errors import WorldError

US_IN_MS = 1000
NUMBER_MAX = 1_000 * MILLION


@frozen
class Preemption(OfServer):
    """A thread gives way at a preemption point.

    :ivar program: the how-manieth process of its machine, from 1.
    :ivar thread: the how-manieth of its process, from 1, which is the main thread.
    :ivar place: "module:line" for before a statement, "module:line within" for between its reading and its writing, or
        between two elements that it goes through.
    :ivar nth: the how-manieth time that this thread comes by there, while it is not alone in its process.
    :ivar for_us: 0 for until others that are ready have had their turns.
    """

    kind = "preemption"
    program: int = field(validator=whole(1, NUMBER_MAX))
    thread: int = field(validator=whole(1, NUMBER_MAX))
    place: str = field(validator=text)
    nth: int = field(validator=whole(1, NUMBER_MAX))
    for_us: int = field(validator=whole(0, HOUR_MS * US_IN_MS))

    @classmethod
    def draw(cls, _rng: RandomStream, _layout: Layout) -> Self:
        """:raises WorldError: schedules decide on preemptions, during a run."""
        raise WorldError("preemptions are not drawn before a run")

    @property
    def spot(self) -> Spot:
        return Spot(self.machine, self.program, self.thread, self.place, self.nth)

    def begin(self, stage: Stage) -> bool:
        """It begins when its thread comes by."""
        return False

    def end(self, stage: Stage) -> bool:
        return False

    def __str__(self) -> str:
        which = f"{self.machine}'s thread {self.thread}" + (f" of program {self.program}" if self.program > 1 else "")
        where = self.place.removesuffix(WITHIN)
        how = "within" if self.place.endswith(WITHIN) else "before"
        return f"{which} is preempted {how} {where}, the {_ordinal(self.nth)} time, for {self.for_us} us"


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"

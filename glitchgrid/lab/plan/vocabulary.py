"""What the plans for a system may say."""

from collections.abc import Callable, Mapping

from attrs import frozen

from glitchgrid.lab.faults.fault import Fault
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.plan.plan import Habits
from glitchgrid.simulation.random_stream import RandomStream


@frozen
class Vocabulary:
    """:ivar layout: which machines there may be.
    :ivar habits: how clients may behave.
    :ivar draw_habits: how clients behave in one run, at random.
    :ivar harmless: the kinds of fault that leave the system's assumptions whole.
    :ivar breaking: the kinds of fault that break one. A run with one of these is expected to go wrong.
    :ivar asked_for: kinds that a plan may have, and that no seed draws.
    :ivar ends: in which ways runs end, each as often as it is to be drawn; the first is the plainest.
    """

    layout: type[Layout]
    habits: type[Habits]
    draw_habits: Callable[[RandomStream], Habits]
    harmless: tuple[type[Fault], ...]
    breaking: tuple[type[Fault], ...] = ()
    ends: tuple[str, ...] = ("as it is",)
    asked_for: tuple[type[Fault], ...] = ()

    @property
    def drawn(self) -> tuple[type[Fault], ...]:
        """The kinds that seeds draw."""
        return (*self.harmless, *self.breaking)

    @property
    def kinds(self) -> Mapping[str, type[Fault]]:
        """All kinds of fault, by their names."""
        return {kind.kind: kind for kind in (*self.drawn, *self.asked_for)}

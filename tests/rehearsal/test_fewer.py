"""Shrinking what does not fail every time."""

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from glitchgrid.lab.faults.processes import Kill
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.rehearsal.fewer import Shrinking

FAULTS = tuple(Planned(at_ms, 10, Kill("a")) for at_ms in range(20))


class System:
    """Fails where all of some faults are there; every so many tries only.

    :param needed: by their places.
    """

    def __init__(self, needed: Sequence[int], every: int = 1) -> None:
        self._needed = {FAULTS[place] for place in needed}
        self._every = every
        self._tries = 0
        self.told: list[tuple[int, int]] = []

    async def once(self, faults: Sequence[Planned]) -> bool:
        if not self._needed <= set(faults):
            return False
        self._tries += 1
        return self._tries % self._every == 0

    def shrink(self, tries: int) -> Shrinking:
        shrinking = Shrinking(FAULTS, self.once, tries, lambda *told: self.told.append(told))
        done = Deferred.fromCoroutine(shrinking.shrink())
        assert done.called
        done.addErrback(lambda failure: failure.raiseException())
        return shrinking


@pytest.mark.parametrize("needed", [[], [0], [19], [3, 4], [0, 7, 19], list(range(20))])
def test_what_is_needed_is_left(needed: list[int]) -> None:
    assert System(needed).shrink(1).faults == tuple(FAULTS[place] for place in needed)


def test_a_try_that_passes_says_little() -> None:
    needed = [3, 11]
    assert len(System(needed, every=3).shrink(1).faults) > 2
    system = System(needed, every=3)
    shrinking = system.shrink(3)
    assert shrinking.faults == (FAULTS[3], FAULTS[11])
    sure: list[int] = []
    Deferred.fromCoroutine(shrinking.sure(6)).addCallback(sure.append)
    assert sure == [2]
    assert system.told[-1] == (shrinking.runs, 2)


def test_nothing_is_tried_that_has_passed_before() -> None:
    system = System([3])
    runs = system.shrink(1).runs
    assert runs < 20

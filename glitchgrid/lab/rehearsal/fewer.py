"""Fewer faults that a system still fails with, where the same plan does not fail every time.

Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002): halves are left out,
then quarters, down to single faults. A real run that passes says little, so each candidate has several tries, and one
that fails is enough.
"""

from collections.abc import Awaitable, Callable, Sequence

from attrs import define, field

from glitchgrid.lab.plan.plan import Planned

Try = Callable[[Sequence[Planned]], Awaitable[bool]]
"""Runs the system once with these faults. Returns whether it failed."""


@define
class Shrinking:
    """:param once: one try.
    :param tries: so often a candidate is tried before it counts as one that passes.
    :param went_on: is told how many runs there were, and how many faults are left.
    :ivar faults: the fewest that have failed so far: whoever is interrupted has them.
    :ivar runs: how many there were.
    """

    faults: Sequence[Planned]
    _once: Try
    _tries: int
    _went_on: Callable[[int, int], object]
    runs: int = 0
    _tried: set[Sequence[Planned]] = field(factory=set)

    async def shrink(self) -> None:
        """Leave out as many as can be."""
        size = max(1, len(self.faults) // 2)
        while self.faults:
            before = len(self.faults)
            await self._leave_out(size)
            if size == 1 and len(self.faults) == before:
                return
            size = max(1, min(size // 2, len(self.faults) // 2))

    async def sure(self, tries: int) -> int:
        """In how many of so many tries the fewest fail."""
        return sum([await self._fails_once(self.faults) for _ in range(tries)])

    async def _leave_out(self, size: int) -> None:
        """Leave out each row of so many, as far as what is left still fails."""
        at = 0
        while at < len(self.faults):
            fewer = (*self.faults[:at], *self.faults[at + size :])
            if fewer not in self._tried and await self._fails(fewer):
                self.faults = fewer
            else:
                at += size

    async def _fails(self, faults: Sequence[Planned]) -> bool:
        self._tried.add(faults)
        for _ in range(self._tries):
            if await self._fails_once(faults):
                return True
        return False

    async def _fails_once(self, faults: Sequence[Planned]) -> bool:
        self.runs += 1
        self._went_on(self.runs, len(self.faults))
        return await self._once(faults)

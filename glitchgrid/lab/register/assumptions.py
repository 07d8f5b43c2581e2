"""Faults that break what the register rests on. A run with one of them may lose values, and is expected to.

docs/explanation/correctness.md has the assumptions. A plan says beforehand which of them its faults break.
"""

from typing import Any, Protocol, Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import OfKeeper, Stage
from glitchgrid.lab.faults.processes import PowerLoss
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import whole
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.value import VALUE_MAX


class Register(Stage, Protocol):
    """Vaults that somebody can reach past all controls."""

    def store_by_hand(self, vault: Machine, value: int) -> None:
        """Send a store to a vault, past all controls and without the guard."""


SMALL_VALUE_MAX = 5
"""Below most of what the clients write: what is stored by hand takes something away."""


@frozen
class StoreByHand(OfKeeper):
    """Somebody sends a value straight to a vault, as ``curl -d 3`` does: a store without the guard."""

    kind = "store by hand"
    breaks = "every writer sends the guard"
    value: int = field(validator=whole(1, VALUE_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers), rng.between(1, SMALL_VALUE_MAX))

    def begin(self, stage: Any) -> bool:
        register: Register = stage
        register.store_by_hand(stage.world.machines[self.machine], self.value)
        return True

    def end(self, stage: Stage) -> bool:
        """What was stored stays."""
        return False


@frozen
class LostDisk(OfKeeper, PowerLoss):
    """A vault's disk is replaced by an empty one, and the vault comes back with it."""

    kind = "lost disk"
    breaks = "a vault whose disk was replaced does not come back with an empty one"

    def begin(self, stage: Any) -> bool:
        super().begin(stage)
        stage.world.machines[self.machine].disk.replace()
        return True

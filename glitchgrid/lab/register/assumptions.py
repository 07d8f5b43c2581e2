"""Faults that concern what the register rests on. A run with one that breaks it may lose values, and is expected to.

docs/explanation/correctness.md has the assumptions. A plan says beforehand which of them its faults break.
"""

from collections.abc import Sequence
from typing import Any, Protocol, Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import OfKeeper, OfServer, Stage
from glitchgrid.lab.faults.processes import PowerLoss
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import text, whole
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.value import VALUE_MAX


class Register(Stage, Protocol):
    """Vaults that somebody can reach past all controls."""

    def store_by_hand(self, vault: Machine, value: int) -> bool:
        """Send a store to a vault, past all controls and without the guard."""

    def mislead(self, control: Machine, *, on: bool) -> bool:
        """Start a control anew, with a list of vaults that is not the others', or with theirs again."""

    def may_lose_disk(self, vault: Machine) -> bool:
        """Has it peers that can take it in again?"""

    def lose_disk(self, vault: Machine) -> None:
        """Put an empty disk into a machine without power."""


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
        return register.store_by_hand(stage.world.machines[self.machine], self.value)

    def end(self, stage: Stage) -> bool:
        """What was stored stays."""
        return False


@frozen
class OtherList(OfServer):
    """A control is started with an address in its list that is no vault's, and with the right list again.

    Vaults that know their grid refuse it, and it stops. Others believe it, and its majorities are no longer theirs.
    """

    kind = "another list"
    breaks = "every control has the same list of vaults"
    stays = True

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        keepers = set(layout.keepers)
        return cls(rng.pick([each for each in layout.servers if each not in keepers]))

    def begin(self, stage: Any) -> bool:
        register: Register = stage
        return register.mislead(stage.world.machines[self.machine], on=True)

    def end(self, stage: Any) -> bool:
        register: Register = stage
        register.mislead(stage.world.machines[self.machine], on=False)
        return False


@frozen
class LostDisk(OfKeeper, PowerLoss):
    """A vault's disk is replaced by an empty one, and its peers take the vault in again.

    Not while another waits for that. It breaks no assumption, where the vaults know their peers.
    """

    kind = "lost disk"

    def begin(self, stage: Any) -> bool:
        register: Register = stage
        machine = stage.world.machines[self.machine]
        if not register.may_lose_disk(machine):
            return False
        super().begin(stage)
        register.lose_disk(machine)
        return True


@frozen
class LostDisks(PowerLoss, OfKeeper):
    """Two vaults' disks are replaced at once: of three vaults, a majority."""

    kind = "two lost disks"
    breaks = "a majority of the vaults keep their disks"
    other: str = field(validator=text)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        first = rng.pick(layout.keepers)
        return cls(first, rng.pick([each for each in layout.keepers if each != first] or [first]))

    @property
    def machines(self) -> Sequence[str]:
        return tuple(dict.fromkeys((self.machine, self.other)))

    @property
    def keepers(self) -> Sequence[str]:
        return self.machines

    def begin(self, stage: Any) -> bool:
        register: Register = stage
        for name in self.machines:
            stage.world.machines[name].cut_power()
            register.lose_disk(stage.world.machines[name])
        return True

    def end(self, stage: Stage) -> bool:
        for name in self.machines:
            stage.start(stage.world.machines[name])
        return False

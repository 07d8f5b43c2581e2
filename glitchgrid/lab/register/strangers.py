"""A fault of a vault's address: something else answers there."""

from typing import Any, ClassVar, Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import OfKeeper, Stage
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import one_of
from glitchgrid.lab.place.inside import run_inside
from glitchgrid.lab.register.scripted.stranger import WAYS, stranger
from glitchgrid.simulation.random_stream import RandomStream


@frozen
class Stranger(OfKeeper):
    """The vault has ended, and another program listens in its place, which answers as no vault does."""

    kind = "stranger"
    stays: ClassVar[bool] = True
    how: str = field(validator=one_of(*WAYS))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers), rng.pick(tuple(WAYS)))

    def begin(self, stage: Any) -> bool:
        machine = stage.world.machines[self.machine]
        machine.kill()
        run_inside(stage.world, machine, stranger(self.how), again=False)
        return True

    def end(self, stage: Stage) -> bool:
        self.on(stage).kill()
        stage.start(self.on(stage))
        return False

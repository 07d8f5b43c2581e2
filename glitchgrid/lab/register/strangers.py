"""A fault of a vault's address: something else answers there."""

from typing import ClassVar, Self

from attrs import field, frozen

from glitchgrid.lab.campaign.stranger import WAYS, stranger
from glitchgrid.lab.faults.fault import OfKeeper, Stage
from glitchgrid.lab.limits import one_of
from glitchgrid.simulation.draws import Draws


@frozen
class Stranger(OfKeeper):
    """The vault has ended, and another program listens in its place, which answers as no vault does."""

    kind = "stranger"
    stays: ClassVar[bool] = True
    how: str = field(validator=one_of(*WAYS))

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.keepers).name, draws.pick(tuple(WAYS)))

    def begin(self, stage: Stage) -> bool:
        machine = self.on(stage)
        machine.kill()
        machine.start(stranger(self.how))
        return True

    def end(self, stage: Stage) -> bool:
        self.on(stage).kill()
        stage.start(self.on(stage))
        return False

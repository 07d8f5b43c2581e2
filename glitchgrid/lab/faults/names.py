"""Faults of the name server: a server's name is answered for late, never, or wrongly."""

from typing import Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import MS_NS, OfKeeper, Stage
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import text, whole
from glitchgrid.simulation.random_stream import RandomStream

LATE_MS_MAX = 30_000
LATE_MS = (50, 500, 3000, 20_000)


@frozen
class NameLate(OfKeeper):
    """Whoever asks for the name waits."""

    kind = "name late"
    late_ms: int = field(validator=whole(1, LATE_MS_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers), rng.pick(LATE_MS))

    def begin(self, stage: Stage) -> bool:
        stage.world.names.late_ns[self.machine] = self.late_ms * MS_NS
        return stage.by_name

    def end(self, stage: Stage) -> bool:
        stage.world.names.late_ns.pop(self.machine, None)
        return False


@frozen
class NameSilent(OfKeeper):
    """Whoever asks for the name hears nothing, until he gives up."""

    kind = "name never resolves"

    def begin(self, stage: Stage) -> bool:
        stage.world.names.silent.add(self.machine)
        return stage.by_name

    def end(self, stage: Stage) -> bool:
        stage.world.names.silent.discard(self.machine)
        return False


@frozen
class NameElsewhere(OfKeeper):
    """The name leads to a machine where something else listens, or nothing."""

    kind = "name leads elsewhere"
    leads_to: str = field(validator=text)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(
            rng.pick(layout.keepers),
            rng.pick([each for each in layout.machines if each not in layout.keepers]),
        )

    def begin(self, stage: Stage) -> bool:
        stage.world.names.elsewhere[self.machine] = self.leads_to
        return stage.by_name

    def end(self, stage: Stage) -> bool:
        stage.world.names.elsewhere.pop(self.machine, None)
        return False

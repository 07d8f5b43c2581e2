"""Faults of the network. Each may be one way."""

from collections.abc import Sequence
from typing import Self

from attrs import field, frozen
from attrs.validators import ge, in_, le

from glitchgrid.lab.campaign.faults.fault import Fault, OfLink, OfServer, Stage, draw_link
from glitchgrid.lab.simulation.clock import MILLION
from glitchgrid.lab.simulation.draws import PER_MILLE, Draws

CLOGGED_NS = 100_000_000


@frozen
class Cut(OfLink):
    """Nothing gets from one machine to another; the way back may be open."""

    kind = "cut"

    def begin(self, stage: Stage) -> bool:
        stage.world.network.cut(self.source, self.target)
        return True

    def end(self, stage: Stage) -> None:
        stage.world.network.mend(self.source, self.target)


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(names)


@frozen
class Partition(Fault):
    """The servers fall into two groups that do not hear each other."""

    kind = "partition"
    apart: Sequence[str] = field(converter=_names)

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls([machine.name for machine in stage.servers if draws.below(2)])

    @property
    def machines(self) -> Sequence[str]:
        return self.apart

    def begin(self, stage: Stage) -> bool:
        pairs = self._pairs(stage)
        for source, target in pairs:
            stage.world.network.cut(source, target)
        return bool(pairs)

    def end(self, stage: Stage) -> None:
        for source, target in self._pairs(stage):
            stage.world.network.mend(source, target)

    def _pairs(self, stage: Stage) -> list[tuple[str, str]]:
        others = [machine.name for machine in stage.servers if machine.name not in self.apart]
        return [pair for here in self.apart for there in others for pair in ((here, there), (there, here))]


@frozen
class Jam(OfLink):
    """What is sent to one machine is held, and comes all at once when it is released."""

    kind = "jam"

    def begin(self, stage: Stage) -> bool:
        stage.world.network.hold(self.source, self.target)
        return True

    def end(self, stage: Stage) -> None:
        stage.world.network.release(self.source, self.target)


@frozen
class Slow(OfLink):
    """A link that is slow, and loses some of what is sent."""

    kind = "slow"
    latency_us: int = field(validator=[ge(1), le(10 * MILLION)])
    loss_per_mille: int = field(validator=[ge(0), le(PER_MILLE - 1)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        source, target = draw_link(draws, stage)
        return cls(source, target, draws.pick((5_000, 50_000, 400_000)), draws.pick((0, 10, 200)))

    def begin(self, stage: Stage) -> bool:
        link = stage.world.network.link(self.source, self.target)
        link.latency_ns, link.loss_per_mille = self.latency_us * 1000, self.loss_per_mille
        return True

    def end(self, stage: Stage) -> None:
        stage.world.network.calm(self.source, self.target)


@frozen
class Reset(OfLink):
    """The connections between two machines break: both ends get a reset."""

    kind = "reset"

    def begin(self, stage: Stage) -> bool:
        source, target = (stage.world.machines[name] for name in (self.source, self.target))
        return source.process is not None and source.process.break_connections(target) > 0

    def end(self, stage: Stage) -> None:
        """Those who were connected connect again."""


@frozen
class Clog(OfServer):
    """One bad node: what it is sent, or what it sends, or both, is stopped, slowed or jammed."""

    kind = "clog"
    how: str = field(validator=in_(("stopped", "slowed", "jammed")))
    way: str = field(validator=in_(("in", "out", "both")))

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        machine = draws.pick(stage.servers).name
        return cls(machine, draws.pick(("stopped", "slowed", "jammed")), draws.pick(("in", "out", "both")))

    def begin(self, stage: Stage) -> bool:
        network = stage.world.network
        for source, target in self._links(stage):
            if self.how == "stopped":
                network.cut(source, target)
            elif self.how == "jammed":
                network.hold(source, target)
            else:
                network.link(source, target).latency_ns = CLOGGED_NS
        return True

    def end(self, stage: Stage) -> None:
        network = stage.world.network
        for source, target in self._links(stage):
            if self.how == "stopped":
                network.mend(source, target)
            elif self.how == "jammed":
                network.release(source, target)
            else:
                network.calm(source, target)

    def _links(self, stage: Stage) -> list[tuple[str, str]]:
        others = [name for name in stage.world.machines if name != self.machine]
        into = [(other, self.machine) for other in others] if self.way != "out" else []
        out = [(self.machine, other) for other in others] if self.way != "in" else []
        return into + out

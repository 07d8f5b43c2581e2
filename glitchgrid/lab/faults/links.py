"""Faults of the network. Each may be one way."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import permutations
from typing import Any, Self, cast

from attrs import Attribute, field, frozen

from glitchgrid.lab.faults.fault import US_NS, Fault, FrameNetwork, OfLink, OfServer, Scope, Stage
from glitchgrid.lab.layout import Layout, Link
from glitchgrid.lab.limits import one_of, whole, yes_or_no
from glitchgrid.machines.roughness import Roughness
from glitchgrid.simulation.clock import MILLION
from glitchgrid.simulation.network import Slowness
from glitchgrid.simulation.random_stream import PER_MILLE, RandomStream

GROUPS_MAX = 3
LATENCIES_US = (5_000, 50_000, 400_000)
JITTERS_US = (0, 10_000, 200_000)
LOSSES_PER_MILLE = (0, 10, 200)
LATENCY_US_MAX = 10 * MILLION
PER_MILLES = (10, 100, 500)
LATES_US = (1_000, 5_000, 50_000)
BANDWIDTHS_BITS_PER_S = (64_000, 1 * MILLION, 10 * MILLION)
BITS_PER_S_MIN, BITS_PER_S_MAX = 1_000, 100_000 * MILLION

_latency_us = whole(1, LATENCY_US_MAX)
_jitter_us = whole(0, LATENCY_US_MAX)
_loss_per_mille = whole(0, PER_MILLE - 1)
_per_mille = whole(1, PER_MILLE)


@frozen
class Cut(OfLink):
    """Nothing gets from one machine to another; the way back may be open."""

    kind = "cut"

    def begin(self, stage: Stage) -> bool:
        stage.world.network.cut(self.source, self.target)
        return True

    def end(self, stage: Stage) -> bool:
        stage.world.network.mend(self.source, self.target)
        return False


def _in_groups(groups: Any) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(group) if isinstance(group, (list, tuple)) else (group,) for group in groups)


def _of_names(_instance: Any, attribute: "Attribute[Any]", groups: Any) -> None:
    names = [name for group in groups for name in group]
    if not all(type(name) is str for name in names) or len(set(names)) < len(names):
        raise ValueError(f"{attribute.name} are not groups of names, each in one of them")


@frozen
class Partition(Fault):
    """The servers fall into groups that do not hear each other; whoever is in none of them hears all.

    :ivar one_way: what is sent from a group to those behind it arrives, and nothing comes back.
    """

    kind = "partition"
    groups: Sequence[Sequence[str]] = field(converter=_in_groups, validator=_of_names)
    one_way: bool = field(validator=yes_or_no)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        count = rng.between(2, GROUPS_MAX)
        groups: list[list[str]] = [[] for _ in range(count)]
        for name in layout.servers:
            groups[rng.below(count)].append(name)
        return cls([group for group in groups if group], rng.chance(300))

    @property
    def machines(self) -> Sequence[str]:
        return [name for group in self.groups for name in group]

    def troubles(self, _stage: Stage) -> Sequence[str | Link]:
        pairs = list(self._pairs())
        return [*pairs, *((target, source) for source, target in pairs)]

    def begin(self, stage: Stage) -> bool:
        pairs = list(self._pairs())
        for source, target in pairs:
            stage.world.network.cut(source, target)
        return bool(pairs)

    def end(self, stage: Stage) -> bool:
        for source, target in self._pairs():
            stage.world.network.mend(source, target)
        return False

    def _pairs(self) -> Iterator[tuple[str, str]]:
        for (place, group), (other_place, other) in permutations(enumerate(self.groups), 2):
            if not self.one_way or place > other_place:
                yield from ((source, target) for source in group for target in other)


@frozen
class Jam(OfLink):
    """What is sent to one machine, or is on its way there, is held, and comes all at once when it is released."""

    kind = "jam"

    def begin(self, stage: Stage) -> bool:
        stage.world.network.hold(self.source, self.target)
        return True

    def end(self, stage: Stage) -> bool:
        stage.world.network.release(self.source, self.target)
        return False


@frozen
class Slow(OfLink):
    """A link that is slow, now more and now less, and loses some of what is sent."""

    kind = "slow"
    latency_us: int = field(validator=_latency_us)
    jitter_us: int = field(validator=_jitter_us)
    loss_per_mille: int = field(validator=_loss_per_mille)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(*layout.draw_link(rng), *_draw_slowness(rng))

    def begin(self, stage: Stage) -> bool:
        slowness = _slowness(self.latency_us, self.jitter_us, self.loss_per_mille)
        stage.world.network.slow(self.source, self.target, slowness)
        return True

    def end(self, stage: Stage) -> bool:
        stage.world.network.calm(self.source, self.target)
        return False


@frozen
class Congestion(Fault):
    """The whole network is slow, and what is sent on two connections arrives in any order."""

    kind = "congestion"
    scope = Scope.SERVERS
    latency_us: int = field(validator=_latency_us)
    jitter_us: int = field(validator=_jitter_us)
    loss_per_mille: int = field(validator=_loss_per_mille)

    @classmethod
    def draw(cls, rng: RandomStream, _layout: Layout) -> Self:
        return cls(*_draw_slowness(rng))

    def begin(self, stage: Stage) -> bool:
        slowness = _slowness(self.latency_us, self.jitter_us, self.loss_per_mille)
        for source, target in permutations(stage.world.machines, 2):
            stage.world.network.slow(source, target, slowness)
        return True

    def end(self, stage: Stage) -> bool:
        for source, target in permutations(stage.world.machines, 2):
            stage.world.network.calm(source, target)
        return False


def _draw_slowness(rng: RandomStream) -> tuple[int, int, int]:
    return rng.pick(LATENCIES_US), rng.pick(JITTERS_US), rng.pick(LOSSES_PER_MILLE)


def _slowness(latency_us: int, jitter_us: int, loss_per_mille: int) -> Slowness:
    return Slowness(latency_us * US_NS, jitter_us * US_NS, loss_per_mille)


@frozen
class Reset(OfLink):
    """The connections between two machines break: both ends get a reset."""

    kind = "reset"

    def begin(self, stage: Stage) -> bool:
        source, target = (stage.world.machines[name] for name in (self.source, self.target))
        return source.process is not None and source.process.break_connections(target) > 0

    def end(self, stage: Stage) -> bool:
        """Nothing to undo: clients connect again by themselves."""
        return False


@frozen
class Clog(OfServer):
    """One bad node: what it is sent, or what it sends, or both, is stopped, slowed or jammed.

    :ivar latency_us: where it is slowed; so are `jitter_us` and `loss_per_mille`.
    """

    kind = "clog"
    how: str = field(validator=one_of("stopped", "slowed", "jammed"))
    way: str = field(validator=one_of("in", "out", "both"))
    latency_us: int = field(validator=_latency_us)
    jitter_us: int = field(validator=_jitter_us)
    loss_per_mille: int = field(validator=_loss_per_mille)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        machine = rng.pick(layout.servers)
        how, way = rng.pick(("stopped", "slowed", "jammed")), rng.pick(("in", "out", "both"))
        return cls(machine, how, way, *_draw_slowness(rng))

    def begin(self, stage: Stage) -> bool:
        network = stage.world.network
        for source, target in self._links(stage):
            if self.how == "stopped":
                network.cut(source, target)
            elif self.how == "jammed":
                network.hold(source, target)
            else:
                network.slow(source, target, _slowness(self.latency_us, self.jitter_us, self.loss_per_mille))
        return True

    def end(self, stage: Stage) -> bool:
        network = stage.world.network
        for source, target in self._links(stage):
            if self.how == "stopped":
                network.mend(source, target)
            elif self.how == "jammed":
                network.release(source, target)
            else:
                network.calm(source, target)
        return False

    def _links(self, stage: Stage) -> list[tuple[str, str]]:
        others = [name for name in stage.world.machines if name != self.machine]
        into = [(other, self.machine) for other in others] if self.way != "out" else []
        out = [(self.machine, other) for other in others] if self.way != "in" else []
        return into + out


@frozen
class _Rough(OfLink):
    """Something that a link does to frames."""

    @property
    @abstractmethod
    def roughness(self) -> Roughness:
        """What is done."""

    def begin(self, stage: Stage) -> bool:
        _frames(stage).roughen(self.source, self.target, self.roughness)
        return True

    def end(self, stage: Stage) -> bool:
        _frames(stage).smooth(self.source, self.target, self.roughness)
        return False


def _frames(stage: Stage) -> FrameNetwork:
    """Where there are none, such a fault is refused when its plan is read."""
    return cast("FrameNetwork", stage.world.network)


@frozen
class Duplication(_Rough):
    """Some frames come twice."""

    kind = "duplication"
    duplicated_per_mille: int = field(validator=_per_mille)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(*layout.draw_link(rng), rng.pick(PER_MILLES))

    @property
    def roughness(self) -> Roughness:
        return Roughness(duplicated_per_mille=self.duplicated_per_mille)


@frozen
class Reordering(_Rough):
    """Some frames are late, and those behind them come first."""

    kind = "reordering"
    reordered_per_mille: int = field(validator=_per_mille)
    late_us: int = field(validator=_latency_us)

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(*layout.draw_link(rng), rng.pick(PER_MILLES), rng.pick(LATES_US))

    @property
    def roughness(self) -> Roughness:
        return Roughness(reordered_per_mille=self.reordered_per_mille, late_ns=self.late_us * US_NS)


@frozen
class Bandwidth(_Rough):
    """A thin link: what is more than it carries waits, and what does not fit into its queue is lost."""

    kind = "bandwidth"
    bits_per_s: int = field(validator=whole(BITS_PER_S_MIN, BITS_PER_S_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(*layout.draw_link(rng), rng.pick(BANDWIDTHS_BITS_PER_S))

    @property
    def roughness(self) -> Roughness:
        return Roughness(bits_per_s=self.bits_per_s)

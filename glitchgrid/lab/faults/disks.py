"""Faults of disks: one at a time, or all at once, as where one storage serves them."""

from collections.abc import Sequence
from typing import Self

from attrs import field, frozen

from glitchgrid.lab.faults.fault import DURATIONS_MS, MS_NS, Fault, Machine, OfKeeper, Scope, Stage
from glitchgrid.lab.layout import Layout
from glitchgrid.lab.limits import whole
from glitchgrid.simulation.random_stream import RandomStream

STALL_MS_MAX = 60_000
SYNCS_MAX = 1_000_000
SYNCS = (1, 1, SYNCS_MAX)
"""One that fails by chance, or a disk on which all do."""


@frozen
class DiskStall(OfKeeper):
    """The disk answers nothing until the stall is over."""

    kind = "disk stall"
    stall_ms: int = field(validator=whole(1, STALL_MS_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers), rng.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        return _stall([self.on(stage)], self.stall_ms)

    def end(self, stage: Stage) -> bool:
        """It ends by itself."""
        return False


@frozen
class DisksStall(Fault):
    """All disks stall at once."""

    kind = "disks stall together"
    scope = Scope.KEEPERS
    stall_ms: int = field(validator=whole(1, STALL_MS_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, _layout: Layout) -> Self:
        return cls(rng.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        return _stall(stage.keepers, self.stall_ms)

    def end(self, stage: Stage) -> bool:
        """It ends by itself."""
        return False


def _stall(keepers: Sequence[Machine], stall_ms: int) -> bool:
    for keeper in keepers:
        keeper.disk.stalled_until_ns = keeper.world.now_ns + stall_ms * MS_NS
    return any(keeper.process is not None for keeper in keepers)


@frozen
class DiskFull(OfKeeper):
    """No file may grow."""

    kind = "disk full"

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.is_full = True
        return self.on(stage).process is not None

    def end(self, stage: Stage) -> bool:
        self.on(stage).disk.is_full = False
        return False


@frozen
class SyncFails(OfKeeper):
    """The next sync fails, or many do, as on Linux: the cache keeps the data, the disk any part of it, and a sync that
    does not fail has nothing to write.

    A careful server writes no more then; so at the end it is started anew, as an operator would.
    """

    kind = "sync fails"
    syncs: int = field(validator=whole(1, SYNCS_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, layout: Layout) -> Self:
        return cls(rng.pick(layout.keepers), rng.pick(SYNCS))

    def begin(self, stage: Stage) -> bool:
        return _let_syncs_fail([self.on(stage)], self.syncs)

    def end(self, stage: Stage) -> bool:
        return _start_anew(stage, [self.on(stage)], self.syncs)


@frozen
class SyncsFail(Fault):
    """The next syncs of every disk fail. At the end all are started anew."""

    kind = "syncs fail together"
    scope = Scope.KEEPERS
    syncs: int = field(validator=whole(1, SYNCS_MAX))

    @classmethod
    def draw(cls, rng: RandomStream, _layout: Layout) -> Self:
        return cls(rng.pick(SYNCS))

    def begin(self, stage: Stage) -> bool:
        return _let_syncs_fail(stage.keepers, self.syncs)

    def end(self, stage: Stage) -> bool:
        return _start_anew(stage, stage.keepers, self.syncs)


@frozen
class _UntilStartedAnew(OfKeeper):
    """A fault that ends with a restart, as by an operator: a server whose disk has failed writes no more."""

    def begin(self, stage: Stage) -> bool:
        """Returns False: nothing has failed yet."""
        self._break(self.on(stage))
        return False

    def end(self, stage: Stage) -> bool:
        keeper = self.on(stage)
        has_failed = keeper.disk_has_refused
        self._mend(keeper)
        keeper.kill()
        stage.start(keeper)
        return has_failed

    def _break(self, keeper: Machine) -> None:
        raise NotImplementedError

    def _mend(self, keeper: Machine) -> None:
        raise NotImplementedError


@frozen
class WritesFail(_UntilStartedAnew):
    """Every write fails: EIO."""

    kind = "writes fail"

    def _break(self, keeper: Machine) -> None:
        keeper.disk.fails_to.add("write")

    def _mend(self, keeper: Machine) -> None:
        keeper.disk.fails_to.discard("write")


@frozen
class ReadsFail(_UntilStartedAnew):
    """Every read fails: EIO. Servers read when they start, so this one is started in the middle of it."""

    kind = "reads fail"

    def begin(self, stage: Stage) -> bool:
        keeper = self.on(stage)
        self._break(keeper)
        keeper.kill()
        stage.start(keeper)
        return True

    def _break(self, keeper: Machine) -> None:
        keeper.disk.fails_to.add("read")

    def _mend(self, keeper: Machine) -> None:
        keeper.disk.fails_to.discard("read")


@frozen
class ReadOnly(_UntilStartedAnew):
    """The file system turns read-only, as Linux does it after an error."""

    kind = "read-only disk"

    def _break(self, keeper: Machine) -> None:
        keeper.disk.is_read_only = True

    def _mend(self, keeper: Machine) -> None:
        keeper.disk.is_read_only = False


def _let_syncs_fail(keepers: Sequence[Machine], syncs: int) -> bool:
    """Returns False: no sync has failed yet."""
    for keeper in keepers:
        keeper.disk.syncs_to_fail = syncs
    return False


def _start_anew(stage: Stage, keepers: Sequence[Machine], syncs: int) -> bool:
    """True where some sync has failed."""
    have_failed = any(keeper.disk.syncs_to_fail < syncs for keeper in keepers)
    for keeper in keepers:
        keeper.disk.syncs_to_fail = 0
        keeper.kill()
        stage.start(keeper)
    return have_failed

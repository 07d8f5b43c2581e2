"""Faults of vaults' disks: one at a time, or all at once, as where one storage serves them."""

from collections.abc import Sequence
from typing import Self

from attrs import field, frozen

from glitchgrid.lab.campaign.faults.fault import DURATIONS_MS, MS_NS, Fault, OfVault, Reach, Stage
from glitchgrid.lab.campaign.limits import whole
from glitchgrid.simulation.draws import Draws
from glitchgrid.simulation.machine import Machine

STALL_MS_MAX = 60_000
SYNCS_MAX = 1_000_000
SYNCS = (1, 1, SYNCS_MAX)
"""One that fails by chance, or a disk on which all do."""


@frozen
class DiskStall(OfVault):
    """Nothing that the disk is asked for ends before this does."""

    kind = "disk stall"
    stall_ms: int = field(validator=whole(1, STALL_MS_MAX))

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name, draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        return _stall([self.on(stage)], self.stall_ms)

    def end(self, stage: Stage) -> bool:
        """It ends by itself."""
        return False


@frozen
class DisksStall(Fault):
    """All disks stall at once."""

    kind = "disks stall together"
    reaches = Reach.VAULTS
    stall_ms: int = field(validator=whole(1, STALL_MS_MAX))

    @classmethod
    def draw(cls, draws: Draws, _stage: Stage) -> Self:
        return cls(draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        return _stall(stage.vaults, self.stall_ms)

    def end(self, stage: Stage) -> bool:
        """It ends by itself."""
        return False


def _stall(vaults: Sequence[Machine], stall_ms: int) -> bool:
    for vault in vaults:
        vault.disk.stalled_until_ns = vault.world.now_ns + stall_ms * MS_NS
    return any(vault.process is not None for vault in vaults)


@frozen
class DiskFull(OfVault):
    """No file may grow."""

    kind = "disk full"

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.is_full = True
        return self.on(stage).process is not None

    def end(self, stage: Stage) -> bool:
        self.on(stage).disk.is_full = False
        return False


@frozen
class SyncFails(OfVault):
    """The next sync fails, or many do, as on Linux: the cache keeps the data, the disk any part of it, and a sync that
    does not fail has nothing to write.

    The vault stops taking stores; so at the end it is started anew, as an operator would.
    """

    kind = "sync fails"
    syncs: int = field(validator=whole(1, SYNCS_MAX))

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name, draws.pick(SYNCS))

    def begin(self, stage: Stage) -> bool:
        return _let_syncs_fail([self.on(stage)], self.syncs)

    def end(self, stage: Stage) -> bool:
        return _start_anew(stage, [self.on(stage)], self.syncs)


@frozen
class SyncsFail(Fault):
    """The next syncs of every vault fail. At the end all are started anew."""

    kind = "syncs fail together"
    reaches = Reach.VAULTS
    syncs: int = field(validator=whole(1, SYNCS_MAX))

    @classmethod
    def draw(cls, draws: Draws, _stage: Stage) -> Self:
        return cls(draws.pick(SYNCS))

    def begin(self, stage: Stage) -> bool:
        return _let_syncs_fail(stage.vaults, self.syncs)

    def end(self, stage: Stage) -> bool:
        return _start_anew(stage, stage.vaults, self.syncs)


@frozen
class _UntilStartedAnew(OfVault):
    """A vault whose disk has failed it takes no store; so at the end it is started anew, as an operator would."""

    def begin(self, stage: Stage) -> bool:
        """Nothing has failed by now."""
        self._break(self.on(stage))
        return False

    def end(self, stage: Stage) -> bool:
        vault = self.on(stage)
        has_failed = vault.disk.refused is not None and vault.disk.refused is vault.process
        self._mend(vault)
        vault.kill()
        stage.start(vault)
        return has_failed

    def _break(self, vault: Machine) -> None:
        raise NotImplementedError

    def _mend(self, vault: Machine) -> None:
        raise NotImplementedError


@frozen
class WritesFail(_UntilStartedAnew):
    """Every write fails: EIO."""

    kind = "writes fail"

    def _break(self, vault: Machine) -> None:
        vault.disk.fails_to.add("write")

    def _mend(self, vault: Machine) -> None:
        vault.disk.fails_to.discard("write")


@frozen
class ReadsFail(_UntilStartedAnew):
    """Every read fails: EIO. Vaults read when they start, so this one is started in the middle of it."""

    kind = "reads fail"

    def begin(self, stage: Stage) -> bool:
        vault = self.on(stage)
        self._break(vault)
        vault.kill()
        stage.start(vault)
        return True

    def _break(self, vault: Machine) -> None:
        vault.disk.fails_to.add("read")

    def _mend(self, vault: Machine) -> None:
        vault.disk.fails_to.discard("read")


@frozen
class ReadOnly(_UntilStartedAnew):
    """The file system turns read-only, as Linux does it after an error."""

    kind = "read-only disk"

    def _break(self, vault: Machine) -> None:
        vault.disk.is_read_only = True

    def _mend(self, vault: Machine) -> None:
        vault.disk.is_read_only = False


def _let_syncs_fail(vaults: Sequence[Machine], syncs: int) -> bool:
    """Nothing has failed by now."""
    for vault in vaults:
        vault.disk.syncs_to_fail = syncs
    return False


def _start_anew(stage: Stage, vaults: Sequence[Machine], syncs: int) -> bool:
    """True where some sync has failed."""
    have_failed = any(vault.disk.syncs_to_fail < syncs for vault in vaults)
    for vault in vaults:
        vault.disk.syncs_to_fail = 0
        vault.kill()
        stage.start(vault)
    return have_failed

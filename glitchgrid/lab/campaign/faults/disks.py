"""Faults of the vaults' disks that leave what was durable in its place."""

from typing import Self

from attrs import field, frozen
from attrs.validators import ge, le

from glitchgrid.lab.campaign.faults.fault import DURATIONS_MS, MS_NS, Fault, OfVault, Stage
from glitchgrid.lab.simulation.draws import Draws
from glitchgrid.lab.simulation.machine import Machine


@frozen
class DiskStall(OfVault):
    """Nothing that the disk is asked for ends before this does."""

    kind = "disk stall"
    stall_ms: int = field(validator=[ge(1), le(60_000)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name, draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        _stall(self.on(stage), self.stall_ms)
        return True

    def end(self, stage: Stage) -> None:
        """It ends by itself."""


@frozen
class DisksStall(Fault):
    """All vaults' disks stall at once, as where one storage serves all of them."""

    kind = "disks stall together"
    stall_ms: int = field(validator=[ge(1), le(60_000)])

    @classmethod
    def draw(cls, draws: Draws, _stage: Stage) -> Self:
        return cls(draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        for vault in stage.vaults:
            _stall(vault, self.stall_ms)
        return True

    def end(self, stage: Stage) -> None:
        """It ends by itself."""


def _stall(vault: Machine, stall_ms: int) -> None:
    vault.disk.stalled_until_ns = vault.world.now_ns + stall_ms * MS_NS


@frozen
class DiskFull(OfVault):
    """No file may grow."""

    kind = "disk full"

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.is_full = True
        return True

    def end(self, stage: Stage) -> None:
        self.on(stage).disk.is_full = False


@frozen
class SyncFails(OfVault):
    """The next sync fails, as on Linux: the cache keeps the data, the disk any part of it, the sync after says yes.

    The vault stops taking stores; so at the end it is started anew, as an operator would.
    """

    kind = "sync fails"

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.syncs_to_fail = 1
        return True

    def end(self, stage: Stage) -> None:
        _replace_failed(stage, self.on(stage))


@frozen
class SyncsFail(Fault):
    """The next sync of every vault fails, as where one storage serves all of them. At the end all are started anew."""

    kind = "syncs fail together"

    @classmethod
    def draw(cls, _draws: Draws, _stage: Stage) -> Self:
        return cls()

    def begin(self, stage: Stage) -> bool:
        for vault in stage.vaults:
            vault.disk.syncs_to_fail = 1
        return True

    def end(self, stage: Stage) -> None:
        for vault in stage.vaults:
            _replace_failed(stage, vault)


def _replace_failed(stage: Stage, vault: Machine) -> None:
    vault.disk.syncs_to_fail = 0
    vault.kill()
    stage.start(vault)

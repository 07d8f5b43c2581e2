"""Faults of the vaults' disks that leave what was durable in its place."""

from typing import Self

from attrs import field, frozen
from attrs.validators import ge, le

from glitchgrid.lab.campaign.faults.fault import DURATIONS_MS, MS_NS, OfVault, Stage
from glitchgrid.lab.simulation.draws import Draws


@frozen
class DiskStall(OfVault):
    """Nothing that the disk is asked for ends before this does."""

    kind = "disk stall"
    stall_ms: int = field(validator=[ge(1), le(60_000)])

    @classmethod
    def draw(cls, draws: Draws, stage: Stage) -> Self:
        return cls(draws.pick(stage.vaults).name, draws.pick(DURATIONS_MS))

    def begin(self, stage: Stage) -> bool:
        self.on(stage).disk.stalled_until_ns = stage.world.now_ns + self.stall_ms * MS_NS
        return True

    def end(self, stage: Stage) -> None:
        """It ends by itself."""


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
        machine = self.on(stage)
        machine.disk.syncs_to_fail = 0
        machine.kill()
        stage.start(machine)

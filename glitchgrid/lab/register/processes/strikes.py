"""What is done to the servers of a grid of real processes."""

from collections.abc import Sequence

from glitchgrid.lab.composer.nemesis import PAUSE, Kind
from glitchgrid.lab.register.processes.localgrid import LocalGrid


def strikes(grid: LocalGrid) -> Sequence[Kind]:
    """The kinds of fault for a grid."""
    return (
        Kind("kill a vault", grid.vaults),
        Kind("kill a control", grid.controls),
        Kind("kill all vaults", grid.vaults, all_of_them=True),
        Kind(PAUSE + "a vault", grid.vaults),
        Kind(PAUSE + "a control", grid.controls),
    )

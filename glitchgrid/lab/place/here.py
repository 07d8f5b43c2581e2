"""Whether this real process is one in which systems run: the seam was put in before anything else was imported."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.installed import Installed

_installed: "Installed | None" = None


def is_here() -> bool:
    """Whether systems run in this process."""
    return _installed is not None


def installed() -> "Installed":
    """The seam of this process."""
    assert _installed is not None, "systems run in a process of their own: glitchgrid.lab.campaign.placed"
    return _installed


def begin() -> None:
    """Put the seam in. What is imported from now on finds it.

    :raises RuntimeError: where something was imported already that keeps functions of the system.
    """
    global _installed  # noqa: PLW0603 - there is one seam in a process, until its end
    from glitchgrid.simulation.kernel.installed import Installed  # noqa: PLC0415 - it patches this very process

    _installed = Installed()

"""Test any Twisted service in a simulated world: machines that lose power, a network that is cut, from a seed.

    from glitchgrid.testing import simulated

    @simulated(seeds=200)
    def test_an_echo(world):
        world["server"].run("-n", "--pidfile=", "web", "--listen=tcp:80", "--path=/srv")
        world["client"].run(ask)
        world.faults("kill", "cut", on=["server"], until=10)
        world.run(60, until=answered)

The function runs once for each seed, in processes of their own: see `glitchgrid.testing.world.World` for what it is
given. It works in pytest, in trial (`SimulatedTestCase`), and where it is just called.
"""

from typing import TYPE_CHECKING, Any

from glitchgrid.testing.decorator import simulated
from glitchgrid.testing.errors import SimulationFailed, WorldError

if TYPE_CHECKING:
    from glitchgrid.testing.case import SimulatedTestCase
    from glitchgrid.testing.faults import fault
    from glitchgrid.testing.world import Machine, World

__all__ = ["Machine", "SimulatedTestCase", "SimulationFailed", "World", "WorldError", "fault", "simulated"]

_ELSEWHERE = {
    "Machine": "glitchgrid.testing.world",
    "SimulatedTestCase": "glitchgrid.testing.case",
    "World": "glitchgrid.testing.world",
    "fault": "glitchgrid.testing.faults",
}
"""What is imported when it is asked for. The runner imports this package before the seam is put in."""


def __getattr__(name: str) -> Any:
    if name not in _ELSEWHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    return getattr(import_module(_ELSEWHERE[name]), name)

"""Reads a plan for a grid of processes on this machine."""

from collections.abc import Sequence
from pathlib import Path

from glitchgrid.lab.errors import CannotRun, PlanInvalid
from glitchgrid.lab.plan.file import decode_faults
from glitchgrid.lab.plan.plan import Planned
from glitchgrid.lab.register.live.relaystage import DONE, REFUSALS, Servers, require_possible


def read_faults(path: Path, layout: Servers) -> Sequence[Planned]:
    """The faults of a plan for a grid of processes with relays between them; its machines have the simulator's names.

    :raises CannotRun: for one that this stage cannot carry out, and for what is no plan.
    """
    try:
        found = decode_faults(path.read_text(encoding="utf-8"), DONE, REFUSALS, layout)
        require_possible([each.fault for each in found])
    except OSError as error:
        raise CannotRun(f"{path}: {error.strerror}") from error
    except (CannotRun, PlanInvalid, UnicodeDecodeError) as error:
        raise CannotRun(f"{path}: {error}") from error
    return found

"""A quiet period: `ANTITHESIS_STOP_FAULTS` names a program that ends all faults for so many seconds.

The platform has it, and so has ``glitchgrid rehearse --system``; elsewhere there is none.
"""

import os
import shutil
from typing import Any

from twisted.internet.utils import getProcessOutputAndValue

from glitchgrid.lab.errors import CannotRun

STOP_FAULTS = "ANTITHESIS_STOP_FAULTS"


async def asks_for_quiet(reactor: Any, seconds: float) -> bool:
    """Returns whether there are no faults from now on, for so long.

    :raises CannotRun: when the program that is named is none, or fails.
    """
    program = os.environ.get(STOP_FAULTS, "")
    if not program:
        return False
    found = shutil.which(program)
    if found is None:
        raise CannotRun(f"{STOP_FAULTS} is {program!r}, and there is no such program")
    _, errors, status = await getProcessOutputAndValue(found, [f"{seconds:g}"], os.environ, reactor=reactor)
    if status:
        raise CannotRun(f"{STOP_FAULTS} has ended with status {status}: {errors.decode('utf-8', 'replace').strip()}")
    return True

"""Where the bash workload lies, and what its lines mean."""

import re
import sysconfig
from pathlib import Path

from glitchgrid.lab.errors import CannotRun

NUM_STEPS_DEFAULT = 100

_WRITE = re.compile(r"HttpStatus=\d{3} Message=")
_SCRIPT = Path("workload") / "workload.sh"


def find_workload() -> Path:
    """The script: in the checkout that this package runs from, or where a wheel has put it.

    :raises CannotRun: when it is in neither place.
    """
    checkout = Path(__file__).resolve().parents[2]
    schemes = [sysconfig.get_path("data"), sysconfig.get_path("data", sysconfig.get_preferred_scheme("user"))]
    places = [checkout / _SCRIPT, *(Path(scheme) / "share" / "glitchgrid" / _SCRIPT for scheme in schemes)]
    for place in places:
        if place.is_file():
            return place
    raise CannotRun(f"{_SCRIPT.name} is not where it was installed: {places[1]}")


def is_write(line: str) -> bool:
    """Does the workload say with this line how a write ended?"""
    return _WRITE.match(line) is not None

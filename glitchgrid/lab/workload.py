"""Where the bash workload lies, and what its lines mean."""

import re
from pathlib import Path

from glitchgrid.lab.installed import find_installed

NUM_STEPS_DEFAULT = 100

_WRITE = re.compile(r"HttpStatus=\d{3} Message=")
_SCRIPT = Path("workload") / "workload.sh"


def find_workload() -> Path:
    """The script.

    :raises CannotRun: when it is not where it was installed.
    """
    return find_installed(_SCRIPT, f"{_SCRIPT.name} is")


def is_write(line: str) -> bool:
    """Does the workload say with this line how a write ended?"""
    return _WRITE.match(line) is not None

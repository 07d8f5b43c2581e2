"""Where the bash workload lies, what it is told, and what its lines mean."""

import re
from collections.abc import Mapping
from pathlib import Path

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.installed import find_installed

NUM_STEPS = "NUM_STEPS"
LEAST = {"START_DELAY": 0, "FINAL_DELAY": 0, NUM_STEPS: 0, "MAX_STEP_SIZE": 1, "CHECK_WHEN_MULTIPLE_OF": 1}
"""Its variables, each a whole number, and the least that each may be."""

DEFAULTS = {"START_DELAY": 10, "FINAL_DELAY": 5, NUM_STEPS: 100, "MAX_STEP_SIZE": 5, "CHECK_WHEN_MULTIPLE_OF": 5}
MOST = 999_999_999

_NUMBER = re.compile("[0-9]{1,9}")

_WRITE = re.compile(r"HttpStatus=\d{3} Message=")
_SCRIPT = Path("workload") / "workload.sh"


def find_workload() -> Path:
    """The script.

    :raises CannotRun: when it is not where it was installed.
    """
    return find_installed(_SCRIPT, f"{_SCRIPT.name} is")


def read_settings(environment: Mapping[str, str]) -> dict[str, int]:
    """Read the workload's variables as the workload itself reads them.

    :raises CannotRun: for one that is no such number, in its own words.
    """
    settings: dict[str, int] = {}
    for name, least in LEAST.items():
        text = environment.get(name) or str(DEFAULTS[name])
        if not _NUMBER.fullmatch(text) or int(text) < least:
            raise CannotRun(f"{name} is '{text}', and must be a whole number from {least} to {MOST}")
        settings[name] = int(text)
    return settings


def is_write(line: str) -> bool:
    """Does the workload say with this line how a write ended?"""
    return _WRITE.match(line) is not None

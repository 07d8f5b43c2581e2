"""How a command ends: its exit statuses, and errors that are one line. Knows no reactor."""

import sys
import traceback
from typing import NoReturn

from glitchgrid.errors import one_line

GOOD = 0
VIOLATION = 1
CANNOT_SAY = 2
"""The exit status for usage errors and runs that broke, too."""


def fail(message: str) -> NoReturn:
    print(one_line(f"glitchgrid: {message}"), file=sys.stderr)
    raise SystemExit(CANNOT_SAY)


def fail_by_a_bug(error: Exception) -> NoReturn:
    """A bug must not pass for a violation, which a traceback's exit status 1 would be."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    fail(f"internal error: {type(error).__name__}: {error} ({place.filename}:{place.lineno})")

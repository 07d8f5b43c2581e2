"""How a command ends: its exit statuses, and errors that are one line. Knows no reactor."""

import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from glitchgrid.commands.printing import drop_output
from glitchgrid.errors import GlitchgridError, one_line

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


def run_to_its_end(work: Callable[[], int]) -> NoReturn:
    """Do a command's work, and exit with the status that it returns. Whatever breaks it is one line, and status 2."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        fail("interrupted")
    except BrokenPipeError:
        drop_output()
        raise SystemExit(CANNOT_SAY) from None
    except (GlitchgridError, OSError) as error:
        fail(str(error))
    except Exception as error:  # noqa: BLE001 - a bug, which must not pass for a violation (status 1)
        fail_by_a_bug(error)
    raise SystemExit(status)

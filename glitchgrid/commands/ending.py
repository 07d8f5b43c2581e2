"""How a command ends: its exit statuses, and errors that are one line. Knows no reactor."""

import signal
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

from glitchgrid.commands.printing import drop_output
from glitchgrid.errors import GlitchgridError, one_line
from glitchgrid.lab import interruption

GOOD = 0
VIOLATION = 1
CANNOT_SAY = 2
"""The exit status for usage errors and runs that broke, too."""

INTERRUPTED = "interrupted"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def tell(message: str) -> None:
    """One line on standard error."""
    print(one_line(f"glitchgrid: {message}"), file=sys.stderr)


def tell_a_bug(error: Exception) -> None:
    """Report a bug of this program in one line. With a traceback Python would exit with 1, which means a violation."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    tell(f"internal error: {type(error).__name__}: {error} ({place.filename}:{place.lineno})")


def fail(message: str) -> NoReturn:
    tell(message)
    raise SystemExit(CANNOT_SAY)


def run_to_its_end(work: Callable[[], int]) -> NoReturn:
    """Do a command's work, and exit with the status that it returns. Whatever breaks it is one line, and status 2.

    The first SIGINT or SIGTERM is a KeyboardInterrupt. Further ones, while it ends, are nothing.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interruption.interrupt)
    status = CANNOT_SAY
    try:
        status = work()
        sys.stdout.flush()
    except KeyboardInterrupt:
        ignore_signals()
        tell(INTERRUPTED)
    except BrokenPipeError:
        drop_output()
    except (GlitchgridError, OSError) as error:
        tell(str(error))
    except Exception as error:  # noqa: BLE001 - a bug, which must not pass for a violation (status 1)
        tell_a_bug(error)
    ignore_signals()
    raise SystemExit(status)


def ignore_signals() -> None:
    """Ignore further signals while the command ends."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)

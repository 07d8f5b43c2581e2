"""A history that was named on the command line."""

import sys

from glitchgrid.errors import GlitchgridError
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.formats.reading import read_any
from glitchgrid.lab.history.operation import History

STANDARD_INPUT = "-"


def read_named(path: str, format_name: str | None) -> tuple[str, History, str]:
    """What to call it, the history, and its format.

    :raises CannotRun: naming the file, and the line where that is what is wrong.
    """
    if path == STANDARD_INPUT and sys.stdin is None:
        raise CannotRun("standard input is closed")
    name = "standard input" if path == STANDARD_INPUT else path
    try:
        if path == STANDARD_INPUT:
            return name, *read_any(sys.stdin.buffer, format_name)
        with open(path, "rb") as file:
            return name, *read_any(file, format_name)
    except OSError as error:
        raise CannotRun(f"{name}: {error.strerror}") from error
    except GlitchgridError as error:
        raise CannotRun(f"{name}: {error}") from error

"""Lines for whoever reads standard output: a person at a terminal, or a program behind a pipe."""

import os
import sys
from collections.abc import Iterable

from rich.console import Console

from glitchgrid.errors import one_line
from glitchgrid.lab.errors import CannotRun


def show(lines: Iterable[tuple[str, str]]) -> None:
    """Print lines: with their styles on a terminal, plain elsewhere.

    :raises CannotRun: when standard output can't take them. A reader that has seen enough is no reason to fail.
    """
    console = Console(soft_wrap=True, highlight=False)
    try:
        for line, style in lines:
            if console.is_terminal:
                console.print(one_line(line), style=style, markup=False)
            else:
                print(one_line(line))
        sys.stdout.flush()
    except OSError as error:
        drop_output()
        if not isinstance(error, BrokenPipeError):
            raise CannotRun(f"standard output: {error.strerror}") from error


def drop_output() -> None:
    """Nobody reads standard output any more. Python would flush what is left once more at its end, and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

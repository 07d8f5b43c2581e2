"""``glitchgrid history convert``: a history in another format."""

import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from attrs import frozen

from glitchgrid.commands.ending import GOOD, run_to_its_end
from glitchgrid.commands.files import prepare_file, write_file
from glitchgrid.commands.printing import drop_output
from glitchgrid.commands.reading import read_named
from glitchgrid.errors import GlitchgridError
from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.history.formats.writing import written


@frozen
class Settings:
    """:param path: a file; ``-`` for standard input.
    :param format_name: which format it has; None to find it out.
    :param to: the format that is wanted.
    :param out: where it goes; None for standard output.
    """

    path: str
    format_name: str | None
    to: str
    out: Path | None


def convert(settings: Settings) -> NoReturn:
    """Write a history in another format, and exit."""
    run_to_its_end(partial(_convert, settings))


def _convert(settings: Settings) -> int:
    if settings.out is not None:
        prepare_file(settings.out)
    name, history, _ = read_named(settings.path, settings.format_name)
    try:
        text = "".join(written(history, settings.to))
    except GlitchgridError as error:
        raise CannotRun(f"{name}: {error}") from error
    if settings.out is not None:
        write_file(settings.out, text)
        return GOOD
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        drop_output()
        if not isinstance(error, BrokenPipeError):
            raise CannotRun(f"standard output: {error.strerror}") from error
    return GOOD

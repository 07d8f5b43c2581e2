"""Files and directories that a command will write: whether they can be written is found out before it begins."""

import os
from pathlib import Path

from glitchgrid.lab.errors import CannotRun


def prepare_directory(path: Path) -> None:
    """Make it, if it is missing.

    :raises CannotRun: where it cannot be made or written.
    """
    above = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not above.is_dir():
        raise CannotRun(f"{path}: {above} is a file; name a directory")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRun(f"{path} cannot be made: {error.strerror}; name another directory") from error
    if not os.access(path, os.W_OK):
        raise CannotRun(f"{path} cannot be written to; name another directory")


def prepare_file(path: Path) -> None:
    """:raises CannotRun: where it cannot be written."""
    if path.is_dir():
        raise CannotRun(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise CannotRun(f"{path}: there is no directory {path.parent}; make it, or name another file")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise CannotRun(f"{path} cannot be written; name another file")


def write_file(path: Path, text: str) -> None:
    """:raises CannotRun: where it cannot be written after all."""
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}; name another file") from error

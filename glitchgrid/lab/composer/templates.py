"""Test templates: directories of test commands, each of which says by its name when it is called."""

import os
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from glitchgrid.lab.errors import CannotRun
from glitchgrid.lab.installed import find_installed

TEMPLATES = Path("workload") / "templates"
SHEBANG = b"#!"
SHEBANG_BYTES_MAX = 200


class Prefix(StrEnum):
    FIRST = "first_"
    PARALLEL = "parallel_driver_"
    SERIAL = "serial_driver_"
    SINGLETON = "singleton_driver_"
    ANYTIME = "anytime_"
    EVENTUALLY = "eventually_"
    FINALLY = "finally_"
    HELPER = "helper_"


DRIVERS = (Prefix.PARALLEL, Prefix.SERIAL, Prefix.SINGLETON)


@frozen
class Command:
    path: Path
    prefix: Prefix

    @property
    def name(self) -> str:
        return self.path.name


@frozen
class Template:
    """:ivar commands: all but the helpers, in the order of their names."""

    name: str
    commands: tuple[Command, ...]

    def with_prefix(self, *prefixes: Prefix) -> tuple[Command, ...]:
        return tuple(each for each in self.commands if each.prefix in prefixes)


def find_templates() -> Path:
    """Where the templates of this installation lie.

    :raises CannotRun: when they are not where they were installed.
    """
    return find_installed(TEMPLATES, "the test templates are")


def names_in(directory: Path) -> list[str]:
    """The names of the templates that are there.

    :raises CannotRun: when there are none.
    """
    try:
        names = sorted(each.name for each in directory.iterdir() if each.is_dir() and not each.name.startswith("_"))
    except OSError as error:
        raise CannotRun(f"{directory}: {error.strerror}") from error
    if not names:
        raise CannotRun(f"{directory} has no templates")
    return names


def read_template(directory: Path, name: str) -> Template:
    """A template that can be run as it is.

    :raises CannotRun: for one that is not there, and for the first thing about it that Test Composer does not take.
    """
    known = names_in(directory)
    if name not in known:
        raise CannotRun(f"there is no template {name!r} in {directory}: it has {', '.join(known)}")
    commands = tuple(_read(directory / name))
    if not any(each.prefix in {*DRIVERS, Prefix.ANYTIME} for each in commands):
        raise CannotRun(f"{directory / name}: a template needs a driver or an {Prefix.ANYTIME} command")
    return Template(name, commands)


def _read(directory: Path) -> Iterable[Command]:
    for path in sorted(directory.iterdir()):
        if path.name == "__pycache__":
            continue
        prefix = next((each for each in Prefix if path.name.startswith(each)), None)
        if prefix is None:
            raise CannotRun(f"{path}: its name begins with none of {', '.join(Prefix)}")
        if prefix is Prefix.HELPER:
            continue
        _must_run(path)
        yield Command(path, prefix)


def _must_run(path: Path) -> None:
    """:raises CannotRun: when the kernel would not run it, or Test Composer would not take it for Python."""
    if not path.is_file() or not os.access(path, os.X_OK):
        raise CannotRun(f"{path}: it is not executable")
    with path.open("rb") as file:
        first = file.readline(SHEBANG_BYTES_MAX)
    if not first.startswith(SHEBANG):
        raise CannotRun(f"{path}: its first line does not say what runs it, as #!/usr/bin/env python3 does")
    if b"python" in first and path.suffix != ".py":
        raise CannotRun(f"{path}: a command in Python has a name that ends in .py")

"""Test templates: directories of test commands, each of which says by its name when it is called."""

import os
from collections.abc import Iterable, Sequence
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
    FINALLY = "finally_"
    EVENTUALLY = "eventually_"
    HELPER = "helper_"


DRIVERS = (Prefix.PARALLEL, Prefix.SERIAL, Prefix.SINGLETON)


@frozen
class Place:
    """A directory of templates.

    :ivar machine: where what is in it runs; empty for the machine of the clients.
    """

    directory: Path
    machine: str = ""


@frozen
class Command:
    """:ivar machine: see `Place`."""

    path: Path
    prefix: Prefix
    machine: str = ""

    @property
    def name(self) -> str:
        return self.path.name


@frozen
class Template:
    """:ivar commands: all but the helpers, in the order of places and of names."""

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


def names_in_all(places: Sequence[Place]) -> list[str]:
    """The names of the templates that are in any of them.

    :raises CannotRun: where one has none.
    """
    return sorted({name for place in places for name in names_in(place.directory)})


def read_template(directory: Path, name: str) -> Template:
    """A template that can be run as it is.

    :raises CannotRun: for one that is not there, and for the first thing about it that Test Composer does not take.
    """
    return read_merged([Place(directory)], name)


def read_merged(places: Sequence[Place], name: str) -> Template:
    """A template of what several places have under one name: Test Composer makes one of them.

    :raises CannotRun: as `read_template`.
    """
    known = names_in_all(places)
    where = ", ".join(dict.fromkeys(str(place.directory) for place in places))
    if name not in known:
        raise CannotRun(f"there is no template {name!r} in {where}: it has {', '.join(known)}")
    commands = tuple(command for place in places if (place.directory / name).is_dir() for command in _read(place, name))
    if not any(each.prefix in {*DRIVERS, Prefix.ANYTIME} for each in commands):
        raise CannotRun(f"{name} in {where}: a template needs a driver or an {Prefix.ANYTIME} command")
    return Template(name, commands)


def _read(place: Place, name: str) -> Iterable[Command]:
    directory = place.directory / name
    for path in sorted(directory.iterdir()):
        if path.name == "__pycache__":
            continue
        prefix = next((each for each in Prefix if path.name.startswith(each)), None)
        if prefix is None:
            raise CannotRun(f"{path}: its name begins with none of {', '.join(Prefix)}")
        if prefix is Prefix.HELPER:
            continue
        _must_run(path)
        yield Command(path, prefix, place.machine)


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

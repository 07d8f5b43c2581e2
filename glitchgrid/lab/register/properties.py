"""The properties of the register: what its servers state of themselves, and what the test commands state of a grid."""

import functools
from collections.abc import Iterable
from pathlib import Path

import glitchgrid
from glitchgrid.lab import properties
from glitchgrid.lab.properties import Property, stated_in

PACKAGE = Path(glitchgrid.__file__).parent
TESTKIT = PACKAGE / "lab" / "register" / "testkit"


@functools.cache
def of_servers() -> tuple[Property, ...]:
    """What control and the vaults state of themselves."""
    return stated_in(PACKAGE, without=[PACKAGE / "lab"])


def of_test_commands(templates: Path) -> tuple[Property, ...]:
    """What the test commands state of the grid: those in `templates`, and the kit that they are made of."""
    return stated_in(TESTKIT, templates)


def write_catalogue(path: Path, templates: Iterable[Path]) -> None:
    """What servers and some templates state, as a file of the SDK's."""
    properties.write_catalogue(path, [PACKAGE, *templates])

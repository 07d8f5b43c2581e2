"""Properties: what is stated in the source by Antithesis's SDK, and what a run makes of it."""

import contextlib
import functools
import io
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from antithesis.catalog import Assertion, load, scan_tree, write
from attrs import frozen

import glitchgrid
from glitchgrid.lab.errors import CannotRun

PACKAGE = Path(glitchgrid.__file__).parent

Seen = Counter[tuple[str, bool]]
"""How often each property was evaluated, by its text and by whether it held."""


class Kind(StrEnum):
    """What is asked for: that it holds whenever it is evaluated, or that it did at least once, ..."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"


class Standing(StrEnum):
    PASSED = "passed"
    FAILED = "failed"
    NEVER_HIT = "never hit"


@frozen
class Property:
    """One of those that are stated in the source."""

    text: str
    kind: Kind
    file: str
    line: int

    def standing(self, seen: Seen) -> Standing:
        """What some runs have made of it."""
        held, broke = seen[self.text, True], seen[self.text, False]
        if broke and self.kind in {Kind.ALWAYS, Kind.UNREACHABLE}:
            return Standing.FAILED
        return Standing.PASSED if held or self.kind is Kind.UNREACHABLE else Standing.NEVER_HIT


@functools.cache
def of_servers() -> tuple[Property, ...]:
    """What control and the vaults state of themselves, as the SDK's own scanner finds it."""
    return _stated(each for each in _scanned(PACKAGE) if not each.location.file.startswith("lab/"))


def of_test_commands(templates: Path) -> tuple[Property, ...]:
    """What the test commands state of the grid: those in `templates`, and the kit that they are made of."""
    return _stated([*_scanned(PACKAGE / "lab" / "testkit"), *_scanned(templates)])


def write_catalogue(path: Path, templates: Iterable[Path]) -> None:
    """What servers and some templates state, as a file of the SDK's: what is in it and in no output was never hit."""
    write([*_scanned(PACKAGE), *(each for template in templates for each in _scanned(template))], path)


def read_catalogue(path: Path) -> tuple[Property, ...]:
    """What such a file has.

    :raises CannotRun: when it is none.
    """
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stdout(complaints):
            found = _stated(load(path))
    except (OSError, ValueError) as error:
        raise CannotRun(f"{path} is no catalogue: {error}") from error
    if complaints.getvalue():
        raise CannotRun(f"{path} is no catalogue: {complaints.getvalue().splitlines()[-1]}")
    return found


def _scanned(directory: Path) -> list[Assertion]:
    return list(scan_tree(str(directory)))


def _stated(found: Iterable[Assertion]) -> tuple[Property, ...]:
    return tuple(
        Property(each.message, Kind(each.kind.value.lower()), each.location.file, each.location.begin_line)
        for each in found
    )

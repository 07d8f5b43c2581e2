"""Properties: statements in the source by Antithesis's SDK, and whether runs have borne them out."""

import contextlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from antithesis.catalog import Assertion, load, scan_source, scan_tree, write
from attrs import frozen

from glitchgrid.lab.errors import CannotRun

SDK = "antithesis"
"""A file that does not name the package states nothing."""

Seen = Counter[tuple[str, bool]]
"""How often each property was evaluated, by its text and by whether it held."""


class PropertyKind(StrEnum):
    """What a property asks for: to hold always, to hold at least once, to be reached, or never to be reached."""

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
    """A statement in the source: its text, its kind, and where it stands."""

    text: str
    kind: PropertyKind
    file: str
    line: int

    def standing(self, seen: Seen) -> Standing:
        """Whether the property passed, failed, or was never hit in some runs."""
        held, broke = seen[self.text, True], seen[self.text, False]
        if broke and self.kind in {PropertyKind.ALWAYS, PropertyKind.UNREACHABLE}:
            return Standing.FAILED
        return Standing.PASSED if held or self.kind is PropertyKind.UNREACHABLE else Standing.NEVER_HIT


def stated_in(*directories: Path, without: Sequence[Path] = ()) -> tuple[Property, ...]:
    """What the Python files below some directories state, as the SDK's own scanner finds it.

    It is given only what can state something: to parse a whole package takes a second.

    :param without: directories that are not looked into.
    """
    return _stated(
        each
        for directory in directories
        for path in sorted(directory.rglob("*.py"))
        if not any(path.is_relative_to(other) for other in without)
        for each in _stated_by(path, directory)
    )


def _stated_by(path: Path, directory: Path) -> list[Assertion]:
    source = path.read_text(encoding="utf-8")
    return scan_source(source, path.relative_to(directory).as_posix()) if SDK in source else []


def write_catalogue(path: Path, directories: Iterable[Path]) -> None:
    """What some directories state, as a file of the SDK's: what is in it and in no output was never hit."""
    write([each for directory in directories for each in scan_tree(str(directory))], path)


def read_catalogue(path: Path) -> tuple[Property, ...]:
    """Read a catalogue.

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


def _stated(found: Iterable[Assertion]) -> tuple[Property, ...]:
    return tuple(
        Property(each.message, PropertyKind(each.kind.value.lower()), each.location.file, each.location.begin_line)
        for each in found
    )

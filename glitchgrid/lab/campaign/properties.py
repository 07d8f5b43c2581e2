"""The properties that control and vaults state of themselves, collected while simulated runs go on.

On Antithesis's platform, and with ``ANTITHESIS_SDK_LOCAL_OUTPUT`` set, the SDK writes each of them down once. A
campaign wants to know how often, and in which run, so it listens in place of the SDK.
"""

import functools
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from types import ModuleType
from typing import Any

import antithesis.assertions as sdk
from antithesis.catalog import scan_tree
from attrs import frozen

import glitchgrid
from glitchgrid.lab.simulation.containment import patched

Seen = Counter[tuple[str, bool]]
"""How often each property was evaluated, by its text and by whether it held."""

LABORATORY = ("glitchgrid.lab", "glitchgrid.commands", "glitchgrid.glitches", "glitchgrid.cli")


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
def catalogue() -> tuple[Property, ...]:
    """All properties of the product, as the SDK's own scanner finds them."""
    found = scan_tree(str(Path(glitchgrid.__file__).parent))
    return tuple(
        Property(each.message, Kind(each.kind.value.lower()), each.location.file, each.location.begin_line)
        for each in found
    )


Broke = Callable[[str], object]
"""Is told of a property that must hold, and did not."""


@contextmanager
def collecting(seen: Seen, broke: Broke) -> Iterator[None]:
    """Count what is evaluated."""
    with ExitStack() as stack:
        for module in [each for name, each in sorted(sys.modules.items()) if _is_product(name)]:
            for name, instead in _replacements(module, seen, broke):
                stack.enter_context(patched(module, name, instead))
        yield


def _is_product(name: str) -> bool:
    return name.startswith("glitchgrid.") and not name.startswith(LABORATORY)


def _replacements(module: ModuleType, seen: Seen, broke: Broke) -> Iterator[tuple[str, Callable[..., None]]]:
    def always(condition: Any, message: str, _details: Any = None) -> None:
        seen[message, bool(condition)] += 1
        if not condition:
            broke(message)

    def sometimes(condition: Any, message: str, _details: Any = None) -> None:
        seen[message, bool(condition)] += 1

    def reachable(message: str, _details: Any = None) -> None:
        seen[message, True] += 1

    def unreachable(message: str, _details: Any = None) -> None:
        seen[message, False] += 1
        broke(message)

    for made in (always, sometimes, reachable, unreachable):
        name = made.__name__
        if vars(module).get(name) is getattr(sdk, name):
            yield name, made

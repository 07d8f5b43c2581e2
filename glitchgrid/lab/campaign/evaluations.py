"""Counts how often each property of the servers is evaluated in a simulated run, and how often it holds.

On Antithesis's platform, and with ``ANTITHESIS_SDK_LOCAL_OUTPUT`` set, the SDK writes each of them down once. A
campaign wants to know how often, and in which run, so it listens in place of the SDK.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import antithesis.assertions as sdk

from glitchgrid.lab.patching import patched
from glitchgrid.lab.properties import Seen

LABORATORY = ("glitchgrid.lab", "glitchgrid.commands", "glitchgrid.cli")

Broke = Callable[[str], object]
"""Is told of a property that must hold, and did not."""


@contextmanager
def collecting(package: str, seen: Seen, broke: Broke) -> Iterator[None]:
    """Count the properties that modules of a package evaluate, until the end of the block."""
    with ExitStack() as stack:
        for module in [each for name, each in sorted(sys.modules.items()) if _is_of(name, package)]:
            for name, instead in _replacements(module, seen, broke):
                stack.enter_context(patched(module, name, instead))
        yield


def _is_of(name: str, package: str) -> bool:
    return (name == package or name.startswith(f"{package}.")) and not name.startswith(LABORATORY)


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

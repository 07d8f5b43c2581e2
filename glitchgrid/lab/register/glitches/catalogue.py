"""The catalogue that each deliberate bug puts itself into, and the switch."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from glitchgrid.lab import glitch as glitches
from glitchgrid.lab.glitch import Glitch, Make, Override

GLITCHES: dict[str, Glitch] = {}
"""All of them, by their names."""


def glitch(
    name: str, owner: Any, attribute: str, *, what: str, so: str, unseen: str = "", also: tuple[Override, ...] = ()
) -> Callable[[Make], Make]:
    """For a function that makes an override from the original.

    :param what: what is done wrong.
    :param so: what comes of it.
    :param unseen: why no client sees it, where none does.
    """

    def add(make: Make) -> Make:
        GLITCHES[name] = Glitch(name, what, so, unseen, (Override(owner, attribute, make), *also))
        return make

    return add


def switched_on(name: str | None) -> AbstractContextManager[None]:
    """One of them, by its name, until the end of the block; None for none."""
    return glitches.switched_on(GLITCHES, name)

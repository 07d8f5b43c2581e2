"""Deliberate bugs of a system, for its oracles to find: overrides of its functions, in place for a while."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from attrs import frozen

Make = Callable[[Any], Any]
"""Makes the override from what it takes the place of."""


@frozen
class Override:
    """:ivar owner: the module or class that has the function.
    :ivar name: the function's name there.
    """

    owner: Any
    name: str
    make: Make


@frozen
class Glitch:
    """A deliberate bug.

    :ivar what: what is done wrong.
    :ivar so: what may come of it.
    :ivar unseen: why no oracle finds it from outside; empty for a bug that one finds.
    """

    name: str
    what: str
    so: str
    unseen: str
    overrides: tuple[Override, ...]

    @contextmanager
    def on(self) -> Iterator[None]:
        """Switched on, until the end of the block. What is started meanwhile has the bug, in runs elsewhere, too."""
        with ExitStack() as stack:
            stack.enter_context(_noted(self.name))
            for override in self.overrides:
                original = getattr(override.owner, override.name)
                stack.enter_context(patch.object(override.owner, override.name, override.make(original)))
            yield


_on: list[str] = []


@contextmanager
def _noted(name: str) -> Iterator[None]:
    _on.append(name)
    try:
        yield
    finally:
        _on.remove(name)


def names_on() -> Sequence[str]:
    """The names of those that are switched on in this process."""
    return tuple(_on)


def switched_on(glitches: Mapping[str, Glitch], name: str | None) -> AbstractContextManager[None]:
    """One of them, until the end of the block; None for none."""
    return contextlib.nullcontext() if name is None else glitches[name].on()

"""What is to be another way while systems run, in whichever real process they do.

A test that patches something in its own process changes nothing in that of the run. So it names a context manager, and
whoever runs something enters it for as long as the run lasts::

    with changed("tests.simulation.changes:no_resets"):
        result = run_seed("3", layout)
"""

import pkgutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from glitchgrid.lab.patching import patched

Change = tuple[str, tuple[Any, ...]]
"""A context manager, by its ``module:name``, and what it is called with."""

_now: list[Change] = []


@contextmanager
def changed(name: str, *arguments: Any) -> Iterator[None]:
    """Let runs be so changed, until the end of the block.

    :param arguments: what can be pickled.
    """
    _now.append((name, arguments))
    try:
        yield
    finally:
        _now.pop()


@contextmanager
def replaced(owner: str, name: str, instead: Any) -> Iterator[None]:
    """Let something else be in the place of an attribute where runs are, until the end of the block.

    :param owner: the module or class, as ``module:class``.
    :param instead: what can be pickled: a value, or a function of a module's.
    """
    with changed(f"{__name__}:put", owner, name, instead):
        yield


@contextmanager
def put(owner: str, name: str, instead: Any) -> Iterator[None]:
    """Put it there, here."""
    with patched(pkgutil.resolve_name(owner), name, instead):
        yield


def now() -> tuple[Change, ...]:
    """The changes that hold."""
    return tuple(_now)


@contextmanager
def made(changes: Sequence[Change]) -> Iterator[None]:
    """Make them here."""
    with ExitStack() as stack:
        for name, arguments in changes:
            stack.enter_context(pkgutil.resolve_name(name)(*arguments))
        yield

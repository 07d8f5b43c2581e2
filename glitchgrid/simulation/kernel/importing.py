"""Imports that go on while something else happens."""

import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

from glitchgrid.simulation.kernel.seam import Function, Patch

_IMPORTING = "<frozen importlib._bootstrap>"


def is_importing() -> bool:
    """Whether the thread whose code runs is in the middle of an import."""
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the one way to look at the stack
    while frame is not None:
        if frame.f_code.co_filename == _IMPORTING:
            return True
        frame = frame.f_back
    return False


class MadeAtImport:
    """A function that makes something: the world's, where a module makes it while it is imported, outside of all
    processes. Processes will use it.
    """

    def __init__(self, usual: Function, worlds: Function) -> None:
        self._usual = self.__wrapped__ = usual
        self._worlds = worlds
        self.__name__ = getattr(usual, "__name__", "make")
        self.__qualname__ = getattr(usual, "__qualname__", self.__name__)
        self.__module__ = getattr(usual, "__module__", None) or ""
        self.__doc__ = usual.__doc__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return (self._worlds if is_importing() else self._usual)(*arguments, **named)


def put_under(patches: Iterable[Patch]) -> None:
    """To be called before the seam is put in, which then answers for processes only."""
    for owner, name, answer in patches:
        setattr(owner, name, MadeAtImport(getattr(owner, name), answer))

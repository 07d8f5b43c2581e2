"""The seam: what a program asks of its system is answered by the world while a process of the world runs.

It is put in once, before anything else is imported, in a real process of its own: then names that were imported
(``from time import time``, ``default=os.close``) are the world's, too. Whether a process of the world runs is asked at
each call. So outside of a run everything is as it was, and what was imported in one run is right in the next.
"""

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, NamedTuple

Function = Callable[..., Any]


class Patch(NamedTuple):
    """:ivar owner: a module or a class, and the name of a function in it.
    :ivar answer: what answers while a process of the world runs.
    """

    owner: Any
    name: str
    answer: Function


class Seam:
    """:ivar is_inside: whether a process of the world runs just now: whoever switches to one says so.
    :ivar thread: the real one in which it runs.
    :ivar in_c: is told when a process goes on, and when it gives way: for what C code asks.
    :ivar settlers: are told of each thread that goes on after another one.

    Real threads beside the one that a world runs in are outside at any time.
    """

    def __init__(self) -> None:
        self.is_inside = False
        self.settlers: list[Callable[[Any], None]] = []
        self.in_c: Callable[[bool], None] | None = None
        self._resident: object = None
        self.thread: int | None = None
        self._patched: dict[tuple[int, str], Function] = {}

    def enter(self, thread: object) -> None:
        """A thread of a process goes on."""
        if thread is not self._resident:
            self.settle(thread)
        self.is_inside = True
        self.thread = _real_ident()
        if self.in_c is not None:
            self.in_c(True)

    def settle(self, thread: object) -> None:
        """Have in place what belongs to a thread, or with None to whoever is outside, until the next one."""
        self._resident = thread
        for settle in self.settlers:
            settle(thread)

    def leave(self) -> None:
        self.is_inside = False
        if self.in_c is not None:
            self.in_c(False)

    @contextmanager
    def outside(self) -> Iterator[None]:
        """What is done within is done by the real process. It must not wait for the world."""
        was_inside = self.is_inside
        self.leave()
        try:
            yield
        finally:
            if was_inside:
                self.enter(self._resident)

    def put_in(self, patches: Iterable[Patch]) -> None:
        """Patch what is there. A second patch of the same name takes the first one's place."""
        for owner, name, answer in patches:
            original = self._patched.setdefault((id(owner), name), getattr(owner, name))
            asked = Asked(self, original, answer)
            setattr(owner, name, _function(asked) if isinstance(original, FunctionType) else asked)

    def original(self, owner: Any, name: str) -> Function:
        """What a name was before it was patched, or is if it was not."""
        found = self._patched.get((id(owner), name))
        return getattr(owner, name) if found is None else found

    def applies(self) -> bool:
        return self.is_inside and _real_ident() == self.thread


class Asked:
    """A function that asks, at each call, who is to answer.

    Not a Python function, unless what it stands for is one: as an attribute of a class it must not become a method,
    which the builtins that it stands for do not become either (werkzeug has ``lock_class = Lock``).
    """

    def __init__(self, seam: Seam, original: Function, answer: Function) -> None:
        self._seam = seam
        self._original = self.__wrapped__ = original
        self._answer = answer
        self.__name__ = getattr(original, "__name__", "asked")
        self.__qualname__ = getattr(original, "__qualname__", self.__name__)
        self.__module__ = getattr(original, "__module__", None) or ""
        self.__doc__ = original.__doc__

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        seam = self._seam
        if seam.is_inside and _real_ident() == seam.thread:
            return self._answer(*arguments, **named)
        return self._original(*arguments, **named)

    def __repr__(self) -> str:
        return f"<{self._original!r}, or the world's>"


def _function(asked: Asked) -> Function:
    """What was a Python function stays one: a method in a class, and with its module's name where it is spoken of."""

    @functools.wraps(asked.__wrapped__)
    def function(*arguments: Any, **named: Any) -> Any:
        return asked(*arguments, **named)

    return function


_real_ident = threading.get_ident
"""Bound before anything is patched."""

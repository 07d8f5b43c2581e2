"""`os.execve`, and `os.fork` where another program follows, as Twisted does it.

There is one interpreter: what it holds can't be there twice, and no function returns twice. But what Twisted does in a
child is known: two methods of its own set up descriptors, and execute a program. So its child is a process of the world
from the beginning, which calls these methods, with what they are given as it was when it forked.
"""

import copy
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, Protocol

from glitchgrid.simulation.kernel.children import Request, python_arguments
from glitchgrid.simulation.kernel.descriptors import Table
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.program import Main
from glitchgrid.simulation.kernel.seam import Patch

TWISTED, FORKS = "twisted.internet.process", "_fork"
"""Where Twisted forks: a module, and a method in it."""

_GIVEN = ("path", "uid", "gid", "executable", "args", "environment")
_BETWEEN = 3
"""So many frames, at the most, are between a call of `os.fork` and what answers it."""

STANDARD_ERROR = 2


class Forker(Protocol):
    """Who makes processes, and lets them begin anew."""

    def current(self) -> tuple[Process, Table]: ...

    def fork(self, parent: Process, main: Main) -> Process: ...

    def execute(self, request: Request) -> NoReturn: ...


class Forking:
    def __init__(self, forker: Forker) -> None:
        self._forker = forker

    def patches(self) -> Iterator[Patch]:
        yield Patch(os, "fork", self.fork)
        yield Patch(os, "execve", self.execve)
        yield Patch(os, "execv", lambda path, argv: self.execve(path, argv, os.environ))

    def fork(self) -> int:
        """:raises NotImplementedError: where it is not Twisted that calls it."""
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - there is no other way to know who asks
        for _ in range(_BETWEEN):
            if frame is not None and _is_twisteds(frame):
                return self._forker.fork(self._forker.current()[0], _childs_half(frame)).pid
            frame = None if frame is None else frame.f_back
        raise NotImplementedError(
            "os.fork can't be simulated: a world has one interpreter, and what it holds can't be there twice. "
            "Start twistd with -n, and children with subprocess or spawnProcess"
        )

    def execve(self, path: Any, argv: Sequence[Any], env: Mapping[Any, Any], /) -> NoReturn:
        """:raises OSError: ENOENT for a program that there is not.
        :raises NotImplementedError: for one that is not Python's.
        """
        name, arguments = python_arguments(os.fsdecode(path), list(map(os.fsdecode, argv)))
        environment = {os.fsencode(key): os.fsencode(value) for key, value in env.items()}
        _, table = self._forker.current()
        kept = {each: table.file(each) for each in table if table.get_inheritable(each)}
        self._forker.execute(Request(name, arguments, environment, kept))


def _is_twisteds(frame: FrameType) -> bool:
    return frame.f_code.co_name == FORKS and frame.f_globals.get("__name__") == TWISTED


def _childs_half(frame: FrameType) -> Callable[[], None]:
    """What Twisted does in its child, which never comes back from it."""
    names = frame.f_locals
    owner, more = names["self"], copy.deepcopy(names["kwargs"])
    given = [names[each] for each in _GIVEN]

    def half() -> None:
        try:
            owner._setupChild(**more)  # noqa: SLF001 - as its own class does
            owner._execChild(*given)  # noqa: SLF001
        except Exception:  # noqa: BLE001 - as Twisted does: it is told of in the child's output
            told = f"Upon execvpe {names['executable']} {names['args']}\n:{traceback.format_exc()}"
            os.write(STANDARD_ERROR, told.encode())
        os._exit(1)

    return half

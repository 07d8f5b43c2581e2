"""The same system calls on the real machine's kernel and in a process of the world, and what both say."""

import errno
import fcntl
import os
import select
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar

from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.polling import Epoll, Poll, select_ready
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Seam
from glitchgrid.simulation.kernel.socket_names import SocketNames
from glitchgrid.simulation.kernel.sockets import System, WorldSocket, _patches
from glitchgrid.simulation.kernel.system import SystemCalls

LATE_S_MAX = 0.5
"""So much later the real kernel may do what it does: a reset or a FIN is on its way within the machine, too."""

WORLD_NS_MAX = 10**9
WANTED = select.POLLIN | select.POLLOUT | select.POLLPRI | select.POLLRDHUP

Call = Callable[[Any], Any]


class Linux:
    """The functions of `socket`, `os` and `select`.

    :ivar names: by what the world and this machine call the same thing: ports, paths.
    """

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.socket = socket.socket
        self.socketpair = socket.socketpair
        self.poll = select.poll
        self.epoll = select.epoll
        self.select = select.select
        self.fcntl = fcntl.fcntl

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def do(self, call: Call) -> Any:
        return call(self)


class World:
    """The same of a process that runs on the one machine of a world, and does what it is told."""

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.kernel = Kernel("parity", Seam())
        self.kernel.host("a")
        self._calls = FileCalls(self.kernel.current, self.kernel.files_of)
        self._system = SystemCalls(self.kernel.current)
        self._names = SocketNames(self._calls)
        self._asked: Call | None = None
        self._answer: Any = None
        outer = self

        class Sockets:
            current = staticmethod(self.kernel.current)
            stack = staticmethod(self.kernel.stack)

            @staticmethod
            def directory() -> Any:
                return outer._names

        class Made(WorldSocket):
            system: ClassVar[System] = Sockets()
            seam = Seam()

        self.socket = Made
        functions = {each.name: each.answer for each in _patches(Sockets())}
        self.dup = functions["dup"]
        self._pair = functions["socketpair"]
        self._process = self.kernel.start(self.kernel.hosts["a"], self._serve)

    def socketpair(self, family: int, kind: int) -> tuple[Any, Any]:
        one, other = self._pair(family, kind)
        return tuple(self.socket(family, kind, 0, each.detach()) for each in (one, other))  # type: ignore[return-value]

    def poll(self) -> Poll:
        return Poll(*self.kernel.current())

    def epoll(self) -> Epoll:
        return Epoll(*self.kernel.current())

    def select(self, *asked: Any) -> Any:
        return select_ready(*self.kernel.current(), asked[:3], *asked[3:])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._system, name) if hasattr(self._system, name) else getattr(self._calls, name)

    def do(self, call: Call) -> Any:
        """What a call gives in the process; it must not wait for anything but its turn."""
        self._asked, self._answer = call, None
        self._process.unpark(self._process.main_thread)
        assert self.kernel.run(WORLD_NS_MAX, lambda: self._asked is None), "it waits"
        gives, value = self._answer
        if gives:
            return value
        raise value

    def _serve(self) -> None:
        process: Process = self.kernel.current()[0]
        while True:
            if self._asked is not None:
                try:
                    self._answer = True, self._asked(self)
                except BaseException as error:  # noqa: BLE001 - it is for whoever has asked
                    self._answer = False, error
                self._asked = None
            process.park()


class Both:
    """Both, and what is the same in them."""

    def __init__(self) -> None:
        self.linux = Linux()
        self.world = World()

    def do(self, call: Call, *, waits: bool = False) -> Any:
        """What a call gives in the world, which is what it gives on Linux, too.

        :param waits: whether it changes nothing, so that Linux may be asked again; what fails with EAGAIN is, anyway.
        :raises AssertionError: where they differ.
        """
        ours = self.outcome(self.world, call)
        until_s = time.monotonic() + LATE_S_MAX
        real = self.outcome(self.linux, call)
        while real != ours and (waits or real == NOT_YET) and time.monotonic() < until_s:
            time.sleep(0.001)
            real = self.outcome(self.linux, call)
        assert ours == real, f"the world {ours}, Linux {real}"
        return ours[1] if ours[0] == "gives" else None

    def outcome(self, system: "Linux | World", call: Call) -> tuple[Any, ...]:
        try:
            return "gives", named(system, system.do(call))
        except OSError as error:
            return "raises", errno.errorcode.get(error.errno or 0, error.errno)
        except (ValueError, TypeError, OverflowError) as error:
            return "raises", type(error).__name__


NOT_YET = ("raises", "EAGAIN")


def named(system: "Linux | World", value: Any) -> Any:
    """A value with names that both have, in the place of each one's own."""
    if isinstance(value, tuple | list):
        return type(value)(named(system, each) for each in value)
    if isinstance(value, str | bytes) or (isinstance(value, int) and value > LEAST_PORT):
        return system.names.get(value, value)
    return value


LEAST_PORT = 1024
"""Smaller numbers are no ports here, but lengths and flags."""

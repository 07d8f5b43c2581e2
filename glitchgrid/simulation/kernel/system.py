"""What `os`, `fcntl` and `select` do with descriptors, whatever these stand for."""

import fcntl
import os
import select
import selectors
from collections.abc import Callable, Iterator
from typing import Any

from glitchgrid.simulation.kernel.blocking import blocking
from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, Table
from glitchgrid.simulation.kernel.pipes import pipe
from glitchgrid.simulation.kernel.polling import Epoll, Poll, descriptor_of, select_ready
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Patch


class SystemCalls:
    """:param current: the process whose code runs, and its descriptors."""

    def __init__(self, current: Callable[[], tuple[Process, Table]]) -> None:
        self._current = current

    def patches(self) -> Iterator[Patch]:
        yield Patch(os, "pipe", self.pipe)
        yield Patch(os, "pipe2", self.pipe2)
        yield Patch(os, "read", self.read)
        yield Patch(os, "write", self.write)
        yield Patch(os, "close", self.close)
        yield Patch(os, "dup", lambda fd: self._table.add(self._table.file(fd)))
        yield Patch(os, "isatty", self.isatty)
        yield Patch(os, "set_blocking", self.set_blocking)
        yield Patch(os, "get_blocking", lambda fd: self._table.file(fd).is_blocking)
        yield Patch(fcntl, "fcntl", self.fcntl)
        yield Patch(os, "dup2", self.dup2)
        yield Patch(os, "closerange", self.closerange)
        epolls: tuple[tuple[Any, str], ...] = (select, "epoll"), (selectors.EpollSelector, "_selector_cls")
        for owner, name in epolls:
            yield Patch(owner, name, lambda _sizehint=-1, _flags=0: Epoll(*self._current()))
        polls: tuple[tuple[Any, str], ...] = (select, "poll"), (selectors.PollSelector, "_selector_cls")
        for owner, name in polls:
            yield Patch(owner, name, lambda: Poll(*self._current()))
        yield Patch(select, "select", self.select)

    @property
    def _process(self) -> Process:
        return self._current()[0]

    @property
    def _table(self) -> Table:
        return self._current()[1]

    def pipe(self) -> tuple[int, int]:
        reading, writing = pipe()
        return self._table.add(reading), self._table.add(writing)

    def pipe2(self, flags: int) -> tuple[int, int]:
        ends = self.pipe()
        for each in ends:
            self._table.file(each).is_blocking = not flags & os.O_NONBLOCK
        return ends

    def dup2(self, fd: int, fd2: int, inheritable: bool = True) -> int:
        table = self._table
        file = table.file(fd)
        if fd != fd2:
            table.place(file, fd2, inheritable=inheritable)
        return fd2

    def closerange(self, low: int, high: int, /) -> None:
        table = self._table
        for each in list(table):
            if low <= each < high:
                table.close(each)

    def read(self, fd: int, length: int, /) -> bytes:
        process, table = self._current()
        file = table.file(fd)
        return blocking(process, file, lambda: file.read(length), IN, _patience(file))

    def write(self, fd: int, data: Any, /) -> int:
        process, table = self._current()
        file = table.file(fd)
        return blocking(process, file, lambda: file.write(bytes(data)), OUT, _patience(file))

    def close(self, fd: int) -> None:
        self._current()[1].close(fd)

    def isatty(self, fd: int, /) -> bool:
        self._table.file(fd)
        return False

    def set_blocking(self, fd: int, blocking: bool, /) -> None:
        self._table.file(fd).is_blocking = blocking

    def fcntl(self, fd: Any, cmd: int, arg: Any = 0, /) -> Any:
        """:raises NotImplementedError: for a command that is not modelled."""
        _, table = self._current()
        descriptor = descriptor_of(fd)
        file = table.file(descriptor)
        match cmd:
            case fcntl.F_GETFL:
                return file.flags & ~os.O_NONBLOCK | (0 if file.is_blocking else os.O_NONBLOCK)
            case fcntl.F_SETFL:
                file.is_blocking = not arg & os.O_NONBLOCK
                return 0
            case fcntl.F_GETFD:
                return 0 if table.get_inheritable(descriptor) else fcntl.FD_CLOEXEC
            case fcntl.F_SETFD:
                table.set_inheritable(descriptor, not arg & fcntl.FD_CLOEXEC)
                return 0
            case fcntl.F_DUPFD | fcntl.F_DUPFD_CLOEXEC:
                return table.add(file, int(arg))
        return file.control(table, cmd, arg)

    def select(self, *asked: Any) -> Any:
        process, table = self._current()
        return select_ready(process, table, asked[:3], *asked[3:])


def _patience(file: OpenFile) -> int | None:
    return None if file.is_blocking else 0

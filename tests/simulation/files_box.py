"""A world for tests of files: one machine or two, whose processes call a `FileCalls` by its methods."""

from collections.abc import Callable
from typing import Any

import pytest
from greenlet import getcurrent

from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Seam

MS = 1_000_000
SECOND = 1_000_000_000

Main = Callable[[FileCalls], Any]


class Box:
    """:ivar calls: what the processes call."""

    def __init__(self, seed: str = "a seed") -> None:
        self.kernel = Kernel(seed, Seam(), keep_trace=True, home="/")
        self.world = self.kernel.context
        self.host: Machine = self.kernel.host("a")
        self.calls = FileCalls(self.kernel.current, self.kernel.files_of)

    @property
    def files(self) -> FileSystem:
        return self.kernel.files(self.host)

    def start(self, main: Main, host: Machine | None = None) -> Process:
        self.kernel._hub = getcurrent()  # fixtures are made in another one
        return self.kernel.start(host or self.host, lambda: main(self.calls), files={})

    def do(self, main: Main, ms: int = 600_000) -> Any:
        """What `main` returns, called in a process of its own.

        :raises BaseException: what it raises.
        """
        results: list[Any] = []
        process = self.start(lambda calls: results.append(main(calls)))
        self.world.run(ms * MS, lambda: not process.alive)
        if process.failure is not None:
            raise process.failure
        return results[0] if results else None

    def lose_power(self) -> None:
        for process in self.kernel.processes:
            if process.alive:
                process.vanish()
        self.files.lose_power()


def refused(number: int, call: Callable[..., Any], *arguments: Any) -> None:
    """A call fails, with the error of that number."""
    with pytest.raises(OSError, match=r".*") as raised:
        call(*arguments)
    assert raised.value.errno == number


def write(calls: FileCalls, path: str, data: bytes, *, sync: bool = False) -> None:
    with calls.open_file(path, "wb") as file:
        file.write(data)
        if sync:
            file.flush()
            calls.fsync(file.fileno())


def read(calls: FileCalls, path: str) -> bytes:
    with calls.open_file(path, "rb") as file:
        data: bytes = file.read()
        return data


def sync_directory(calls: FileCalls, path: str) -> None:
    descriptor = calls.open(path, 0)
    calls.fsync(descriptor)
    calls.table.close(descriptor)

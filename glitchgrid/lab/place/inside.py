"""Processes of a world whose code is the laboratory's: clients, and servers that answer as they are told."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twisted.application.service import IService

from glitchgrid.lab.place import here, logs
from glitchgrid.simulation.kernel.kernel import Kernel
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process


class Inside:
    """:param begin: makes the service that runs in the process, within it.
    :ivar reactor: the process's, for code that runs in it.
    :ivar has_begun: whether the service was made.
    """

    reactor: Any

    def __init__(self, world: Kernel, machine: Machine, begin: "Program") -> None:
        self.world = world
        self.machine = machine
        self.has_begun = False
        self._begin = begin
        self._process: Process | None = None

    def start(self) -> Process:
        """To be run by its machine."""
        self._process = here.installed().run_function(self.machine, self._main)
        return self._process

    def run(self, step: Callable[[], object]) -> None:
        """Have something done on the reactor of the process, as another thread of it would."""
        process = self._process
        assert process is not None, "it was started"
        if process.alive:
            process.spawn(lambda: self.reactor.callFromThread(step))

    def _main(self, reactor: Any) -> None:
        logs.begin()
        self.reactor = reactor
        service = self._begin(self)
        reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
        reactor.callWhenRunning(service.privilegedStartService)
        reactor.callWhenRunning(service.startService)
        self.has_begun = True
        reactor.run()


Program = Callable[[Inside], IService]


def run_inside(world: Kernel, machine: Machine, begin: Program, *, again: bool = True) -> Inside:
    """Run such a process on a machine.

    :param again: whether it is started anew with the machine.
    """
    made = Inside(world, machine, begin)
    machine.run(made.start, again=again)
    return made


@contextmanager
def seen_by(process: Process) -> Iterator[Any]:
    """Within the block, what belongs to a process is in place, and none of its code runs. Gives its reactor."""
    installed = here.installed()
    installed.seam.settle(process.main_thread)
    try:
        yield sys.modules["twisted.internet.reactor"]
    finally:
        installed.settle()

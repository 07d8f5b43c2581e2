"""The kernel of one world: its machines, and the processes on them, with what each has of its own."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from greenlet import getcurrent

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.event_queue import Event
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.kernel import children
from glitchgrid.simulation.kernel.console import Console, NoWriting, Output
from glitchgrid.simulation.kernel.descriptors import OpenFile, Table
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.machine import Machine
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.seam import Seam
from glitchgrid.simulation.kernel.stack import Stack
from glitchgrid.simulation.names import Names
from glitchgrid.simulation.network import Network
from glitchgrid.simulation.random_stream import RandomStream
from glitchgrid.simulation.trace import brief

FIRST_PID = 100
HOSTS = b"127.0.0.1\tlocalhost\n::1\tlocalhost\n%b\t%b\n"
"""What /etc/hosts says: of the other machines, whoever asks for names hears (see `resolving`)."""

ADDRESS = re.compile(rb"0x[0-9a-f]{6,16}")
"""Where an object lies in memory, as `repr` says it: the one thing that is not the same in another process."""


class Kernel:
    """:param seam: put in already.
    :param home: the directory in which programs begin; None for that of this real process. They can read what is there,
        and what they write is their machine's alone.
    :ivar output: what each process has said, while it was led nowhere else.
    """

    def __init__(self, seed: str, seam: Seam, *, keep_trace: bool = False, home: str | None = None) -> None:
        self.context = RunContext(seed, keep_trace=keep_trace)
        self.hosts: dict[str, Machine] = {}
        self.stacks: dict[str, Stack] = {}
        self.network = Network(self.context)
        self.names = Names(self.hosts)
        self.processes: list[Process] = []
        self._running: dict[str, list[Process]] = {}
        self.output: dict[Process, Output] = {}
        self._seam = seam
        self._home = os.getcwd() if home is None else home
        self._hub = getcurrent()

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Those that there are so far, by their names."""
        return self.hosts

    @property
    def now_ns(self) -> int:
        return self.context.now_ns

    def rng(self, name: str) -> RandomStream:
        """The stream of that name."""
        return self.context.rng(name)

    def after(self, delay_ns: int, function: Callable[..., object], *arguments: Any) -> Event:
        """Let something happen in so many nanoseconds, outside of all processes."""
        return self.context.after(delay_ns, function, *arguments)

    def note(self, who: str, what: str) -> None:
        """Put a line into the trace."""
        self.context.note(who, what)

    def host(self, name: str) -> Machine:
        """The machine of that name, which is made when it is first asked for."""
        found = self.hosts.get(name)
        if found is None:
            address = f"10.0.0.{len(self.hosts) + 1}"
            found = Machine(self, self.context, self.network, self.names, name, address)
            given = {"/etc/hosts": HOSTS % (address.encode(), name.encode()), "/etc/resolv.conf": b""}
            found.disk = FileSystem(self.context, name, found.clock, given=given, home=self._home)
            self.hosts[name] = found
            self.stacks[name] = Stack(found, self.stacks, lambda _host, asked: self.names.address_of(asked))
        return found

    def start(
        self,
        host: Machine,
        main: Callable[[], object],
        *,
        parent: Process | None = None,
        files: Mapping[int, OpenFile] | None = None,
        loading_ns: int | None = None,
    ) -> Process:
        """A process on a machine, whose code begins to run when the world goes on and its program is loaded.

        :param files: its descriptors; its output is kept where there are none.
        :param loading_ns: None for as long as it takes there.
        """
        if loading_ns is None:
            loading_ns = host.loading_ns
        process: Process = Process(
            host, self._seam, self._hub, self._next_pid, main, lambda: self._ended(process), loading_ns
        )
        process.parent = parent
        if parent is not None:
            parent.children.append(process)
        self._take(process)
        for descriptor, file in (self._console(process) if files is None else files).items():
            process.table.place(file, descriptor)
        return process

    def fork(self, parent: Process, main: Callable[[], object]) -> Process:
        """A process with what another one has open, and does with signals."""
        before = parent.table
        descriptors = list(before)
        files = {each: before.file(each) for each in descriptors}
        child = self.start(self.hosts[parent.host.name], main, parent=parent, files=files, loading_ns=0)
        for each in descriptors:
            child.table.set_inheritable(each, before.get_inheritable(each))
        child.handlers = dict(parent.handlers)
        return child

    def adopt(self, process: Process, host: Machine) -> None:
        """Let a process be of this world that was made in another one, and waits."""
        process.move(host, self._next_pid, lambda: self._ended(process))
        self._take(process)
        for descriptor, file in self._console(process).items():
            process.table.place(file, descriptor)

    @property
    def _next_pid(self) -> int:
        return FIRST_PID + len(self.processes)

    def _take(self, process: Process) -> None:
        there = self._running[process.host.name] = [
            each for each in self._running.get(process.host.name, ()) if each.alive
        ]
        if there:
            process.name = f"{process.host.name}/{process.pid}"
        there.append(process)
        self.processes.append(process)
        self.files_of(process).list_process(process, process.table)

    def _console(self, process: Process) -> dict[int, OpenFile]:
        output = self.output[process] = Output()

        def tell(data: bytes) -> None:
            self.context.note(process.name, f"says {brief(ADDRESS.sub(b'0x', data))}")

        console = Console(output, tell)
        return {0: NoWriting(), 1: console, 2: console}

    def _ended(self, process: Process) -> None:
        if process.host.is_powered:
            process.table.close_all()
            children.ended(process)
            self.hosts[process.host.name].one_has_ended()
        else:
            process.table.vanish()

    def lose(self, machine: Machine) -> None:
        """A machine has lost its power: all that it ran and all that it had open is gone."""
        for each in self.processes:
            if each.host is machine and each.alive:
                each.vanish()
        self.stacks[machine.name].clear()

    # Of the process whose code runs.

    def current(self) -> tuple[Process, Table]:
        """It, and its descriptors."""
        process = cast("Process", self.context.current)
        return process, process.table

    def stack(self) -> Stack:
        process = cast("Process", self.context.current)
        return self.stacks[process.host.name]

    def files(self, host: Host) -> FileSystem:
        """A machine's."""
        return self.hosts[host.name].disk

    def files_of(self, process: Process) -> FileSystem:
        """Those of the machine that a process runs on."""
        return self.files(process.host)

    def run(self, duration_ns: int, done: Callable[[], bool] | None = None) -> bool:
        return self.context.run(duration_ns, done)

    def end(self) -> None:
        """The world is over, and another one is to run in this real process: leave nothing of its threads behind.

        The garbage collector does not see into a greenlet that waits, so what one refers to would stay for ever.
        """
        for each in self.processes:
            each.let_go()
        self._seam.settle(None)

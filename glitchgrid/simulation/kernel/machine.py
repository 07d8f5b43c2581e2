"""A machine of the world: a host with programs, which faults end, stop and switch off, and which are run again."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from glitchgrid.simulation.connection import End
from glitchgrid.simulation.host import Host
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.nodes import Directory, File
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.tcp import Tcp

if TYPE_CHECKING:
    from glitchgrid.simulation.kernel.kernel import Kernel

SIGKILL, SIGTERM = 9, 15

Start = Callable[[], Process]


class Machine(Host):
    """:ivar when_free: is called once, when all its programs have ended by themselves or by a signal.
    :ivar starts: how often one of its programs was started.
    """

    def __init__(self, kernel: "Kernel", *host: Any) -> None:
        super().__init__(*host)
        self.disk: FileSystem
        self.starts = 0
        self.when_free: Callable[[], object] | None = None
        self._kernel = kernel
        self._programs: list[tuple[Start, Process]] = []
        self._passing: list[Process] = []

    def run(self, start: Start, *, again: bool = True) -> Process:
        """Switch it on, if need be, and start a program.

        :param again: whether it is started again whenever `start_again` finds that it has ended.
        """
        self.is_powered = True
        process = self._start(start)
        if again:
            self._programs.append((start, process))
        else:
            self._passing = [*(each for each in self._passing if each.alive), process]
        return process

    def start_again(self) -> None:
        """Switch it on, if need be, and start what has ended."""
        self.is_powered = True
        for place, (start, process) in enumerate(self._programs):
            if not process.alive:
                self._programs[place] = start, self._start(start)

    def _start(self, start: Start) -> Process:
        self.starts += 1
        self.world.note(self.name, f"start {self.starts}")
        return start()

    @property
    def process(self) -> "Running | None":
        """What runs on it, as one; None where nothing does."""
        alive = self.processes
        return Running(self._kernel, self, alive) if alive else None

    @property
    def processes(self) -> Sequence[Process]:
        """What runs on it, one by one."""
        return [each for each in self._all if each.alive]

    @property
    def _all(self) -> Sequence[Process]:
        return [*(process for _, process in self._programs), *self._passing]

    def listener(self, port: int) -> Tcp | None:
        """What takes connections of TCP there."""
        there = self._kernel.stacks[self.name].tcp.having(port)
        return next((each for each in there if each.is_listening), None)

    def kill(self) -> None:
        """kill -9 for each of its programs: the kernel closes what they had open, and keeps what they had written."""
        for process in self._all:
            process.kill(SIGKILL)

    def cut_power(self) -> None:
        """Whatever is not on the disk is gone, and nobody is told."""
        self.world.note(self.name, "power off")
        self.is_powered = False
        self.when_free = None
        self._kernel.lose(self)
        self.disk.lose_power()

    @property
    def disk_has_refused(self) -> bool:
        """Whether what runs on it now was told of an error by its disk, other than a missing file."""
        return any(process.alive and process is self.disk.refused for process in self._all)

    def calm(self) -> None:
        """Let it be well again, and what runs on it, run. Nobody waits for its end any more."""
        self.when_free = None
        self.throttle(None)
        self.clock.drift(self.world.now_ns, None)
        self.disk.calm()
        running = self.process
        if running is not None:
            running.descriptors_max = None
            running.resume_threads()
            running.resume()

    def one_has_ended(self) -> None:
        """One of its processes has; not by a loss of power."""
        if self.when_free is not None and self.process is None:
            when_free, self.when_free = self.when_free, None
            self.world.after(0, when_free)


class Running:
    """The programs that run on a machine: what is done to a machine's process is done to each of them."""

    def __init__(self, kernel: "Kernel", machine: Machine, processes: Sequence[Process]) -> None:
        self._kernel = kernel
        self._machine = machine
        self._processes = processes

    @property
    def is_terminating(self) -> bool:
        return any(each.is_terminating for each in self._processes)

    def terminate(self) -> None:
        """SIGTERM."""
        for each in self._processes:
            each.kill(SIGTERM)

    def signal(self, number: int) -> None:
        for each in self._processes:
            each.kill(number)

    def pause(self) -> None:
        for each in self._processes:
            each.pause()

    def resume(self) -> None:
        for each in self._processes:
            each.resume()

    def pause_threads(self) -> None:
        """Their threads get no processor, but for their main threads."""
        for each in self._processes:
            each.pause_threads()

    def resume_threads(self) -> None:
        for each in self._processes:
            each.resume_threads()

    @property
    def sockets(self) -> Sequence[Any]:
        """All that they have open."""
        return [table.file(descriptor) for table in self._tables for descriptor in table]

    @property
    def descriptors_max(self) -> int | None:
        """So many may be open. Where it is set, nothing may be opened beyond what is; None lifts that."""
        frozen = [table.frozen_at for table in self._tables if table.frozen_at is not None]
        return sum(frozen) if frozen else None

    @descriptors_max.setter
    def descriptors_max(self, most: int | None) -> None:
        for table in self._tables:
            if most is None:
                table.unfreeze()
            else:
                table.freeze()

    @property
    def descriptors_missed(self) -> int:
        """How often one was wanted, and there was none left."""
        return sum(table.missed for table in self._tables)

    @descriptors_missed.setter
    def descriptors_missed(self, count: int) -> None:
        for table in self._tables:
            table.missed = count

    @property
    def _tables(self) -> "Sequence[Any]":
        return [each.table for each in self._processes]

    @property
    def held(self) -> "Held":
        """What they have just now."""
        files = self.sockets
        listening = sum(isinstance(each, Tcp) and each.is_listening for each in files)
        return Held(
            connections=sum(isinstance(each, Tcp) for each in files) - listening,
            listening=listening,
            threads=sum(len(each.threads) - 1 for each in self._processes),
            files=sum(isinstance(each.node, (Directory, File)) for each in files),
        )

    def connections_to(self, other: Host) -> Sequence[End]:
        """This end of each connection with another machine, whoever has made it."""
        ends = [
            file.end
            for file in self.sockets
            if isinstance(file, Tcp) and file.end is not None and not file.end.was_reset
        ]
        return [end for end in ends if end.peer.host is other]

    def break_connections(self, other: Host) -> int:
        """Reset the connections with another machine. Returns how many there were."""
        found = self.connections_to(other)
        for end in found:
            end.break_off()
        return len(found)


class Held(NamedTuple):
    """What processes have taken that they must give back: sockets, threads beside the main ones, files, directories."""

    connections: int
    listening: int
    threads: int
    files: int

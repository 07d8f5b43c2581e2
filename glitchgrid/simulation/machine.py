"""One machine: a host, and at most one process at a time on it."""

from collections.abc import Callable
from typing import Any

from glitchgrid.simulation.host import Host
from glitchgrid.simulation.process import Process, Program

KILLED = -9


class Machine(Host):
    """:ivar process: what runs on it.
    :ivar when_free: is called once, when that has ended by itself or by a signal.
    """

    def __init__(self, *host: Any) -> None:
        super().__init__(*host)
        self.process: Process | None = None
        self.starts = 0
        self.when_free: Callable[[], object] | None = None
        self._past: list[Process] = []

    def start(self, program: Program) -> Process:
        """Switch it on, if need be, and start a process on it."""
        assert self.process is None, f"{self.name} runs a process already"
        self.is_powered = True
        self.starts += 1
        self.world.note(self.name, f"start {self.starts}")
        self.process = Process(self, program, self._ended)
        self.process.start()
        return self.process

    def kill(self) -> None:
        """kill -9: the kernel closes what the process had open, and keeps what it had written."""
        if self.process is not None:
            self.process.exit(KILLED)

    def cut_power(self) -> None:
        """Whatever is not on the disk is gone, and nobody is told."""
        self.world.note(self.name, "power off")
        self.is_powered = False
        self.when_free = None
        if self.process is not None:
            self.process.vanish()
        self.free_all_ports()
        self.disk.lose_power()

    @property
    def disk_has_refused(self) -> bool:
        """Whether what runs on it now was told of an error by its disk, other than a missing file."""
        return self.disk.refused is not None and self.disk.refused is self.process

    def calm(self) -> None:
        """Let it be well again, and what runs on it, run. Nobody waits for its end any more."""
        self.when_free = None
        self.throttle(None)
        self.clock.drift(self.world.now_ns, None)
        self.disk.calm()
        process = self.process
        if process is not None:
            process.descriptors_max = None
            process.resume_threads()
            process.resume()

    def let_go(self) -> None:
        """The run is over: keep nothing of its processes."""
        for process in (*self._past, *([self.process] if self.process is not None else [])):
            process.let_go()
        self._past.clear()

    def _ended(self) -> None:
        """Its process has ended, one way or another."""
        assert self.process is not None
        self._past.append(self.process)
        self.process = None
        when_free, self.when_free = self.when_free, None
        if when_free is not None:
            self.world.after(0, when_free)

"""One machine: a name, an address, a disk, two clocks; and at most one process at a time."""

from typing import TYPE_CHECKING

from glitchgrid.lab.simulation.clock import Clock
from glitchgrid.lab.simulation.disk import Disk
from glitchgrid.lab.simulation.process import TURN_NS, Process, Program
from glitchgrid.lab.simulation.sockets import FIRST_PORT, Socket, in_use

if TYPE_CHECKING:
    from glitchgrid.lab.simulation.world import World

KILLED = -9


class Machine:
    """:ivar cuts_segments: what is sent from here arrives in pieces of any size."""

    def __init__(self, world: "World", name: str, address: str) -> None:
        self.world = world
        self.name = name
        self.address = address
        self.clock = Clock()
        self.disk = Disk(self)
        self.cuts_segments = False
        self.is_powered = True
        self.process: Process | None = None
        self.starts = 0
        self.turn_ns = TURN_NS
        self._past: list[Process] = []
        self._ports: dict[int, Socket] = {}
        self._next_port = FIRST_PORT

    # Its life.

    def start(self, program: Program) -> Process:
        """Switch it on, if need be, and start a process on it."""
        assert self.process is None, f"{self.name} runs a process already"
        self.is_powered = True
        self.starts += 1
        self.world.note(self.name, f"start {self.starts}")
        self.process = Process(self, program)
        return self.process

    def kill(self) -> None:
        """kill -9: the kernel closes what the process had open, and keeps what it had written."""
        if self.process is not None:
            self.process.exit(KILLED)

    def cut_power(self) -> None:
        """Whatever is not on the disk is gone, and nobody is told."""
        self.world.note(self.name, "power off")
        self.is_powered = False
        if self.process is not None:
            self.process.vanish()
        self._ports.clear()
        self.disk.lose_power()

    def ended(self, process: Process) -> None:
        """Its process has ended, one way or another."""
        self._past.append(process)
        self.process = None

    def throttle(self, turn_ns: int | None) -> None:
        """Let every turn of its reactor take so long; None for as long as usual."""
        self.turn_ns = TURN_NS if turn_ns is None else turn_ns

    def calm(self) -> None:
        """Let it be well again, and what runs on it, run."""
        self.throttle(None)
        self.disk.calm()
        if self.process is not None:
            self.process.resume()

    def let_go(self) -> None:
        """The run is over: keep nothing of its processes."""
        for process in (*self._past, *([self.process] if self.process is not None else [])):
            process.let_go()
        self._past.clear()

    # Its clocks.

    def monotonic_ns(self) -> int:
        return self.clock.monotonic_ns(self.world.now_ns)

    def wall_ns(self) -> int:
        return self.clock.wall_ns(self.world.now_ns)

    # Its ports.

    def take_port(self, port: int, by: Socket) -> int:
        """`port`, or a free one for 0."""
        if not port:
            while self._next_port in self._ports:
                self._next_port += 1
            port, self._next_port = self._next_port, self._next_port + 1
        elif port in self._ports:
            raise in_use()
        self._ports[port] = by
        return port

    def free_port(self, by: Socket) -> None:
        if self._ports.get(by.local[1]) is by:
            del self._ports[by.local[1]]

    def listener(self, port: int) -> Socket | None:
        """The socket that takes connections there."""
        found = self._ports.get(port)
        return found if found is not None and found.is_listening else None

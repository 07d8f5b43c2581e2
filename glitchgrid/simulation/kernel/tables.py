"""/proc, as far as programs need it to list descriptors, and to know each other again (proc(5)): /proc/<pid>/fd,
/proc/<pid>/stat, and when the machine has begun, in /proc/stat.
"""

import errno
import stat
from collections.abc import Callable, Mapping
from typing import Protocol

from glitchgrid.simulation.clock import BOOTED_NS, EPOCH_NS, SECOND_NS
from glitchgrid.simulation.inode import Inode
from glitchgrid.simulation.kernel.descriptors import OpenFile, Table, error
from glitchgrid.simulation.kernel.nodes import Directory, File, Link, Node
from glitchgrid.simulation.kernel.process import Process

TICKS = 100
"""In a second: sysconf(_SC_CLK_TCK)."""

NAME_BYTES_MAX = 15
STAT_FIELDS = 52
STARTED_AT = 21
"""Where, counted from 0, the time is at which a process has started."""


class Machine(Protocol):
    """Whose processes they are."""

    @property
    def processes(self) -> Mapping[int, tuple[Process, Table]]: ...

    def current(self) -> Process | None: ...


class _Fixed(Directory):
    """A directory that nobody changes."""

    is_fixed = True

    def __init__(self, number: int, parent: Directory | None, name: str) -> None:
        super().__init__(number, 0o555, EPOCH_NS, parent, name)

    @property
    def is_removed(self) -> bool:
        return False

    def certainly(self, name: str) -> Node | None:
        return None


class _Told(File):
    """A file that nobody changes, and which says what is so at the time of reading."""

    is_real = True

    def __init__(self, number: int, tell: Callable[[], str]) -> None:
        super().__init__(number, 0o444, EPOCH_NS)
        self._tell = tell

    @property
    def size(self) -> int:
        return 0

    @property
    def data(self) -> Inode:
        raise error(errno.EINVAL)

    def read(self, offset: int, size: int) -> bytes:
        return self._tell().encode()[offset : offset + size]


class ProcessTables(_Fixed):
    """/proc itself."""

    def __init__(self, number: int, root: Directory, machine: Machine) -> None:
        super().__init__(number, root, "proc")
        self._machine = machine

    def names(self) -> list[str]:
        return [
            *(str(pid) for pid, (process, _) in sorted(self._machine.processes.items()) if process.alive),
            "self",
            "stat",
        ]

    def look_up(self, name: str) -> Node | None:
        if name == "self":
            return _Self(self.number, self._machine)
        if name == "stat":
            return _Told(self.number, self._stat)
        process, table = self._machine.processes.get(int(name), (None, None)) if name.isdecimal() else (None, None)
        if process is None or table is None or not process.alive:
            return None
        return _ProcessDirectory(self, process, table)

    def _stat(self) -> str:
        process = self._machine.current()
        since_ns = EPOCH_NS - BOOTED_NS
        if process is not None:
            monotonic_ns = process.clock.monotonic_ns(process.world.now_ns)
            since_ns = process.clock.wall_ns(process.world.now_ns) - monotonic_ns
        zeros = " 0" * 10
        return f"cpu {zeros}\ncpu0{zeros}\nbtime {since_ns // SECOND_NS}\n"


class _Self(Link):
    def __init__(self, number: int, machine: Machine) -> None:
        super().__init__(number, "", EPOCH_NS)
        self._machine = machine

    @property
    def target(self) -> str:
        process = self._machine.current()
        return str(0 if process is None else process.pid)


class _ProcessDirectory(_Fixed):
    def __init__(self, parent: Directory, process: Process, table: Table) -> None:
        super().__init__(parent.number, parent, str(process.pid))
        self._process = process
        self._table = table

    def names(self) -> list[str]:
        return ["fd", "stat"]

    def look_up(self, name: str) -> Node | None:
        if name == "stat":
            return _Told(self.number, self._stat)
        return _Descriptors(self, self._table) if name == "fd" else None

    def _stat(self) -> str:
        process, parent = self._process, self._process.parent
        fields = ["0"] * STAT_FIELDS
        pids = (process.pid, parent.pid if parent is not None and parent.alive else 1, process.pid, process.pid)
        fields[0], *fields[3:6] = map(str, pids)
        fields[1:3] = f"({process.name[:NAME_BYTES_MAX]})", "R"
        fields[STARTED_AT] = str((BOOTED_NS + process.started_ns) * TICKS // SECOND_NS)
        return f"{' '.join(fields)}\n"


class _Descriptors(_Fixed):
    def __init__(self, parent: Directory, table: Table) -> None:
        super().__init__(parent.number, parent, "fd")
        self._table = table

    def names(self) -> list[str]:
        return [str(descriptor) for descriptor in self._table]

    def look_up(self, name: str) -> Node | None:
        file = self._table.find(int(name)) if name.isdecimal() else None
        return None if file is None else DescriptorLink(int(name), file)


class DescriptorLink(Link):
    """What a descriptor stands for, whatever its name is by now."""

    def __init__(self, descriptor: int, file: OpenFile) -> None:
        super().__init__(descriptor, "", EPOCH_NS)
        self._file = file

    @property
    def target(self) -> str:
        path = getattr(self._file, "path", None)
        return path() if callable(path) else f"{'socket' if self._file.is_socket else 'pipe'}:[{self.number}]"

    def jump(self) -> Node:
        return self._file.node if isinstance(self._file.node, Node) else _Anonymous(self.number, self._file)


class _Anonymous(Node):
    """The inode of a pipe or a socket, which is in no file system."""

    def __init__(self, number: int, file: OpenFile) -> None:
        super().__init__(number, 0o600, EPOCH_NS)
        self.kind = stat.S_IFSOCK if file.is_socket else stat.S_IFIFO

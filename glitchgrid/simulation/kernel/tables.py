"""/proc, as far as programs need it to list descriptors: /proc/self/fd and /proc/<pid>/fd (proc(5))."""

import stat
from collections.abc import Mapping
from typing import Protocol

from glitchgrid.simulation.clock import EPOCH_NS
from glitchgrid.simulation.kernel.descriptors import OpenFile, Table
from glitchgrid.simulation.kernel.nodes import Directory, Link, Node
from glitchgrid.simulation.kernel.process import Process


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


class ProcessTables(_Fixed):
    """/proc itself."""

    def __init__(self, number: int, root: Directory, machine: Machine) -> None:
        super().__init__(number, root, "proc")
        self._machine = machine

    def names(self) -> list[str]:
        return [*(str(pid) for pid, (process, _) in sorted(self._machine.processes.items()) if process.alive), "self"]

    def look_up(self, name: str) -> Node | None:
        if name == "self":
            return _Self(self.number, self._machine)
        process, table = self._machine.processes.get(int(name), (None, None)) if name.isdecimal() else (None, None)
        if process is None or table is None or not process.alive:
            return None
        return _ProcessDirectory(self, name, table)


class _Self(Link):
    def __init__(self, number: int, machine: Machine) -> None:
        super().__init__(number, "", EPOCH_NS)
        self._machine = machine

    @property
    def target(self) -> str:
        process = self._machine.current()
        return str(0 if process is None else process.pid)


class _ProcessDirectory(_Fixed):
    def __init__(self, parent: Directory, name: str, table: Table) -> None:
        super().__init__(parent.number, parent, name)
        self._table = table

    def names(self) -> list[str]:
        return ["fd"]

    def look_up(self, name: str) -> Node | None:
        return _Descriptors(self, self._table) if name == "fd" else None


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

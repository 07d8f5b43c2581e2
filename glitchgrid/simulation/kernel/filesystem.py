"""The files of one machine: a tree in memory over the real one, and what of it outlives a power loss.

Programs read what lies below (their code, their configuration), and never change it: a real file is copied at its first
change, and a name that is removed is covered. Real files have the time at which the world begins (but for what is
`lower.DERIVED` from others), the owner 0, and inode numbers by the order of their first use. What nobody has changed is
on no disk that fails: reading it never gives an error, though it waits like all else while the disk stalls.

A kill keeps everything. A power loss keeps what was synced, and any part of the rest (`journal`, `inode`).
"""

import errno
import stat
from collections.abc import Callable, Mapping

from glitchgrid.simulation.clock import EPOCH_NS, Clock
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.inode import Inode
from glitchgrid.simulation.kernel import lower
from glitchgrid.simulation.kernel.descriptors import Table, error
from glitchgrid.simulation.kernel.devices import devices
from glitchgrid.simulation.kernel.journal import Journal
from glitchgrid.simulation.kernel.nodes import Directory, File, Link, Node
from glitchgrid.simulation.kernel.paths import At, Spot, Walk
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.storage import Flush, Storage
from glitchgrid.simulation.kernel.tables import ProcessTables

ROOT_NUMBER = 2
"""The root's inode, as ext4 has it."""

SHARED, USUAL, DATA = 0o1777, 0o755, 0o644
"""The permissions that real directories and files have here, whatever the real ones are."""

NEWER_NS = 1_000_000
"""So much newer is a real file that has to be newer than those beside it."""

SHARED_PLACES = frozenset({"/tmp", "/var/tmp"})  # noqa: S108 - their names, and no file in them

NOTHING: Mapping[str, bytes] = {}


class FileSystem(Storage):
    """:param given: files that are there in the place of real ones, by their whole paths.
    :param home: where processes begin, if it is there.
    :param entropy: gives so many bytes of /dev/urandom.
    :cvar sectors_are_whole: a power loss tears nothing within a sector of the disk, and garbles nothing.
    :ivar processes: those of this machine that are listed in /proc, with their descriptors.
    """

    sectors_are_whole = False

    def __init__(
        self,
        world: RunContext,
        name: str,
        clock: Clock,
        *,
        given: Mapping[str, bytes] = NOTHING,
        home: str = "/",
        entropy: Callable[[int], bytes] | None = None,
    ) -> None:
        super().__init__(world, name)
        self.processes: dict[int, tuple[Process, Table]] = {}
        self.home = home
        self._clock = clock
        self._given = dict(given)
        self._entropy = entropy or _bytes_of(world, name)
        self._stamp = -1, EPOCH_NS
        self._format()

    # The tree.

    def find(self, at: At, *, follows: bool = True, creates: bool = False) -> Spot:
        return Walk(self.root).find(at, follows=follows, creates=creates)

    def node(self, at: At, *, follows: bool = True) -> Node:
        """:raises OSError: ENOENT where there is nothing."""
        found = self.find(at, follows=follows).node
        if found is None:
            raise error(errno.ENOENT)
        return found

    def is_own(self, path: str) -> bool:
        """Whether a file lies there that is not the real one.

        :param path: a whole one. Symbolic links are not followed.
        """
        node: Node | None = self.root
        for part in (part for part in path.split("/") if part):
            node = node.known(part) if isinstance(node, Directory) else None
        return isinstance(node, File) and not node.is_real

    def number(self) -> int:
        """A new inode's."""
        self._number += 1
        return self._number

    def now_ns(self) -> int:
        """The machine's time of day. It is read once for each moment: files do not move their machine's clock."""
        if self._stamp[0] != self.world.now_ns:
            self._stamp = self.world.now_ns, self._clock.wall_ns(self.world.now_ns)
        return self._stamp[1]

    def list_process(self, process: Process, table: Table) -> None:
        """Have it in /proc for as long as it lives."""
        alive = {pid: listed for pid, listed in self.processes.items() if listed[0].alive}
        self.processes = {**alive, process.pid: (process, table)}

    def pid_of(self, table: object) -> int | None:
        """Whose descriptors they are."""
        return next((pid for pid, (_, each) in self.processes.items() if each is table), None)

    # Syncs.

    def sync_all(self) -> None:
        """Everything, as sync(2)."""
        self.sync([self.flush(node) for node in self._all()], "everything")

    def flush(self, node: Node) -> Flush:
        """What a sync of it makes durable, if it begins now."""
        if isinstance(node, Directory):
            return self.journal.begin_sync(node.own)
        return (Inode() if node.is_real or not isinstance(node, File) else node.data).begin_sync()

    # What faults and tests do to it.

    def lose_power(self) -> None:
        """The machine's processes have vanished before."""
        self.journal.settle(self._rng.below)
        self.root.own.settle()
        links: dict[Node, int] = {}
        directories = [self.root]
        for here in directories:
            for name, node in here.nodes():
                links[node] = links.get(node, 0) + 1
                if isinstance(node, Directory):
                    node.own.settle()
                    node.parent, node.name = here, name
                    directories.append(node)
                elif isinstance(node, File) and not node.is_real:
                    node.data.settle(self._rng.below, sectors_are_whole=self.sectors_are_whole)
        for node, count in links.items():
            node.links = count
            node.locks.clear()
        self.changes += 1
        self.open_files.clear()
        self.processes.clear()

    def replace(self) -> None:
        """What was given is on the new one, too."""
        self._format()
        self.open_files.clear()
        self.changes += 1

    def put(self, name: str, data: bytes) -> None:
        """:param name: a whole path; the directories before its end are made, too."""
        here = self.root
        *parts, last = [part for part in name.split("/") if part]
        for part in parts:
            node = self.find(At(here, part)).node
            if not isinstance(node, Directory):
                node = Directory(self.number(), 0o755, EPOCH_NS, here, part)
                here.own.fix(part, node)
            here = node
        file = File(self.number(), 0o644, EPOCH_NS)
        file.data.write(data, 0)
        file.data.sync()
        here.own.fix(last, file)
        self.changes += 1

    def durable(self, name: str) -> bytes | None:
        """:param name: a whole path, without symbolic links."""
        node: Node | None = self.root
        for part in (part for part in name.split("/") if part):
            node = node.certainly(part) if isinstance(node, Directory) else None
        if not isinstance(node, File):
            return None
        return node.read(0, node.size) if node.is_real else node.data.durable

    def _all(self) -> list[Node]:
        found: dict[Node, None] = {self.root: None}
        directories = [self.root]
        for here in directories:
            nodes = [node for _, node in here.nodes() if node not in found]
            found.update(dict.fromkeys(nodes))
            directories += [node for node in nodes if isinstance(node, Directory)]
        return list(found)

    # Its beginning.

    def _format(self) -> None:
        self._number = ROOT_NUMBER
        self.journal: Journal[Node] = Journal()
        self.root = Directory(ROOT_NUMBER, 0o755, EPOCH_NS, below="/", adopt=self._adopt)
        self.root.own.fix("sys", None)
        self.root.own.fix("proc", ProcessTables(self.number(), self.root, self))
        self.root.own.fix("dev", devices(self.number, self.root, self._entropy))
        for name, data in self._given.items():
            self.put(name, data)

    def _adopt(self, path: str, parent: Directory, name: str) -> Node | None:
        """An inode for what is at a real path."""
        found = lower.real(path)
        if found is None:
            return None
        number = self.number()
        if found.kind == stat.S_IFLNK:
            return Link(number, found.target, EPOCH_NS)
        if found.kind == stat.S_IFDIR:
            permissions = SHARED if path in SHARED_PLACES else USUAL
            return Directory(number, permissions, EPOCH_NS, parent, name, path, self._adopt)
        at_ns = EPOCH_NS + NEWER_NS if found.is_newest else EPOCH_NS
        return File(number, USUAL if found.is_executable else DATA, at_ns, path)


def _bytes_of(world: RunContext, name: str) -> Callable[[int], bytes]:
    def draw(count: int) -> bytes:
        stream = world.rng(f"urandom {name}")
        return bytes(stream.below(256) for _ in range(count))

    return draw

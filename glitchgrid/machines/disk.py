"""A machine's file system, by FUSE: the simulator's files and disk (`glitchgrid.simulation.kernel`), for real programs.

The same cache and platters, the same faults: a power loss keeps what was synced and any part of the rest, a failed sync
leaves clean pages behind (Linux's fsync(2), and "Can Applications Recover from fsync Failures?", Rebello et al., 2020).
All of it is in memory. The kernel's own caches lie above: names and sizes are asked for each time, data at each open.

Runs within a machine (`keeper`), in a process that must not use the file system itself: it would wait for itself.
"""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from glitchgrid.simulation.clock import Clock
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.kernel import naming
from glitchgrid.simulation.kernel.files import OpenNode, RegularFile, truncate
from glitchgrid.simulation.kernel.filesystem import ROOT_NUMBER, FileSystem
from glitchgrid.simulation.kernel.journal import Journal, OrderedJournal
from glitchgrid.simulation.kernel.nodes import Directory, Link, Node
from glitchgrid.simulation.kernel.opening import open_file
from glitchgrid.simulation.kernel.paths import At, Spot
from glitchgrid.simulation.kernel.storage import Flush

BLOCK_BYTES = 4096
BLOCKS = 25_000_000
FREE_BLOCKS = 20_000_000
NAME_BYTES_MAX = 255
POWER_GOES_WITHIN_S = 5.0
KEEP_SIZE = 1
"""fallocate(2): room that is not seen."""


class RealTime(RunContext):
    """A world whose time is the machine's, and in which nobody waits but by waiting."""

    @property
    def now_ns(self) -> int:
        return time.monotonic_ns()

    @now_ns.setter
    def now_ns(self, _: int) -> None:
        """It goes on by itself."""

    def note(self, who: str, what: str) -> None:
        """Nobody reads it."""


class RealClock(Clock):
    def wall_ns(self, now_ns: int) -> int:
        return time.time_ns()


class Platters(FileSystem):
    """The files of one machine, and nothing below them.

    :param is_harsh: what POSIX leaves open happens, and what disks do at worst: a name is lost without a sync of its
        directory, a write is torn anywhere, a sector garbled. Else names reach the disk in the order of their changes,
        and with any sync, as on ext4, and sectors are written whole.
    :ivar refusals: how often something was refused for a fault.
    """

    def __init__(
        self, seed: str, name: str, has_refused: Callable[[int, int], object], *, is_harsh: bool = False
    ) -> None:
        self.refusals = 0
        self._is_harsh = is_harsh
        self.sectors_are_whole = not is_harsh
        self._has_refused = has_refused
        super().__init__(RealTime(seed), name, RealClock())

    def refusal(self, number: int) -> OSError:
        self.refusals += 1
        self._has_refused(self.refusals, self.syncs_to_fail)
        return super().refusal(number)

    def sync(self, flushes: Iterable[Flush], what: str) -> None:
        super().sync(flushes, what)
        if not self._is_harsh:
            self.journal.make_all_durable()

    def _format(self) -> None:
        self._number = ROOT_NUMBER
        self.journal: Journal[Node] = Journal() if self._is_harsh else OrderedJournal()
        self.root = Directory(ROOT_NUMBER, 0o755, time.time_ns())


class Mounted:
    """What FUSE calls, by the names of `mfusepy.Operations`. Each call waits while the disk stalls.

    :param is_mounted: is called once programs may use it.
    :param is_syncing: is called in the middle of a sync that is watched for; it waits until it is no more.
    """

    use_ns = True

    def __init__(self, platters: Platters, is_mounted: Callable[[], object], is_syncing: Callable[[], object]) -> None:
        self.watches_syncs = self.loses_power = False
        self._is_syncing = is_syncing
        self.platters = platters
        self.changed = threading.Condition()
        self._is_mounted = is_mounted
        self._open: dict[int, OpenNode] = {}
        self._next = 0

    @contextmanager
    def _turn(self) -> Iterator[Platters]:
        with self.changed:
            while (left_ns := self.platters.stalled_until_ns - time.monotonic_ns()) > 0:
                self.changed.wait(left_ns / 1e9)
            yield self.platters

    def _at(self, path: str) -> At:
        return At(self.platters.root, path)

    def _node(self, path: str | None, handle: int | None = None) -> Node:
        if handle is not None and handle in self._open:
            return self._open[handle].node
        return self.platters.node(self._at(path or ""), follows=False)

    def init(self, _path: str) -> None:
        self._is_mounted()

    # Asking.

    def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
        with self._turn():
            found = self._node(path, fh).stat()
        wanted = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks", "st_blksize", "st_rdev")
        times = {f"st_{name}": getattr(found, f"st_{name}_ns") for name in ("atime", "mtime", "ctime")}
        return {name: getattr(found, name) for name in wanted} | times

    def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
        with self._turn():
            here = self._node(path)
            assert isinstance(here, Directory)
            named = ((name, here.look_up(name)) for name in here.names())
            nodes = [(".", here), ("..", here.parent), *((name, node) for name, node in named if node is not None)]
            return [(name, {"st_mode": node.kind, "st_ino": node.number}, 0) for name, node in nodes]

    def readlink(self, path: str) -> str:
        with self._turn():
            node = self._node(path)
            assert isinstance(node, Link)
            return node.target

    def statfs(self, path: str) -> dict[str, int]:
        with self._turn() as platters:
            free = 0 if platters.is_full else FREE_BLOCKS
        sizes = {"f_bsize": BLOCK_BYTES, "f_frsize": BLOCK_BYTES, "f_blocks": BLOCKS, "f_bfree": free, "f_bavail": free}
        return sizes | {"f_files": BLOCKS, "f_ffree": FREE_BLOCKS, "f_favail": FREE_BLOCKS, "f_namemax": NAME_BYTES_MAX}

    # Names.

    def mkdir(self, path: str, mode: int) -> int:
        with self._turn() as platters:
            naming.make_directory(platters, self._at(path), mode & 0o7777)
        return 0

    def rmdir(self, path: str) -> int:
        with self._turn() as platters:
            naming.remove_directory(platters, self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        with self._turn() as platters:
            naming.unlink(platters, self._at(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        with self._turn() as platters:
            naming.rename(platters, self._at(old), self._at(new))
        return 0

    def link(self, target: str, source: str) -> int:
        with self._turn() as platters:
            naming.hard_link(platters, self._node(source), self._at(target))
        return 0

    def symlink(self, target: str, source: str) -> int:
        with self._turn() as platters:
            naming.make_link(platters, source, self._at(target))
        return 0

    def mknod(self, path: str, mode: int, dev: int) -> int:
        with self._turn() as platters:
            spot = naming.last_of(platters, self._at(path))
            if stat.S_ISREG(mode):
                naming.make_file(platters, spot, mode & 0o7777)
            elif stat.S_ISSOCK(mode):  # the kernel knows by itself who is bound to it
                naming.make_socket(platters, self._at(path), mode & 0o7777, None)
            else:
                raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return 0

    # Files.

    def create(self, path: str, mode: int, fi: int | None = None) -> int:
        with self._turn() as platters:
            return self._keep(open_file(platters, self._at(path), os.O_RDWR | os.O_CREAT, mode & 0o7777))

    def open(self, path: str, flags: int) -> int:
        # Who may do what, and where a write goes that appends, the kernel has made out.
        with self._turn() as platters:
            if flags & (os.O_WRONLY | os.O_RDWR):
                platters.require_change()
            return self._keep(RegularFile(platters, *self._regular(path)))

    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        with self._turn():
            return self._file(fh).pread(size, offset)

    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        with self._turn():
            return self._file(fh).pwrite(data, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        with self._turn() as platters:
            truncate(platters, self._node(path, fh), length, path or "")
        return 0

    def fallocate(self, path: str, mode: int, offset: int, size: int, fh: int) -> int:
        if mode & ~KEEP_SIZE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        with self._turn():
            if not mode:
                self._file(fh).allocate(offset, size)
        return 0

    def fsync(self, path: str, datasync: int, fh: int) -> int:
        with self._turn():
            if self.watches_syncs:
                self._is_syncing()
                self.changed.wait_for(lambda: not self.watches_syncs, POWER_GOES_WITHIN_S)
            if self.loses_power:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            self._open[fh].sync()
        return 0

    def fsyncdir(self, path: str, datasync: int, fh: int) -> int:
        with self._turn() as platters:
            platters.sync([platters.flush(self._node(path))], path)
        return 0

    def release(self, path: str, fh: int) -> int:
        with self.changed:
            self._open.pop(fh).close()
        return 0

    # What a name leads to.

    def chmod(self, path: str, mode: int) -> int:
        with self._turn() as platters:
            platters.require_change()
            self._node(path).permissions = mode & 0o7777
        return 0

    def chown(self, path: str, uid: int, gid: int) -> int:
        with self._turn() as platters:
            platters.require_change()
            node = self._node(path)
            node.uid, node.gid = (node.uid if uid < 0 else uid), (node.gid if gid < 0 else gid)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        with self._turn() as platters:
            node, now_ns = self._node(path), platters.now_ns()
            node.accessed_ns, node.modified_ns = times or (now_ns, now_ns)
            node.changed_ns = now_ns
        return 0

    def _regular(self, path: str) -> tuple[Node, int, Spot]:
        spot = self.platters.find(self._at(path), follows=False)
        if spot.node is None:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        return spot.node, os.O_RDWR, spot

    def _keep(self, file: OpenNode) -> int:
        self._next += 1
        self._open[self._next] = file
        return self._next

    def _file(self, handle: int) -> RegularFile:
        file = self._open[handle]
        assert isinstance(file, RegularFile)
        return file


def mount(mounted: Mounted, path: str) -> None:
    """Serve it there, until it is unmounted or the process ends.

    :raises ImportError: without mfusepy.
    :raises OSError: without libfuse.
    :raises RuntimeError: where it cannot be mounted.
    """
    os.environ.setdefault("FUSE_LIBRARY_NAME", "fuse3")
    import mfusepy  # noqa: PLC0415 - an extra, and it looks for the library as it is imported

    operations: Any = mounted
    mfusepy.FUSE(
        operations,
        path,
        foreground=True,
        nothreads=True,
        fsname="glitchgrid",
        # What the kernel remembered of names and sizes would outlive a power loss.
        attr_timeout=0,
        entry_timeout=0,
        negative_timeout=0,
        ac_attr_timeout=0,
        hard_remove=True,
        use_ino=True,
    )

"""A machine's disk: what is in its cache, what is on its platters, and how long things take.

A process reaches the disk through a `Mount`, from its threads: every call takes its time, but for locking and closing.
A call in the middle of which the process is killed is not carried out; of a write, the pages so far stay written.
"""

import errno
import os
from collections.abc import Callable
from typing import Protocol

from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.event_queue import Event
from glitchgrid.simulation.inode import PAGE_BYTES, Directory, Inode, NameChange
from glitchgrid.simulation.trace import brief

CACHE_NS = 20_000
"""What happens in memory alone."""

SYNC_NS = 1_000_000
"""A sync, usually."""


def _error(number: int, *names: str) -> OSError:
    return OSError(number, os.strerror(number), *names)


class User(Protocol):
    """A process that uses a disk, from its threads."""

    @property
    def name(self) -> str: ...

    @property
    def alive(self) -> bool: ...

    def block(self, duration_ns: int) -> None: ...


class Disk:
    """Faults set its attributes; they hold for what begins from then on.

    :ivar slowness: by how much everything takes longer.
    :ivar stalled_until_ns: nothing ends before that, in the world's time.
    :ivar busy_until_ns: all that has begun will have ended by then.
    :ivar is_full: nothing may grow.
    :ivar is_read_only: nothing may change.
    :ivar fails_to: "read" or "write", or both: every such call fails.
    :ivar syncs_to_fail: how many of the next syncs fail.
    :ivar when_syncing: is called once, in the middle of the next sync.
    :ivar changes: goes up whenever something has become durable, or may have.
    :ivar open_files: each, and whose it is.
    :ivar refused: the last process that was told of an error other than a missing file.
    """

    def __init__(self, world: RunContext, name: str) -> None:
        self.world = world
        self.slowness = 1
        self.stalled_until_ns = 0
        self.busy_until_ns = 0
        self.is_full = False
        self.is_read_only = False
        self.fails_to: set[str] = set()
        self.syncs_to_fail = 0
        self.when_syncing: Callable[[], object] | None = None
        self._in_syncs: list[Event] = []
        self.changes = 0
        self.directory = Directory()
        self.locked_by: User | None = None
        self.open_files: dict[File, User] = {}
        self.refused: User | None = None
        self._rng = world.rng(f"disk {name}")

    def mount(self, process: User) -> "Mount":
        return Mount(self, process)

    def durable(self, name: str) -> bytes | None:
        """What the disk certainly holds under a name."""
        inode = self.directory.durable.get(name)
        return None if inode is None else inode.durable

    def lose_power(self) -> None:
        """The cache is gone. Of what was not synced, anything may have reached the disk."""
        self.directory.settle(self._rng.below)
        self.changes += 1
        self.locked_by = None
        self.open_files.clear()

    def replace(self) -> None:
        """Put an empty disk in its place. The machine is off."""
        self.directory = Directory()
        self.changes += 1

    def put(self, name: str, data: bytes) -> None:
        """Have a whole file there that is durable. The machine is off."""
        inode = Inode()
        inode.write(data, 0)
        inode.sync()
        self.directory.change(NameChange(inode, name))
        self.directory.sync()

    def takes_ns(self, usual_ns: int) -> int:
        """How long something takes that begins now."""
        duration_ns = self._rng.rarely_long(usual_ns) * self.slowness
        duration_ns = max(duration_ns, self.stalled_until_ns - self.world.now_ns)
        self.busy_until_ns = max(self.busy_until_ns, self.world.now_ns + duration_ns)
        return duration_ns

    def calm(self) -> None:
        """End all faults of this disk."""
        self.slowness = 1
        self.stalled_until_ns = 0
        self.is_full = False
        self.is_read_only = False
        self.fails_to.clear()
        self.syncs_to_fail = 0
        self.when_syncing = None
        for event in self._in_syncs:  # a disk that stalls may have several of them before it
            event.cancel()
        self._in_syncs.clear()

    def begin_sync(self, duration_ns: int) -> None:
        if self.when_syncing is not None:
            self._in_syncs.append(self.world.after(duration_ns // 2, self.when_syncing))
            self.when_syncing = None

    def sync_fails(self) -> bool:
        if not self.syncs_to_fail:
            return False
        self.syncs_to_fail -= 1
        return True


class Mount:
    """A disk as one process sees it. Every method may raise OSError."""

    def __init__(self, disk: Disk, process: User) -> None:
        self.disk = disk
        self.process = process

    def lock(self) -> None:
        """For as long as this process lives, or until `unlock`; BlockingIOError where another one holds it."""
        holder = self.disk.locked_by
        if holder is not None and holder.alive:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK))
        self.disk.locked_by = self.process

    def unlock(self) -> None:
        if self.disk.locked_by is self.process:
            self.disk.locked_by = None

    def open(self, name: str) -> "File":
        self.take("open", name)
        inode = self.disk.directory.cached.get(name)
        if inode is None:
            raise _error(errno.ENOENT, name)
        return File(self, name, inode)

    def create(self, name: str) -> "File":
        self.take("create", name)
        self.refuse_to_change(name)
        directory = self.disk.directory
        inode = directory.cached.get(name)
        if inode is None:
            if self.disk.is_full:
                raise self.refusal(errno.ENOSPC, name)
            inode = Inode()
            directory.change(NameChange(inode, name))
        elif inode.cached:
            inode.empty()
        return File(self, name, inode)

    def replace(self, source: str, target: str) -> None:
        self.take("rename", f"{source} {target}")
        self.refuse_to_change(target)
        directory = self.disk.directory
        inode = directory.cached.get(source)
        if inode is None:
            raise _error(errno.ENOENT, source)
        directory.change(NameChange(inode, target, source))

    def fsync_directory(self) -> None:
        self.sync("fsync", ".", self.disk.directory.sync, self.disk.directory.forget)

    def refuse_to_change(self, name: str) -> None:
        if self.disk.is_read_only:
            raise self.refusal(errno.EROFS, name)

    def refuse_to(self, what: str, name: str) -> None:
        if what in self.disk.fails_to:
            raise self.refusal(errno.EIO, name)

    def refusal(self, number: int, name: str) -> OSError:
        """The error that this process is told of."""
        self.disk.refused = self.process
        return _error(number, name)

    def take(self, operation: str, on: str) -> None:
        """Let a thread wait while something happens in the cache. It is done when this returns."""
        self._wait(operation, on, self.disk.takes_ns(CACHE_NS))

    def _wait(self, operation: str, on: str, duration_ns: int) -> None:
        self.process.block(duration_ns)
        self.disk.world.note(self.process.name, f"{operation} {on}")

    def sync(self, operation: str, on: str, succeed: Callable[[], None], fail: Callable[[], None]) -> None:
        duration_ns = self.disk.takes_ns(SYNC_NS)
        self.disk.begin_sync(duration_ns)
        self._wait(operation, on, duration_ns)
        if self.disk.sync_fails():
            self.disk.world.note(self.process.name, f"{operation} {on} fails")
            fail()
            raise self.refusal(errno.EIO, on)
        succeed()
        self.disk.changes += 1


class File:
    """An open file."""

    def __init__(self, mount: Mount, name: str, inode: Inode) -> None:
        mount.disk.open_files[self] = mount.process
        self._mount = mount
        self._name = name
        self._inode = inode
        self._offset = 0

    def read(self, size_max: int) -> bytes:
        self._mount.take("read", self._name)
        self._mount.refuse_to("read", self._name)
        data = self._inode.cached[self._offset : self._offset + size_max]
        self._offset += len(data)
        return data

    def write(self, data: bytes) -> None:
        self.write_at(data, self._offset)
        self._offset += len(data)

    def write_at(self, data: bytes, offset_bytes: int) -> None:
        # Page by page: a signal comes between two pages, and never within one.
        while data:
            page = data[: PAGE_BYTES - offset_bytes % PAGE_BYTES]
            self._mount.take("write", f"{self._name} {offset_bytes} {brief(page)}")
            self._mount.refuse_to_change(self._name)
            self._mount.refuse_to("write", self._name)
            if self._mount.disk.is_full and offset_bytes + len(page) > _allocated(self._inode):
                raise self._mount.refusal(errno.ENOSPC, self._name)
            self._inode.write(page, offset_bytes)
            data, offset_bytes = data[len(page) :], offset_bytes + len(page)

    def fsync(self) -> None:
        self._mount.sync("fsync", self._name, self._inode.sync, self._inode.forget)

    def fdatasync(self) -> None:
        self._mount.sync("fdatasync", self._name, self._inode.sync, self._inode.forget)

    def close(self) -> None:
        """Takes no time, and may be called from anywhere."""
        self._mount.disk.open_files.pop(self, None)


def _allocated(inode: Inode) -> int:
    return -(-len(inode.cached) // PAGE_BYTES) * PAGE_BYTES

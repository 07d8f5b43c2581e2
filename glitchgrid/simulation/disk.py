"""A machine's disk: what is in its cache, what is on its platters, and how long things take.

A process reaches the disk through a `Mount`, from its threads: every call takes its time, but for locking and closing.
A call in the middle of which the process is killed is not carried out; of a write, the pages so far stay written.
"""

import errno
import os
from collections.abc import Callable
from typing import Protocol

from glitchgrid.simulation import drive
from glitchgrid.simulation.context import RunContext
from glitchgrid.simulation.drive import CACHE_NS, SYNC_NS, Drive, error
from glitchgrid.simulation.inode import PAGE_BYTES, Directory, Inode, NameChange
from glitchgrid.simulation.trace import brief

__all__ = ["CACHE_NS", "SYNC_NS", "Disk", "File", "Mount", "User"]


class User(drive.User, Protocol):
    """A process that uses a disk, from its threads."""

    def block(self, duration_ns: int) -> None: ...


class Disk(Drive[User]):
    """One directory of files, reached through a `Mount`."""

    def __init__(self, world: RunContext, name: str) -> None:
        super().__init__(world, f"disk {name}")
        self.directory = Directory()
        self.locked_by: User | None = None

    def mount(self, process: User) -> "Mount":
        return Mount(self, process)

    def durable(self, name: str) -> bytes | None:
        inode = self.directory.durable.get(name)
        return None if inode is None else inode.durable

    def lose_power(self) -> None:
        self.directory.settle(self._rng.below)
        self.changes += 1
        self.locked_by = None
        self.open_files.clear()

    def replace(self) -> None:
        self.directory = Directory()
        self.changes += 1

    def put(self, name: str, data: bytes) -> None:
        inode = Inode()
        inode.write(data, 0)
        inode.sync()
        self.directory.change(NameChange(inode, name))
        self.directory.sync()


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
            raise error(errno.ENOENT, name)
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
        elif inode.size:
            inode.empty()
        return File(self, name, inode)

    def replace(self, source: str, target: str) -> None:
        self.take("rename", f"{source} {target}")
        self.refuse_to_change(target)
        directory = self.disk.directory
        inode = directory.cached.get(source)
        if inode is None:
            raise error(errno.ENOENT, source)
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
        return error(number, name)

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
        data = self._inode.read(self._offset, size_max)
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
    return -(-inode.size // PAGE_BYTES) * PAGE_BYTES

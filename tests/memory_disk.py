"""A data directory in memory, with what stands between a program and a real disk: a cache that can be lost.

As POSIX has it: a write changes the cache, fsync makes one file's data durable, a rename changes the names in
the cache, and fsync_directory makes the names durable. As Linux has it: after a failed fsync the cache keeps
the new data, the disk the old, and the next fsync succeeds with nothing to write.
"""

import copy
import errno
import itertools
import os
from collections.abc import Callable, Iterator

from attrs import define, field
from zope.interface import implementer

from glitchgrid.disk import IDisk, IFile
from glitchgrid.errors import DataDirectoryInUse


class Crashed(BaseException):
    """The process is gone: nothing catches this but the test."""


def io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


@define(eq=False)
class _Inode:
    """A file's data. `unsynced` is each state since the last sync: any of them may have reached the disk, or half."""

    cached: bytes = b""
    durable: bytes = b""
    unsynced: list[bytes] = field(factory=list)

    def change(self, data: bytes) -> None:
        self.cached = data
        self.unsynced.append(data)

    def sync(self) -> None:
        if self.unsynced:
            self.durable = self.cached
        self.unsynced.clear()

    def forget(self) -> None:
        """What a failed fsync does: the kernel calls the pages clean."""
        self.unsynced.clear()

    def survivors(self) -> list[bytes]:
        halves = [data[: len(data) // 2] for data in self.unsynced]
        return list(dict.fromkeys([self.durable, *self.unsynced, *halves]))


@define(eq=False)
class _NameChange:
    """The name `new` leads to `inode` from now on, and `old` (if there is one) no longer does."""

    inode: _Inode
    new: str
    old: str | None = None

    def apply(self, names: dict[str, _Inode]) -> None:
        if self.old is not None and names.get(self.old) is self.inode:
            del names[self.old]
        names[self.new] = self.inode


@define(eq=False)
class _Directory:
    cached: dict[str, _Inode] = field(factory=dict)
    durable: dict[str, _Inode] = field(factory=dict)
    unsynced: list[_NameChange] = field(factory=list)

    def change(self, change: _NameChange) -> None:
        change.apply(self.cached)
        self.unsynced.append(change)

    def sync(self) -> None:
        for change in self.unsynced:
            change.apply(self.durable)
        self.unsynced.clear()

    def forget(self) -> None:
        self.unsynced.clear()


@implementer(IFile)
class MemoryFile:
    def __init__(self, disk: "MemoryDisk", inode: _Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._offset = 0

    def read(self, size_max: int) -> bytes:
        self._disk.step("read")
        data = self._inode.cached[self._offset : self._offset + size_max]
        self._offset += len(data)
        return data

    def write(self, data: bytes) -> None:
        before = self._inode.cached
        # A disk that fills up takes the first half.
        self._disk.step("write", lambda: self._inode.change(before + data[: len(data) // 2]))
        self._inode.change(before + data)

    def fsync(self) -> None:
        self._disk.step("fsync", self._inode.forget)
        self._inode.sync()

    def close(self) -> None:
        self._disk.open_files -= 1


@implementer(IDisk)
class MemoryDisk:
    """One data directory. Each primitive is a step, counted from 1.

    :ivar crash_at: the step at which the process dies: that step and all later ones do nothing.
    :ivar fail_at: the steps that fail with an OSError.
    """

    def __init__(self) -> None:
        self.path = "/data"
        self.crash_at: int | None = None
        self.fail_at: set[int] = set()
        self.steps: list[str] = []
        self.open_files = 0
        self.claimed = False
        self._directory = _Directory()
        self._dead = False

    def claim(self) -> None:
        self.step("claim")
        if self.claimed:
            raise DataDirectoryInUse(self.path)
        self.claimed = True

    def release(self) -> None:
        self.claimed = False

    def open(self, name: str) -> MemoryFile:
        self.step("open")
        if name not in self._directory.cached:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return self._opened(self._directory.cached[name])

    def create(self, name: str) -> MemoryFile:
        self.step("create")
        inode = self._directory.cached.get(name)
        if inode is None:
            inode = _Inode()
            self._directory.change(_NameChange(inode, name))
        elif inode.cached:
            inode.change(b"")
        return self._opened(inode)

    def replace(self, source: str, target: str) -> None:
        self.step("replace")
        self._directory.change(_NameChange(self._directory.cached[source], target, source))

    def fsync_directory(self) -> None:
        self.step("fsync_directory", self._directory.forget)
        self._directory.sync()

    def step(self, name: str, fail: Callable[[], None] = lambda: None) -> None:
        """Count a primitive, and crash or fail where that was asked for."""
        if self._dead:
            raise Crashed
        self.steps.append(name)
        if len(self.steps) == self.crash_at:
            self._dead = True
            raise Crashed
        if len(self.steps) in self.fail_at:
            fail()
            raise io_error()

    def put(self, name: str, data: bytes) -> None:
        """Lay a file on the disk, durably, outside the count."""
        self._directory.cached[name] = self._directory.durable[name] = _Inode(data, data)

    def cached(self, name: str) -> bytes | None:
        inode = self._directory.cached.get(name)
        return None if inode is None else inode.cached

    def durable(self, name: str) -> bytes | None:
        inode = self._directory.durable.get(name)
        return None if inode is None else inode.durable

    def after_kill(self) -> "MemoryDisk":
        """What the next process finds after kill -9: all of the cache, and no claim."""
        disk = MemoryDisk()
        disk._directory = copy.deepcopy(self._directory)
        return disk

    def after_power_losses(self) -> "Iterator[MemoryDisk]":
        """What the next process may find after a power loss: each way in which the unsynced survives or not."""
        changes = len(self._directory.unsynced)
        for kept in itertools.product([False, True], repeat=changes):
            names = copy.deepcopy(self._directory)
            for change, keep in zip(names.unsynced, kept, strict=True):
                if keep:
                    change.apply(names.durable)
            for survivors in itertools.product(*(inode.survivors() for inode in names.durable.values())):
                disk = MemoryDisk()
                for name, data in zip(names.durable, survivors, strict=True):
                    disk.put(name, data)
                yield disk

    def after_crashes(self) -> "Iterator[MemoryDisk]":
        yield self.after_kill()
        yield from self.after_power_losses()

    def _opened(self, inode: _Inode) -> MemoryFile:
        self.open_files += 1
        return MemoryFile(self, inode)

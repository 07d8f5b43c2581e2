"""A data directory in memory, with what stands between a program and a real disk: a cache that can be lost.

As POSIX has it: a write changes the cache, a sync makes one file's data durable, a rename changes the names in the
cache, and fsync_directory makes the names durable (see `glitchgrid.simulation.inode`).
"""

import copy
import errno
import os
from collections.abc import Callable, Iterator

from zope.interface import implementer

from glitchgrid.errors import DataDirectoryInUse
from glitchgrid.simulation.inode import Directory, Inode, NameChange
from glitchgrid.storage.disk import IDisk, IFile

TAKEN_BYTES = 75
"""So much of a write is in the cache when it fails or is killed half-way: it ends within a record's text."""


Files = tuple[tuple[str, bytes], ...]


class Crashed(BaseException):
    """The process is gone: nothing catches this but the test."""


def io_error() -> OSError:
    return OSError(errno.EIO, os.strerror(errno.EIO))


@implementer(IFile)
class MemoryFile:
    def __init__(self, disk: "MemoryDisk", inode: Inode) -> None:
        self._disk = disk
        self._inode = inode
        self._offset = 0

    def read(self, size_max: int) -> bytes:
        self._disk.step("read")
        data = self._inode.cached[self._offset : self._offset + size_max]
        self._offset += len(data)
        return data

    def write(self, data: bytes) -> None:
        self._write("write", data, self._offset)
        self._offset += len(data)

    def write_at(self, data: bytes, offset_bytes: int) -> None:
        self._write("write_at", data, offset_bytes)

    def fsync(self) -> None:
        self._sync("fsync")

    def fdatasync(self) -> None:
        self._sync("fdatasync")

    def _write(self, step: str, data: bytes, offset: int) -> None:
        taken = data[: min(TAKEN_BYTES, len(data) // 2)]
        self._disk.step(step, lambda: self._inode.write(taken, offset))
        self._inode.write(data, offset)

    def _sync(self, step: str) -> None:
        self._disk.step(step, self._inode.forget)
        self._inode.sync()

    def close(self) -> None:
        self._disk.open_files -= 1


@implementer(IDisk)
class MemoryDisk:
    """One data directory. Each primitive is a step, counted from 1.

    :ivar crash_at: the step at which the process dies: that step and all later ones do nothing.
    :ivar crash_halfway: if that step is a write, the cache has taken the first part of it.
    :ivar fail_at: the steps that fail with an OSError.
    """

    def __init__(self) -> None:
        self.path = "/data"
        self.crash_at: int | None = None
        self.crash_halfway = False
        self.fail_at: set[int] = set()
        self.steps: list[str] = []
        self.open_files = 0
        self.claimed = False
        self._directory = Directory()
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
            inode = Inode()
            self._directory.change(NameChange(inode, name))
        elif inode.cached:
            inode.empty()
        return self._opened(inode)

    def replace(self, source: str, target: str) -> None:
        self.step("replace")
        self._directory.change(NameChange(self._directory.cached[source], target, source))

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
            if self.crash_halfway and name.startswith("write"):
                fail()
            raise Crashed
        if len(self.steps) in self.fail_at:
            fail()
            raise io_error()

    def put(self, name: str, data: bytes) -> None:
        """Lay a file on the disk, durably, outside the count."""
        self._directory.cached[name] = self._directory.durable[name] = Inode(data, data)

    @classmethod
    def of(cls, files: Files) -> "MemoryDisk":
        disk = cls()
        for name, data in files:
            disk.put(name, data)
        return disk

    @property
    def files(self) -> Files:
        """What is on the disk for certain."""
        return tuple((name, inode.durable) for name, inode in sorted(self._directory.durable.items()))

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
        seen: set[Files] = set()
        for names in self._directory.survivors():
            for files in _combinations(sorted(names.items())):
                if files not in seen:
                    seen.add(files)
                    yield MemoryDisk.of(files)

    def after_crashes(self) -> "Iterator[MemoryDisk]":
        yield self.after_kill()
        yield from self.after_power_losses()

    def _opened(self, inode: Inode) -> MemoryFile:
        self.open_files += 1
        return MemoryFile(self, inode)


def _combinations(files: list[tuple[str, Inode]]) -> Iterator[Files]:
    """Each file with each of its survivors. Lazy: where syncs are missing there is no end to them."""
    if not files:
        yield ()
        return
    (name, inode), *others = files
    for data in inode.survivors():
        for rest in _combinations(others):
            yield ((name, data), *rest)

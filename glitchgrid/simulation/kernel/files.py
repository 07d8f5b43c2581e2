"""Open files: what a descriptor of a regular file, of a directory or of a device stands for."""

import errno
import os
from typing import Any

from glitchgrid.simulation.inode import PAGE_BYTES
from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, Table, error
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.nodes import FILE_BYTES_MAX, Device, Directory, File, Node
from glitchgrid.simulation.kernel.paths import Spot
from glitchgrid.simulation.kernel.records import record_lock
from glitchgrid.simulation.trace import brief

ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
_CREATION = os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOCTTY | os.O_CLOEXEC


class OpenNode(OpenFile):
    """What is open in a file system.

    :param where: by what name it was found.
    """

    can_be_polled = False

    def __init__(self, files: FileSystem, node: Node, flags: int, where: Spot) -> None:
        super().__init__()
        self.node: Node = node
        self.flags = flags & ~_CREATION
        self._files = files
        self._where = where
        process = files.current()
        if process is not None:
            files.open_files[self] = process

    @property
    def events(self) -> int:
        return IN | OUT

    @property
    def reads(self) -> bool:
        return self.flags & ACCESS != os.O_WRONLY and not self.flags & os.O_PATH

    @property
    def writes(self) -> bool:
        return self.flags & ACCESS != os.O_RDONLY

    def path(self) -> str:
        """What /proc/self/fd says."""
        parent, name = self._where.parent, self._where.name
        if parent.is_removed or parent.look_up(name) is not self.node:
            return f"/{name} (deleted)"
        return f"{parent.path().rstrip('/')}/{name}"

    def stat(self, number: int) -> os.stat_result:
        return self.node.stat()

    def sync(self) -> None:
        self._files.sync([self._files.flush(self.node)], self._where.name)

    def control(self, table: Table, command: int, argument: Any) -> Any:
        return record_lock(self, table, self._files, command, argument)

    def dropped(self, table: Table) -> None:
        """A process's own locks end with the first descriptor of the file that it closes, as POSIX has it."""
        self.node.locks.leave_records(table)

    def close(self) -> None:
        self.node.locks.leave(self)
        self.node.locks.leave_records(self)
        self._files.open_files.pop(self, None)


class OpenDirectory(OpenNode):
    node: Directory

    def read(self, size: int) -> bytes:
        raise error(errno.EISDIR)

    def write(self, data: bytes) -> int:
        raise error(errno.EBADF)

    def pread(self, size: int, offset: int) -> bytes:
        raise error(errno.EISDIR)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise error(errno.EBADF)

    def seek(self, offset: int, whence: int) -> int:
        return offset

    def path(self) -> str:
        return self.node.path()


class RegularFile(OpenNode):
    """:ivar offset: of all descriptors that stand for it."""

    node: File
    offset = 0

    def read(self, size: int) -> bytes:
        data = self.pread(size, None)
        self.offset += len(data)
        return data

    def pread(self, size: int, offset: int | None) -> bytes:
        """:param offset: None for where it stands."""
        if not self.reads:
            raise error(errno.EBADF)
        self._files.reach()
        if not self.node.is_real:
            self._files.require("read")
        return self.node.read(self.offset if offset is None else offset, size)

    def write(self, data: bytes) -> int:
        written, end = self._write(data, None)
        self.offset = end
        return written

    def pwrite(self, data: bytes, offset: int) -> int:
        """At the end, whatever the offset is, where it was opened to append: as Linux does it."""
        return self._write(data, offset)[0]

    def _write(self, data: bytes, offset: int | None) -> tuple[int, int]:
        """How much was written, and where that ends."""
        if not self.writes:
            raise error(errno.EBADF)
        self._files.reach()
        if self.flags & os.O_APPEND:
            offset = self.node.size
        elif offset is None:
            offset = self.offset
        if not data:
            return 0, offset
        piece = data[: self._room(offset, len(data))]
        self.node.data.write(piece, offset)
        self.node.modified(self._files.now_ns())
        self._files.note(f"write {self._where.name} {offset} {brief(piece)}")
        if self.flags & os.O_DSYNC:  # which O_SYNC includes
            self.sync()
        return len(piece), offset + len(piece)

    def _room(self, offset: int, size: int) -> int:
        """How much of a write there is room for.

        :raises OSError: EROFS, EIO, ENOSPC; EFBIG behind the end of the longest file.
        """
        self._files.require_change()
        self._files.require("write")
        if self._files.is_full:
            size = min(size, -(-self.node.size // PAGE_BYTES) * PAGE_BYTES - offset)
            if size <= 0:
                raise self._files.refusal(errno.ENOSPC)
        size = min(size, FILE_BYTES_MAX - offset)
        if size <= 0:
            raise error(errno.EFBIG)
        return size

    def seek(self, offset: int, whence: int) -> int:
        place = {
            os.SEEK_SET: lambda: offset,
            os.SEEK_CUR: lambda: self.offset + offset,
            os.SEEK_END: lambda: self.node.size + offset,
            os.SEEK_DATA: lambda: self._within(offset),
            os.SEEK_HOLE: lambda: max(self._within(offset), self.node.size),
        }.get(whence, lambda: -1)()
        if place < 0:
            raise error(errno.EINVAL)
        self.offset = place
        return place

    def _within(self, offset: int) -> int:
        """No file has holes here, as far as lseek(2) says.

        :raises OSError: ENXIO behind the end.
        """
        if not 0 <= offset < self.node.size:
            raise error(errno.ENXIO)
        return offset

    def truncate(self, size: int) -> None:
        if not self.writes:
            raise error(errno.EINVAL)
        truncate(self._files, self.node, size, self._where.name)

    def allocate(self, offset: int, size: int) -> None:
        """posix_fallocate(3)."""
        if not self.writes:
            raise error(errno.EBADF)
        if offset < 0 or size <= 0:
            raise error(errno.EINVAL)
        if offset + size > self.node.size:
            self._files.require_room()
            truncate(self._files, self.node, offset + size, self._where.name)


class OpenDevice(OpenNode):
    node: Device

    def read(self, size: int) -> bytes:
        if not self.reads:
            raise error(errno.EBADF)
        return self.node.read(size)

    def pread(self, size: int, offset: int) -> bytes:
        return self.read(size)

    def write(self, data: bytes) -> int:
        if not self.writes:
            raise error(errno.EBADF)
        if self.node.refuses:
            raise error(self.node.refuses)
        return len(data)

    def pwrite(self, data: bytes, offset: int) -> int:
        return self.write(data)

    def seek(self, offset: int, whence: int) -> int:
        return 0

    def sync(self) -> None:
        raise error(errno.EINVAL)


def truncate(files: FileSystem, node: Node, size: int, name: str) -> None:
    """:raises OSError: EINVAL, EISDIR, EFBIG, EROFS, EIO."""
    if size < 0:
        raise error(errno.EINVAL)
    if isinstance(node, Directory):
        raise error(errno.EISDIR)
    if not isinstance(node, File):
        raise error(errno.EINVAL)
    if size > FILE_BYTES_MAX:
        raise error(errno.EFBIG)
    files.reach()
    files.require_change()
    files.require("write")
    if size != node.size:
        node.data.resize(size)
        files.note(f"truncate {name} {size}")
    node.modified(files.now_ns())

"""The functions of `os` and `fcntl` that take descriptors of files."""

import errno
import fcntl
import os
from collections.abc import Iterable, Sequence
from typing import Any

from glitchgrid.simulation.kernel.blocking import blocking
from glitchgrid.simulation.kernel.caller import Caller
from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, error
from glitchgrid.simulation.kernel.files import OpenNode, RegularFile
from glitchgrid.simulation.kernel.nodes import Node
from glitchgrid.simulation.kernel.opening import unnamed
from glitchgrid.simulation.kernel.polling import descriptor_of
from glitchgrid.simulation.kernel.records import set_record

RECORDS = {fcntl.LOCK_SH: fcntl.F_RDLCK, fcntl.LOCK_EX: fcntl.F_WRLCK, fcntl.LOCK_UN: fcntl.F_UNLCK}


class DescriptorCalls(Caller):
    """Each does what that of `os` does, and raises what that raises."""

    def read(self, fd: int, length: int) -> bytes:
        process, table = self.current()
        file = table.file(fd)
        return blocking(process, file, lambda: file.read(length), IN, None if file.is_blocking else 0)

    def write(self, fd: int, data: Any) -> int:
        process, table = self.current()
        file, whole = table.file(fd), bytes(data)
        return blocking(process, file, lambda: file.write(whole), OUT, None if file.is_blocking else 0)

    def lseek(self, fd: int, position: int, whence: int, /) -> int:
        return self.table.file(fd).seek(position, whence)

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        _require_place(offset)
        return self.table.file(fd).pread(length, offset)

    def pwrite(self, fd: int, data: Any, offset: int, /) -> int:
        _require_place(offset)
        return self.table.file(fd).pwrite(bytes(data), offset)

    def readv(self, fd: int, buffers: Sequence[Any], /) -> int:
        return _spread(self.read(fd, _length(buffers)), buffers)

    def writev(self, fd: int, buffers: Sequence[Any], /) -> int:
        return self.write(fd, b"".join(buffers))

    def preadv(self, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0, /) -> int:
        _require_no(flags)
        return _spread(self.pread(fd, _length(buffers), offset), buffers)

    def pwritev(self, fd: int, buffers: Sequence[Any], offset: int, flags: int = 0, /) -> int:
        _require_no(flags & ~(os.RWF_DSYNC | os.RWF_SYNC))
        written = self.pwrite(fd, b"".join(buffers), offset)
        if flags:
            self.fsync(fd)
        return written

    def ftruncate(self, fd: int, length: int, /) -> None:
        self.table.file(fd).truncate(length)

    def fsync(self, fd: Any) -> None:
        self.table.file(descriptor_of(fd)).sync()

    def sync(self) -> None:
        self.files.sync_all()

    def fstat(self, fd: int) -> os.stat_result:
        return self.file_stat(fd)

    def fchmod(self, fd: int, mode: int) -> None:
        node = self._node(fd)
        self.files.require_change()
        node.permissions, node.changed_ns = mode & 0o7777, self.files.now_ns()

    def posix_fallocate(self, fd: int, offset: int, length: int, /) -> None:
        self.open_as(fd, RegularFile, errno.ENODEV).allocate(offset, length)

    def posix_fadvise(self, fd: int, _offset: int, _length: int, _advice: int, /) -> None:
        self.open_as(fd, OpenNode, errno.ESPIPE)

    def get_inheritable(self, fd: int, /) -> bool:
        return self.table.get_inheritable(fd)

    def set_inheritable(self, fd: int, inheritable: int, /) -> None:
        self.table.set_inheritable(fd, bool(inheritable))

    def memfd_create(self, name: str | bytes, _flags: int = 0) -> int:
        """A file of nobody's directory."""
        return self.table.add(unnamed(self.files, self.files.root, os.O_RDWR, 0o777))

    # From one to another.

    def sendfile(self, out_fd: int, in_fd: int, offset: int | None, count: int) -> int:
        """Of a file, to whatever takes bytes."""
        source = self.open_as(in_fd, RegularFile, errno.EINVAL)
        start = source.offset if offset is None else offset
        written = self.write(out_fd, source.pread(count, start))
        if offset is None:
            source.offset = start + written
        return written

    def copy_file_range(
        self, src: int, dst: int, count: int, offset_src: int | None = None, offset_dst: int | None = None
    ) -> int:
        source, target = (self.open_as(fd, RegularFile, errno.EINVAL) for fd in (src, dst))
        data = source.read(count) if offset_src is None else source.pread(count, offset_src)
        return int(target.write(data) if offset_dst is None else target.pwrite(data, offset_dst))

    # Locks.

    def flock(self, fd: Any, operation: int, /) -> None:
        """:raises BlockingIOError: where somebody else has it, and it was not to wait."""
        process, table = self.current()
        file = table.file(descriptor_of(fd))
        locks = self._node(descriptor_of(fd)).locks
        kind = operation & ~fcntl.LOCK_NB
        if kind == fcntl.LOCK_UN:
            locks.leave(file)
            return
        if kind not in RECORDS:
            raise error(errno.EINVAL)
        while True:
            try:
                locks.take(file, is_exclusive=kind == fcntl.LOCK_EX)
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
                process.wait_for([locks], lambda: locks.is_free(file, is_exclusive=kind == fcntl.LOCK_EX))
            else:
                return

    def lockf(self, fd: Any, cmd: int, len: int = 0, start: int = 0, whence: int = 0) -> None:  # noqa: A002 - its name
        """:raises ValueError: for a command that there is not.
        :raises BlockingIOError: where another process has it, and it was not to wait.
        """
        kind = RECORDS.get(cmd & ~fcntl.LOCK_NB)
        if kind is None:
            raise ValueError("unrecognized lockf argument")
        process, table = self.current()
        file = self.open_as(descriptor_of(fd), OpenNode, errno.EINVAL)
        set_record(file, process, table, kind, (whence, start, len), waits=not cmd & fcntl.LOCK_NB)

    def _node(self, fd: int) -> Node:
        file: OpenFile = self.table.file(fd)
        if not isinstance(file.node, Node):
            raise error(errno.EINVAL)
        return file.node


def _length(buffers: Iterable[Any]) -> int:
    return sum(memoryview(each).nbytes for each in buffers)


def _spread(data: bytes, buffers: Iterable[Any]) -> int:
    left = data
    for each in buffers:
        view = memoryview(each).cast("B")
        piece, left = left[: len(view)], left[len(view) :]
        view[: len(piece)] = piece
    return len(data)


def _require_place(offset: int) -> None:
    """:raises OSError: EINVAL, even where the descriptor stands for nothing."""
    if offset < 0:
        raise error(errno.EINVAL)


def _require_no(flags: int) -> None:
    if flags:
        raise NotImplementedError(f"flags {flags:#x} are not modelled")

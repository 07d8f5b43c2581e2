"""fcntl's locks of parts of files: of a process (F_SETLK), or of an open file (F_OFD_SETLK)."""

import errno
import fcntl
import struct
import sys
from typing import Any, Protocol

from glitchgrid.simulation.kernel.descriptors import Table, error
from glitchgrid.simulation.kernel.locks import END, Record
from glitchgrid.simulation.kernel.process import Process


class Machine(Protocol):
    def current(self) -> Process | None: ...

    def pid_of(self, table: object) -> int | None: ...


FLOCK = struct.Struct("@hhqqi")
"""struct flock of 64-bit Linux: kind, whence, start, length, process."""

_LEAST_BYTES = struct.calcsize("@hhqq")


def record_lock(file: Any, table: Table, machine: Machine, command: int, argument: Any) -> Any:
    """F_SETLK, F_SETLKW, F_GETLK, and the same for open files (F_OFD_SETLK ...).

    :param argument: a struct flock, as bytes.
    :raises OSError: EAGAIN, EBADF, EINVAL.
    :raises NotImplementedError: for another command.
    """
    owner = {fcntl.F_SETLK: table, fcntl.F_SETLKW: table, fcntl.F_GETLK: table}.get(command, file)
    if owner is file and command not in _OF_OPEN_FILES:
        raise NotImplementedError(f"fcntl command {command} is not modelled")
    if not isinstance(argument, bytes) or len(argument) < _LEAST_BYTES:
        raise error(errno.EINVAL)
    kind, whence, start, length, _ = FLOCK.unpack(argument[: FLOCK.size].ljust(FLOCK.size, b"\0"))
    if command in {fcntl.F_GETLK, _OFD_GETLK}:
        there = file.node.locks.against(_record(file, owner, kind, whence, start, length))
        return _described(there, argument, machine)
    waits = command in {fcntl.F_SETLKW, _OFD_SETLKW}
    set_record(file, machine.current(), owner, kind, (whence, start, length), waits=waits)
    return argument


_OFD_GETLK, _OFD_SETLK, _OFD_SETLKW = 36, 37, 38
_OF_OPEN_FILES = {_OFD_GETLK, _OFD_SETLK, _OFD_SETLKW}


def set_record(
    file: Any, process: Process | None, owner: object, kind: int, part: tuple[int, int, int], *, waits: bool
) -> None:
    """:param kind: F_RDLCK, F_WRLCK or F_UNLCK.
    :param part: whence, start and length, as fcntl(2) has them.
    :raises OSError: EAGAIN where it does not wait, EBADF, EINVAL.
    """
    record = _record(file, owner, kind, *part)
    locks = file.node.locks
    if kind == fcntl.F_UNLCK:
        locks.leave_records(owner, record.start, record.end)
    elif (kind == fcntl.F_WRLCK and not file.writes) or (kind == fcntl.F_RDLCK and not file.reads):
        raise error(errno.EBADF)
    elif waits and process is not None:
        process.wait_for([locks], lambda: locks.against(record) is None)
        locks.take_record(record)
    else:
        locks.take_record(record)


def _record(file: Any, owner: object, kind: int, whence: int, start: int, length: int) -> Record:
    if kind not in {fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK} or whence not in {0, 1, 2}:
        raise error(errno.EINVAL)
    start += (0, getattr(file, "offset", 0), file.node.size)[whence]
    start, end = (start + length, start) if length < 0 else (start, start + length if length else END)
    if start < 0:
        raise error(errno.EINVAL)
    return Record(owner, start, end, kind == fcntl.F_WRLCK)


def _described(there: Record | None, argument: bytes, machine: Machine) -> bytes:
    """What F_GETLK gives: the lock that stands against the one asked for; that one, with another kind, if none does."""
    if there is None:
        return fcntl.F_UNLCK.to_bytes(2, sys.byteorder) + argument[2:]
    kind = fcntl.F_WRLCK if there.is_exclusive else fcntl.F_RDLCK
    length = 0 if there.end == END else there.end - there.start
    pid = machine.pid_of(there.owner)
    return FLOCK.pack(kind, 0, there.start, length, -1 if pid is None else pid)

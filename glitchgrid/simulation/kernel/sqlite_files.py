"""Open files of SQLite's, in a world: what its library calls of them.

A call may wait in the world's time, in the middle of the library's own: then its thread's stack is put aside, and
others go on. Nothing that is raised crosses the library; it is told of an error.
"""

import ctypes
import errno
from collections.abc import Callable
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

from greenlet import GreenletExit, getcurrent, greenlet

from glitchgrid.simulation.kernel import sqlite_layout as sqlite
from glitchgrid.simulation.kernel.descriptors import Table
from glitchgrid.simulation.kernel.files import RegularFile
from glitchgrid.simulation.kernel.nodes import Node
from glitchgrid.simulation.kernel.process import Process
from glitchgrid.simulation.kernel.sqlite_locks import SharedState

Call = Callable[..., Any]

_BURIED: list[greenlet] = []


def bury() -> NoReturn:
    """A dead thread is to be thrown away while it is in the library: it stays there, and does nothing any more.

    Else the library would tell the program of an error, which it would handle, and the dead would act.
    """
    here = getcurrent()
    _BURIED.append(here)
    while True:
        assert here.parent is not None
        here.parent.switch()


def guarded(call: Call, failure: int) -> Call:
    """A call that raises nothing, for the library.

    :param failure: what it returns where anything was raised.
    """

    def guard(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except GreenletExit:
            bury()
        except OSError as error:
            return sqlite.FULL if error.errno == errno.ENOSPC else failure
        except BaseException:  # noqa: BLE001 - nothing may be raised through C
            return failure

    return guard


class WorldFile:
    """:param descriptor: in its process's table.
    :param shared: what all have that are open for this inode.
    :param sync_directory: what is to be done behind its first sync, as SQLite does it for new journals.
    """

    def __init__(
        self,
        process: Process,
        table: Table,
        descriptor: int,
        shared: SharedState,
        sync_directory: Call | None,
    ) -> None:
        self._process = process
        self._table = table
        self._descriptor = descriptor
        self._shared = shared
        self._sync_directory = sync_directory

    @property
    def alive(self) -> bool:
        return self._process.alive

    @property
    def file(self) -> RegularFile:
        """:raises OSError: EBADF, where its process is dead, too: so the library gives up, and deletes nothing."""
        found = self._table.file(self._descriptor)
        assert isinstance(found, RegularFile)
        return found

    def close(self) -> int:
        self._shared.unlock(self, sqlite.UNLOCKED)
        self._shared.unmap(self)
        if self._process.alive:
            self._table.close(self._descriptor)
        return sqlite.OK

    def read(self, into: int, size: int, offset: int) -> int:
        data = self.file.pread(size, offset)
        ctypes.memmove(into, data.ljust(size, b"\0"), size)
        return sqlite.OK if len(data) == size else sqlite.IOERR_SHORT_READ

    def write(self, source: int, size: int, offset: int) -> int:
        data = ctypes.string_at(source, size)
        while data:
            written = self.file.pwrite(data, offset)
            data, offset = data[written:], offset + written
        return sqlite.OK

    def truncate(self, size: int) -> int:
        self.file.truncate(size)
        return sqlite.OK

    def sync(self, _flags: int) -> int:
        self.file.sync()
        if self._sync_directory is not None:
            self._sync_directory()
            self._sync_directory = None
        return sqlite.OK

    def size(self, out: Any) -> int:
        out[0] = self.file.node.size
        return sqlite.OK

    def lock(self, level: int) -> int:
        assert self.file
        return self._shared.lock(self, level)

    def unlock(self, level: int) -> int:
        self._shared.unlock(self, level)
        return sqlite.OK

    def check_reserved(self, out: Any) -> int:
        out[0] = int(self._shared.is_reserved(self))
        return sqlite.OK

    def shm_map(self, number: int, size: int, extend: int, out: Any) -> int:
        assert self.file
        out[0] = self._shared.region(self, number, size, bool(extend))
        return sqlite.OK

    def shm_lock(self, first: int, count: int, flags: int) -> int:
        return self._shared.lock_slots(self, first, count, flags)

    def shm_unmap(self, _deletes: int) -> int:
        self._shared.unmap(self)
        return sqlite.OK


class OpenFiles:
    """All that are open, by the addresses of their structures; and the table of their methods, for the library."""

    def __init__(self) -> None:
        self._files: dict[int, WorldFile] = {}
        self._shared: WeakKeyDictionary[Node, SharedState] = WeakKeyDictionary()
        self.methods = sqlite.Methods(2, *self._functions())

    def shared(self, node: Node) -> SharedState:
        return self._shared.setdefault(node, SharedState())

    def add(self, address: int, file: WorldFile) -> None:
        self._files[address] = file
        sqlite.File.from_address(address).methods = ctypes.pointer(self.methods)

    def _close(self, address: int) -> int:
        return self._files.pop(address).close()

    def _functions(self) -> list[Any]:
        def of_file(method: Call) -> Call:
            return lambda address, *arguments: method(self._files[address], *arguments)

        calls: dict[str, tuple[Call, int]] = {
            "xClose": (self._close, sqlite.IOERR),
            "xRead": (of_file(WorldFile.read), sqlite.IOERR_READ),
            "xWrite": (of_file(WorldFile.write), sqlite.IOERR_WRITE),
            "xTruncate": (of_file(WorldFile.truncate), sqlite.IOERR_TRUNCATE),
            "xSync": (of_file(WorldFile.sync), sqlite.IOERR_FSYNC),
            "xFileSize": (of_file(WorldFile.size), sqlite.IOERR_FSTAT),
            "xLock": (of_file(WorldFile.lock), sqlite.IOERR),
            "xUnlock": (of_file(WorldFile.unlock), sqlite.IOERR),
            "xCheckReservedLock": (of_file(WorldFile.check_reserved), sqlite.IOERR),
            "xFileControl": (lambda *_: sqlite.NOTFOUND, sqlite.NOTFOUND),
            "xSectorSize": (lambda _: sqlite.SECTOR_BYTES, sqlite.SECTOR_BYTES),
            "xDeviceCharacteristics": (lambda _: sqlite.POWERSAFE_OVERWRITE, sqlite.POWERSAFE_OVERWRITE),
            "xShmMap": (of_file(WorldFile.shm_map), sqlite.IOERR_SHMMAP),
            "xShmLock": (of_file(WorldFile.shm_lock), sqlite.IOERR),
            "xShmBarrier": (lambda _: None, 0),
            "xShmUnmap": (of_file(WorldFile.shm_unmap), sqlite.IOERR),
        }
        return [kind(guarded(*calls[name])) for name, kind in sqlite.FILE_FUNCTIONS.items()]

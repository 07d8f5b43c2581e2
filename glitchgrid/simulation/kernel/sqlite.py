"""SQLite, as the standard library has it, on the files of a world.

Its library is given another virtual file system as its default one. That answers for the world while a process of the
world runs, and lets the library's own answer otherwise. Rollback journals and write-ahead logs both work. No part of a
database is mapped into memory.
"""

import ctypes
import errno
import os
import posixpath
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from glitchgrid.simulation.kernel import sqlite_layout as sqlite
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.seam import Patch, Seam
from glitchgrid.simulation.kernel.sqlite_files import OpenFiles, WorldFile, guarded

NAME = b"glitchgrid"
PATH_BYTES_MAX = 1024
US_NS = 1000
MS_NS = 1_000_000
TEMPORARY = "/var/tmp"  # noqa: S108 - of a simulated machine


def library() -> ctypes.CDLL | None:
    """That which the module `_sqlite3` itself is linked with; None where it cannot be reached.

    What is looked up by the module's handle is looked up in all that it depends on (dlsym(3)).
    """
    try:
        import _sqlite3  # noqa: PLC0415 - which not every Python has

        found = ctypes.CDLL(_sqlite3.__file__)
        found.sqlite3_vfs_find.restype = ctypes.POINTER(sqlite.Vfs)
    except (ImportError, AttributeError, OSError):
        return None
    return found


def patches(seam: Seam, calls: FileCalls, entropy: Callable[[int], bytes] | None = None) -> Iterator[Patch]:
    """Put the file system in, and yield what is to be patched.

    The library keeps it: a second one takes the first one's place in it. Where the library cannot be reached, opening a
    file says so.

    :param entropy: gives the process whose code runs so many random bytes; `os.urandom` if there is none.
    """
    try:
        import sqlite3  # noqa: PLC0415 - which not every Python has

        from glitchgrid.simulation.kernel import sqlite_threads  # noqa: PLC0415
    except ImportError:
        return
    answering = Answering(seam, calls, entropy or _entropy)
    found = library()
    if _REGISTERED:
        _REGISTERED[0].who = answering
    elif found is not None:
        _REGISTERED.append(VirtualFileSystem(found, answering))

    def connect(*arguments: Any, **named: Any) -> Any:
        if found is None:
            _refuse(*arguments, **named)
        return sqlite_threads.connect(lambda: calls.current()[0], *arguments, **named)

    for module in (sqlite3, sqlite3.dbapi2):
        yield Patch(module, "connect", connect)


class Answering(NamedTuple):
    seam: Seam
    calls: FileCalls
    entropy: Callable[[int], bytes]


class VirtualFileSystem:
    """:ivar who: answers."""

    def __init__(self, library: ctypes.CDLL, who: Answering) -> None:
        self.who = who
        self._library = library
        self._open_files = OpenFiles()
        self._own = library.sqlite3_vfs_find(None)
        self._vfs = self._made()
        library.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)

    @property
    def _calls(self) -> FileCalls:
        return self.who.calls

    def _made(self) -> sqlite.Vfs:
        own = self._own.contents
        calls: dict[str, tuple[Callable[..., Any], int]] = {
            "xOpen": (self._open, sqlite.CANTOPEN),
            "xDelete": (self._delete, sqlite.IOERR_DELETE),
            "xAccess": (self._access, sqlite.IOERR),
            "xFullPathname": (self._full_path, sqlite.CANTOPEN),
            "xRandomness": (self._randomness, 0),
            "xSleep": (self._sleep, 0),
            "xCurrentTime": (self._current_time, sqlite.IOERR),
            "xGetLastError": (lambda *_: 0, 0),
            "xCurrentTimeInt64": (self._current_time_ms, sqlite.IOERR),
        }
        functions = []
        for name, kind in sqlite.VFS_FUNCTIONS.items():
            theirs = getattr(own, name)
            functions.append(
                kind(guarded(self._asked(name, calls[name][0]), calls[name][1])) if name in calls else theirs
            )
        size = max(sqlite.FILE_BYTES, own.szOsFile)
        return sqlite.Vfs(2, size, PATH_BYTES_MAX, None, NAME, None, *functions)

    def _asked(self, name: str, answer: Callable[..., Any]) -> Callable[..., Any]:
        """A function that asks, at each call, who is to answer."""
        theirs = getattr(self._own.contents, name)

        def ask(_vfs: int, *arguments: Any) -> Any:
            if self.who.seam.applies():
                return answer(*arguments)
            return theirs(ctypes.cast(self._own, ctypes.c_void_p), *arguments)

        return ask

    # What the library calls.

    def _open(self, name: int | None, address: int, flags: int, out: Any) -> int:
        sqlite.File.from_address(address).methods = None
        process, table = self._calls.current()
        descriptor = self._descriptor(name, flags)
        file = table.file(descriptor)
        if flags & sqlite.OPEN_MAIN_DB:
            # From here on the random numbers that the library draws, for all, come from what this process is given.
            self._library.sqlite3_randomness(0, None)
        sync_directory = None
        if name and flags & (sqlite.OPEN_MAIN_JOURNAL | sqlite.OPEN_SUPER_JOURNAL | sqlite.OPEN_WAL):
            path = _text(name)
            sync_directory = lambda: self._sync_directory(path)  # noqa: E731
        opened = WorldFile(process, table, descriptor, self._open_files.shared(file.node), sync_directory)
        self._open_files.add(address, opened)
        if out:
            is_writable = file.flags & (os.O_WRONLY | os.O_RDWR)
            both = sqlite.OPEN_READONLY | sqlite.OPEN_READWRITE
            out[0] = (flags & ~both) | (sqlite.OPEN_READWRITE if is_writable else sqlite.OPEN_READONLY)
        return sqlite.OK

    def _descriptor(self, name: int | None, flags: int) -> int:
        """An open file; one that can only be read where there is no other way and that will do, as on unix."""
        if not name:
            return self._calls.open(TEMPORARY, os.O_RDWR | os.O_TMPFILE, 0o600)
        path = _text(name)
        how = os.O_RDWR if flags & sqlite.OPEN_READWRITE else os.O_RDONLY
        how |= os.O_CREAT if flags & sqlite.OPEN_CREATE else 0
        how |= os.O_EXCL if flags & sqlite.OPEN_EXCLUSIVE else 0
        try:
            descriptor = self._calls.open(path, how | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            if error.errno not in {errno.EROFS, errno.EACCES} or not flags & sqlite.OPEN_READWRITE:
                raise
            descriptor = self._calls.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        if flags & sqlite.OPEN_DELETEONCLOSE:
            self._calls.unlink(path)
        return descriptor

    def _delete(self, name: int, sync_directory: int) -> int:
        path = _text(name)
        try:
            self._calls.unlink(path)
        except FileNotFoundError:
            return sqlite.IOERR_DELETE_NOENT
        if sync_directory & 1:
            self._sync_directory(path)
        return sqlite.OK

    def _access(self, name: bytes, flags: int, out: Any) -> int:
        path = os.fsdecode(name)
        if flags == sqlite.ACCESS_EXISTS:
            try:
                out[0] = int(self._calls.stat(path).st_size > 0)
            except OSError:
                out[0] = 0
        else:
            out[0] = int(self._calls.access(path, os.R_OK | os.W_OK))
        return sqlite.OK

    def _full_path(self, name: bytes, size: int, out: int) -> int:
        whole = os.fsencode(self._resolved(os.fsdecode(name)))
        if len(whole) >= size:
            return sqlite.CANTOPEN
        ctypes.memmove(out, whole + b"\0", len(whole) + 1)
        return sqlite.OK

    def _resolved(self, path: str) -> str:
        spot = self._calls.files.find(self._calls.at(path))
        return posixpath.join(spot.parent.path(), spot.name)

    def _randomness(self, size: int, out: int) -> int:
        ctypes.memmove(out, self.who.entropy(size), size)
        return size

    def _sleep(self, duration_us: int) -> int:
        self._calls.current()[0].sleep(duration_us * US_NS)
        return duration_us

    def _current_time_ms(self, out: Any) -> int:
        out[0] = sqlite.JULIAN_MS + self._calls.files.now_ns() // MS_NS
        return sqlite.OK

    def _current_time(self, out: Any) -> int:
        out[0] = (sqlite.JULIAN_MS + self._calls.files.now_ns() // MS_NS) / 86_400_000
        return sqlite.OK

    def _sync_directory(self, path: str) -> None:
        table = self._calls.table
        descriptor = self._calls.open(posixpath.dirname(path) or "/", os.O_RDONLY | os.O_DIRECTORY)
        try:
            table.file(descriptor).sync()
        except OSError:  # and nothing else: the end of a dead thread must reach whoever buries it
            table.close(descriptor)
            raise
        table.close(descriptor)


def _text(address: int) -> str:
    return os.fsdecode(ctypes.string_at(address))


def _entropy(size: int) -> bytes:
    return os.urandom(size)  # looked up at each call: it is patched by then


def _refuse(database: Any, *_arguments: Any, **_named: Any) -> None:
    if database != ":memory:":
        raise NotImplementedError(
            f"the module _sqlite3 has its library where nothing reaches it: no file can be opened: {database!r}"
        )


_REGISTERED: list[VirtualFileSystem] = []

"""`open` for a process of the world: the standard library's buffers over a raw file of this module's."""

import errno
import io
import os
import stat
from collections.abc import Callable
from typing import Any

from glitchgrid.simulation.kernel.blocking import blocking
from glitchgrid.simulation.kernel.caller import Named, Path
from glitchgrid.simulation.kernel.descriptors import IN, OUT, Table
from glitchgrid.simulation.kernel.pathcalls import PathCalls
from glitchgrid.simulation.kernel.process import Process

Opener = Callable[[Any, int], int]

CHUNK_BYTES = 65536
"""`readall` reads so much at once, of what does not say how long it is."""

_FLAGS = {"r": os.O_RDONLY, "w": os.O_CREAT | os.O_TRUNC, "a": os.O_CREAT | os.O_APPEND, "x": os.O_CREAT | os.O_EXCL}


class RawFile(io.RawIOBase):
    """What `io.FileIO` is, over a descriptor of a process of the world.

    It stays that process's, whoever runs when it is thrown away: what a dead one had in its buffers is lost.
    """

    def __init__(
        self, calls: PathCalls, file: Path, mode: str = "r", closefd: bool = True, opener: Opener | None = None
    ) -> None:
        self._closefd = True
        self._descriptor = -1
        self._process: Process
        self._table: Table
        self._process, self._table = calls.current()
        self._kind, self._is_both = _parsed(mode)
        self.name = file if isinstance(file, int) else os.fspath(file)
        if isinstance(file, int):
            if file < 0:
                raise ValueError("negative file descriptor")
            self._table.file(file)
            self._descriptor = int(file)
        elif not closefd:
            raise ValueError("Cannot use closefd=False with file name")
        else:
            self._descriptor = self._opened(calls, file, opener)
        self._closefd = closefd
        self._begin(is_ours=not isinstance(file, int))

    def _opened(self, calls: PathCalls, file: Path, opener: Opener | None) -> int:
        flags = _FLAGS[self._kind] | os.O_CLOEXEC
        flags |= os.O_RDWR if self._is_both else os.O_RDONLY if self._kind == "r" else os.O_WRONLY
        if opener is None:
            return calls.open(file, flags, 0o666)
        found = opener(file, flags)
        if not isinstance(found, int):
            raise TypeError("expected integer from opener")
        if found < 0:
            raise ValueError(f"opener returned {found}")
        return found

    def _begin(self, *, is_ours: bool) -> None:
        file = self._table.file(self._descriptor)
        found = file.stat(self._descriptor)
        self._blksize = found.st_blksize or io.DEFAULT_BUFFER_SIZE
        self._can_seek: bool | None = None
        if stat.S_ISDIR(found.st_mode):
            if is_ours:
                self._table.close(self._descriptor)
            self._descriptor = -1
            with Named(self.name):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if self._kind == "a":
            try:
                file.seek(0, os.SEEK_END)
            except OSError as error:
                if error.errno != errno.ESPIPE:
                    raise

    @property
    def mode(self) -> str:
        if self._kind in {"x", "a"}:
            return f"{self._kind}b{'+' if self._is_both else ''}"
        return "rb+" if self._is_both else f"{self._kind}b"

    @property
    def closefd(self) -> bool:
        return self._closefd

    def __repr__(self) -> str:
        if self.closed:
            return "<_io.FileIO [closed]>"
        return f"<_io.FileIO name={self.name!r} mode={self.mode!r} closefd={self._closefd}>"

    def __getstate__(self) -> Any:
        raise TypeError(f"cannot pickle {type(self).__name__!r} object")

    def fileno(self) -> int:
        self._require_open()
        return self._descriptor

    def isatty(self) -> bool:
        self._require_open()
        return False

    def readable(self) -> bool:
        self._require_open()
        return self._kind == "r" or self._is_both

    def writable(self) -> bool:
        self._require_open()
        return self._kind != "r" or self._is_both

    def seekable(self) -> bool:
        self._require_open()
        if self._can_seek is None:
            try:
                self.seek(0, os.SEEK_CUR)
            except OSError:
                self._can_seek = False
            else:
                self._can_seek = True
        return self._can_seek

    def read(self, size: int | None = -1, /) -> Any:
        self._require_readable()
        if size is None or size < 0:
            return self.readall()
        return self._wait(lambda: self._table.file(self._descriptor).read(size), IN)

    def readinto(self, buffer: Any, /) -> int | None:
        self._require_readable()
        view = memoryview(buffer).cast("B")
        data = self._wait(lambda: self._table.file(self._descriptor).read(len(view)), IN)
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

    def readall(self) -> Any:
        self._require_readable()
        pieces: list[bytes] = []
        while piece := self.read(CHUNK_BYTES):
            pieces.append(piece)
        return None if piece is None and not pieces else b"".join(pieces)

    def write(self, data: Any, /) -> Any:
        self._require_open()
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        whole = bytes(data)
        if not self._process.alive:
            return len(whole)
        return self._wait(lambda: self._table.file(self._descriptor).write(whole), OUT)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        self._require_open()
        return self._table.file(self._descriptor).seek(offset, whence)

    def tell(self) -> int:
        return self.seek(0, os.SEEK_CUR)

    def truncate(self, size: int | None = None, /) -> int:
        self._require_open()
        if not self.writable():
            raise io.UnsupportedOperation("File not open for writing")
        length = self.tell() if size is None else size
        self._table.file(self._descriptor).truncate(length)
        return length

    def close(self) -> None:
        if self.closed:
            return
        try:
            super().close()
        finally:
            descriptor, self._descriptor = self._descriptor, -1
            if self._closefd and descriptor >= 0 and self._process.alive:
                self._table.close(descriptor)

    def _wait(self, call: Callable[[], Any], mask: int) -> Any:
        file = self._table.file(self._descriptor)
        try:
            return blocking(self._process, file, call, mask, None if file.is_blocking else 0)
        except BlockingIOError:
            return None

    def _require_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _require_readable(self) -> None:
        if not self.readable():
            raise io.UnsupportedOperation("File not open for reading")


def _parsed(mode: str) -> tuple[str, bool]:
    """Which of r, w, a and x it is, and whether it both reads and writes.

    :raises ValueError: as `io.FileIO` does.
    """
    if set(mode) - set("rwaxb+"):
        raise ValueError(f"invalid mode: {mode}")
    kinds = [each for each in mode if each in _FLAGS]
    if len(kinds) != 1 or mode.count("+") > 1:
        raise ValueError("Must have exactly one of create/read/write/append mode and at most one plus")
    return kinds[0], "+" in mode


def open_buffered(
    calls: PathCalls,
    file: Path,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Opener | None = None,
) -> Any:
    """The function `open`."""
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    if not isinstance(file, int):
        os.fspath(file)
    is_binary = _require_mode(mode, encoding, errors, newline)
    raw = RawFile(calls, file, mode.replace("t", "").replace("b", ""), closefd, opener)
    if buffering == 0 and is_binary:
        return raw
    opened: Any = raw
    try:
        opened = buffered = _buffered(raw, raw._blksize if buffering in {-1, 1} else buffering)  # noqa: SLF001
        if is_binary:
            return buffered
        opened = text = io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)
        text.mode = mode  # type: ignore[misc]
    except BaseException:
        opened.close()
        raise
    return text


def _buffered(raw: RawFile, size: int) -> io.BufferedReader | io.BufferedWriter | io.BufferedRandom:
    if size == 0:
        raise ValueError("can't have unbuffered text I/O")
    if size < 0:
        raise ValueError("invalid buffering size")
    if raw.readable() and raw.writable():
        return io.BufferedRandom(raw, size)
    return io.BufferedReader(raw, size) if raw.readable() else io.BufferedWriter(raw, size)


def _require_mode(mode: str, encoding: str | None, errors: str | None, newline: str | None) -> bool:
    """Whether it is binary.

    :raises ValueError: as `open` does.
    """
    if set(mode) - set("rwaxbt+") or len(set(mode)) < len(mode):
        raise ValueError(f"invalid mode: {mode!r}")
    is_binary = "b" in mode
    if is_binary and "t" in mode:
        raise ValueError("can't have text and binary mode at once")
    if sum(each in mode for each in "rwax") > 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if is_binary and value is not None:
            raise ValueError(f"binary mode doesn't take {'an' if name[0] == 'e' else 'a'} {name} argument")
    return is_binary

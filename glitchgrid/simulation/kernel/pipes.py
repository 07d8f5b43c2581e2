"""Pipes: bytes from one end to the other, within a machine and without delay."""

import errno

from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, OpenFile, error

CAPACITY_BYTES = 65536
ATOMIC_BYTES = 4096
"""PIPE_BUF: so much is written whole, or not at all (pipe(7))."""


class _Pipe:
    def __init__(self) -> None:
        self.data = bytearray()
        self.reading: ReadEnd | None = None
        self.writing: WriteEnd | None = None


def pipe() -> "tuple[ReadEnd, WriteEnd]":
    shared = _Pipe()
    shared.reading, shared.writing = ReadEnd(shared), WriteEnd(shared)
    return shared.reading, shared.writing


class ReadEnd(OpenFile):
    def __init__(self, shared: _Pipe) -> None:
        super().__init__()
        self._shared = shared

    @property
    def events(self) -> int:
        return (IN if self._shared.data else 0) | (HUP if self._shared.writing is None else 0)

    def read(self, size: int) -> bytes:
        data = self._shared.data
        if not data:
            if self._shared.writing is None:
                return b""
            raise error(errno.EAGAIN)
        taken = bytes(data[:size])
        del data[:size]
        if self._shared.writing is not None:
            self._shared.writing.changed()
        return taken

    def write(self, data: bytes) -> int:
        raise error(errno.EBADF)

    def close(self) -> None:
        self._shared.reading = None
        if self._shared.writing is not None:
            self._shared.writing.changed()

    vanish = close


class WriteEnd(OpenFile):
    def __init__(self, shared: _Pipe) -> None:
        super().__init__()
        self._shared = shared

    @property
    def events(self) -> int:
        if self._shared.reading is None:
            return OUT | ERR
        return OUT if CAPACITY_BYTES - len(self._shared.data) >= ATOMIC_BYTES else 0

    def read(self, size: int) -> bytes:
        raise error(errno.EBADF)

    def write(self, data: bytes) -> int:
        if self._shared.reading is None:
            raise error(errno.EPIPE)
        room = CAPACITY_BYTES - len(self._shared.data)
        if (len(data) <= ATOMIC_BYTES and room < len(data)) or not room:
            raise error(errno.EAGAIN)
        taken = data[:room]
        self._shared.data += taken
        self._shared.reading.changed()
        return len(taken)

    def close(self) -> None:
        self._shared.writing = None
        if self._shared.reading is not None:
            self._shared.reading.changed()

    vanish = close

"""Pipes: bytes from one end to the other, within a machine and without delay."""

import errno
import os
from collections import deque

from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, OpenFile, error

PAGES = 16
PAGE_BYTES = 4096
"""So many pages a pipe has. What is written fills up the last one only if all of it, or its part behind whole pages,
fits there (pipe(7), and Linux's pipe_write): so many small writes may fill a pipe with fewer bytes.
"""

CAPACITY_BYTES = PAGES * PAGE_BYTES


class _Pipe:
    def __init__(self) -> None:
        self.pages: deque[bytes] = deque()
        self.room_at_end = 0
        """How much more fits into the last page."""
        self.reading: ReadEnd | None = None
        self.writing: WriteEnd | None = None

    def put(self, data: bytes) -> int:
        """Returns how much there was room for: of no more than a page, all or nothing (PIPE_BUF)."""
        taken = 0
        first = len(data) % PAGE_BYTES
        if self.pages and first and first <= self.room_at_end:
            self.pages[-1] += data[:first]
            self.room_at_end -= first
            taken = first
        while taken < len(data) and len(self.pages) < PAGES:
            page = data[taken : taken + PAGE_BYTES]
            self.pages.append(page)
            self.room_at_end = PAGE_BYTES - len(page)
            taken += len(page)
        return taken

    def take(self, size: int) -> bytes:
        parts: list[bytes] = []
        while self.pages and size:
            page = self.pages.popleft()
            if len(page) > size:
                self.pages.appendleft(page[size:])
            parts.append(page[:size])
            size -= len(parts[-1])
        return b"".join(parts)


def pipe() -> "tuple[ReadEnd, WriteEnd]":
    shared = _Pipe()
    shared.reading, shared.writing = ReadEnd(shared), WriteEnd(shared)
    return shared.reading, shared.writing


class ReadEnd(OpenFile):
    flags = os.O_RDONLY

    def __init__(self, shared: _Pipe) -> None:
        super().__init__()
        self._shared = shared

    @property
    def events(self) -> int:
        return (IN if self._shared.pages else 0) | (HUP if self._shared.writing is None else 0)

    def read(self, size: int) -> bytes:
        if not size:
            return b""
        if not self._shared.pages:
            if self._shared.writing is None:
                return b""
            raise error(errno.EAGAIN)
        taken = self._shared.take(size)
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
    flags = os.O_WRONLY

    def __init__(self, shared: _Pipe) -> None:
        super().__init__()
        self._shared = shared

    @property
    def events(self) -> int:
        room = OUT if len(self._shared.pages) < PAGES else 0
        return room | (ERR if self._shared.reading is None else 0)

    def read(self, size: int) -> bytes:
        raise error(errno.EBADF)

    def write(self, data: bytes) -> int:
        if not data:
            return 0
        if self._shared.reading is None:
            raise error(errno.EPIPE)
        taken = self._shared.put(data)
        if not taken:
            raise error(errno.EAGAIN)
        self._shared.reading.changed()
        return taken

    def close(self) -> None:
        self._shared.writing = None
        if self._shared.reading is not None:
            self._shared.reading.changed()

    vanish = close

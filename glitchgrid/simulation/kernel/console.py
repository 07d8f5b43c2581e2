"""Where a process's standard input and output lead, unless somebody has led them elsewhere."""

import errno
from collections import deque
from collections.abc import Callable

from glitchgrid.simulation.kernel.descriptors import IN, OUT, OpenFile, error

KEPT_BYTES_MAX = 1_000_000
"""So much of what a process has said is kept, its latest."""


class Output:
    """What a process has said, its latest at the end."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._bytes = 0

    def add(self, data: bytes) -> None:
        self._parts.append(data)
        self._bytes += len(data)
        while self._bytes - len(self._parts[0]) >= KEPT_BYTES_MAX:
            self._bytes -= len(self._parts.popleft())

    @property
    def text(self) -> str:
        return b"".join(self._parts).decode(errors="replace")


class Console(OpenFile):
    """A stream to whoever looks on. There is nothing to be read from it.

    :param tell: is told of what is written.
    """

    is_blocking = True

    def __init__(self, output: Output, tell: Callable[[bytes], None]) -> None:
        super().__init__()
        self._output = output
        self._tell = tell

    @property
    def events(self) -> int:
        return IN | OUT

    def read(self, size: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        self._output.add(bytes(data))
        self._tell(bytes(data))
        return len(data)


class NoWriting(OpenFile):
    """The empty input of a process that nobody types to."""

    @property
    def events(self) -> int:
        return IN

    def read(self, size: int) -> bytes:
        return b""

    def write(self, data: bytes) -> int:
        raise error(errno.EBADF)

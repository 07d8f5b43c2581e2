"""epoll, poll and select, level-triggered, on the files of a process."""

import errno
import math
import select
from collections.abc import Iterable, Sequence
from typing import Any, Self

from glitchgrid.simulation.clock import MILLION
from glitchgrid.simulation.kernel.descriptors import ERR, HUP, IN, OUT, PRI, OpenFile, Table, error
from glitchgrid.simulation.kernel.process import Process

ALWAYS = ERR | HUP
"""What is reported whether it was asked for or not."""

MS_NS, US_NS = 1_000_000, 1000
_READABLE, _WRITABLE = IN | HUP | ERR, OUT | ERR


def descriptor_of(file: Any) -> int:
    """A descriptor, or that of a file or a socket.

    :raises TypeError: for what has none.
    :raises ValueError: for what has none any more.
    """
    if type(file) is int and file >= 0:
        return file
    found = file if isinstance(file, int) else file.fileno()
    if not isinstance(found, int):
        raise TypeError("argument must be an int, or have a fileno() method")
    if found < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({found})")
    return found


class Epoll(OpenFile):
    """`select.epoll`. Files are reported in the order in which they became ready."""

    def __init__(self, process: Process, table: Table) -> None:
        super().__init__()
        self._process = process
        self._table = table
        self._interest: dict[int, tuple[OpenFile, int]] = {}
        self._candidates: dict[int, None] = {}
        self._descriptor = table.add(self)

    @property
    def events(self) -> int:
        return IN if any(map(self._ready, list(self._candidates))) else 0

    @property
    def closed(self) -> bool:
        return self._descriptor < 0

    def fileno(self) -> int:
        self._require_open()
        return self._descriptor

    def close(self) -> None:
        """Both what programs call, and what comes when the last descriptor of it is gone."""
        if self._descriptor < 0:
            return
        descriptor, self._descriptor = self._descriptor, -1
        for each in list(self._interest):
            self._drop(each)
        if self._table.find(descriptor) is self:
            self._table.close(descriptor)

    def register(self, fd: Any, eventmask: int = IN | OUT | PRI) -> None:
        descriptor = descriptor_of(fd)
        file = self._table.file(descriptor)
        if not file.can_be_polled:
            raise error(errno.EPERM)  # files and directories are always ready, and epoll refuses them
        if self._is_of(descriptor, file):
            raise error(errno.EEXIST)
        self._set(descriptor, file, eventmask)

    def modify(self, fd: Any, eventmask: int) -> None:
        descriptor = descriptor_of(fd)
        file = self._table.file(descriptor)
        if not self._is_of(descriptor, file):
            raise error(errno.ENOENT)
        self._set(descriptor, file, eventmask)

    def unregister(self, fd: Any) -> None:
        descriptor = descriptor_of(fd)
        if not self._is_of(descriptor, self._table.file(descriptor)):
            raise error(errno.ENOENT)
        self._drop(descriptor)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> list[tuple[int, int]]:
        self._require_open()
        if maxevents < -1 or maxevents == 0:
            raise ValueError(f"maxevents must be greater than 0, got {maxevents}")
        most = None if maxevents == -1 else maxevents
        timeout_ns = None if timeout is None or timeout < 0 else _rounded_up(timeout * 1000, MS_NS)
        if timeout_ns == 0 or (self._candidates and any(map(self._ready, list(self._candidates)))):
            take_a_turn(self._process)
            return self._collected(most)
        return self._process.wait_for_change([self], lambda: self._collected(most), timeout_ns) or []

    def __enter__(self) -> Self:
        self._require_open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._descriptor < 0:
            raise ValueError("I/O operation on closed epoll object")

    def _is_of(self, descriptor: int, file: OpenFile) -> bool:
        found = self._interest.get(descriptor)
        return found is not None and found[0] is file

    def _set(self, descriptor: int, file: OpenFile, mask: int) -> None:
        self._interest[descriptor] = file, mask
        file.watchers[self, descriptor] = lambda: self._check(descriptor)
        self._check(descriptor)

    def _drop(self, descriptor: int) -> None:
        file, _ = self._interest.pop(descriptor)
        self._candidates.pop(descriptor, None)
        file.watchers.pop((self, descriptor), None)

    def _check(self, descriptor: int) -> None:
        if self._ready(descriptor):
            self._candidates[descriptor] = None
            if self.watchers:
                self.changed()

    def _ready(self, descriptor: int) -> int:
        found = self._interest.get(descriptor)
        if found is None:
            return 0
        file, mask = found
        if self._table.files.get(descriptor) is not file:
            self._drop(descriptor)  # it was closed, and the kernel forgets it by itself
            return 0
        return file.events & (mask | ALWAYS)

    def _collected(self, most: int | None) -> list[tuple[int, int]]:
        ready: list[tuple[int, int]] = []
        if not self._candidates:
            return ready
        for descriptor in list(self._candidates):
            mask = self._ready(descriptor)
            if mask:
                ready.append((descriptor, mask))
            else:
                self._candidates.pop(descriptor, None)
        if most is None or most >= len(ready):
            return ready
        for descriptor, _ in ready[:most]:
            self._candidates[descriptor] = self._candidates.pop(descriptor)  # behind those that were left out
        return ready[:most]


class Poll:
    """`select.poll`."""

    def __init__(self, process: Process, table: Table) -> None:
        self._process = process
        self._table = table
        self._masks: dict[int, int] = {}

    def register(self, fd: Any, eventmask: int = IN | OUT | PRI) -> None:
        self._masks[descriptor_of(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        if descriptor_of(fd) not in self._masks:
            raise error(errno.ENOENT)
        self.register(fd, eventmask)

    def unregister(self, fd: Any) -> None:
        del self._masks[descriptor_of(fd)]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """:param timeout: in milliseconds."""
        files = [file for file in map(self._table.find, self._masks) if file is not None]
        timeout_ns = None if timeout is None or timeout < 0 else _rounded_up(timeout, MS_NS)
        return wait(self._process, files, self._ready, timeout_ns) or []

    def _ready(self) -> list[tuple[int, int]]:
        found = []
        for descriptor, mask in self._masks.items():
            file = self._table.find(descriptor)
            events = select.POLLNVAL if file is None else file.events & (mask | ALWAYS)
            if events:
                found.append((descriptor, events))
        return found


Lists = tuple[list[Any], list[Any], list[Any]]


def select_ready(process: Process, table: Table, asked: Sequence[Iterable[Any]], timeout: float | None = None) -> Lists:
    """`select.select`: what of three lists is ready to be read, to be written, or has something exceptional.

    :raises ValueError: for a negative descriptor, or a negative time-out.
    :raises OSError: EBADF for one that stands for nothing.
    """
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    pairs = [[(each, descriptor_of(each)) for each in some] for some in asked]
    files = [table.file(descriptor) for some in pairs for _, descriptor in some]
    masks = (_READABLE, _WRITABLE, PRI)

    def ready() -> Lists | None:
        found = [
            [each for each, descriptor in some if _events(table, descriptor) & mask]
            for some, mask in zip(pairs, masks, strict=True)
        ]
        return (found[0], found[1], found[2]) if any(found) else None

    timeout_ns = None if timeout is None else _rounded_up(timeout * MILLION, US_NS)
    return wait(process, files, ready, timeout_ns) or ([], [], [])


def _rounded_up(timeout: float, unit_ns: int) -> int:
    """A time-out of so many units, which the calls take no parts of: Python rounds them up."""
    return math.ceil(timeout) * unit_ns


def _events(table: Table, descriptor: int) -> int:
    file = table.find(descriptor)
    return 0 if file is None else file.events


def wait(process: Process, files: Sequence[OpenFile], ready: Any, timeout_ns: int | None) -> Any:
    """Wait until something is ready."""
    if timeout_ns == 0 or ready():
        take_a_turn(process)
        return ready()
    return process.wait_for_change(files, ready, timeout_ns)


def take_a_turn(process: Process) -> None:
    """What does not wait takes a turn's time: who polls in a loop must not stop time."""
    process.sleep(process.host.turn_ns())

"""What a file and a directory are to a kernel: a cache, a disk, and what has not come from one to the other.

As Linux has it: a sync writes the dirty pages, whole, as they are when it begins; after a failed one the cache keeps
the new data, the pages count as clean, and the next sync has nothing to write. What was written and never synced may be
on the disk, in whole, in part or not at all, each write by itself.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from attrs import define, field, frozen

from glitchgrid.simulation.tearing import LENGTH, PAGE_BYTES, SECTOR_BYTES, Change, Resize, Write, grow

__all__ = ["PAGE_BYTES", "SECTOR_BYTES", "Choose", "Directory", "Flush", "Inode", "Length", "NameChange"]

CHANGES_MAX = 20_000
"""Of one file may be in doubt at once; of more, the older half reaches the disk, as by the kernel's own write-back."""

Choose = Callable[[int], int]
"""`choose(n)`: a number from 0 up to n - 1."""


class Inode:
    """A file's data: what the cache has, what the disk certainly has, and the changes of which it may have any part."""

    def __init__(self, cached: bytes = b"", durable: bytes = b"") -> None:
        self._cached = bytearray(cached)
        self._durable = bytearray(durable)
        self._doubtful: list[Change] = []
        self._dirty: dict[int, int] = {}
        """The number of the last change, of each page that is."""
        self._number = 0

    @property
    def cached(self) -> bytes:
        return bytes(self._cached)

    @property
    def durable(self) -> bytes:
        return bytes(self._durable)

    @property
    def size(self) -> int:
        return len(self._cached)

    @property
    def is_dirty(self) -> bool:
        return bool(self._dirty)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(memoryview(self._cached)[offset : offset + size])

    def write(self, data: bytes, offset: int) -> None:
        while data:
            room = PAGE_BYTES - offset % PAGE_BYTES
            change = Write(self._next(), offset, data[:room])
            change.on(self._cached)
            self._change(change)
            data, offset = data[room:], offset + room

    def empty(self) -> None:
        self.resize(0)

    def resize(self, size: int) -> None:
        """Cut it, or let it grow by a hole."""
        if size < len(self._cached):
            self._dirty = {page: at for page, at in self._dirty.items() if page * PAGE_BYTES < size}
            if size % PAGE_BYTES:  # what is left of its last page is written with zeros behind it
                self._dirty[size // PAGE_BYTES] = self._number + 1
        change = Resize(self._next(), size)
        change.on(self._cached)
        self._change(change)

    def begin_sync(self) -> "Flush":
        """What is dirty now. Whatever does not end stays dirty."""
        pages = {page: (at, self._page(page)) for page, at in sorted(self._dirty.items()) if page != LENGTH}
        low = min((change.size for change in self._doubtful if isinstance(change, Resize)), default=0)
        length = Length(self._dirty[LENGTH], low, len(self._cached)) if LENGTH in self._dirty else None
        return Flush(self, self._number, pages, length)

    def sync(self) -> None:
        self.begin_sync().succeed()

    def forget(self) -> None:
        """What a failed sync does: the kernel calls the pages clean."""
        self.begin_sync().fail()

    def survivors(self) -> Iterator[bytes]:
        """Each thing that the disk may hold after a power loss: first what it holds for certain."""
        yield from _survivors(self._durable, self._doubtful)

    def settle(self, choose: Choose, *, sectors_are_whole: bool = False) -> None:
        """A power loss, of whose outcomes one is chosen: that is what the disk and the cache hold from now on.

        :param sectors_are_whole: nothing is torn within a sector, nor garbled.
        """
        for change in self._doubtful:
            # Without it and with it come first. It is gone half of the time; else the disk has it, or some of it.
            chosen = max(0, choose(4) - 1)
            if not chosen:
                continue
            outcomes = change.of_sectors() if sectors_are_whole else change.outcomes(self._durable)
            outcome = outcomes[choose(len(outcomes)) if chosen > 1 else min(1, len(outcomes) - 1)]
            if outcome is not None:
                outcome.on(self._durable)
        self._cached = bytearray(self._durable)
        self._doubtful.clear()
        self._dirty.clear()

    def _page(self, page: int) -> bytes:
        return self.read(page * PAGE_BYTES, PAGE_BYTES)

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _change(self, change: Change) -> None:
        self._doubtful.append(change)
        self._dirty[change.page] = change.number
        if len(self._doubtful) > CHANGES_MAX:
            for each in self._doubtful[: CHANGES_MAX // 2]:
                each.on(self._durable)
            del self._doubtful[: CHANGES_MAX // 2]

    def flushed(self, flush: "Flush") -> None:
        """A sync has ended well. Those of one file end in the order in which they began."""
        if flush.length is not None:
            del self._durable[flush.length.low :]
            grow(self._durable, flush.length.size)
        for page, (number, data) in flush.pages.items():
            Write(number, page * PAGE_BYTES, data).on(self._durable)
        self._doubtful = flush.left(self._doubtful)
        self.forgotten(flush)

    def forgotten(self, flush: "Flush") -> None:
        """What was dirty when a sync began is clean, but for what was changed since."""
        clean = {page: number for page, (number, _) in flush.pages.items()}
        if flush.length is not None:
            clean[LENGTH] = flush.length.number
        for page, number in clean.items():
            if self._dirty.get(page) == number:
                del self._dirty[page]


class Length(NamedTuple):
    """:ivar low: the shortest that the file has been since the disk last had its length.
    :ivar size: how long it is now.
    """

    number: int
    low: int
    size: int


@frozen
class Flush:
    """What a sync writes.

    :ivar number: that of the last change before it.
    :ivar pages: of each the number of its last change, and what it holds.
    """

    inode: Inode
    number: int
    pages: dict[int, tuple[int, bytes]]
    length: Length | None

    def succeed(self) -> None:
        self.inode.flushed(self)

    def fail(self) -> None:
        self.inode.forgotten(self)

    def left(self, changes: list[Change]) -> list[Change]:
        """Those that are in doubt still. What was cut off does not come back."""
        left: list[Change] = []
        cut_at: float = float("inf")
        for change in reversed(changes):
            if change.number > self.number:
                left.append(change)
            elif isinstance(change, Resize):
                if self.length is None:
                    left.append(change)
                else:
                    cut_at = min(cut_at, change.size)
            elif change.page not in self.pages and change.page * PAGE_BYTES < cut_at:
                left.append(change)
        left.reverse()
        return left


def _survivors(whole: bytearray, changes: list[Change]) -> Iterator[bytes]:
    if not changes:
        yield bytes(whole)
        return
    first, *later = changes
    for outcome in first.outcomes(whole):
        changed = bytearray(whole)
        if outcome is not None:
            outcome.on(changed)
        yield from _survivors(changed, later)


@define(eq=False)
class NameChange:
    """The name `new` leads to `inode` from now on, and `old` (if there is one) no longer does."""

    inode: Inode
    new: str
    old: str | None = None

    def apply(self, names: dict[str, Inode]) -> None:
        if self.old is not None and names.get(self.old) is self.inode:
            del names[self.old]
        names[self.new] = self.inode


@define(eq=False)
class Directory:
    """Names, as `Inode` has data: of the doubtful changes, the disk may have any, whatever later syncs say."""

    cached: dict[str, Inode] = field(factory=dict)
    durable: dict[str, Inode] = field(factory=dict)
    doubtful: list[NameChange] = field(factory=list)
    dirty: list[NameChange] = field(factory=list)

    def change(self, change: NameChange) -> None:
        change.apply(self.cached)
        self.doubtful.append(change)
        self.dirty.append(change)

    def sync(self) -> None:
        for change in self.dirty:
            change.apply(self.durable)
        names = {change.new for change in self.dirty}
        self.doubtful = [change for change in self.doubtful if change.new not in names]
        self.dirty.clear()

    def forget(self) -> None:
        self.dirty.clear()

    def settle(self, choose: Choose) -> None:
        """A power loss, of whose outcomes one is chosen, for the names and for the files."""
        for change in self.doubtful:
            if choose(2):
                change.apply(self.durable)
        self.doubtful.clear()
        self.dirty.clear()
        self.cached = dict(self.durable)
        for name in sorted(self.cached):
            self.cached[name].settle(choose)

    def survivors(self) -> Iterator[dict[str, Inode]]:
        for kept in itertools.product([False, True], repeat=len(self.doubtful)):
            names = dict(self.durable)
            for change in itertools.compress(self.doubtful, kept):
                change.apply(names)
            yield names

"""What a file and a directory are to a kernel: a cache, a disk, and what has not come from one to the other.

As Linux has it: a sync writes the dirty pages, whole, as they are when it begins; after a failed one the cache keeps
the new data, the pages count as clean, and the next sync has nothing to write. What was written and never synced may be
on the disk, in whole, in part or not at all, each write by itself.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from attrs import define, field, frozen

PAGE_BYTES = 4096
SECTOR_BYTES = 512
CUTS_MAX = 100

CHANGES_MAX = 20_000
"""Of one file may be in doubt at once; of more, the older half reaches the disk, as by the kernel's own write-back."""

_LENGTH = -1
"""Among the dirty pages: the file was cut, or grew by a hole."""

Choose = Callable[[int], int]
"""`choose(n)`: a number from 0 up to n - 1."""


class _Write(NamedTuple):
    """Bytes of one page, on their way to the disk."""

    number: int
    offset: int
    data: bytes

    @property
    def page(self) -> int:
        return self.offset // PAGE_BYTES

    def on(self, whole: bytearray) -> None:
        _grow(whole, self.offset)
        whole[self.offset : self.offset + len(self.data)] = self.data

    def outcomes(self, whole: bytearray) -> "list[_Change | None]":
        """What a power loss makes of it: nothing, all of it, its head, its tail, or a garbled sector; each once."""
        outcomes: list[_Write | None] = [None, self]
        for cut in self._cuts(whole):
            outcomes += [self._replace(data=self.data[:cut]), _Write(self.number, self.offset + cut, self.data[cut:])]
        garbled = b"\xa5" * min(SECTOR_BYTES, len(self.data))
        outcomes.append(self._replace(data=garbled + self.data[len(garbled) :]))
        different: dict[tuple[int, bytes], _Change | None] = {}
        for each in outcomes:
            different.setdefault(self._seen(whole, each), each)
        return list(different.values())

    def _seen(self, whole: bytearray, outcome: "_Write | None") -> tuple[int, bytes]:
        """What tells the outcomes for a file apart: its length, and this page of it."""
        start = self.page * PAGE_BYTES
        page = whole[start : start + PAGE_BYTES]
        if outcome is None:
            return len(whole), bytes(page)
        _Write(0, outcome.offset - start, outcome.data).on(page)
        return max(len(whole), outcome.offset + len(outcome.data)), bytes(page)

    def _cuts(self, whole: bytearray) -> list[int]:
        """Each place where a tear makes a difference, up to so many; where all is new, one."""
        old = whole[self.offset : self.offset + len(self.data)]
        if len(old) < len(self.data):
            return [min(75, len(self.data) // 2)]
        differing = [place + 1 for place, (was, will) in enumerate(zip(old, self.data, strict=True)) if was != will]
        return [*differing[:CUTS_MAX], *range(SECTOR_BYTES, len(self.data), SECTOR_BYTES)]


class _Resize(NamedTuple):
    number: int
    size: int

    @property
    def page(self) -> int:
        return _LENGTH

    def on(self, whole: bytearray) -> None:
        del whole[self.size :]
        _grow(whole, self.size)

    def outcomes(self, _whole: bytearray) -> "list[_Change | None]":
        return [None, self]


_Change = _Write | _Resize


def _grow(whole: bytearray, size: int) -> None:
    if len(whole) < size:
        whole.extend(bytes(size - len(whole)))


class Inode:
    """A file's data: what the cache has, what the disk certainly has, and the changes of which it may have any part."""

    def __init__(self, cached: bytes = b"", durable: bytes = b"") -> None:
        self._cached = bytearray(cached)
        self._durable = bytearray(durable)
        self._doubtful: list[_Change] = []
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
            change = _Write(self._next(), offset, data[:room])
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
        change = _Resize(self._next(), size)
        change.on(self._cached)
        self._change(change)

    def begin_sync(self) -> "Flush":
        """What is dirty now. Whatever does not end stays dirty."""
        pages = {page: (at, self._page(page)) for page, at in sorted(self._dirty.items()) if page != _LENGTH}
        low = min((change.size for change in self._doubtful if isinstance(change, _Resize)), default=0)
        length = Length(self._dirty[_LENGTH], low, len(self._cached)) if _LENGTH in self._dirty else None
        return Flush(self, self._number, pages, length)

    def sync(self) -> None:
        self.begin_sync().succeed()

    def forget(self) -> None:
        """What a failed sync does: the kernel calls the pages clean."""
        self.begin_sync().fail()

    def survivors(self) -> Iterator[bytes]:
        """Each thing that the disk may hold after a power loss: first what it holds for certain."""
        yield from _survivors(self._durable, self._doubtful)

    def settle(self, choose: Choose) -> None:
        """A power loss, of whose outcomes one is chosen: that is what the disk and the cache hold from now on."""
        for change in self._doubtful:
            # Without it and with it come first. It is gone half of the time; else the disk has it, or some of it.
            chosen = max(0, choose(4) - 1)
            outcome: _Change | None = change if chosen else None
            if chosen > 1:
                outcomes = change.outcomes(self._durable)
                outcome = outcomes[choose(len(outcomes))]
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

    def _change(self, change: _Change) -> None:
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
            _grow(self._durable, flush.length.size)
        for page, (number, data) in flush.pages.items():
            _Write(number, page * PAGE_BYTES, data).on(self._durable)
        self._doubtful = flush.left(self._doubtful)
        self.forgotten(flush)

    def forgotten(self, flush: "Flush") -> None:
        """What was dirty when a sync began is clean, but for what was changed since."""
        clean = {page: number for page, (number, _) in flush.pages.items()}
        if flush.length is not None:
            clean[_LENGTH] = flush.length.number
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

    def left(self, changes: list[_Change]) -> list[_Change]:
        """Those that are in doubt still. What was cut off does not come back."""
        left: list[_Change] = []
        cut_at: float = float("inf")
        for change in reversed(changes):
            if change.number > self.number:
                left.append(change)
            elif isinstance(change, _Resize):
                if self.length is None:
                    left.append(change)
                else:
                    cut_at = min(cut_at, change.size)
            elif change.page not in self.pages and change.page * PAGE_BYTES < cut_at:
                left.append(change)
        left.reverse()
        return left


def _survivors(whole: bytearray, changes: list[_Change]) -> Iterator[bytes]:
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

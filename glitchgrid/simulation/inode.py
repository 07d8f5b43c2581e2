"""What a file and a directory are to a kernel: a cache, a disk, and what has not come from one to the other.

As Linux has it: a sync writes the dirty pages, whole; after a failed one the cache keeps the new data, the pages
count as clean, and the next sync has nothing to write. What was written and never synced may be on the disk,
in whole, in part or not at all, each write by itself.
"""

import itertools
from collections.abc import Callable, Iterator

from attrs import define, field, frozen

PAGE_BYTES = 4096
SECTOR_BYTES = 512
CUTS_MAX = 100
_LENGTH = -1
"""Among the dirty pages: the file was emptied."""

Choose = Callable[[int], int]
"""`choose(n)`: a number from 0 up to n - 1."""


@frozen
class _Write:
    """Bytes of one page, on their way to the disk."""

    offset: int
    data: bytes

    @property
    def page(self) -> int:
        return self.offset // PAGE_BYTES

    def on(self, whole: bytes) -> bytes:
        whole = whole.ljust(self.offset, b"\0")
        return whole[: self.offset] + self.data + whole[self.offset + len(self.data) :]

    def outcomes(self, whole: bytes) -> list[bytes]:
        """`whole` after a power loss: without the write, with it, with its head, its tail, or a garbled sector."""
        outcomes = [whole, self.on(whole)]
        for cut in self._cuts(whole):
            head, tail = self.data[:cut], self.data[cut:]
            outcomes += [_Write(self.offset, head).on(whole), _Write(self.offset + cut, tail).on(whole)]
        garbled = b"\xa5" * min(SECTOR_BYTES, len(self.data))
        outcomes.append(_Write(self.offset, garbled + self.data[len(garbled) :]).on(whole))
        return list(dict.fromkeys(outcomes))

    def _cuts(self, whole: bytes) -> list[int]:
        """Each place where a tear makes a difference, up to so many; where all is new, one."""
        old = whole[self.offset : self.offset + len(self.data)]
        if len(old) < len(self.data):
            return [min(75, len(self.data) // 2)]
        differing = [place + 1 for place, (was, will) in enumerate(zip(old, self.data, strict=True)) if was != will]
        return [*differing[:CUTS_MAX], *range(SECTOR_BYTES, len(self.data), SECTOR_BYTES)]


@frozen
class _Emptying:
    page = _LENGTH

    def outcomes(self, whole: bytes) -> list[bytes]:
        return [whole, b""]


@define(eq=False)
class Inode:
    """A file's data. `doubtful` are the changes, in order, of which the disk may have any part."""

    cached: bytes = b""
    durable: bytes = b""
    doubtful: list[_Write | _Emptying] = field(factory=list)
    dirty: set[int] = field(factory=set)

    def write(self, data: bytes, offset: int) -> None:
        self.cached = _Write(offset, data).on(self.cached)
        while data:
            room = PAGE_BYTES - offset % PAGE_BYTES
            self._change(_Write(offset, data[:room]))
            data, offset = data[room:], offset + room

    def empty(self) -> None:
        self.cached = b""
        self.dirty.clear()
        self._change(_Emptying())

    def sync(self) -> None:
        if _LENGTH in self.dirty:
            self.durable = b""
        for page in sorted(self.dirty - {_LENGTH}):
            start = page * PAGE_BYTES
            self.durable = _Write(start, self.cached[start : start + PAGE_BYTES]).on(self.durable)
        self.doubtful = [change for change in self.doubtful if change.page not in self.dirty]
        self.dirty.clear()

    def forget(self) -> None:
        """What a failed sync does: the kernel calls the pages clean."""
        self.dirty.clear()

    def survivors(self) -> Iterator[bytes]:
        """Each thing that the disk may hold after a power loss: first what it holds for certain."""
        yield from _survivors(self.durable, self.doubtful)

    def settle(self, choose: Choose) -> None:
        """A power loss, of whose outcomes one is chosen: that is what the disk and the cache hold from now on."""
        for change in self.doubtful:
            # Without it and with it come first. It is gone half of the time; else the disk has it, or some of it.
            outcomes = change.outcomes(self.durable)
            chosen = max(0, choose(4) - 1)
            last = len(outcomes) - 1
            self.durable = outcomes[choose(len(outcomes)) if chosen > 1 else min(chosen, last)]
        self.cached = self.durable
        self.doubtful.clear()
        self.dirty.clear()

    def _change(self, change: _Write | _Emptying) -> None:
        self.doubtful.append(change)
        self.dirty.add(change.page)


def _survivors(whole: bytes, changes: list[_Write | _Emptying]) -> Iterator[bytes]:
    if not changes:
        yield whole
        return
    first, *later = changes
    for outcome in first.outcomes(whole):
        yield from _survivors(outcome, later)


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

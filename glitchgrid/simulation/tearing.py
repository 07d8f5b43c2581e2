"""Changes of a file on their way to the disk, and what a power loss makes of each."""

import itertools
import re
from typing import NamedTuple

PAGE_BYTES = 4096
SECTOR_BYTES = 512
CUTS_MAX = 100
GARBLED = b"\xa5" * SECTOR_BYTES

_DIFFERENT = re.compile(rb"[^\0]")

LENGTH = -1
"""Among the dirty pages: the file was cut, or grew by a hole."""


class Write(NamedTuple):
    """Bytes of one page, on their way to the disk."""

    number: int
    offset: int
    data: bytes

    @property
    def page(self) -> int:
        return self.offset // PAGE_BYTES

    def on(self, whole: bytearray) -> None:
        grow(whole, self.offset)
        whole[self.offset : self.offset + len(self.data)] = self.data

    def outcomes(self, whole: bytearray) -> "list[Change | None]":
        """What a power loss makes of it: nothing, all of it, its head, its tail, or a garbled sector; each once."""
        old = bytes(whole[self.offset : self.offset + len(self.data)])
        outcomes = self._torn(old) if len(old) == len(self.data) else self._torn_at_the_end(whole)
        garbled = GARBLED[: len(self.data)]
        garbled_write = self._replace(data=garbled + self.data[len(garbled) :])
        # Nothing of what it was and is to be equals a sector of garbage, but where both are made of it.
        can_be_seen = old[: len(garbled)].count(GARBLED[0]) + self.data.count(GARBLED[0]) < len(garbled)
        if can_be_seen or self._seen(whole, garbled_write) not in [self._seen(whole, each) for each in outcomes]:
            outcomes.append(garbled_write)
        return list(outcomes)

    def of_sectors(self) -> "list[Change | None]":
        """What a power loss makes of it on a disk that writes sectors whole: none, all, the first or the last ones."""
        first = SECTOR_BYTES - self.offset % SECTOR_BYTES
        cuts = range(first, len(self.data), SECTOR_BYTES)
        heads = [self._replace(data=self.data[:cut]) for cut in cuts]
        tails = [self._replace(offset=self.offset + cut, data=self.data[cut:]) for cut in cuts]
        return [None, self, *heads, *tails]

    def _torn(self, old: bytes) -> "list[Write | None]":
        """It lies over `old`. A head of it and a tail are told apart by how many of the differing bytes are in it."""
        differing = int.from_bytes(old, "big") ^ int.from_bytes(self.data, "big")
        places = differing.to_bytes(len(old), "big")
        count = len(old) - places.count(0)
        if not count:
            return [None]
        outcomes: dict[tuple[bool, int], Write | None] = {(True, 0): None, (True, count): self}
        cuts = [found.end() for found in itertools.islice(_DIFFERENT.finditer(places), CUTS_MAX)]
        for cut in [*cuts, *range(SECTOR_BYTES, len(old), SECTOR_BYTES)]:
            within = cut - places.count(0, 0, cut)
            if 0 < within < count:
                outcomes.setdefault((True, within), self._replace(data=self.data[:cut]))
                outcomes.setdefault((False, within), self._replace(offset=self.offset + cut, data=self.data[cut:]))
        return list(outcomes.values())

    def _torn_at_the_end(self, whole: bytearray) -> "list[Write | None]":
        """Some of it is new: one tear is enough."""
        cut = min(75, len(self.data) // 2)
        head, tail = self._replace(data=self.data[:cut]), self._replace(offset=self.offset + cut, data=self.data[cut:])
        different: dict[tuple[int, bytes], Write | None] = {}
        for each in (None, self, head, tail):
            different.setdefault(self._seen(whole, each), each)
        return list(different.values())

    def _seen(self, whole: bytearray, outcome: "Write | None") -> tuple[int, bytes]:
        """What tells the outcomes for a file apart: its length, and this page of it."""
        start = self.page * PAGE_BYTES
        page = whole[start : start + PAGE_BYTES]
        if outcome is None:
            return len(whole), bytes(page)
        Write(0, outcome.offset - start, outcome.data).on(page)
        return max(len(whole), outcome.offset + len(outcome.data)), bytes(page)


class Resize(NamedTuple):
    """A file is cut, or grows by a hole."""

    number: int
    size: int

    @property
    def page(self) -> int:
        return LENGTH

    def on(self, whole: bytearray) -> None:
        del whole[self.size :]
        grow(whole, self.size)

    def outcomes(self, _whole: bytearray) -> "list[Change | None]":
        return self.of_sectors()

    def of_sectors(self) -> "list[Change | None]":
        return [None, self]


Change = Write | Resize


def grow(whole: bytearray, size: int) -> None:
    if len(whole) < size:
        whole.extend(bytes(size - len(whole)))

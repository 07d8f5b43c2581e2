"""What the connections to one database file of one machine share: its lock, and the index of its write-ahead log.

What a dead process held is free, as the kernel frees what it held of a real file.
"""

import ctypes
from typing import Any, Protocol

from glitchgrid.simulation.kernel.sqlite_layout import (
    BUSY,
    EXCLUSIVE,
    OK,
    PENDING,
    RESERVED,
    SHARED,
    SHM_EXCLUSIVE,
    SHM_LOCK,
    UNLOCKED,
)


class Holder(Protocol):
    """An open database file."""

    @property
    def alive(self) -> bool: ...


class SharedState:
    """Of one inode."""

    def __init__(self) -> None:
        self._levels: dict[Holder, int] = {}
        self._regions: list[ctypes.Array[Any]] = []
        self._mapped: dict[Holder, None] = {}
        self._slots: dict[int, dict[Holder, bool]] = {}

    # The file's lock.

    def lock(self, holder: Holder, level: int) -> int:
        """:returns: OK, or BUSY."""
        mine, others = self._levels.get(holder, UNLOCKED), self._others(holder)
        if mine >= level:
            return OK
        highest = max(others, default=UNLOCKED)
        if highest >= (PENDING if level == SHARED else RESERVED):
            return BUSY
        if level == EXCLUSIVE and highest >= SHARED:
            self._levels[holder] = PENDING  # nobody new is let in meanwhile
            return BUSY
        self._levels[holder] = level
        return OK

    def unlock(self, holder: Holder, level: int) -> None:
        if level == UNLOCKED:
            self._levels.pop(holder, None)
        elif self._levels.get(holder, UNLOCKED) > level:
            self._levels[holder] = level

    def is_reserved(self, holder: Holder) -> bool:
        return max([self._levels.get(holder, UNLOCKED), *self._others(holder)]) >= RESERVED

    def _others(self, holder: Holder) -> list[int]:
        self._levels = {each: level for each, level in self._levels.items() if each.alive}
        return [level for each, level in self._levels.items() if each is not holder]

    # The index of its log, which is memory that they share.

    def region(self, holder: Holder, number: int, size: int, extend: bool) -> int | None:
        """The address of a part of it; None where there is none yet, and none is to be made."""
        if not any(each.alive for each in self._mapped):
            self._regions.clear()  # nobody has it: it is made anew, from the log
            self._slots.clear()
        self._mapped[holder] = None
        if number >= len(self._regions) and not extend:
            return None
        while len(self._regions) <= number:
            self._regions.append(ctypes.create_string_buffer(size))
        return ctypes.addressof(self._regions[number])

    def lock_slots(self, holder: Holder, first: int, count: int, flags: int) -> int:
        """:returns: OK, or BUSY."""
        slots = [self._slots.setdefault(first + place, {}) for place in range(count)]
        if not flags & SHM_LOCK:
            for slot in slots:
                slot.pop(holder, None)
            return OK
        is_exclusive = bool(flags & SHM_EXCLUSIVE)
        for slot in slots:
            others = [exclusive for each, exclusive in slot.items() if each is not holder and each.alive]
            if others and (is_exclusive or any(others)):
                return BUSY
        for slot in slots:
            slot[holder] = is_exclusive
        return OK

    def unmap(self, holder: Holder) -> None:
        self._mapped.pop(holder, None)
        for slot in self._slots.values():
            slot.pop(holder, None)

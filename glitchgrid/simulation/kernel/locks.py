"""Locks of files: flock's belong to an open file, fcntl's to a process; each ends with whom it belongs to (flock(2),
fcntl_locking(2)). That two who wait for each other wait for ever is not found out: there is no EDEADLK.
"""

import errno
from collections.abc import Callable
from typing import NamedTuple

from glitchgrid.simulation.kernel.descriptors import error

END = 1 << 62
"""The end of a lock that has none."""


class Record(NamedTuple):
    """A lock of some bytes.

    :ivar end: behind the last.
    """

    owner: object
    start: int
    end: int
    is_exclusive: bool

    def is_against(self, other: "Record") -> bool:
        return (
            self.owner is not other.owner
            and (self.is_exclusive or other.is_exclusive)
            and self.start < other.end
            and other.start < self.end
        )

    def without(self, start: int, end: int) -> "list[Record]":
        """What is left of it."""
        left = [self._replace(end=min(self.end, start)), self._replace(start=max(self.start, end))]
        return [each for each in left if each.start < each.end]


class Locks:
    """Those of one inode.

    :ivar watchers: are told whenever one ends.
    """

    def __init__(self) -> None:
        self.watchers: dict[object, Callable[[], None]] = {}
        self._whole: dict[object, bool] = {}
        self._records: list[Record] = []

    # flock

    def take(self, owner: object, *, is_exclusive: bool) -> None:
        """Replace the lock that `owner` has by one of the other kind, or by the same.

        :raises OSError: EAGAIN where another one's is against it; then the lock that was held is gone.
        """
        self.leave(owner)
        if not self.is_free(owner, is_exclusive=is_exclusive):
            raise error(errno.EAGAIN)
        self._whole[owner] = is_exclusive

    def is_free(self, owner: object, *, is_exclusive: bool) -> bool:
        """Whether `owner` would have that lock at once."""
        others = [is_whole for holder, is_whole in self._whole.items() if holder is not owner]
        return not others or not (is_exclusive or any(others))

    def leave(self, owner: object) -> None:
        if self._whole.pop(owner, None) is not None:
            self._tell()

    # fcntl

    def against(self, asked: Record) -> Record | None:
        """A lock of somebody else's that stands against one."""
        return next((each for each in self._records if each.is_against(asked)), None)

    def take_record(self, asked: Record) -> None:
        """:raises OSError: EAGAIN where another one's is against it."""
        if self.against(asked) is not None:
            raise error(errno.EAGAIN)
        self.leave_records(asked.owner, asked.start, asked.end)
        self._records.append(asked)

    def leave_records(self, owner: object, start: int = 0, end: int = END) -> None:
        records: list[Record] = []
        for each in self._records:
            records += each.without(start, end) if each.owner is owner else [each]
        if records != self._records:
            self._records = records
            self._tell()

    def clear(self) -> None:
        self._whole.clear()
        self._records.clear()

    def _tell(self) -> None:
        for tell in list(self.watchers.values()):
            tell()

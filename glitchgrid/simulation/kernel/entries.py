"""What `os.scandir` gives."""

import os
import stat
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

from glitchgrid.simulation.kernel.nodes import Node

Stat = Callable[[bool], os.stat_result]
"""A name's own status, or, where it is True, that of what it leads to."""


class DirEntry:
    """`os.DirEntry` of a world. What `stat` gives is of the time at which it was first asked for."""

    def __init__(self, names: tuple[Any, Any], node: Node, status: Stat) -> None:
        self.name, self.path = names
        self._kind = node.kind
        self._number = node.number
        self._status = status
        self._known: dict[bool, os.stat_result] = {}

    def __fspath__(self) -> Any:
        return self.path

    def __repr__(self) -> str:
        return f"<DirEntry {self.name!r}>"

    def inode(self) -> int:
        return self._number

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        follows = follow_symlinks and self.is_symlink()
        if follows not in self._known:
            self._known[follows] = self._status(follows)
        return self._known[follows]

    def is_symlink(self) -> bool:
        return self._kind == stat.S_IFLNK

    def is_junction(self) -> bool:
        return False

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_IFDIR, follow_symlinks)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return self._is(stat.S_IFREG, follow_symlinks)

    def _is(self, kind: int, follows: bool) -> bool:
        if not (follows and self.is_symlink()):
            return self._kind == kind
        try:
            return stat.S_IFMT(self.stat().st_mode) == kind
        except FileNotFoundError:
            return False


class Entries:
    """The iterator: closed at its end, or by `close`."""

    def __init__(self, entries: Iterator[DirEntry]) -> None:
        self._entries = entries

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> DirEntry:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())

"""What all calls about files have in common: who calls, where it stands, and what its paths and descriptors mean."""

import errno
import os
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from glitchgrid.simulation.kernel.descriptors import OpenFile, Table, error
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.nodes import Directory, Node
from glitchgrid.simulation.kernel.paths import At
from glitchgrid.simulation.kernel.process import Process

UMASK = 0o022

Path = Any
"""str, bytes or `os.PathLike`; where Linux takes one, a descriptor, too."""


_PLACE = object()
"""Under which a process keeps where it stands."""


class Place:
    """Where a process stands: its working directory and its umask."""

    def __init__(self, directory: Directory, umask: int = UMASK) -> None:
        self.directory = directory
        self.umask = umask


class Named:
    """Errors of what is done within say of which paths they speak, as those of `os` do."""

    __slots__ = ("_paths",)

    def __init__(self, *paths: Path) -> None:
        self._paths = paths

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, raised: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if isinstance(raised, OSError) and raised.errno is not None and raised.filename is None:
            names = [each if isinstance(each, int) else os.fspath(each) for each in self._paths]
            between = [None] if len(names) > 1 else []
            raise OSError(raised.errno, raised.strerror, *names[:1], *between, *names[1:]) from None


def text_of(path: Path) -> str:
    """:raises TypeError: for what is no path.
    :raises ValueError: where there is a null byte in it.
    """
    text = os.fsdecode(path)
    if "\0" in text:
        raise ValueError("embedded null byte")
    return text


def number_of(path: Path) -> int | None:
    """The descriptor that stands in a path's place, if one does."""
    return int(path) if isinstance(path, int) else None


class Caller:
    """:param current: the process whose code runs, and its descriptors.
    :param filesystem_of: the files of its machine.
    :ivar asked: is told of each path that is asked for.
    """

    def __init__(
        self, current: Callable[[], tuple[Process, Table]], filesystem_of: Callable[[Process], FileSystem]
    ) -> None:
        self.current = current
        self._filesystem_of = filesystem_of
        self.asked: Callable[[At], None] | None = None

    @property
    def table(self) -> Table:
        return self.current()[1]

    @property
    def files(self) -> FileSystem:
        return self._filesystem_of(self.current()[0])

    @property
    def place(self) -> Place:
        """That of the process whose code runs."""
        process, _ = self.current()
        found: Place | None = process.kept.get(_PLACE)
        if found is None:
            found = process.kept[_PLACE] = self._home(self._filesystem_of(process))
        return found

    @staticmethod
    def _home(files: FileSystem) -> Place:
        home = files.find(At(files.root, files.home)).node
        return Place(home if isinstance(home, Directory) else files.root)

    def forget(self, process: Process) -> None:
        """Let a process begin anew where its machine's processes begin: it has come to another one."""
        process.kept.pop(_PLACE, None)

    def inherit(self, parent: Process, child: Process) -> None:
        """Let a new process of the same machine begin where another one is."""
        before: Place | None = parent.kept.get(_PLACE)
        if before is not None:
            child.kept[_PLACE] = Place(before.directory, before.umask)

    def enter(self, child: Process, path: str) -> None:
        """Let a child of the process whose code runs begin in a directory.

        :raises OSError: where it is none.
        """
        node = self.node(path)
        if not isinstance(node, Directory):
            raise error(errno.ENOTDIR)
        inherited: Place | None = child.kept.get(_PLACE)
        child.kept[_PLACE] = Place(node, UMASK if inherited is None else inherited.umask)

    def at(self, path: Path, dir_fd: int | None = None) -> At:
        at = self._at(path, dir_fd)
        if self.asked is not None:
            self.asked(at)
        return at

    def _at(self, path: Path, dir_fd: int | None) -> At:
        text = text_of(path)
        if dir_fd is None or not text or text.startswith("/"):  # of these the descriptor is not even looked at
            return At(self.place.directory, text)
        node = self.table.file(dir_fd).node
        if not isinstance(node, Directory):
            raise error(errno.ENOTDIR)
        return At(node, text)

    def node(self, path: Path, dir_fd: int | None = None, *, follows: bool = True) -> Node:
        """What a path leads to, or a descriptor stands for."""
        descriptor = number_of(path)
        if descriptor is None:
            at = self.at(path, dir_fd)
            self.files.reach()
            return self.files.node(at, follows=follows)
        node = self.table.file(descriptor).node
        if not isinstance(node, Node):
            raise error(errno.EINVAL)
        return node

    def file_stat(self, descriptor: int) -> os.stat_result:
        table = self.table
        file = table.file(descriptor)
        return file.stat(next(each for each in table if table.find(each) is file))

    def open_as(self, descriptor: int, kind: type[OpenFile], number: int) -> Any:
        """What a descriptor stands for, if that is of some kind.

        :param number: the error where it is of another one.
        """
        file = self.table.file(descriptor)
        if not isinstance(file, kind):
            raise error(number)
        return file

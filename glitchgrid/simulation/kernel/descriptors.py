"""Descriptors: what they stand for, and a process's table of them."""

import errno
import functools
import os
import select
import stat
from collections.abc import Callable, Iterator
from typing import Any

IN, OUT, ERR, HUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLERR, select.EPOLLHUP
RDHUP, PRI = select.EPOLLRDHUP, select.EPOLLPRI

DESCRIPTORS_MAX = 1024
"""Linux's usual limit for a process (RLIMIT_NOFILE)."""


def error(number: int) -> OSError:
    return OSError(number, _told(number))


_told = functools.cache(os.strerror)


class OpenFile:
    """An open file description, in the words of POSIX: what one descriptor, or several, stand for.

    :ivar watchers: are called when its readiness may have changed, in the order in which they came.
    :ivar is_blocking: whether a call that cannot go on waits, or fails with EAGAIN.
    :ivar flags: those of open(2), as F_GETFL gives them.
    :ivar node: its inode in a file system; None for what is in none.
    """

    is_socket = False
    can_be_polled = True
    flags = os.O_RDWR
    node: Any = None

    def __init__(self) -> None:
        self.watchers: dict[object, Callable[[], None]] = {}
        self.is_blocking = True
        self._references = 0

    @property
    def events(self) -> int:
        """What it is ready for, in epoll's terms."""
        return 0

    def changed(self) -> None:
        for tell in list(self.watchers.values()):
            tell()

    def hold(self) -> None:
        self._references += 1

    def release(self) -> None:
        """One descriptor less stands for it."""
        self._references -= 1
        if not self._references:
            self.close()

    def read(self, size: int) -> bytes:
        """:raises OSError: as read(2) does; EAGAIN where there is nothing yet."""
        raise error(errno.EINVAL)

    def write(self, data: bytes) -> int:
        """:raises OSError: as write(2) does; EAGAIN where there is no room."""
        raise error(errno.EINVAL)

    def pread(self, size: int, offset: int) -> bytes:
        raise error(errno.ESPIPE)

    def pwrite(self, data: bytes, offset: int) -> int:
        raise error(errno.ESPIPE)

    def seek(self, offset: int, whence: int) -> int:
        raise error(errno.ESPIPE)

    def truncate(self, size: int) -> None:
        raise error(errno.EINVAL)

    def sync(self) -> None:
        raise error(errno.EINVAL)

    def stat(self, number: int) -> os.stat_result:
        """:param number: what its inode is called where it has none of a file system's."""
        kind = stat.S_IFSOCK if self.is_socket else stat.S_IFIFO
        return os.stat_result((kind | 0o600, number, 0, 1, 0, 0, 0, 0, 0, 0))

    def control(self, table: "Table", command: int, argument: Any) -> Any:
        """What fcntl(2) does beside what it does to any file; `table` is the caller's.

        :raises NotImplementedError: for a command that is not modelled.
        """
        raise NotImplementedError(f"fcntl command {command} is not modelled")

    def dropped(self, table: "Table") -> None:
        """A process has closed a descriptor of it, this one or another."""

    def close(self) -> None:
        """Nobody has it any more."""

    def vanish(self) -> None:
        """Its machine has lost its power: nobody is told of anything."""


class Table:
    """A process's descriptors, the lowest free one for each new file, as POSIX has it.

    :ivar files: what they stand for.
    :ivar most: they are all below this.
    :ivar missed: how often one more was wanted.
    :ivar frozen_at: so many there were when it was frozen; None where it is not.
    """

    def __init__(self) -> None:
        self.files: dict[int, OpenFile] = {}
        self._inheritable: dict[int, None] = {}
        self.most = DESCRIPTORS_MAX
        self.missed = 0
        self.frozen_at: int | None = None

    def add(self, file: OpenFile, least: int = 0) -> int:
        """A descriptor for a file.

        :param least: no smaller one.
        :raises OSError: EMFILE where there is none left.
        """
        descriptor = least
        while descriptor in self.files:
            descriptor += 1
        self._require(descriptor)
        self.files[descriptor] = file
        file.hold()
        return descriptor

    def require_room(self) -> None:
        """:raises OSError: EMFILE where there is no descriptor left."""
        descriptor = 0
        while descriptor in self.files:
            descriptor += 1
        self._require(descriptor)

    def _require(self, descriptor: int) -> None:
        if descriptor >= self.most or (self.frozen_at is not None and len(self.files) >= self.frozen_at):
            self.missed += 1
            raise error(errno.EMFILE)

    def freeze(self) -> None:
        """Let there be no more than there are."""
        self.frozen_at = len(self.files)

    def unfreeze(self) -> None:
        self.frozen_at = None

    def place(self, file: OpenFile, descriptor: int, *, inheritable: bool = True) -> None:
        """Let a descriptor stand for a file, as dup2 does: what it stood for is let go."""
        file.hold()
        before = self.files.pop(descriptor, None)
        self.files[descriptor] = file
        self.set_inheritable(descriptor, inheritable)
        if before is not None:
            before.dropped(self)
            before.release()

    def file(self, descriptor: int) -> OpenFile:
        """:raises OSError: EBADF where the descriptor stands for nothing."""
        found = self.files.get(descriptor)
        if found is None:
            raise error(errno.EBADF)
        return found

    def find(self, descriptor: int) -> OpenFile | None:
        return self.files.get(descriptor)

    def close(self, descriptor: int) -> None:
        """:raises OSError: EBADF where the descriptor stands for nothing."""
        file = self.file(descriptor)
        del self.files[descriptor]
        self._inheritable.pop(descriptor, None)
        file.dropped(self)
        file.release()

    def get_inheritable(self, descriptor: int) -> bool:
        """Whether a program that takes this one's place has it, too: close-on-exec is not set. Python sets it."""
        self.file(descriptor)
        return descriptor in self._inheritable

    def set_inheritable(self, descriptor: int, inheritable: bool) -> None:
        self.file(descriptor)
        if inheritable:
            self._inheritable[descriptor] = None
        else:
            self._inheritable.pop(descriptor, None)

    def close_all(self) -> None:
        for descriptor in list(self.files):
            self.close(descriptor)

    def vanish(self) -> None:
        for file in self.files.values():
            file.vanish()
        self.files.clear()
        self._inheritable.clear()

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self.files))

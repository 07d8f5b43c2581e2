"""What names lead to: files, directories, symbolic links, sockets, devices.

Times and permissions count as durable at once; names and data do not (see `journal` and `glitchgrid.simulation.inode`).
"""

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from glitchgrid.simulation.inode import PAGE_BYTES, Inode
from glitchgrid.simulation.kernel import lower
from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.journal import Names
from glitchgrid.simulation.kernel.locks import Locks

DEVICE = 0x801
"""The number of the disk."""

STAT_BLOCK_BYTES = 512

FILE_BYTES_MAX = 1 << 30
"""No file of a world is longer: all are in memory."""


class Node:
    """:ivar number: its inode's.
    :ivar permissions: with set-uid, set-gid and the sticky bit.
    :ivar links: how many names it has.
    """

    kind = 0
    is_real = False

    def __init__(self, number: int, permissions: int, at_ns: int) -> None:
        self.number = number
        self.permissions = permissions
        self.links = 1
        self.uid = 0
        self.gid = 0
        self.accessed_ns = self.modified_ns = self.changed_ns = at_ns
        self.locks = Locks()

    @property
    def size(self) -> int:
        return 0

    @property
    def device(self) -> int:
        """What st_rdev says."""
        return 0

    def stat(self) -> os.stat_result:
        blocks = -(-self.size // PAGE_BYTES) * (PAGE_BYTES // STAT_BLOCK_BYTES)
        times = {"atime": self.accessed_ns, "mtime": self.modified_ns, "ctime": self.changed_ns}
        more: dict[str, Any] = {"st_blksize": PAGE_BYTES, "st_blocks": blocks, "st_rdev": self.device}
        for name, at_ns in times.items():
            more[f"st_{name}"] = at_ns // 10**9 + 1e-9 * (at_ns % 10**9)
            more[f"st_{name}_ns"] = at_ns
        seconds = [at_ns // 10**9 for at_ns in times.values()]
        mode = self.kind | self.permissions
        return os.stat_result((mode, self.number, DEVICE, self.links, self.uid, self.gid, self.size, *seconds), more)

    def modified(self, at_ns: int) -> None:
        self.modified_ns = self.changed_ns = at_ns


class File(Node):
    """A regular file. A real one is read where it is, until its first change.

    :param below: the real one's path.
    """

    kind = stat.S_IFREG

    def __init__(self, number: int, permissions: int, at_ns: int, below: str | None = None) -> None:
        super().__init__(number, permissions, at_ns)
        self._below = below
        self._inode = None if below is not None else Inode()

    @property
    def is_real(self) -> bool:  # type: ignore[override]
        return self._inode is None

    @property
    def size(self) -> int:
        return lower.size(self._below or "") if self._inode is None else self._inode.size

    @property
    def data(self) -> Inode:
        """Its own; a copy of the real one's, which is durable, where there was none yet."""
        if self._inode is None:
            content = self.read(0, FILE_BYTES_MAX)
            self._inode = Inode(content, content)
        return self._inode

    def read(self, offset: int, size: int) -> bytes:
        if self._inode is None:
            return lower.read(self._below or "", offset, size)
        return self._inode.read(offset, size)


class Directory(Node):
    """:param adopt: gives what is at a real path.
    :param below: the path of the real directory, if one lies below it.
    :ivar parent: itself, for the root.
    :ivar name: the last that it had.
    """

    kind = stat.S_IFDIR
    is_fixed = False

    def __init__(
        self,
        number: int,
        permissions: int,
        at_ns: int,
        parent: "Directory | None" = None,
        name: str = "",
        below: str | None = None,
        adopt: "Callable[[str, Directory, str], Node | None] | None" = None,
    ) -> None:
        super().__init__(number, permissions, at_ns)
        self.parent = parent or self
        self.name = name
        self.own: Names[Node] = Names(covers=below is not None)
        self.adopted: dict[str, Node] = {}
        self._below = below
        self._adopt = adopt

    @property
    def size(self) -> int:
        return PAGE_BYTES

    def stat(self) -> os.stat_result:
        """As ext4 counts links; 1 where a real directory lies below, as overlayfs does."""
        within = sum(isinstance(each, Directory) for each in self.own.cached.values())
        self.links = 0 if self.is_removed else 1 if self._below is not None else 2 + within
        return super().stat()

    @property
    def is_removed(self) -> bool:
        return self.parent is not self and self.parent.look_up(self.name) is not self

    def look_up(self, name: str) -> Node | None:
        if name in self.own.cached:
            return self.own.cached[name]
        return self._real(name)

    def known(self, name: str) -> Node | None:
        """What a name leads to, if it was used before."""
        return self.own.cached[name] if name in self.own.cached else self.adopted.get(name)

    def certainly(self, name: str) -> Node | None:
        """What a name leads to on the disk."""
        return self.own.durable[name] if name in self.own.durable else self._real(name)

    def names(self) -> list[str]:
        own = self.own.cached
        below = [] if self._below is None else lower.names(self._below)
        there = [name for name in below if name not in own and self._real(name) is not None]
        return sorted([*there, *(name for name, node in own.items() if node is not None)])

    def nodes(self) -> "list[tuple[str, Node]]":
        """What has been used of it, by name."""
        known = ((name, self.look_up(name)) for name in sorted({*self.own.cached, *self.adopted}))
        return [(name, node) for name, node in known if node is not None]

    def path(self) -> str:
        """:raises OSError: ENOENT where it is removed."""
        parts: list[str] = []
        here = self
        while here.parent is not here:
            if here.is_removed:
                raise error(errno.ENOENT)
            parts.append(here.name)
            here = here.parent
        return "/" + "/".join(reversed(parts))

    def _real(self, name: str) -> Node | None:
        if self._below is None or self._adopt is None:
            return None
        found = self.adopted.get(name)
        if found is None:
            found = self._adopt(f"{self._below.rstrip('/')}/{name}", self, name)
            if found is not None:
                self.adopted[name] = found
        return found


class Link(Node):
    """A symbolic link."""

    kind = stat.S_IFLNK

    def __init__(self, number: int, target: str, at_ns: int) -> None:
        super().__init__(number, 0o777, at_ns)
        self._target = target

    @property
    def target(self) -> str:
        return self._target

    @property
    def size(self) -> int:
        return len(os.fsencode(self._target))

    def jump(self) -> Node | None:
        """What it leads to, where that is not by its path."""
        return None


class Socket(Node):
    """:ivar bound: what is bound to it; None where that is closed, and its name was left."""

    kind = stat.S_IFSOCK

    def __init__(self, number: int, permissions: int, at_ns: int, bound: object) -> None:
        super().__init__(number, permissions, at_ns)
        self.bound: Any = bound


class Device(Node):
    """A character device, by its numbers on Linux.

    :param read: gives so many bytes.
    :param refuses: the error of a write to it; 0 where it swallows all.
    """

    kind = stat.S_IFCHR

    def __init__(self, number: int, minor: int, at_ns: int, read: Callable[[int], bytes], refuses: int = 0) -> None:
        super().__init__(number, 0o666, at_ns)
        self.read = read
        self.refuses = refuses
        self._minor = minor

    @property
    def device(self) -> int:
        return os.makedev(1, self._minor)

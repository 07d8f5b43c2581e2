"""The real file system, which lies below that of each machine: programs read it, and nothing changes it.

`posix` has the functions that `os` had before anything was patched.
"""

import posix
import stat
from typing import NamedTuple

HIDDEN = frozenset({"/tmp", "/var/tmp", "/run", "/var/run"})  # noqa: S108 - of which nothing is listed
"""What is in them differs from hour to hour: it is there for who knows its name, and no listing has it."""


DERIVED = {"dropin.cache": ".py"}
"""What is made from files of some kind beside it, and made anew where one of these is not older: Twisted's list of
plugins.
"""


class Real(NamedTuple):
    """:ivar kind: of `stat.S_IFMT`.
    :ivar is_executable: whether anybody may execute it.
    :ivar target: a symbolic link's.
    :ivar is_newest: it is one of the `DERIVED`, and newer than what it is made from.
    """

    path: str
    kind: int
    is_executable: bool
    target: str
    is_newest: bool = False


def real(path: str) -> Real | None:
    """What is there; None for nothing, and for what a world has no use for: sockets, devices, pipes."""
    try:
        found = posix.lstat(path)
    except OSError:
        return None
    kind = stat.S_IFMT(found.st_mode)
    if kind not in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        return None
    target = posix.readlink(path) if kind == stat.S_IFLNK else ""
    parent, _, name = path.rpartition("/")
    return Real(path, kind, bool(found.st_mode & 0o111), target, name in DERIVED and _is_newest(parent, name))


def _is_newest(parent: str, name: str) -> bool:
    try:
        sources = [each for each in posix.listdir(parent) if each.endswith(DERIVED[name])]
        made_ns, *times_ns = [posix.stat(f"{parent}/{each}").st_mtime_ns for each in (name, *sources)]
    except OSError:
        return False
    return all(at_ns < made_ns for at_ns in times_ns)


def names(path: str) -> list[str]:
    """:raises OSError: as listdir does."""
    return [] if path in HIDDEN else sorted(posix.listdir(path))


def size(path: str) -> int:
    return posix.stat(path).st_size


def read(path: str, offset: int, count: int) -> bytes:
    """:raises OSError: as open and pread do."""
    descriptor = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        pieces = []
        while count > 0 and (piece := posix.pread(descriptor, count, offset)):
            pieces.append(piece)
            offset, count = offset + len(piece), count - len(piece)
        return b"".join(pieces)
    finally:
        posix.close(descriptor)

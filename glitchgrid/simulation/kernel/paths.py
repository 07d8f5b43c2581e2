"""From a path to what it leads to, as path_resolution(7) has it. All are root: nothing is refused for its mode."""

import errno
import os
from typing import NamedTuple

from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.nodes import Directory, Link, Node

PATH_BYTES_MAX = 4096
NAME_BYTES_MAX = 255
LINKS_MAX = 40

NOWHERE = frozenset({"", ".", ".."})
"""Last parts of paths that are no name of anything: that of the root, and two which lead elsewhere."""


class At(NamedTuple):
    """A path, and the directory from which it leads, where it does not begin with a slash."""

    start: Directory
    path: str

    @property
    def is_slashed(self) -> bool:
        return self.path.endswith("/")


class Spot(NamedTuple):
    """:ivar name: in `parent`; or one of `NOWHERE`.
    :ivar node: None where there is nothing of that name.
    :ivar is_slashed: the path says that it is a directory.
    """

    parent: Directory
    name: str
    node: Node | None
    is_slashed: bool


class Walk:
    """One path's way through the tree."""

    def __init__(self, root: Directory) -> None:
        self._root = root
        self._links = 0

    def find(self, at: At, *, follows: bool, creates: bool = False) -> Spot:
        """:param creates: a file is to be made where there is none: its path must not be that of a directory.
        :raises OSError: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG; not for the last part of it that is missing.
        """
        parent, name, node = self._last(at, creates)
        is_slashed = at.is_slashed
        while isinstance(node, Link) and (follows or is_slashed):
            self._links += 1
            if self._links > LINKS_MAX:
                raise error(errno.ELOOP)
            jump = node.jump()
            if jump is not None:
                return Spot(parent, name, jump, is_slashed)
            target = At(parent, node.target)
            is_slashed = is_slashed or target.is_slashed
            parent, name, node = self._last(target, creates)
        if is_slashed and node is not None and not isinstance(node, Directory):
            raise error(errno.ENOTDIR)
        return Spot(parent, name, node, is_slashed)

    def _last(self, at: At, creates: bool) -> tuple[Directory, str, Node | None]:
        parent, name = self.parent(at)
        if creates and at.is_slashed and name not in NOWHERE:
            raise error(errno.EISDIR)
        return parent, name, self._step(parent, name)

    def parent(self, at: At) -> tuple[Directory, str]:
        """The directory that has the last part of a path, and that part."""
        if not at.path:
            raise error(errno.ENOENT)
        if _is_longer(at.path, PATH_BYTES_MAX - 1):
            raise error(errno.ENAMETOOLONG)
        here = self._root if at.path.startswith("/") else at.start
        *parts, last = [part for part in at.path.split("/") if part] or [""]
        for part in parts:
            node = self._step(here, part)
            if isinstance(node, Link):
                node = self.find(At(here, part), follows=True).node
            if node is None:
                raise error(errno.ENOENT)
            if not isinstance(node, Directory):
                raise error(errno.ENOTDIR)
            here = node
        return here, last

    def _step(self, here: Directory, name: str) -> Node | None:
        if name in {"", "."}:
            return here
        if name == "..":
            return here.parent
        if _is_longer(name, NAME_BYTES_MAX):
            raise error(errno.ENAMETOOLONG)
        return here.look_up(name)


def _is_longer(name: str, most: int) -> bool:
    """Than so many bytes. No character has more than four."""
    return len(name) * 4 > most and len(os.fsencode(name)) > most

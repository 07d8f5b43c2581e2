"""What changes names: mkdir, rmdir, unlink, rename, link, symlink, and the making of files; errors in Linux's order."""

import errno
import os

from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.nodes import Directory, File, Link, Node, Socket
from glitchgrid.simulation.kernel.paths import NOWHERE, PATH_BYTES_MAX, At, Spot, Walk


def last_of(files: FileSystem, at: At) -> Spot:
    """The last part of a path, which is not followed, whatever is there."""
    walk = Walk(files.root)
    parent, name = walk.parent(at)
    if name in NOWHERE:
        return Spot(parent, name, parent.parent if name == ".." else parent, at.is_slashed)
    return Spot(parent, name, walk.find(At(parent, name), follows=False).node, at.is_slashed)


def make_directory(files: FileSystem, at: At, permissions: int) -> Directory:
    spot = last_of(files, at)
    _require_new(files, spot._replace(is_slashed=False))
    made = Directory(files.number(), permissions & 0o1777, files.now_ns(), spot.parent, spot.name)
    add(files, spot, made)
    files.note(f"mkdir {at.path}")
    return made


def make_link(files: FileSystem, target: str, at: At) -> None:
    """A symbolic one."""
    if not target:
        raise error(errno.ENOENT)
    if len(os.fsencode(target)) >= PATH_BYTES_MAX:
        raise error(errno.ENAMETOOLONG)
    spot = last_of(files, at)
    _require_new(files, spot)
    add(files, spot, Link(files.number(), target, files.now_ns()))
    files.note(f"symlink {at.path}")


def make_socket(files: FileSystem, at: At, permissions: int, bound: object) -> Socket:
    """The name of a UNIX socket, as bind(2) makes it.

    :param bound: what is found there.
    :raises OSError: EADDRINUSE where there is anything of that name.
    """
    spot = last_of(files, at)
    if spot.node is not None:
        raise error(errno.EADDRINUSE)
    _require_new(files, spot)
    made = Socket(files.number(), permissions & 0o777, files.now_ns(), bound)
    add(files, spot, made)
    files.note(f"bind {at.path}")
    return made


def make_file(files: FileSystem, spot: Spot, permissions: int) -> File:
    """An empty file where `spot` has found nothing."""
    _require_new(files, spot)
    made = File(files.number(), permissions & 0o7777, files.now_ns())
    add(files, spot, made)
    files.note(f"create {spot.name}")
    return made


def hard_link(files: FileSystem, node: Node, at: At) -> None:
    spot = last_of(files, at)
    _require_new(files, spot, grows=False)
    if isinstance(node, Directory):
        raise error(errno.EPERM)
    add(files, spot, node)
    node.links += 1
    node.changed_ns = files.now_ns()
    files.note(f"link {at.path}")


def unlink(files: FileSystem, at: At) -> None:
    spot = last_of(files, at)
    if spot.name in NOWHERE:
        raise error(errno.EISDIR)
    if spot.node is None:
        raise error(errno.ENOENT)
    if isinstance(spot.node, Directory):
        raise error(errno.EISDIR)
    if spot.is_slashed:
        raise error(errno.ENOTDIR)
    _require_change(files, spot.parent)
    _take_away(files, spot)
    _let_go(files, spot.node)
    files.note(f"unlink {at.path}")


def remove_directory(files: FileSystem, at: At) -> None:
    spot = last_of(files, at)
    if spot.name in NOWHERE:
        raise error({"": errno.EBUSY, ".": errno.EINVAL}.get(spot.name, errno.ENOTEMPTY))
    if spot.node is None:
        raise error(errno.ENOENT)
    if not isinstance(spot.node, Directory):
        raise error(errno.ENOTDIR)
    _require_change(files, spot.parent)
    if spot.node.names():
        raise error(errno.ENOTEMPTY)
    _take_away(files, spot)
    files.note(f"rmdir {at.path}")


def rename(files: FileSystem, source: At, target: At) -> None:
    """One change: it is made whole, or not at all."""
    old, new = last_of(files, source), last_of(files, target)
    node = _require_movable(old, new)
    if node is new.node:
        return
    _require_replaceable(node, new.node)
    _require_change(files, old.parent)
    _require_change(files, new.parent)
    now_ns = files.now_ns()
    effects = ((old.parent.own, old.name, None), (new.parent.own, new.name, node))
    # Moves of directories keep their order, as those of one inode do: else two of them could end up in each other.
    files.journal.change(*effects, concerns=(node, new.node, files.root if isinstance(node, Directory) else None))
    if new.node is not None and not isinstance(new.node, Directory):
        _let_go(files, new.node)
    if isinstance(node, Directory):
        node.parent, node.name = new.parent, new.name
    for each in (old.parent, new.parent):
        each.modified(now_ns)
    node.changed_ns = now_ns
    files.note(f"rename {source.path} {target.path}")


def add(files: FileSystem, spot: Spot, node: Node) -> None:
    files.journal.change((spot.parent.own, spot.name, node), concerns=[node])
    spot.parent.modified(files.now_ns())


def _take_away(files: FileSystem, spot: Spot) -> None:
    files.journal.change((spot.parent.own, spot.name, None), concerns=[spot.node])
    spot.parent.modified(files.now_ns())


def _let_go(files: FileSystem, node: Node) -> None:
    node.links -= 1
    node.changed_ns = files.now_ns()


def _require_new(files: FileSystem, spot: Spot, *, grows: bool = True) -> None:
    """:raises OSError: EEXIST, ENOENT for a directory's path or in one that is removed, EROFS, ENOSPC."""
    if spot.node is not None:
        raise error(errno.EEXIST)
    if spot.is_slashed:
        raise error(errno.ENOENT)
    _require_change(files, spot.parent)
    if grows:
        files.require_room()


def _require_change(files: FileSystem, directory: Directory) -> None:
    if directory.is_fixed:
        raise error(errno.EPERM)
    if directory.is_removed:
        raise error(errno.ENOENT)
    files.require_change()


def _require_movable(old: Spot, new: Spot) -> Node:
    """What is to be moved.

    :raises OSError: EBUSY, ENOENT, ENOTDIR, EINVAL or ENOTEMPTY where one of the two lies in the other.
    """
    if old.name in NOWHERE or new.name in NOWHERE:
        raise error(errno.EBUSY)
    if old.node is None:
        raise error(errno.ENOENT)
    if not isinstance(old.node, Directory) and (old.is_slashed or new.is_slashed):
        raise error(errno.ENOTDIR)
    if old.node in _way_up(new.parent):
        raise error(errno.EINVAL)
    if new.node in _way_up(old.parent):
        raise error(errno.ENOTEMPTY)
    return old.node


def _require_replaceable(node: Node, there: Node | None) -> None:
    """:raises OSError: ENOTDIR, EISDIR, ENOTEMPTY."""
    if there is None:
        return
    if isinstance(node, Directory):
        if not isinstance(there, Directory):
            raise error(errno.ENOTDIR)
        if there.names():
            raise error(errno.ENOTEMPTY)
    elif isinstance(there, Directory):
        raise error(errno.EISDIR)


def _way_up(directory: Directory) -> list[Node]:
    way: list[Node] = [directory]
    while directory.parent is not directory:
        directory = directory.parent
        way.append(directory)
    return way

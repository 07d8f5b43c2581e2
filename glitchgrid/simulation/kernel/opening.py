"""open(2): from a path and flags to an open file."""

import errno
import os

from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.files import ACCESS, OpenDevice, OpenDirectory, OpenNode, RegularFile, truncate
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.naming import make_file
from glitchgrid.simulation.kernel.nodes import Device, Directory, File, Link
from glitchgrid.simulation.kernel.paths import At, Spot

TMPFILE = os.O_TMPFILE & ~os.O_DIRECTORY


def open_file(files: FileSystem, at: At, flags: int, permissions: int) -> OpenNode:
    """open(2), but for the descriptor.

    :raises OSError: as that does.
    """
    if flags & TMPFILE:
        return _open_temporary(files, at, flags, permissions)
    if flags & os.O_CREAT and flags & os.O_DIRECTORY:
        raise error(errno.EINVAL)
    creates = bool(flags & os.O_CREAT)
    follows = not (flags & os.O_NOFOLLOW or (creates and flags & os.O_EXCL))
    spot = files.find(at, follows=follows, creates=creates)
    node = spot.node
    if creates:
        if node is None:
            return RegularFile(files, make_file(files, spot, permissions), flags, spot)
        if flags & os.O_EXCL:
            raise error(errno.EEXIST)
    return _open_there(files, spot, flags)


def _open_there(files: FileSystem, spot: Spot, flags: int) -> OpenNode:
    node = spot.node
    if node is None:
        raise error(errno.ENOENT)
    if isinstance(node, Directory):
        return _open_directory(files, node, flags, spot)
    if flags & os.O_DIRECTORY:
        raise error(errno.ENOTDIR)
    if isinstance(node, Device):
        return OpenDevice(files, node, flags, spot)
    if flags & os.O_PATH:
        return OpenNode(files, node, flags, spot)
    if not isinstance(node, File):  # a symbolic link, which was not to be followed; or a socket, which opens for nobody
        raise error(errno.ELOOP if isinstance(node, Link) else errno.ENXIO)
    return _open_regular(files, node, flags, spot)


def _open_directory(files: FileSystem, node: Directory, flags: int, spot: Spot) -> OpenDirectory:
    if flags & (os.O_CREAT | os.O_TRUNC) or flags & ACCESS != os.O_RDONLY:
        raise error(errno.EISDIR)
    return OpenDirectory(files, node, flags, spot)


def _open_regular(files: FileSystem, node: File, flags: int, spot: Spot) -> RegularFile:
    if flags & (os.O_TRUNC | ACCESS):
        files.require_change()
    if flags & os.O_TRUNC:
        truncate(files, node, 0, spot.name)
    return RegularFile(files, node, flags, spot)


def _open_temporary(files: FileSystem, at: At, flags: int, permissions: int) -> RegularFile:
    """A file without a name."""
    if flags & ACCESS == os.O_RDONLY:
        raise error(errno.EINVAL)
    parent = files.node(at)
    if not isinstance(parent, Directory):
        raise error(errno.ENOTDIR)
    files.require_room()
    return unnamed(files, parent, flags & ~os.O_DIRECTORY & ~TMPFILE, permissions)


def unnamed(files: FileSystem, parent: Directory, flags: int, permissions: int) -> RegularFile:
    node = File(files.number(), permissions & 0o7777, files.now_ns())
    node.links = 0
    return RegularFile(files, node, flags, Spot(parent, f"#{node.number}", node, is_slashed=False))

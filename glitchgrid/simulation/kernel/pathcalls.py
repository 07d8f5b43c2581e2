"""The functions of `os` that take paths."""

import errno
import os
import stat
from typing import Any

from glitchgrid.simulation.kernel import naming
from glitchgrid.simulation.kernel.caller import Caller, Named, Path, number_of
from glitchgrid.simulation.kernel.descriptors import error
from glitchgrid.simulation.kernel.entries import DirEntry, Entries
from glitchgrid.simulation.kernel.files import truncate
from glitchgrid.simulation.kernel.nodes import Directory, Link, Node
from glitchgrid.simulation.kernel.opening import open_file
from glitchgrid.simulation.kernel.paths import At

Times = tuple[float, float]


class PathCalls(Caller):
    """Each does what that of `os` does, and raises what that raises."""

    # Asking.

    def stat(self, path: Path, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> os.stat_result:
        with Named(path):
            descriptor = number_of(path)
            if descriptor is not None:
                return self.file_stat(descriptor)
            return self.node(path, dir_fd, follows=follow_symlinks).stat()

    def lstat(self, path: Path, *, dir_fd: int | None = None) -> os.stat_result:
        return self.stat(path, dir_fd=dir_fd, follow_symlinks=False)

    def access(
        self,
        path: Path,
        mode: int,
        *,
        dir_fd: int | None = None,
        effective_ids: bool = False,
        follow_symlinks: bool = True,
    ) -> bool:
        """All are root: but for what nobody may execute, and a disk that is read-only."""
        try:
            node = self.node(path, dir_fd, follows=follow_symlinks)
        except OSError:
            return False
        may_execute = isinstance(node, Directory) or bool(node.permissions & 0o111)
        return (may_execute or not mode & os.X_OK) and not (mode & os.W_OK and self.files.is_read_only)

    def readlink(self, path: Path, *, dir_fd: int | None = None) -> str | bytes:
        with Named(path):
            node = self.node(path, dir_fd, follows=False)
            if not isinstance(node, Link):
                raise error(errno.EINVAL)
            return os.fsencode(node.target) if isinstance(os.fspath(path), bytes) else node.target

    def listdir(self, path: Path = None) -> list[Any]:
        names = self._directory(path).names()
        return [os.fsencode(name) for name in names] if isinstance(path, bytes) else names

    def scandir(self, path: Path = None) -> Entries:
        directory = self._directory(path)
        is_bytes = isinstance(path, bytes)
        before = "" if path is None or isinstance(path, int) else os.fsdecode(path)
        if path is None:
            before = "."

        def entry(name: str, node: Node) -> DirEntry:
            whole = os.path.join(before, name)

            def status(follows: bool) -> os.stat_result:
                if isinstance(path, int):
                    return self._stat_at(At(directory, name), follows)
                return self.stat(whole, follow_symlinks=follows)

            names = (os.fsencode(name), os.fsencode(whole)) if is_bytes else (name, whole)
            return DirEntry(names, node, status)

        nodes = ((name, directory.look_up(name)) for name in directory.names())
        return Entries(iter([entry(name, node) for name, node in nodes if node is not None]))

    def statvfs(self, path: Path) -> os.statvfs_result:
        with Named(path):
            self.node(path)
        blocks = 0 if self.files.is_full else FREE_BLOCKS
        flags = os.ST_RDONLY if self.files.is_read_only else 0
        sizes = (BLOCK_BYTES, BLOCK_BYTES, BLOCKS, blocks, blocks)
        return os.statvfs_result((*sizes, BLOCKS, FREE_BLOCKS, FREE_BLOCKS, flags, 255, 1))

    # Where it stands.

    def getcwd(self) -> str:
        return self.place.directory.path()

    def getcwdb(self) -> bytes:
        return os.fsencode(self.getcwd())

    def chdir(self, path: Path) -> None:
        with Named(path):
            node = self.node(path)
            if not isinstance(node, Directory):
                raise error(errno.ENOTDIR)
            self.place.directory = node

    def fchdir(self, fd: int) -> None:
        if not isinstance(self.table.file(fd).node, Directory):
            raise error(errno.ENOTDIR)
        self.place.directory = self.table.file(fd).node

    def umask(self, mask: int, /) -> int:
        before, self.place.umask = self.place.umask, mask & 0o777
        return before

    # Names.

    def open(self, path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        with Named(path):
            at = self.at(path, dir_fd)
            if not at.path.startswith("/dev/"):  # which is on no disk
                self.files.reach()
            table = self.table
            table.require_room()
            return table.add(open_file(self.files, at, flags, mode & ~self.place.umask))

    def mkdir(self, path: Path, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        with Named(path):
            self._change(self.at(path, dir_fd), naming.make_directory, mode & ~self.place.umask)

    def rmdir(self, path: Path, *, dir_fd: int | None = None) -> None:
        with Named(path):
            self._change(self.at(path, dir_fd), naming.remove_directory)

    def unlink(self, path: Path, *, dir_fd: int | None = None) -> None:
        with Named(path):
            self._change(self.at(path, dir_fd), naming.unlink)

    def rename(self, src: Path, dst: Path, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        with Named(src, dst):
            self._change(self.at(src, src_dir_fd), naming.rename, self.at(dst, dst_dir_fd))

    def link(
        self,
        src: Path,
        dst: Path,
        *,
        src_dir_fd: int | None = None,
        dst_dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        """A symbolic link is followed where a descriptor is given, and else is not: so it is in CPython on Linux."""
        with Named(src, dst):
            follows = follow_symlinks and not (src_dir_fd is None and dst_dir_fd is None)
            node = self.node(src, src_dir_fd, follows=follows)
            naming.hard_link(self.files, node, self.at(dst, dst_dir_fd))

    def symlink(self, src: Path, dst: Path, target_is_directory: bool = False, *, dir_fd: int | None = None) -> None:
        with Named(src, dst):
            self.files.reach()
            naming.make_link(self.files, os.fsdecode(src), self.at(dst, dir_fd))

    # What a name leads to.

    def truncate(self, path: Path, length: int) -> None:
        if isinstance(path, int):
            self.table.file(path).truncate(length)
            return
        with Named(path):
            if length < 0:
                raise error(errno.EINVAL)
            truncate(self.files, self.node(path), length, os.fsdecode(path))

    def chmod(self, path: Path, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
        with Named(path):
            node = self._changed(path, dir_fd, follow_symlinks)
            if isinstance(node, Link):
                raise NotImplementedError("chmod: follow_symlinks unavailable on this platform")
            node.permissions = stat.S_IMODE(mode)

    def chown(self, path: Path, uid: int, gid: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
        with Named(path):
            node = self._changed(path, dir_fd, follow_symlinks)
            node.uid, node.gid = (node.uid if uid == -1 else uid), (node.gid if gid == -1 else gid)

    def lchown(self, path: Path, uid: int, gid: int) -> None:
        self.chown(path, uid, gid, follow_symlinks=False)

    def utime(
        self,
        path: Path,
        times: Times | None = None,
        *,
        ns: tuple[int, int] | None = None,
        dir_fd: int | None = None,
        follow_symlinks: bool = True,
    ) -> None:
        if times is not None and ns is not None:
            raise ValueError("utime: you may specify either 'times' or 'ns' but not both")
        now_ns = self.files.now_ns()
        at_ns = ns or ((now_ns, now_ns) if times is None else (_in_ns(times[0]), _in_ns(times[1])))
        node = self._changed(path, dir_fd, follow_symlinks)
        node.accessed_ns, node.modified_ns = at_ns

    def mkfifo(self, path: Path, *_mode: Any, **_named: Any) -> None:
        raise NotImplementedError(f"named pipes and devices are not modelled: {path!r}")

    def chroot(self, path: Path) -> None:
        raise NotImplementedError(f"another root is not modelled: {path!r}")

    # Extended attributes: there are none, as on a file system that has no use for them.

    def listxattr(self, path: Path = None, *, follow_symlinks: bool = True) -> list[str]:
        with Named(path or "."):
            self.node("." if path is None else path, follows=follow_symlinks)
        return []

    def getxattr(self, path: Path, *_attribute: Any, **_named: Any) -> bytes:
        with Named(path):
            raise error(errno.ENOTSUP)

    def _directory(self, path: Path) -> Directory:
        if isinstance(path, int):
            self.table.file(path)  # what it raises names nothing
        with Named("." if path is None else path):
            node = self.node("." if path is None else path)
            if not isinstance(node, Directory):
                raise error(errno.ENOTDIR)
            return node

    def _stat_at(self, at: At, follows: bool) -> os.stat_result:
        with Named(at.path):
            return self.files.node(at, follows=follows).stat()

    def _change(self, at: At, change: Any, *more: Any) -> None:
        self.files.reach()
        change(self.files, at, *more)

    def _changed(self, path: Path, dir_fd: int | None, follows: bool) -> Node:
        """What is to have other permissions, or times."""
        node = self.node(path, dir_fd, follows=follows)
        self.files.require_change()
        node.changed_ns = self.files.now_ns()
        return node


BLOCK_BYTES = 4096
BLOCKS = 25_000_000
FREE_BLOCKS = 20_000_000
"""What `statvfs` says of every disk: about 100 GB, of which a fifth is in use."""


def _in_ns(seconds: float) -> int:
    whole = int(seconds // 1)
    return whole * 10**9 + int((seconds - whole) * 10**9 // 1)

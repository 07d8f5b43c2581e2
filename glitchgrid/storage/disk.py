"""The few file operations that a vault's store needs: their interface, and the real disk.

This is the seam where a simulated disk can stand in: everything the store does to its data directory goes
through `IDisk` and `IFile`. All of it blocks, so all of it runs on the store's thread pool.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from zope.interface import Attribute, Interface, implementer

from glitchgrid.errors import DataDirectoryInUse, DataDirectoryUnusable

LOCK_NAME = "lock"

_CANNOT_SYNC_NAMES = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})


class IFile(Interface):
    """An open file. Every method may raise OSError."""

    def read(size_max: int) -> bytes:
        """The next bytes, fewer than `size_max` only at the end of the file."""

    def write(data: bytes) -> None:
        """Append all of `data` to what this handle has written."""

    def write_at(data: bytes, offset_bytes: int) -> None:
        """Write all of `data` over what the file holds from `offset_bytes` on."""

    def fsync() -> None:
        """Return once what was written is on the disk."""

    def fdatasync() -> None:
        """`fsync` for what was written over synced data: nothing else about the file has changed.

        Fails for a file that was removed or replaced meanwhile: nobody would ever read it again.
        """

    def close() -> None:
        """Give the handle back."""


class IDisk(Interface):
    """One data directory. Every method but `claim` may raise OSError."""

    path: str = Attribute("Where it is, for messages.")

    def claim() -> None:
        """Make the directory if it is missing, and lock it for as long as this process lives.

        :raises DataDirectoryInUse: when another process holds the lock.
        :raises DataDirectoryUnusable: when it can't be made, entered or written.
        """

    def release() -> None:
        """Let go of the lock."""

    def open(name: str) -> IFile:
        """Open a file for reading; FileNotFoundError where there is none."""

    def create(name: str) -> IFile:
        """Open a file for writing, empty, whether it existed or not."""

    def replace(source: str, target: str) -> None:
        """Rename over `target`, in one step. Durable only after `fsync_directory`."""

    def fsync_directory() -> None:
        """Return once the names in the directory are on the disk."""


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Add the name of the call that failed to its error."""
    try:
        yield
    except OSError as error:
        error.strerror = f"{what}: {error.strerror or error}"
        raise


def _regular_file(path: str, flags: int) -> int:
    """Open a file; OSError for anything else that has its name. A pipe would wait for its other end, for ever."""
    with _told(f"open {os.path.basename(path)}"):
        try:
            descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        except OSError as error:
            # ENXIO: a pipe without a reader. ELOOP: a link that was not to be followed. A link to nowhere is no
            # missing file: what it should lead to may be on a disk that is not there yet.
            if error.errno in {errno.ENXIO, errno.ELOOP} or (error.errno == errno.ENOENT and os.path.islink(path)):
                raise OSError(errno.EINVAL, "it is not a regular file") from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is not a regular file")
        return descriptor


def _renew_if_empty(path: str) -> None:
    """Make an empty directory anew: so its name is on no disk, and is written by the next sync.

    A start that was killed may have made it, and the sync that it was in may have failed meanwhile: then nobody was
    told, and the kernel takes the name for clean.
    """
    if os.listdir(path):
        return  # it was durable before anything was made in it
    before = os.stat(path)
    try:
        os.rmdir(path)
    except OSError:
        return  # a file system begins there, or somebody else has made it, who is to see to its name
    os.mkdir(path)
    with suppress(PermissionError):
        os.chown(path, before.st_uid, before.st_gid)
    os.chmod(path, stat.S_IMODE(before.st_mode))


def _sync_directory(descriptor: int, path: str) -> None:
    with _told(f"fsync of the directory {path}"):
        try:
            os.fsync(descriptor)
        except OSError as error:
            if error.errno in _CANNOT_SYNC_NAMES:
                error.strerror = (
                    f"{error.strerror}: its file system cannot tell when a name is on the disk, and a value could"
                    " vanish with the power; choose a directory on another one"
                )
            raise


@implementer(IFile)
class LocalFile:
    """A file descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, size_max: int) -> bytes:
        parts: list[bytes] = []
        while size_max > 0 and (part := os.read(self._fd, size_max)):
            parts.append(part)
            size_max -= len(part)
        return b"".join(parts)

    def write(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._fd, data) :]

    def write_at(self, data: bytes, offset_bytes: int) -> None:
        while data:
            written = os.pwrite(self._fd, data, offset_bytes)
            data = data[written:]
            offset_bytes += written

    def fsync(self) -> None:
        os.fsync(self._fd)

    def fdatasync(self) -> None:
        os.fdatasync(self._fd)
        if os.fstat(self._fd).st_nlink == 0:
            raise FileNotFoundError(errno.ENOENT, "the file was removed")

    def close(self) -> None:
        os.close(self._fd)


@implementer(IDisk)
class LocalDisk:
    """A directory of this machine, held by `claim` through two descriptors: itself and its lock."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._held: list[int] = []

    def claim(self) -> None:
        try:
            self._make_directory(self.path)
            self._held.append(os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            lock = _regular_file(self._inside(LOCK_NAME), os.O_RDWR | os.O_CREAT)
            self._held.append(lock)
            with _told(f"flock of {LOCK_NAME}"):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            if isinstance(error, BlockingIOError):
                raise DataDirectoryInUse(self.path) from error
            raise DataDirectoryUnusable(self.path, error.strerror or str(error)) from error

    def release(self) -> None:
        while self._held:
            os.close(self._held.pop())

    def open(self, name: str) -> LocalFile:
        return LocalFile(_regular_file(self._inside(name), os.O_RDONLY))

    def create(self, name: str) -> LocalFile:
        return LocalFile(_regular_file(self._inside(name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW))

    def replace(self, source: str, target: str) -> None:
        with _told(f"rename to {target}"):
            os.replace(self._inside(source), self._inside(target))

    def fsync_directory(self) -> None:
        _sync_directory(self._held[0], self.path)

    def _inside(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _make_directory(self, path: str) -> None:
        """`os.makedirs`, and each name on the disk before anything is made in it.

        That of a directory that is there, too: an earlier start may have made it, and been killed before it was synced.
        """
        is_there = os.path.isdir(path)
        if not is_there:
            self._make_directory(os.path.dirname(path))
            try:
                os.mkdir(path)
            except FileExistsError:
                if not os.path.isdir(path):
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
        elif path != os.path.dirname(path):
            _renew_if_empty(path)
        try:
            self._sync_name(path)
        except OSError as error:
            if error.errno in _CANNOT_SYNC_NAMES:
                if is_there and path != self.path:
                    return  # where a file system begins, for one; nobody has made it just now
            else:
                # The kernel calls the name clean now, and no later sync would write it: what the next start stores
                # could vanish with its directory. Where nothing is in it yet, that start has to make it anew.
                with suppress(OSError):
                    os.rmdir(path)
            raise

    @staticmethod
    def _sync_name(path: str) -> None:
        """Put a directory's name on the disk: what is stored in it must not vanish with the power."""
        try:
            descriptor = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except PermissionError:
            return  # then the directory was made by somebody else, who is to see to its name
        try:
            _sync_directory(descriptor, os.path.dirname(path))
        finally:
            os.close(descriptor)

"""The functions of `os`, `io` and `fcntl` that have to do with files, for processes of the world.

Modules are imported from real files: `importlib` asks `posix` and `_io`, which are not patched. Programs are read as
any file is: they may have been written in the world.
"""

import builtins
import fcntl
import io
import os
from collections.abc import Iterator
from typing import Any

from glitchgrid.simulation.kernel.descriptorcalls import DescriptorCalls
from glitchgrid.simulation.kernel.pathcalls import PathCalls
from glitchgrid.simulation.kernel.raw import open_buffered
from glitchgrid.simulation.kernel.seam import Patch, Seam

OF_OS = (
    *(
        "access",
        "chdir",
        "chmod",
        "chown",
        "chroot",
        "copy_file_range",
        "fchdir",
        "fchmod",
        "fstat",
        "fsync",
        "ftruncate",
    ),
    *("get_inheritable", "getcwd", "getcwdb", "getxattr", "lchown", "link", "listdir", "listxattr", "lseek", "lstat"),
    *("memfd_create", "mkdir", "mkfifo", "open", "posix_fadvise", "posix_fallocate", "pread", "preadv", "pwrite"),
    *("pwritev", "readlink", "readv", "rename", "rmdir", "scandir", "sendfile", "set_inheritable", "stat", "statvfs"),
    *("symlink", "sync", "truncate", "umask", "unlink", "utime", "writev"),
)
"""Which are answered by the method of the same name."""

OTHERWISE = {
    "fchown": "chown",
    "fdatasync": "fsync",
    "fstatvfs": "statvfs",
    "mknod": "mkfifo",
    "remove": "unlink",
    "removexattr": "getxattr",
    "replace": "rename",
    "setxattr": "getxattr",
}
"""And which by another one's."""


class FileCalls(PathCalls, DescriptorCalls):
    """All of them."""

    def patches(self, seam: Seam) -> Iterator[Patch]:
        """Yields what is to be put in, and says of each in `os.supports_dir_fd` and so on what its original could.

        `shutil.rmtree`, for one, looks there.
        """
        for name in (*OF_OS, *OTHERWISE):
            yield Patch(os, name, getattr(self, OTHERWISE.get(name, name)))
            for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
                if seam.original(os, name) in able:
                    able.add(getattr(os, name))
        for owner in (builtins, io):
            yield Patch(owner, "open", self.open_file)
        yield Patch(io, "open_code", lambda path: self.open_file(path, "rb"))  # which runpy reads programs with
        yield Patch(fcntl, "flock", self.flock)
        yield Patch(fcntl, "lockf", self.lockf)

    def open_file(self, *arguments: Any, **named: Any) -> Any:
        """`open`."""
        return open_buffered(self, *arguments, **named)

"""The files of the world beside those of the machine that tests run on: the same calls, the same answers and errors."""

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.simulation.files_box import Box

NAMES = (
    "a",
    "b",
    "c",
    "d",
    "d/a",
    "d/b",
    "d/e",
    "d/e/a",
    "a/x",
    "d/..",
    "d/.",
    ".",
    "..",
    "c/",
    "d/",
    "l",
    "l/a",
    "k",
    "k/b",
    "l/",
    "",
)
TARGETS = ("a", "b", "d", "../a", "d/e", "e", "l", "k", "nowhere", "d/", "a/", ".")
FLAGS = (os.O_CREAT, os.O_EXCL, os.O_TRUNC, os.O_APPEND, os.O_DIRECTORY, os.O_NOFOLLOW, os.O_SYNC)
MODES = ("r", "w", "a", "x", "r+", "w+", "a+", "x+", "rb", "wb", "ab", "rb+", "wb+", "ab+")

paths = st.sampled_from(NAMES)
datas = st.binary(max_size=20) | st.integers(1, 3).map(lambda n: b"%d" % n * 4000)
sizes = st.integers(-3, 12_000)


class Linux:
    """The functions of `os` below a temporary directory."""

    def __init__(self) -> None:
        self.above = tempfile.mkdtemp()
        self.root = f"{self.above}/v/w"
        os.mkdir(f"{self.above}/v", 0o700)
        os.mkdir(self.root, 0o700)
        self.open_file = open
        self.close = os.close
        self.dup = os.dup

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)


class World:
    """Those of a process of the world, which never runs: none of these calls waits."""

    def __init__(self) -> None:
        self._box = Box()
        process = self._box.start(lambda _: None)
        self._table = process.table
        self._box.world.current = process
        self._calls = self._box.calls
        self.root = "/u/v/w"
        mask = os.umask(0)
        os.umask(mask)
        self.umask(mask)
        self.mkdir("/u", 0o700)
        self.mkdir("/u/v", 0o700)
        self.mkdir(self.root, 0o700)
        # What syncs is not compared here.
        self._box.files.sync = lambda flushes, what: None  # type: ignore[method-assign]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._calls, name)

    def close(self, fd: int) -> None:
        self._table.close(fd)

    def dup(self, fd: int) -> int:
        return self._table.add(self._table.file(fd))


def outcome(system: Any, call: Callable[[Any], Any]) -> Any:
    """What a call gives, or how it fails, with names below the root."""
    try:
        return "gives", call(system)
    except Exception as error:  # noqa: BLE001 - that is what is compared
        names = [
            each.replace(system.root, "ROOT") if isinstance(each, str) else each is not None
            for each in (getattr(error, "filename", None), getattr(error, "filename2", None))
        ]
        text = str(error) if not isinstance(error, OSError) else None
        return "raises", type(error), getattr(error, "errno", None), names, text


def _do(step: Callable[[], Any], _system: Any) -> Any:
    return step()


def described(found: os.stat_result) -> tuple[int, ...]:
    kind = stat.S_IFMT(found.st_mode)
    size = 0 if kind == stat.S_IFDIR else found.st_size
    return found.st_mode, size, found.st_nlink, found.st_uid, found.st_gid


class FilesLikeLinux(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.systems: list[Any] = [Linux(), World()]
        self.fds: list[tuple[int, int]] = []

    def teardown(self) -> None:
        for fd, _ in self.fds:
            os.close(fd)
        shutil.rmtree(self.systems[0].above)

    def both(self, call: Callable[[Any], Any]) -> Any:
        real, ours = (outcome(system, call) for system in self.systems)
        assert ours == real
        return ours[1] if ours[0] == "gives" else None

    def path(self, name: str) -> Callable[[Any], str]:
        return lambda system: f"{system.root}/{name}" if name else ""

    def each_fd(self, place: int, call: Callable[[Any, int], Any]) -> Any:
        pair = self.fds[place % len(self.fds)]
        return self.both(lambda system: call(system, pair[system is self.systems[1]]))

    @initialize()
    def begin(self) -> None:
        self.both(lambda system: system.mkdir(f"{system.root}/d"))

    # By name.

    @rule(name=paths, mode=st.sampled_from([0o777, 0o700, 0o1777]))
    def mkdir(self, name: str, mode: int) -> None:
        path = self.path(name)
        self.both(lambda system: system.mkdir(path(system), mode))

    @rule(name=paths)
    def rmdir(self, name: str) -> None:
        path = self.path(name)
        self.both(lambda system: system.rmdir(path(system)))

    @rule(name=paths)
    def unlink(self, name: str) -> None:
        path = self.path(name)
        self.both(lambda system: system.unlink(path(system)))

    @rule(old=paths, new=paths)
    def rename(self, old: str, new: str) -> None:
        source, target = self.path(old), self.path(new)
        self.both(lambda system: system.rename(source(system), target(system)))

    @rule(old=paths, new=paths)
    def link(self, old: str, new: str) -> None:
        source, target = self.path(old), self.path(new)
        self.both(lambda system: system.link(source(system), target(system)))

    @rule(leads_to=st.sampled_from(TARGETS), name=paths | st.sampled_from(("l", "k")))
    def symlink(self, leads_to: str, name: str) -> None:
        path = self.path(name)
        self.both(lambda system: system.symlink(leads_to, path(system)))

    @rule(name=paths)
    def look(self, name: str) -> None:
        path = self.path(name)
        self.both(lambda system: described(system.stat(path(system))))
        self.both(lambda system: described(system.lstat(path(system))))
        self.both(lambda system: sorted(system.listdir(path(system))))
        self.both(lambda system: system.readlink(path(system)))
        self.both(lambda system: [system.access(path(system), mode) for mode in range(8)])
        self.both(
            lambda system: sorted(
                (
                    each.name,
                    each.is_dir(),
                    each.is_file(),
                    each.is_symlink(),
                    described(each.stat(follow_symlinks=False)),
                )
                for each in sorted(system.scandir(path(system)), key=lambda each: each.name)
            )
        )

    @rule(name=paths, size=sizes)
    def truncate(self, name: str, size: int) -> None:
        path = self.path(name)
        self.both(lambda system: system.truncate(path(system), size))

    @rule(name=paths, mode=st.sampled_from([0o644, 0o4755, 0o600, 0]), follows=st.booleans())
    def chmod(self, name: str, mode: int, follows: bool) -> None:
        path = self.path(name)
        self.both(lambda system: system.chmod(path(system), mode, follow_symlinks=follows))

    @rule(name=paths, at_ns=st.integers(0, 10**18), follows=st.booleans())
    def utime(self, name: str, at_ns: int, follows: bool) -> None:
        path = self.path(name)

        def times(system: Any) -> Any:
            system.utime(path(system), ns=(at_ns, at_ns + 1), follow_symlinks=follows)
            found = system.stat(path(system), follow_symlinks=follows)
            return found.st_mtime_ns, found.st_mtime, found.st_atime, found[8]

        self.both(times)

    @rule(name=paths, mode=st.sampled_from(MODES), data=datas, size=st.integers(0, 5000))
    def use(self, name: str, mode: str, data: bytes, size: int) -> None:
        path = self.path(name)

        def work(system: Any) -> Any:
            seen: list[Any] = []
            with system.open_file(path(system), mode) as file:
                seen += [file.mode, file.readable(), file.writable(), file.seekable(), file.tell()]
                steps: list[Callable[[], Any]] = [
                    lambda: file.read(5),
                    lambda: file.write(data if "b" in mode else data.hex()),
                    file.tell,
                    lambda: file.seek(size),
                    lambda: file.truncate(size // 2),
                    file.readline,
                    lambda: file.write(data if "b" in mode else data.hex()),
                    file.flush,
                ]
                seen += [outcome(system, partial(_do, step)) for step in steps]
            return seen

        self.both(work)

    # By descriptor.

    @precondition(lambda self: len(self.fds) < 5)
    @rule(
        name=paths,
        access=st.integers(0, 2),
        flags=st.lists(st.sampled_from(FLAGS), max_size=3),
        mode=st.sampled_from([0o666, 0o600]),
    )
    def open(self, name: str, access: int, flags: list[int], mode: int) -> None:
        path = self.path(name)
        all_flags = access
        for each in flags:
            all_flags |= each
        fds = [outcome(system, lambda system: system.open(path(system), all_flags, mode)) for system in self.systems]
        if fds[0][0] == fds[1][0] == "gives":
            self.fds.append((fds[0][1], fds[1][1]))
        else:
            assert fds[1] == fds[0]

    @precondition(lambda self: self.fds)
    @rule(
        place=st.integers(0, 9),
        data=datas,
        offset=st.integers(-2, 9000),
        size=st.integers(0, 9000),
        how=st.integers(0, 6),
    )
    def transfer(self, place: int, data: bytes, offset: int, size: int, how: int) -> None:
        calls: list[Callable[[Any, int], Any]] = [
            lambda system, fd: system.read(fd, size),
            lambda system, fd: system.write(fd, data),
            lambda system, fd: system.pread(fd, size, offset),
            lambda system, fd: system.pwrite(fd, data, offset),
            lambda system, fd: system.ftruncate(fd, size),
            lambda system, fd: system.writev(fd, [data, b"x"]),
            lambda system, fd: described(system.fstat(fd)),
        ]
        self.each_fd(place, calls[how])

    @precondition(lambda self: self.fds)
    @rule(place=st.integers(0, 9), offset=st.integers(-9000, 9000), whence=st.integers(0, 2))
    def seek(self, place: int, offset: int, whence: int) -> None:
        def is_file(system: Any, fd: int) -> Any:
            # What the offset of a directory means is each file system's own business.
            return None if stat.S_ISDIR(system.fstat(fd).st_mode) else system.lseek(fd, offset, whence)

        self.each_fd(place, is_file)

    @precondition(lambda self: 0 < len(self.fds) < 5)
    @rule(place=st.integers(0, 9))
    def dup(self, place: int) -> None:
        pair = self.fds[place % len(self.fds)]
        self.fds.append(tuple(system.dup(fd) for system, fd in zip(self.systems, pair, strict=True)))

    @precondition(lambda self: self.fds)
    @rule(place=st.integers(0, 9))
    def close(self, place: int) -> None:
        pair = self.fds.pop(place % len(self.fds))
        for system, fd in zip(self.systems, pair, strict=True):
            system.close(fd)

    @precondition(lambda self: self.fds)
    @rule(place=st.integers(0, 9), name=st.sampled_from(("a", "e", "../a", "x/y", "")))
    def relative(self, place: int, name: str) -> None:
        self.each_fd(place, lambda system, fd: described(system.stat(name, dir_fd=fd)))
        self.each_fd(place, lambda system, fd: system.mkdir(name, dir_fd=fd))
        self.each_fd(place, lambda system, fd: sorted(system.listdir(fd)))


FilesLikeLinux.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
FilesLikeLinuxTests = pytest.mark.skipif(
    os.geteuid() != 0, reason="compares with what root may do, whom no mode stops (sudo make test)"
)(FilesLikeLinux.TestCase)

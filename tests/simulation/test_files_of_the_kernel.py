"""Programs on the files of a world, and what one process's files are to another."""

import errno
import fcntl
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glitchgrid.simulation.clock import BOOTED_NS, READINGS_FREE
from glitchgrid.simulation.kernel.descriptors import IN
from glitchgrid.simulation.kernel.filecalls import FileCalls
from glitchgrid.simulation.kernel.filesystem import FileSystem
from glitchgrid.simulation.kernel.lower import HIDDEN
from glitchgrid.simulation.kernel.naming import make_socket
from glitchgrid.simulation.kernel.nodes import Socket
from glitchgrid.simulation.kernel.polling import Epoll, Poll, select_ready
from tests.simulation.files_box import MS, Box, read, refused, write

PROGRAM = Path(__file__).with_name("files_in_a_world.py")
PARTS = ("paths", "copies", "temporary", "streams", "listed", "real_files", "twisted")


@pytest.fixture
def box() -> Box:
    return Box()


def contents(directory: Path) -> list[Any]:
    """All that can be seen of a real directory, but when it was last read."""
    found = []
    for each in sorted([directory, *directory.rglob("*")]):
        seen = each.lstat()
        data = each.read_bytes() if each.is_file() else None
        found.append((str(each), data, seen.st_mode, seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_nlink))
    return found


@pytest.mark.parametrize("part", PARTS)
def test_programs_that_know_nothing_of_it(part: str, tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "directory").mkdir(parents=True)
    (real / "file").write_text("old")
    (real / "other").write_text("other")
    (real / "directory" / "within").write_text("within")
    (real / "link").symlink_to("file")
    before = contents(tmp_path), PROGRAM.stat().st_ino, sorted(os.listdir("/"))
    done = subprocess.run(
        [sys.executable, str(PROGRAM), part, str(real)],
        cwd=PROGRAM.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (contents(tmp_path), PROGRAM.stat().st_ino, sorted(os.listdir("/"))) == before


class TestOpenFiles:
    def test_the_offset_is_that_of_all_descriptors_of_it(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            one = calls.open("/f", os.O_RDWR | os.O_CREAT)
            two, table = calls.table.add(calls.table.file(one)), calls.table
            calls.write(one, b"abcdef")
            assert calls.lseek(two, 2, os.SEEK_SET) == 2
            assert calls.read(one, 2) == b"cd"
            table.close(one)
            other = calls.open("/f", os.O_RDONLY)
            return calls.read(two, 9), calls.read(other, 2)

        assert box.do(main) == (b"ef", b"ab")

    def test_what_has_no_name_any_more_lives_until_it_is_closed(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            fd = calls.open("/f", os.O_RDWR | os.O_CREAT)
            calls.unlink("/f")
            calls.write(fd, b"here")
            refused(errno.ENOENT, calls.stat, "/f")
            return calls.pread(fd, 9, 0), calls.fstat(fd).st_nlink, calls.readlink(f"/proc/self/fd/{fd}")

        assert box.do(main) == (b"here", 0, "/f (deleted)")

    def test_no_descriptor_is_left(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            calls.table.most = 2
            calls.open("/a", os.O_CREAT)
            calls.open("/b", os.O_CREAT)
            refused(errno.EMFILE, calls.open, "/c", os.O_CREAT)
            refused(errno.EMFILE, calls.open_file, "/c", "w")
            refused(errno.ENOENT, calls.stat, "/c")

        box.do(main)

    def test_a_descriptor_is_inherited_by_those_who_ask_for_it(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            fd = calls.open("/a", os.O_CREAT)
            first = calls.get_inheritable(fd)
            calls.set_inheritable(fd, True)
            second = calls.get_inheritable(fd)
            calls.table.close(fd)
            assert calls.open("/a", 0) == fd
            refused(errno.EBADF, calls.get_inheritable, 77)
            return first, second, calls.get_inheritable(fd)

        assert box.do(main) == (False, True, False)

    def test_files_are_always_ready_and_epoll_refuses_them(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            process, table = calls.current()
            fd = calls.open("/a", os.O_CREAT)
            refused(errno.EPERM, Epoll(process, table).register, fd, IN)
            poll = Poll(process, table)
            poll.register(fd, IN)
            return poll.poll(), select_ready(process, table, ([fd], [fd], []))

        assert box.do(main) == ([(0, IN)], ([0], [0], []))

    def test_what_a_dead_process_had_in_its_buffers_is_lost(self, box: Box) -> None:
        kept: list[Any] = []

        def main(calls: FileCalls) -> None:
            kept.append(calls.open_file("/f", "w"))
            kept[0].write("never flushed")
            calls.current()[0].sleep(1000 * MS)

        process = box.start(main)
        box.world.run(10 * MS)
        process.kill(9)
        opened = kept.pop()

        def other(calls: FileCalls) -> Any:
            fd = calls.open("/g", os.O_WRONLY | os.O_CREAT)
            opened.close()
            return fd, calls.fstat(fd).st_size, read(calls, "/f")

        assert box.do(other) == (0, 0, b"")

    def test_writing_does_not_move_the_clock(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            fd = calls.open("/f", os.O_WRONLY | os.O_CREAT)
            for _ in range(3 * READINGS_FREE):
                calls.write(fd, b"x")

        box.do(main)
        assert box.host.clock.monotonic_ns(box.world.now_ns) == BOOTED_NS + box.world.now_ns

    def test_sendfile_and_copy_file_range(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            write(calls, "/from", b"0123456789")
            source, target = calls.open("/from", 0), calls.open("/to", os.O_RDWR | os.O_CREAT)
            assert calls.sendfile(target, source, None, 3) == 3
            assert calls.sendfile(target, source, 8, 5) == 2
            assert calls.copy_file_range(source, target, 4) == 4
            assert calls.copy_file_range(source, target, 2, 0, 0) == 2
            return calls.pread(target, 99, 0)

        assert box.do(main) == b"012893456"

    def test_devices(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            full = calls.open("/dev/full", os.O_RDWR)
            refused(errno.ENOSPC, calls.write, full, b"x")
            null = calls.open("/dev/null", os.O_RDWR | os.O_TRUNC)
            assert (calls.write(null, b"x"), calls.read(null, 5)) == (1, b"")
            zero = calls.open("/dev/zero", 0)
            drawn = calls.read(calls.open("/dev/urandom", 0), 16)
            assert len(set(drawn)) > 4
            return calls.read(zero, 3), oct(calls.stat("/dev/null").st_mode), drawn

        first = box.do(main)
        assert first[:2] == (b"\0\0\0", "0o20666")
        assert Box().do(main) == first != Box("another seed").do(main)

    def test_a_socket_has_a_name_and_opens_for_nobody(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            bound = object()
            node = make_socket(box.files, calls.at("/run/socket"), 0o777, bound)
            refused(errno.EADDRINUSE, make_socket, box.files, calls.at("/run/socket"), 0o777, bound)
            refused(errno.ENXIO, calls.open, "/run/socket", os.O_RDWR)
            found = calls.node("/run/socket")
            assert isinstance(found, Socket)
            assert found.bound is bound
            assert node is found
            return calls.listdir("/run"), oct(calls.stat("/run/socket").st_mode)

        assert box.do(main) == (["socket"], "0o140777")

    def test_pipes_are_not_modelled_as_files(self, box: Box) -> None:
        with pytest.raises(NotImplementedError, match="/fifo"):
            box.do(lambda calls: calls.mkfifo("/fifo"))


class TestLocks:
    def held(self, box: Box, hold: Callable[[FileCalls, int], Any], ask: Callable[[FileCalls, int], Any]) -> Any:
        """What `ask` gives while another process holds, for 100 ms, and when it was given."""

        def holder(calls: FileCalls) -> None:
            hold(calls, calls.open("/lock", os.O_RDWR | os.O_CREAT))
            calls.current()[0].sleep(100 * MS)

        def asker(calls: FileCalls) -> Any:
            calls.current()[0].sleep(50 * MS)
            try:
                answer = ask(calls, calls.open("/lock", os.O_RDWR))
            except OSError as error:
                answer = error.errno
            return answer, box.world.now_ns // MS

        box.start(holder)
        return box.do(asker)

    def test_flock_waits_until_its_holder_has_ended(self, box: Box) -> None:
        def exclusive(calls: FileCalls, fd: int) -> None:
            calls.flock(fd, fcntl.LOCK_EX)

        assert self.held(box, exclusive, exclusive) == (None, 100)

    def test_flock_that_does_not_wait(self, box: Box) -> None:
        def ask(calls: FileCalls, fd: int) -> None:
            calls.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)

        assert self.held(box, lambda calls, fd: calls.flock(fd, fcntl.LOCK_EX), ask) == (errno.EAGAIN, 50)

    def test_flock_is_shared(self, box: Box) -> None:
        def shared(calls: FileCalls, fd: int) -> None:
            calls.flock(fd, fcntl.LOCK_SH)

        assert self.held(box, shared, shared) == (None, 50)

    def test_flock_belongs_to_an_open_file(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            one = calls.open("/lock", os.O_RDWR | os.O_CREAT)
            again, other = calls.table.add(calls.table.file(one)), calls.open("/lock", os.O_RDWR)
            calls.flock(one, fcntl.LOCK_EX)
            calls.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)
            refused(errno.EAGAIN, calls.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            calls.table.close(one)
            refused(errno.EAGAIN, calls.flock, other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            calls.table.close(again)
            calls.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            calls.flock(other, fcntl.LOCK_UN)

        box.do(main)

    def test_lockf_waits_for_the_bytes_that_it_wants(self, box: Box) -> None:
        def hold(calls: FileCalls, fd: int) -> None:
            calls.lockf(fd, fcntl.LOCK_EX, 10, 5)

        def ask(calls: FileCalls, fd: int) -> None:
            calls.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 0)
            calls.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 0, 15)
            refused(errno.EAGAIN, calls.lockf, fd, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, 14)
            calls.lockf(fd, fcntl.LOCK_SH)

        assert self.held(box, hold, ask) == (None, 100)

    def test_who_has_it(self, box: Box) -> None:
        layout = "hhqqi"

        def hold(calls: FileCalls, fd: int) -> None:
            calls.lockf(fd, fcntl.LOCK_EX, 10, 5)
            calls.lockf(fd, fcntl.LOCK_UN, 2, 8)

        def ask(calls: FileCalls, fd: int) -> Any:
            table, file = calls.table, calls.table.file(fd)
            asked = struct.pack(layout, fcntl.F_RDLCK, 0, 9, 0, 0)
            refused(errno.EAGAIN, file.control, table, fcntl.F_SETLK, asked)
            free = file.control(table, fcntl.F_GETLK, struct.pack(layout, fcntl.F_RDLCK, 0, 8, 2, 0))
            assert struct.unpack(layout, free)[0] == fcntl.F_UNLCK
            return struct.unpack(layout, file.control(table, fcntl.F_GETLK, asked))

        assert self.held(box, hold, ask) == ((fcntl.F_WRLCK, 0, 10, 5, 100), 50)

    def test_a_process_loses_its_own_with_any_descriptor_of_the_file(self, box: Box) -> None:
        def hold(calls: FileCalls, fd: int) -> None:
            calls.lockf(fd, fcntl.LOCK_EX)
            calls.table.close(calls.open("/lock", os.O_RDONLY))

        def ask(calls: FileCalls, fd: int) -> None:
            calls.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

        assert self.held(box, hold, ask) == (None, 50)

    def test_a_lock_to_write_needs_a_file_that_can_be_written(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            fd = calls.open("/lock", os.O_RDONLY | os.O_CREAT)
            refused(errno.EBADF, calls.lockf, fd, fcntl.LOCK_EX)
            calls.lockf(fd, fcntl.LOCK_SH)

        box.do(main)


class TestWhatLiesBelow:
    def test_what_is_given_hides_what_is_real(self, tmp_path: Path, box: Box) -> None:
        (tmp_path / "real").write_text("real")
        files = FileSystem(
            box.world, "a", box.host.clock, given={"/etc/hosts": b"given", str(tmp_path / "x" / "y"): b"y"}
        )
        box.host.disk = files

        def main(calls: FileCalls) -> Any:
            return read(calls, "/etc/hosts"), calls.listdir(tmp_path), read(calls, f"{tmp_path}/x/y")

        assert box.do(main) == (b"given", ["real", "x"], b"y")
        box.lose_power()
        assert files.durable("/etc/hosts") == b"given"

    def test_what_others_put_there_meanwhile_is_seen_by_name_and_in_no_list_of_tmp(
        self, tmp_path: Path, box: Box
    ) -> None:
        (tmp_path / "real").write_text("real")
        temporary = "/" + tmp_path.parts[1]

        def main(calls: FileCalls) -> Any:
            write(calls, f"{temporary}/of the world", b"")
            return read(calls, f"{tmp_path}/real"), calls.listdir(temporary)

        found = box.do(main)
        assert found[0] == b"real"
        assert temporary not in HIDDEN or found[1] == ["of the world"]

    def test_a_removed_one_stays_removed(self, tmp_path: Path, box: Box) -> None:
        (tmp_path / "directory").mkdir()
        (tmp_path / "directory" / "real").write_text("real")

        def main(calls: FileCalls) -> Any:
            refused(errno.ENOTEMPTY, calls.rmdir, f"{tmp_path}/directory")
            calls.unlink(f"{tmp_path}/directory/real")
            calls.rmdir(f"{tmp_path}/directory")
            calls.mkdir(f"{tmp_path}/directory")
            return calls.listdir(f"{tmp_path}/directory")

        assert box.do(main) == []
        assert (tmp_path / "directory" / "real").read_text() == "real"

    def test_numbers_and_times_are_those_of_the_world(self, tmp_path: Path, box: Box) -> None:
        for name in ("x", "y"):
            (tmp_path / name).write_text(name)

        def main(calls: FileCalls) -> Any:
            second, first = calls.stat(tmp_path / "y"), calls.stat(tmp_path / "x")
            return second.st_ino, first.st_ino, first.st_mtime_ns, first.st_uid, oct(first.st_mode)

        assert box.do(main) == Box().do(main)

    def test_what_is_made_from_others_is_newer_if_it_is(self, tmp_path: Path, box: Box) -> None:
        for name in ("of_today", "of_yesterday"):
            (tmp_path / name).mkdir()
            for part in ("plugin.py", "dropin.cache"):
                (tmp_path / name / part).touch()
        os.utime(tmp_path / "of_today" / "plugin.py", (0, 0))
        os.utime(tmp_path / "of_yesterday" / "dropin.cache", (0, 0))

        def is_newer(calls: FileCalls, directory: Path) -> bool:
            made, source = (calls.stat(directory / each).st_mtime for each in ("dropin.cache", "plugin.py"))
            return made > source

        assert box.do(lambda calls: is_newer(calls, tmp_path / "of_today"))
        assert not box.do(lambda calls: is_newer(calls, tmp_path / "of_yesterday"))

    def test_a_place_of_its_own(self, box: Box) -> None:
        def main(calls: FileCalls) -> Any:
            calls.mkdir("/d")
            calls.chdir("/d")
            calls.umask(0o077)
            write(calls, "f", b"")
            return calls.getcwd(), oct(calls.stat("f").st_mode)

        assert box.do(main) == ("/d", "0o100600")
        assert box.do(lambda calls: (calls.getcwd(), calls.umask(0))) == ("/", 0o022)

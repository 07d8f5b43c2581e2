"""What a disk keeps of a machine's files, how long it takes, and how it fails."""

import errno
import itertools
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from glitchgrid.lab.faults import disks
from glitchgrid.simulation.inode import PAGE_BYTES
from glitchgrid.simulation.kernel.filecalls import FileCalls
from tests.simulation.files_box import MS, SECOND, Box, read, refused, sync_directory, write

LOSSES = 300
OLD, NEW = b"o" * PAGE_BYTES, b"n" * PAGE_BYTES
PROGRAM = Path(__file__).with_name("files_in_a_world.py")


@pytest.fixture
def box() -> Box:
    return Box()


def save(calls: FileCalls, data: bytes, *, carefully: bool = True) -> None:
    """A new file, in the place of the old one."""
    write(calls, "/d/new", data, sync=carefully)
    calls.rename("/d/new", "/d/value")
    if carefully:
        sync_directory(calls, "/d")


def made(box: Box) -> None:
    """A durable directory with a durable value."""

    def main(calls: FileCalls) -> None:
        if not calls.access("/d", os.F_OK):
            calls.mkdir("/d")
            sync_directory(calls, "/")
        save(calls, OLD + OLD)

    box.do(main)


def overwrite(calls: FileCalls, data: bytes = NEW, offset: int = 0, *, sync: bool = False) -> None:
    fd = calls.open("/d/value", os.O_RDWR)
    calls.pwrite(fd, data, offset)
    if sync:
        calls.fsync(fd)


def after_losses(box: Box, work: Callable[[FileCalls], Any], path: str = "/d/value", times: int = 60) -> list[bytes]:
    """What a file holds after each of so many power losses behind some work."""
    found = []
    for _ in range(times):
        made(box)
        box.do(work)
        box.lose_power()
        found.append(box.do(lambda calls: read(calls, path)))
        assert box.files.durable(path) == found[-1]
    return found


class TestSurvival:
    def test_a_careful_way_always_survives(self, box: Box) -> None:
        for number in range(LOSSES):
            value = b"%d" % number * (1 + number * 37 % 3000)

            def main(calls: FileCalls, value: bytes = value) -> None:
                if not calls.access("/d", os.F_OK):
                    calls.mkdir("/d")
                    sync_directory(calls, "/")
                save(calls, value)

            box.do(main)
            box.lose_power()
            assert box.do(lambda calls: read(calls, "/d/value")) == value

    @pytest.mark.parametrize("way", ["set_content", "dirdbm", "plainly"])
    def test_ways_that_do_not(self, way: str) -> None:
        done = subprocess.run(
            [sys.executable, str(PROGRAM), way, ""],
            cwd=PROGRAM.parents[2],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        kept, lost = map(int, done.stdout.split())
        assert kept + lost == LOSSES
        assert kept > LOSSES / 20
        assert lost > LOSSES / 20

    def test_a_kill_keeps_everything(self, box: Box) -> None:
        made(box)

        def main(calls: FileCalls) -> None:
            overwrite(calls)
            calls.mkdir("/d/e")
            calls.current()[0].kill(9)

        box.do(main)
        assert box.do(lambda calls: (read(calls, "/d/value"), calls.listdir("/d"))) == (NEW + OLD, ["e", "value"])
        assert box.files.durable("/d/value") == OLD + OLD

    def test_of_what_was_not_synced_anything_may_be_left(self, box: Box) -> None:
        found = Counter(
            "old" if each == OLD + OLD else "new" if each == NEW + OLD else "torn"
            for each in after_losses(box, overwrite)
        )
        assert set(found) == {"old", "new", "torn"}

    def test_pages_are_torn_each_by_itself(self, box: Box) -> None:
        found = {(each[0], each[-1]) for each in after_losses(box, lambda calls: overwrite(calls, NEW + NEW))}
        assert found == {(a, b) for a in b"on" for b in b"on"} | {each for each in found if 0xA5 in each}

    def test_what_was_synced_is_what_was_dirty_when_it_began(self, box: Box) -> None:
        """Another thread writes while the sync goes on: the one page that is dirty, and one that was clean."""

        def main(calls: FileCalls) -> None:
            process, fd = calls.current()[0], calls.open("/d/value", os.O_RDWR)
            calls.pwrite(fd, b"first", 0)

            def meanwhile() -> None:
                calls.pwrite(fd, b"again", 0)
                calls.pwrite(fd, b"other", PAGE_BYTES)

            process.spawn(meanwhile, 1000)
            calls.fsync(fd)

        made(box)
        box.do(main)
        assert box.files.durable("/d/value") == b"first" + OLD[5:] + OLD
        assert box.do(lambda calls: read(calls, "/d/value")) == b"again" + OLD[5:] + b"other" + OLD[5:]
        box.do(lambda calls: calls.fsync(calls.open("/d/value", 0)))
        assert box.files.durable("/d/value") == b"again" + OLD[5:] + b"other" + OLD[5:]

    def test_of_two_syncs_at_once_the_older_does_not_undo_the_newer(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            process, fd = calls.current()[0], calls.open("/d/value", os.O_RDWR)

            def other() -> None:
                calls.pwrite(fd, b"second", 0)
                calls.fsync(fd)

            calls.pwrite(fd, b"first!", 0)
            process.spawn(other, 1000)
            calls.fsync(fd)
            process.sleep(SECOND)

        for _ in range(20):
            made(box)
            box.do(main)
            assert box.files.durable("/d/value") == b"second" + OLD[6:] + OLD

    def test_every_page_that_was_dirty_when_a_sync_began_is_kept(self, box: Box) -> None:
        found = after_losses(box, lambda calls: overwrite(calls, NEW, PAGE_BYTES // 2, sync=True))
        assert set(found) == {OLD[: PAGE_BYTES // 2] + NEW + OLD[PAGE_BYTES // 2 :]}

    def test_a_file_is_cut_or_it_is_not(self, box: Box) -> None:
        found = set(after_losses(box, lambda calls: calls.truncate("/d/value", 10)))
        assert found == {OLD + OLD, OLD[:10]}

    def test_what_was_cut_off_does_not_come_back_behind_a_sync(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            fd = calls.open("/d/value", os.O_RDWR)
            calls.pwrite(fd, NEW, 3 * PAGE_BYTES)
            calls.ftruncate(fd, 10)
            calls.ftruncate(fd, 20)
            calls.fsync(fd)

        assert set(after_losses(box, work)) == {OLD[:10] + b"\0" * 10}

    def test_a_file_that_was_synced_may_have_lost_its_name(self, box: Box) -> None:
        seen = set()
        for _ in range(40):
            made(box)
            box.do(lambda calls: write(calls, "/d/another", NEW, sync=True))
            box.lose_power()
            seen.add(box.do(lambda calls: calls.access("/d/another", os.F_OK) and read(calls, "/d/another")))
            box.files.replace()
        assert seen == {False, NEW}

    def test_everything_is_durable_behind_sync(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            overwrite(calls)
            if not calls.access("/d/e", os.F_OK):
                calls.mkdir("/d/e")
            write(calls, "/d/e/f", NEW)
            calls.sync()

        assert set(after_losses(box, work, times=20)) == {NEW + OLD}
        assert box.do(lambda calls: read(calls, "/d/e/f")) == NEW

    def test_each_write_is_durable_where_it_was_asked_for(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            calls.write(calls.open("/d/value", os.O_WRONLY | os.O_DSYNC), NEW)

        assert set(after_losses(box, work, times=20)) == {NEW + OLD}

    def test_a_long_file_is_appended_to_in_small_pieces(self, box: Box) -> None:
        """It takes seconds where each write costs as much as the file is long."""

        def main(calls: FileCalls) -> int:
            fd = calls.open("/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in range(10_000):
                calls.write(fd, b"x" * 1024)
                if not number % 100:
                    calls.fsync(fd)
            calls.fsync(fd)
            return calls.fstat(fd).st_size

        assert box.do(main) == 10_240_000
        sync = box.files.root.look_up("log")
        assert sync is not None
        assert sync.size == 10_240_000


class TestNames:
    def names_after(self, box: Box, work: Callable[[FileCalls], Any], times: int = 60) -> set[tuple[Any, ...]]:
        """The directories /a and /b after power losses behind some work. Before it, /a/x is there, and durable."""
        seen = set()
        for _ in range(times):
            box.files.replace()

            def before(calls: FileCalls) -> None:
                calls.mkdir("/a")
                calls.mkdir("/b")
                write(calls, "/a/x", OLD, sync=True)
                calls.sync()

            box.do(before)
            box.do(work)
            box.lose_power()
            seen.add(tuple(tuple(box.do(lambda calls, each=each: calls.listdir(each))) for each in ("/a", "/b")))  # type: ignore[misc]
        return seen

    def test_a_rename_is_one_change(self, box: Box) -> None:
        seen = self.names_after(box, lambda calls: calls.rename("/a/x", "/b/y"))
        assert seen == {(("x",), ()), ((), ("y",))}

    @pytest.mark.parametrize("directory", ["/a", "/b"])
    def test_a_sync_of_either_directory_makes_it_certain(self, box: Box, directory: str) -> None:
        def work(calls: FileCalls) -> None:
            calls.rename("/a/x", "/b/y")
            sync_directory(calls, directory)

        assert self.names_after(box, work) == {((), ("y",))}

    def test_a_failed_sync_of_a_directory_makes_nothing_certain(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            calls.rename("/a/x", "/b/y")
            box.files.syncs_to_fail = 1
            refused(errno.EIO, sync_directory, calls, "/a")
            sync_directory(calls, "/a")

        assert self.names_after(box, work) == {(("x",), ()), ((), ("y",))}

    def test_of_two_changes_the_later_one_may_be_kept_alone(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            calls.unlink("/a/x")
            calls.mkdir("/b/e")

        assert self.names_after(box, work) == {(("x",), ()), (("x",), ("e",)), ((), ()), ((), ("e",))}

    def test_an_older_change_of_a_name_does_not_come_back_after_a_newer_one(self, box: Box) -> None:
        def work(calls: FileCalls) -> None:
            calls.rename("/a/x", "/b/y")
            box.files.syncs_to_fail = 1
            refused(errno.EIO, sync_directory, calls, "/a")
            calls.rename("/b/y", "/b/z")
            sync_directory(calls, "/b")

        assert self.names_after(box, work) == {((), ("z",))}

    def test_what_was_only_renamed_is_never_lost(self, box: Box) -> None:
        """Nor where another file has its name by now, nor where it was linked and unlinked instead."""

        def work(calls: FileCalls) -> None:
            calls.rename("/a/x", "/a/x.1")
            write(calls, "/a/x", NEW)
            calls.rename("/a/x.1", "/a/x.2")
            calls.link("/a/x.2", "/b/y")
            calls.unlink("/a/x.2")

        def found(calls: FileCalls) -> bool:
            places = [f"{each}/{name}" for each in ("/a", "/b") for name in calls.listdir(each)]
            return OLD in [read(calls, place) for place in places]

        for _ in range(60):
            self.names_after(box, work, times=1)
            assert box.do(found)

    def test_no_directory_is_ever_in_two_places_or_out_of_reach(self, box: Box) -> None:
        def before(calls: FileCalls) -> None:
            calls.mkdir("/a")
            calls.mkdir("/b")
            calls.mkdir("/a/d")
            calls.sync()

        def work(calls: FileCalls) -> None:
            calls.rename("/a/d", "/b/d")
            calls.rename("/a", "/b/d/a")
            calls.mkdir("/a")

        for _ in range(40):
            box.files.replace()
            box.do(before)
            box.do(work)
            box.lose_power()

            def everywhere(calls: FileCalls, here: str = "/") -> list[str]:
                own = box.files.node(calls.at(here)).own.cached  # type: ignore[attr-defined]
                names = [name for name in ("a", "b", "d") if own.get(name) is not None]
                below = [each for name in names for each in everywhere(calls, f"{here}{name}/")]
                return [*names, *below]

            found = box.do(everywhere)
            assert found.count("d") == 1
            assert found.count("b") == 1
            assert found.count("a") in {1, 2}

    def test_links_are_counted_anew(self, box: Box) -> None:
        seen = set()
        for _ in range(20):
            made(box)
            box.do(lambda calls: calls.link("/d/value", "/d/another"))
            box.lose_power()
            names = box.do(lambda calls: calls.listdir("/d"))
            assert box.do(lambda calls: calls.stat("/d/value").st_nlink) == len(names)
            seen.add(len(names))
            box.files.replace()
        assert seen == {1, 2}


class TestFaults:
    def test_a_failed_sync_as_linux_has_it(self, box: Box) -> None:
        """The cache has the new data, the disk has the old or any part of the new, and the next sync says yes."""

        def work(calls: FileCalls) -> None:
            box.files.syncs_to_fail = 1
            refused(errno.EIO, lambda: overwrite(calls, sync=True))
            calls.fsync(calls.open("/d/value", 0))
            assert read(calls, "/d/value") == NEW + OLD
            assert box.files.durable("/d/value") == OLD + OLD

        found = after_losses(box, work)
        assert {OLD + OLD, NEW + OLD} <= set(found)
        assert len(set(found)) > 2

    def test_a_sync_in_the_middle_of_which_its_process_is_killed(self, box: Box) -> None:
        """What had not ended is not durable, and is written by the next sync of whoever."""
        made(box)
        process = box.start(lambda calls: overwrite(calls, sync=True))
        box.files.when_syncing = lambda: process.kill(9)
        box.world.run(SECOND)
        assert (process.status, box.files.durable("/d/value")) == (-9, OLD + OLD)
        assert box.do(lambda calls: read(calls, "/d/value")) == NEW + OLD
        box.do(lambda calls: calls.fsync(calls.open("/d/value", 0)))
        assert box.files.durable("/d/value") == NEW + OLD

    def test_a_sync_in_the_middle_of_which_the_power_is_lost(self, box: Box) -> None:
        found = []
        for _ in range(30):
            made(box)
            box.start(lambda calls: overwrite(calls, sync=True))
            box.files.when_syncing = box.lose_power
            box.world.run(SECOND)
            found.append(box.files.durable("/d/value"))
        assert {OLD + OLD, NEW + OLD} <= set(found)

    def test_a_sync_goes_on_while_its_process_is_stopped(self, box: Box) -> None:
        made(box)
        process = box.start(lambda calls: overwrite(calls, sync=True))
        box.files.when_syncing = process.pause
        box.world.run(SECOND)
        assert (process.alive, box.files.durable("/d/value")) == (True, NEW + OLD)

    def test_a_full_disk_takes_what_needs_no_room(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            write(calls, "/d/short", b"short")
            box.files.is_full = True
            refused(errno.ENOSPC, calls.mkdir, "/d/e")
            refused(errno.ENOSPC, calls.symlink, "x", "/d/l")
            refused(errno.ENOSPC, calls.open, "/d/f", os.O_CREAT)
            refused(errno.ENOSPC, write, calls, "/d/value", OLD)  # emptied first, as Linux does it
            fd = calls.open("/d/short", os.O_RDWR | os.O_APPEND)
            assert calls.write(fd, OLD) == PAGE_BYTES - 5
            refused(errno.ENOSPC, calls.write, fd, b"x")
            refused(errno.ENOSPC, calls.posix_fallocate, fd, 0, 10**6)
            assert calls.pwrite(calls.open("/d/short", os.O_RDWR), b"SHORT", 0) == 5
            calls.rename("/d/short", "/d/moved")
            assert calls.statvfs("/").f_bavail == 0
            assert box.files.refused is calls.current()[0]
            box.files.calm()
            write(calls, "/d/value", OLD)

        made(box)
        box.do(main)

    def test_nothing_may_change(self, box: Box) -> None:
        def main(calls: FileCalls) -> None:
            calls.symlink("value", "/d/l")
            fd = calls.open("/d/value", os.O_RDWR)
            box.files.is_read_only = True
            for call, arguments in (
                (calls.mkdir, ("/d/e",)),
                (calls.rmdir, ("/d",)),
                (calls.unlink, ("/d/value",)),
                (calls.rename, ("/d/value", "/d/x")),
                (calls.link, ("/d/value", "/d/x")),
                (calls.symlink, ("x", "/d/x")),
                (calls.open, ("/d/x", os.O_CREAT)),
                (calls.open, ("/d/value", os.O_RDWR)),
                (calls.open, ("/d/l", os.O_TRUNC)),
                (calls.truncate, ("/d/value", 1)),
                (calls.chmod, ("/d/value", 0o600)),
                (calls.utime, ("/d/value",)),
                (calls.write, (fd, b"x")),
                (calls.ftruncate, (fd, 1)),
                (calls.fchmod, (fd, 0)),
            ):
                refused(errno.EROFS, call, *arguments)
            assert not calls.access("/d/value", os.W_OK)
            assert read(calls, "/d/l") == OLD + OLD
            box.files.calm()
            overwrite(calls)

        made(box)
        box.do(main)

    def test_reads_and_writes_that_fail(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "real").write_text("real")

        def main(calls: FileCalls) -> None:
            fd = calls.open("/d/value", os.O_RDWR)
            box.files.fails_to.add("write")
            refused(errno.EIO, calls.write, fd, b"x")
            refused(errno.EIO, calls.ftruncate, fd, 1)
            assert calls.pread(fd, 1, 0) == b"o"
            box.files.fails_to = {"read"}
            refused(errno.EIO, calls.read, fd, 1)
            refused(errno.EIO, read, calls, "/d/value")
            assert read(calls, f"{tmp_path}/real") == b"real"  # on no disk of the world's, before its first change
            assert calls.write(fd, b"x") == 1

        made(box)
        box.do(main)

    def test_a_stall_ends_by_the_worlds_clock(self, box: Box) -> None:
        box.host.clock.drift(0, 1_000_000)  # twice as fast

        def main(calls: FileCalls) -> list[int]:
            overwrite(calls)
            times = [box.world.now_ns]
            for call in (
                lambda: calls.stat("/d"),
                lambda: calls.mkdir("/d/e"),
                lambda: read(calls, "/d/value"),
                lambda: overwrite(calls),
                lambda: calls.open("/d/value", 0),
            ):
                box.files.stalled_until_ns = box.world.now_ns + 10 * SECOND
                call()
                times.append(box.world.now_ns)
            return times

        made(box)
        times = box.do(main)
        assert [after - before for before, after in itertools.pairwise(times)] == [10 * SECOND] * 5

    def test_a_slow_disk(self, box: Box) -> None:
        def main(calls: FileCalls) -> int:
            began_ns = box.world.now_ns
            for _ in range(20):
                overwrite(calls)
            return box.world.now_ns - began_ns

        made(box)
        assert box.do(main) == 0
        box.files.slowness = 100
        assert box.do(main) > 10 * MS

    def test_a_sync_takes_about_a_millisecond(self, box: Box) -> None:
        def main(calls: FileCalls) -> int:
            fd = calls.open("/d/value", 0)
            began_ns = box.world.now_ns
            for _ in range(100):
                calls.fsync(fd)
            return (box.world.now_ns - began_ns) // MS

        made(box)
        assert 50 < box.do(main) < 1000

    def test_a_call_in_a_stall_of_a_killed_process_is_not_carried_out(self, box: Box) -> None:
        made(box)
        box.files.stalled_until_ns = box.world.now_ns + SECOND
        process = box.start(lambda calls: calls.mkdir("/d/e"))
        box.world.run(10 * MS)
        process.kill(9)
        box.world.run(10 * SECOND)
        assert box.do(lambda calls: calls.listdir("/d")) == ["value"]

    def test_a_new_disk_is_empty(self, box: Box) -> None:
        made(box)
        box.files.put("/given/file", b"given")
        box.lose_power()
        assert box.do(lambda calls: read(calls, "/given/file")) == b"given"
        box.files.replace()
        assert not box.do(lambda calls: calls.access("/d", os.F_OK) or calls.access("/given", os.F_OK))

    def test_the_faults_of_the_laboratory_drive_it(self, box: Box) -> None:
        keeper = SimpleNamespace(
            disk=box.files, world=box.world, process=None, kill=lambda: None, disk_has_refused=False
        )
        stage: Any = SimpleNamespace(world=SimpleNamespace(machines={"a": keeper}), start=lambda _: None)
        made(box)
        for fault, number in (
            (disks.DiskFull("a"), errno.ENOSPC),
            (disks.SyncFails("a", 1), errno.EIO),
            (disks.WritesFail("a"), errno.EIO),
            (disks.ReadOnly("a"), errno.EROFS),
            (disks.ReadsFail("a"), errno.EIO),
        ):
            fault.begin(stage)
            with pytest.raises(OSError, match=r".*") as raised:
                box.do(lambda calls: [read(calls, "/d/value"), save(calls, OLD)])  # type: ignore[func-returns-value]
            assert raised.value.errno == number
            fault.end(stage)
            made(box)
        disks.DiskStall("a", 2000).begin(stage)
        began_ns = box.world.now_ns
        made(box)
        assert box.world.now_ns - began_ns >= 2 * SECOND

    def test_open_files_are_counted(self, box: Box) -> None:
        def main(calls: FileCalls) -> list[Any]:
            calls.open("/d/value", 0)
            calls.open("/d", 0)
            return [*box.files.open_files.values(), calls.current()[0]]

        made(box)
        holders = box.do(main)
        assert holders == [holders[-1]] * 3
        assert not box.files.open_files

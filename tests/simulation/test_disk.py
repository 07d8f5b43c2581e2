"""Disks: what takes time, what survives, what fails."""

import errno
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool

from glitchgrid.simulation.disk import Mount
from glitchgrid.simulation.process import Process
from tests.simulation.stage import MS, SECOND, WorldTestCase

OLD, NEW = b"o" * 4096, b"n" * 4096


def save(mount: Mount, data: bytes, *, sync: bool = True) -> None:
    """A new file, in the place of the old one."""
    file = mount.create("new")
    file.write(data)
    if sync:
        file.fsync()
    mount.replace("new", "value")
    if sync:
        mount.fsync_directory()


def load(mount: Mount) -> bytes:
    return mount.open("value").read(100_000)


class DiskTestCase(WorldTestCase):
    def do(self, work: Callable[[Mount], Any], for_ns: int = 60 * SECOND) -> Any:
        """Do something in a thread of a new process on the near machine, and leave that running."""
        results: list[Any] = []

        def begin(process: Process) -> None:
            pool = process.pool()
            pool.start()
            mount = self.near.disk.mount(process)
            working = deferToThreadPool(process.reactor, pool, work, mount)  # type: ignore[arg-type]
            working.addErrback(lambda failure: failure.value)
            working.addCallback(results.append)

        if self.near.process is not None:
            self.near.kill()
        self.program(self.near, begin)
        self.world.run(for_ns, lambda: bool(results))
        return results[0] if results else None

    def failed_with(self, number: int, work: Callable[[Mount], Any]) -> None:
        error = self.do(work)
        self.assertIsInstance(error, OSError)
        self.assertEqual(error.errno, number)


class HookTests(DiskTestCase):
    def test_something_happens_once_in_the_middle_of_the_next_sync(self) -> None:
        self.do(lambda mount: save(mount, OLD))
        self.near.disk.when_syncing = self.near.cut_power
        self.do(lambda mount: mount.open("value").write(NEW))
        self.assertTrue(self.near.is_powered, "a write is no sync")
        self.do(lambda mount: save(mount, NEW))
        self.assertFalse(self.near.is_powered)
        self.assertIsNone(self.near.disk.when_syncing)
        self.do(lambda mount: save(mount, NEW))
        self.assertEqual(self.do(load), NEW)

    def test_once_it_is_calm_nothing_comes_of_syncs_that_have_begun(self) -> None:
        """Of none of them, however many a slow disk has before it (seed 19122)."""
        happened: list[str] = []
        for name in ("outage", "power loss"):
            self.near.disk.when_syncing = partial(happened.append, name)
            self.near.disk.begin_sync(10 * SECOND)
        self.near.disk.calm()
        self.world.run(60 * SECOND)
        self.assertEqual(happened, [])


class SurvivalTests(DiskTestCase):
    def test_what_was_written_is_read(self) -> None:
        self.do(lambda mount: save(mount, OLD, sync=False))
        self.assertEqual(self.do(load), OLD)

    def test_a_kill_keeps_the_cache(self) -> None:
        self.do(lambda mount: save(mount, OLD, sync=False))
        self.near.kill()
        self.assertEqual(self.do(load), OLD)
        self.assertIsNone(self.near.disk.durable("value"))

    def test_a_power_loss_keeps_what_was_synced(self) -> None:
        self.do(lambda mount: save(mount, OLD))
        self.near.cut_power()
        self.assertEqual(self.do(load), OLD)

    def test_of_what_was_not_anything_may_be_left(self) -> None:
        seen = set()
        for _ in range(60):
            self.do(lambda mount: save(mount, OLD))
            self.do(lambda mount: mount.open("value").write_at(NEW, 0))
            self.near.cut_power()
            found = self.do(load)
            seen.add("old" if found == OLD else "new" if found == NEW else "torn")
            self.assertEqual(found, self.near.disk.durable("value"))
        self.assertEqual(seen, {"old", "new", "torn"})

    def test_a_name_that_was_not_synced_may_be_lost(self) -> None:
        seen = set()
        for _ in range(30):
            self.do(lambda mount: save(mount, OLD))
            self.do(self.rename_without_sync)
            self.near.cut_power()
            seen.add(self.do(load))
        self.assertEqual(seen, {OLD, NEW})

    @staticmethod
    def rename_without_sync(mount: Mount) -> None:
        file = mount.create("new")
        file.write(NEW)
        file.fsync()
        mount.replace("new", "value")

    def test_a_kill_in_the_middle_of_a_write_leaves_whole_pages(self) -> None:
        seen = set()
        for after_ns in range(0, 200_000, 2000):
            self.do(lambda mount: save(mount, OLD + OLD))
            self.do(lambda mount: mount.open("value").write_at(NEW + NEW, 0), for_ns=after_ns)
            self.near.kill()
            seen.add(self.do(load))
        self.assertEqual(seen, {OLD + OLD, NEW + OLD, NEW + NEW})

    def test_a_new_disk_is_empty(self) -> None:
        self.do(lambda mount: save(mount, OLD))
        self.near.cut_power()
        self.near.disk.replace()
        self.failed_with(errno.ENOENT, load)


class FaultTests(DiskTestCase):
    def test_a_failed_sync_as_linux_has_it(self) -> None:
        """The cache has the new data, the disk has the old or any part of the new, and the next sync says yes."""
        seen = set()
        for _ in range(40):
            self.do(lambda mount: save(mount, OLD))
            self.near.disk.syncs_to_fail = 1
            self.failed_with(errno.EIO, self.overwrite)
            self.assertEqual(self.near.disk.durable("value"), OLD)
            self.assertIsNone(self.do(lambda mount: mount.open("value").fsync()))
            self.assertEqual(self.do(load), NEW)
            self.near.cut_power()
            seen.add(self.do(load))
        self.assertIn(OLD, seen)
        self.assertIn(NEW, seen)

    @staticmethod
    def overwrite(mount: Mount) -> None:
        file = mount.open("value")
        file.write_at(NEW, 0)
        file.fdatasync()

    def test_a_full_disk_takes_what_needs_no_room(self) -> None:
        self.do(lambda mount: save(mount, OLD))
        self.near.disk.is_full = True
        self.failed_with(errno.ENOSPC, lambda mount: save(mount, OLD))
        self.assertIsNone(self.do(self.overwrite))
        self.near.disk.calm()
        self.assertIsNone(self.do(lambda mount: save(mount, OLD + OLD)))

    def test_a_stall(self) -> None:
        self.near.disk.stalled_until_ns = self.world.now_ns + 10 * SECOND
        begun_ns = self.world.now_ns
        self.do(lambda mount: save(mount, OLD))
        self.assertGreaterEqual(self.world.now_ns - begun_ns, 10 * SECOND)

    def test_a_slow_disk(self) -> None:
        def duration_ns() -> int:
            begun_ns = self.world.now_ns
            for _ in range(10):
                self.do(lambda mount: save(mount, OLD))
            return self.world.now_ns - begun_ns

        usual_ns = duration_ns()
        self.near.disk.slowness = 100
        self.assertGreater(duration_ns(), 10 * usual_ns)

    def test_a_sync_takes_milliseconds_and_the_cache_does_not(self) -> None:
        begun_ns = self.world.now_ns
        self.do(lambda mount: save(mount, OLD, sync=False))
        self.assertLess(self.world.now_ns - begun_ns, 5 * MS)


class LockTests(DiskTestCase):
    def test_it_is_held_by_a_process_for_its_life(self) -> None:
        self.do(Mount.lock)
        holder = self.near.disk.locked_by
        other = self.near.disk.mount(self.program(self.far))
        self.assertRaises(BlockingIOError, other.lock)
        assert holder is not None
        self.near.kill()
        other.lock()

    def test_it_is_given_back(self) -> None:
        mount = self.near.disk.mount(self.program(self.near))
        other = self.near.disk.mount(self.program(self.far))
        mount.lock()
        other.unlock()
        self.assertRaises(BlockingIOError, other.lock)
        mount.unlock()
        other.lock()

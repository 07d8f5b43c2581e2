"""Crashes and failures at every primitive: what is read afterwards is never less than what was acknowledged."""

import contextlib
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import DataDirectoryInUse, DataDirectoryUnusable, StoreDamaged
from glitchgrid.record import RECORD_BYTES_MAX, Record
from glitchgrid.valuefile import NEW_NAME, VALUE_NAME, ValueFile
from tests.fakes import IDENTITY
from tests.memory_disk import Crashed, MemoryDisk

RECOVER_FIRST = ["claim", "open", "create", "write", "fsync", "replace", "fsync_directory"]
RECOVER_AGAIN = ["claim", "open", "read", "create", "write", "fsync", "replace", "fsync_directory"]
SAVE = ["create", "write", "fsync", "replace", "fsync_directory"]
OTHER_IDENTITY = "f" * 32


def record(value: int) -> Record:
    return Record(IDENTITY, value)


def value_file(disk: MemoryDisk, identity: str = IDENTITY) -> ValueFile:
    return ValueFile(disk, lambda: identity)


def disk_that_holds(value: int) -> MemoryDisk:
    disk = MemoryDisk()
    disk.put(VALUE_NAME, record(value).encode())
    return disk


def read_back(disk: MemoryDisk) -> Record:
    return value_file(disk, OTHER_IDENTITY).recover()


def crashed_recoveries(disk: MemoryDisk) -> Iterator[MemoryDisk]:
    """Recover from `disk`, crash at each primitive and not at all, and then crash again in every way."""
    for step in range(1, len(RECOVER_AGAIN) + 2):
        attempt = disk.after_kill()
        attempt.crash_at = step
        with contextlib.suppress(Crashed):
            read_back(attempt)
        yield from attempt.after_crashes()


class RecoverTests(SynchronousTestCase):
    def test_an_empty_directory_begins_at_0_with_a_new_identity(self) -> None:
        disk = MemoryDisk()
        self.assertEqual(value_file(disk).recover(), record(0))
        self.assertEqual(disk.durable(VALUE_NAME), record(0).encode())
        self.assertEqual(disk.steps, RECOVER_FIRST)

    def test_a_second_start_finds_value_and_identity(self) -> None:
        disk = disk_that_holds(7)
        self.assertEqual(read_back(disk), record(7))
        self.assertEqual(disk.steps, RECOVER_AGAIN)

    def test_the_directory_stays_claimed_until_it_is_closed(self) -> None:
        disk = MemoryDisk()
        file = value_file(disk)
        file.recover()
        self.assertRaises(DataDirectoryInUse, value_file(disk).recover)
        file.close()
        self.assertEqual(value_file(disk).recover(), record(0))

    def test_a_damaged_file_is_never_taken_for_none(self) -> None:
        whole = record(7).encode()
        for data in (b"", b"7\n", whole[:-1], whole + b"\n", whole.replace(b"value 7", b"value 8"), whole * 50):
            disk = MemoryDisk()
            disk.put(VALUE_NAME, data)
            error = self.assertRaises(StoreDamaged, read_back, disk)
            self.assertTrue(str(error).startswith("/data/value is damaged: "), str(error))
            self.assertEqual(disk.durable(VALUE_NAME), data)
            self.assertFalse(disk.claimed)

    def test_an_endless_file_is_not_read_to_its_end(self) -> None:
        disk = disk_that_holds(7)
        sizes: list[int] = []
        opened = disk.open(VALUE_NAME)

        def read(size_max: int) -> bytes:
            sizes.append(size_max)
            return b"x" * size_max

        self.patch(opened, "read", read)
        self.patch(disk, "open", lambda _name: opened)
        self.assertRaises(StoreDamaged, read_back, disk)
        self.assertEqual(sizes, [RECORD_BYTES_MAX + 1])

    def test_a_left_over_new_file_is_not_read(self) -> None:
        disk = disk_that_holds(7)
        disk.put(NEW_NAME, record(9).encode())
        self.assertEqual(read_back(disk), record(7))

    def test_a_failure_at_any_primitive_stops_the_start_and_lets_the_directory_go(self) -> None:
        for first, steps in ((True, RECOVER_FIRST), (False, RECOVER_AGAIN)):
            for step in range(2, len(steps) + 1):
                disk = MemoryDisk() if first else disk_that_holds(7)
                disk.fail_at = {step}
                error = self.assertRaises(DataDirectoryUnusable, read_back, disk)
                self.assertEqual(str(error), "data directory /data cannot be used: Input/output error")
                self.assertFalse(disk.claimed)
                self.assertEqual(disk.open_files, 0)

    def test_a_crash_at_any_primitive_of_the_first_start_leaves_0(self) -> None:
        for step in range(1, len(RECOVER_FIRST) + 2):
            disk = MemoryDisk()
            disk.crash_at = step
            with contextlib.suppress(Crashed):
                value_file(disk).recover()
            for survivor in disk.after_crashes():
                self.assertEqual(read_back(survivor).value, 0)

    def test_a_crash_at_any_primitive_of_a_later_start_loses_nothing(self) -> None:
        for survivor in crashed_recoveries(disk_that_holds(7)):
            self.assertEqual(read_back(survivor), record(7))

    def test_an_identity_that_was_given_out_is_for_life(self) -> None:
        disk = MemoryDisk()
        value_file(disk).recover()
        for survivor in disk.after_crashes():
            self.assertEqual(read_back(survivor).identity, IDENTITY)


class SaveTests(SynchronousTestCase):
    def saving(self, crash: int | None = None, fail: int | None = None) -> tuple[MemoryDisk, bool]:
        """Recover 7 and save 9, with a fault at one step of the save: the disk, and whether that was acknowledged."""
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()
        done = len(disk.steps)
        disk.crash_at = None if crash is None else done + crash
        disk.fail_at = set() if fail is None else {done + fail}
        try:
            file.save(record(9))
        except (Crashed, OSError):
            return disk, False
        return disk, True

    def test_what_was_saved_is_durable(self) -> None:
        disk, saved = self.saving()
        self.assertTrue(saved)
        self.assertEqual(disk.durable(VALUE_NAME), record(9).encode())
        self.assertEqual(disk.steps[-len(SAVE) :], SAVE)
        self.assertEqual(disk.open_files, 0)
        for survivor in disk.after_crashes():
            self.assertEqual(read_back(survivor), record(9))

    def test_a_crash_at_any_primitive_leaves_the_old_value_or_the_new_one(self) -> None:
        for step in range(1, len(SAVE) + 1):
            disk, saved = self.saving(crash=step)
            self.assertFalse(saved)
            for survivor in disk.after_crashes():
                self.assertIn(read_back(survivor), [record(7), record(9)])

    def test_a_failure_at_any_primitive_leaves_the_old_value_or_the_new_one(self) -> None:
        for step in range(1, len(SAVE) + 1):
            disk, saved = self.saving(fail=step)
            self.assertFalse(saved)
            self.assertEqual(disk.open_files, 0)
            for survivor in disk.after_crashes():
                self.assertIn(read_back(survivor), [record(7), record(9)])

    def test_what_a_restart_reads_survives_every_later_crash(self) -> None:
        """Condition 3: the value may be in the cache alone, and syncing the old file would write nothing."""
        in_the_cache_alone = 0
        for fault in ("crash", "fail"):
            for step in range(1, len(SAVE) + 1):
                disk, _ = self.saving(**{fault: step})
                restarted = disk.after_kill()
                read_before = restarted.durable(VALUE_NAME)
                served = read_back(restarted)
                in_the_cache_alone += read_before != served.encode()
                for survivor in restarted.after_crashes():
                    self.assertEqual(read_back(survivor), served)
        self.assertGreater(in_the_cache_alone, 0)

    def test_what_a_restart_reads_survives_two_crashes_in_a_row(self) -> None:
        for step in range(1, len(SAVE) + 1):
            for fault in ("crash", "fail"):
                disk, _ = self.saving(**{fault: step})
                for survivor in crashed_recoveries(disk):
                    served = read_back(survivor)
                    self.assertIn(served, [record(7), record(9)])
                    for later in survivor.after_crashes():
                        self.assertEqual(read_back(later), served)

    def test_a_decrease_survives_like_any_other_value(self) -> None:
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()
        file.save(record(3))
        for survivor in disk.after_crashes():
            self.assertEqual(read_back(survivor), record(3))


class MemoryDiskTests(SynchronousTestCase):
    """The disk under these tests must itself be able to lose things."""

    def test_unsynced_data_may_be_lost_kept_or_torn(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        disk.create("a").write(b"new!")
        self.assertEqual(disk.cached("a"), b"new!")
        self.assertEqual({each.durable("a") for each in disk.after_power_losses()}, {b"old", b"", b"ne", b"new!"})

    def test_an_unsynced_name_may_be_lost(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        file = disk.create("b")
        file.write(b"new")
        file.fsync()
        disk.replace("b", "a")
        self.assertEqual({each.durable("a") for each in disk.after_power_losses()}, {b"old", b"new"})
        disk.fsync_directory()
        self.assertEqual({each.durable("a") for each in disk.after_power_losses()}, {b"new"})

    def test_after_a_failed_fsync_the_next_one_has_nothing_to_write(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        file = disk.create("a")
        file.write(b"new")
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, file.fsync)
        file.fsync()
        self.assertEqual((disk.cached("a"), disk.durable("a")), (b"new", b"old"))

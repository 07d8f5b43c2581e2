"""Crashes and failures at every primitive: what is read afterwards is never less than what was acknowledged."""

import contextlib
import errno
import os
from collections.abc import Callable, Iterator
from typing import NoReturn

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.errors import DataDirectoryInUse, DataDirectoryUnusable, StoreDamaged
from glitchgrid.storage.record import Record
from glitchgrid.storage.slots import FILE_BYTES, SLOT_BYTES, BadSlot, Slot, encode_file
from glitchgrid.storage.valuefile import NEW_NAME, VALUE_NAME, ValueFile
from tests.fakes import IDENTITY, record_in
from tests.memory_disk import Crashed, Files, MemoryDisk

RECOVER_FIRST = ["claim", "open", "create", "write", "fsync", "replace", "fsync_directory"]
RECOVER_AGAIN = ["claim", "open", "read", "create", "write", "fsync", "replace", "fsync_directory"]
SAVE = ["write_at", "fdatasync"]
OTHER_IDENTITY = "f" * 32


def record(value: int) -> Record:
    return Record(IDENTITY, value)


def value_file(disk: MemoryDisk, identity: str = IDENTITY) -> ValueFile:
    return ValueFile(disk, lambda: identity)


def two_slots(value: int) -> bytes:
    return encode_file(Slot(2, record(value)))


def disk_that_holds(value: int) -> MemoryDisk:
    disk = MemoryDisk()
    disk.put(VALUE_NAME, two_slots(value))
    return disk


def disk_of_version_1(value: int) -> MemoryDisk:
    disk = MemoryDisk()
    disk.put(VALUE_NAME, record(value).encode())
    return disk


def read_back(disk: MemoryDisk) -> Record:
    return value_file(disk, OTHER_IDENTITY).recover().record


def crashed_recoveries(disk: MemoryDisk) -> Iterator[MemoryDisk]:
    """Recover from `disk`, crash at each primitive and not at all, and then crash again in every way."""
    seen: set[Files] = set()
    for step in range(1, len(RECOVER_AGAIN) + 2):
        for halfway in (False, True):
            attempt = disk.after_kill()
            attempt.crash_at = step
            attempt.crash_halfway = halfway
            with contextlib.suppress(Crashed):
                read_back(attempt)
            yield attempt.after_kill()
            for survivor in attempt.after_power_losses():
                if survivor.files not in seen:
                    seen.add(survivor.files)
                    yield survivor


class RecoverTests(SynchronousTestCase):
    def test_an_empty_directory_begins_at_0_with_a_new_identity(self) -> None:
        disk = MemoryDisk()
        self.assertEqual(value_file(disk).recover().record, record(0))
        self.assertEqual(disk.durable(VALUE_NAME), two_slots(0))
        self.assertEqual(disk.steps, RECOVER_FIRST)

    def test_a_second_start_finds_value_and_identity(self) -> None:
        disk = disk_that_holds(7)
        self.assertEqual(read_back(disk), record(7))
        self.assertEqual(disk.durable(VALUE_NAME), encode_file(Slot(4, record(7))))
        self.assertEqual(disk.steps, RECOVER_AGAIN)

    def test_a_file_of_version_1_is_taken_over(self) -> None:
        disk = disk_of_version_1(7)
        self.assertEqual(read_back(disk), record(7))
        self.assertEqual(disk.durable(VALUE_NAME), two_slots(7))
        self.assertEqual(disk.steps, RECOVER_AGAIN)

    def test_the_file_stays_open_until_it_is_closed(self) -> None:
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()
        self.assertEqual(disk.open_files, 1)
        file.close()
        file.close()
        self.assertEqual(disk.open_files, 0)

    def test_the_directory_stays_claimed_until_it_is_closed(self) -> None:
        disk = MemoryDisk()
        file = value_file(disk)
        file.recover()
        self.assertRaises(DataDirectoryInUse, value_file(disk).recover)
        file.close()
        self.assertEqual(value_file(disk).recover().record, record(0))

    def test_an_error_on_closing_keeps_the_directory_no_longer(self) -> None:
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()

        def failing() -> None:
            raise OSError(5, "Input/output error")

        self.patch(file._file, "close", failing)
        file.close()
        self.assertFalse(disk.claimed)

    def test_a_damaged_file_is_never_taken_for_none(self) -> None:
        old, whole = record(7).encode(), two_slots(7)
        for data in (
            *(b"", b"7\n", old[:-1], old + b"\n", old.replace(b"value 7", b"value 8"), old * 50),
            *(whole[:-1], whole + b"\n", whole.replace(b"value 7", b"value 8"), bytes(FILE_BYTES), whole * 2),
            *(whole[:SLOT_BYTES], whole[SLOT_BYTES:] + whole[:SLOT_BYTES], whole[:SLOT_BYTES] * 2),
        ):
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
        self.assertEqual(sizes, [FILE_BYTES + 1])

    def test_a_left_over_new_file_is_not_read(self) -> None:
        for left_over in (b"", b"x" * 3 * FILE_BYTES, record(9).encode(), encode_file(Slot(100, record(9)))):
            disk = disk_that_holds(7)
            disk.put(NEW_NAME, left_over)
            self.assertEqual(read_back(disk), record(7))
            self.assertEqual(disk.durable(VALUE_NAME), encode_file(Slot(4, record(7))))
            for survivor in crashed_recoveries(disk.after_kill()):
                self.assertEqual(read_back(survivor), record(7))

    def test_a_left_over_new_file_is_no_first_start(self) -> None:
        disk = MemoryDisk()
        disk.put(NEW_NAME, encode_file(Slot(100, record(9))))
        self.assertEqual(read_back(disk), Record(OTHER_IDENTITY, 0))

    def test_one_bad_slot_is_passed_over_and_told_once(self) -> None:
        whole = encode_file(Slot(8, record(7)))
        disk = MemoryDisk()
        disk.put(VALUE_NAME, bytes(SLOT_BYTES) + whole[SLOT_BYTES:])
        contents = value_file(disk).recover()
        self.assertEqual((contents.record, contents.bad), (record(7), BadSlot("first", "it is empty")))
        self.assertIsNone(value_file(disk.after_kill()).recover().bad)

    def test_a_failure_at_any_primitive_stops_the_start_and_lets_the_directory_go(self) -> None:
        for first, steps in ((True, RECOVER_FIRST), (False, RECOVER_AGAIN)):
            for step in range(2, len(steps) + 1):
                disk = MemoryDisk() if first else disk_that_holds(7)
                disk.fail_at = {step}
                error = self.assertRaises(DataDirectoryUnusable, read_back, disk)
                self.assertEqual(str(error), "data directory /data cannot be used: Input/output error")
                self.assertFalse(disk.claimed)
                self.assertEqual(disk.open_files, 0)
                for survivor in disk.after_crashes():
                    self.assertEqual(read_back(survivor).value, 0 if first else 7)

    def test_a_full_disk_is_told_with_its_cure(self) -> None:
        for number in (errno.ENOSPC, errno.EDQUOT):
            disk = disk_that_holds(7)
            self.patch(disk, "create", self.raising(OSError(number, os.strerror(number))))
            error = self.assertRaises(DataDirectoryUnusable, read_back, disk)
            self.assertIn(
                f"{os.strerror(number)}: a start writes the value to a new file, which takes 8 KiB", str(error)
            )
            self.assertEqual(read_back(disk.after_kill()).value, 7)

    def raising(self, error: Exception) -> Callable[[str], NoReturn]:
        def call(_name: str) -> NoReturn:
            raise error

        return call

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

    def test_a_crash_at_any_primitive_of_the_upgrade_leaves_one_version_or_the_other(self) -> None:
        before, after = record(7).encode(), two_slots(7)
        found = {survivor.durable(VALUE_NAME) for survivor in crashed_recoveries(disk_of_version_1(7))}
        self.assertEqual(found, {before, after})
        for survivor in crashed_recoveries(disk_of_version_1(7)):
            self.assertEqual(read_back(survivor), record(7))
            for later in survivor.after_crashes():
                self.assertEqual(read_back(later), record(7))

    def test_an_identity_that_was_given_out_is_for_life(self) -> None:
        disk = MemoryDisk()
        value_file(disk).recover()
        for survivor in disk.after_crashes():
            self.assertEqual(read_back(survivor).identity, IDENTITY)


class SaveTests(SynchronousTestCase):
    """7 was recovered and 5 saved, a decrease; then 9, 3 and 8, with a fault at each step of them."""

    SAVED = (9, 3, 8)
    STEPS = range(1, len(SAVED) * len(SAVE) + 1)

    def saving(self, fault: str = "", step: int = 0) -> tuple[MemoryDisk, list[int]]:
        """The disk, and the values that may be read from it: the last that was saved, and the one under way."""
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()
        file.save(record(5))
        at = len(disk.steps) + step
        disk.fail_at = {at} if fault == "fail" else set()
        disk.crash_at = at if fault.startswith("crash") else None
        disk.crash_halfway = fault == "crash half-way"
        last = 5
        for value in self.SAVED:
            try:
                file.save(record(value))
            except (Crashed, OSError):
                return disk, [last, value]
            last = value
        return disk, [last]

    def faults(self) -> Iterator[tuple[MemoryDisk, list[int]]]:
        for fault in ("crash", "crash half-way", "fail"):
            for step in self.STEPS:
                disk, right = self.saving(fault, step)
                self.assertEqual(len(right), 2)
                yield disk, right

    def test_what_was_saved_is_durable_at_the_cost_of_one_write_and_one_sync(self) -> None:
        disk, right = self.saving()
        self.assertEqual(right, [8])
        self.assertEqual(record_in(disk.durable(VALUE_NAME)), record(8))
        self.assertEqual(disk.steps[len(RECOVER_AGAIN) :], SAVE * 4)
        for survivor in disk.after_crashes():
            self.assertEqual(read_back(survivor), record(8))

    def test_saves_take_turns_between_the_slots(self) -> None:
        disk = disk_that_holds(7)
        file = value_file(disk)
        file.recover()
        for value in (9, 3, 8):
            before = disk.durable(VALUE_NAME) or b""
            file.save(record(value))
            after = disk.durable(VALUE_NAME) or b""
            kept = before[:SLOT_BYTES] == after[:SLOT_BYTES], before[SLOT_BYTES:] == after[SLOT_BYTES:]
            self.assertEqual(sorted(kept), [False, True])
            self.assertEqual(record_in(before), Slot.decode(after[SLOT_BYTES * (not kept[0]) :][:SLOT_BYTES]).record)
            self.assertEqual(len(after), FILE_BYTES)

    def test_a_fault_at_any_primitive_leaves_the_last_value_or_the_new_one(self) -> None:
        """Whatever part of the slot is on the disk, and however the power fails: never damage, never older."""
        torn = 0
        for disk, right in self.faults():
            for survivor in disk.after_crashes():
                contents = value_file(survivor, OTHER_IDENTITY).recover()
                self.assertIn(contents.record, [record(value) for value in right])
                torn += contents.bad is not None
        self.assertGreater(torn, 100)

    def test_even_a_save_after_a_failed_one_spares_the_last_durable_slot(self) -> None:
        """The store makes none; but a file that could be ruined by it would be one mistake from that."""
        for step in (1, 2):
            disk = disk_that_holds(7)
            file = value_file(disk)
            file.recover()
            file.save(record(5))
            disk.fail_at = {len(disk.steps) + step}
            self.assertRaises(OSError, file.save, record(9))
            disk.crash_at = len(disk.steps) + 2
            self.assertRaises(Crashed, file.save, record(3))
            for survivor in disk.after_crashes():
                self.assertIn(read_back(survivor).value, [5, 9, 3])

    def test_a_failed_save_leaves_the_file_open_for_close(self) -> None:
        disk, _ = self.saving("fail", 2)
        self.assertEqual(disk.open_files, 1)

    def test_what_a_restart_reads_survives_every_later_crash(self) -> None:
        """Condition 3: the value may be in the cache alone, and syncing the old file would write nothing."""
        in_the_cache_alone = 0
        for disk, _ in self.faults():
            restarted = disk.after_kill()
            surely_there = record_in(restarted.durable(VALUE_NAME))
            served = read_back(restarted)
            in_the_cache_alone += surely_there != served
            for survivor in restarted.after_crashes():
                self.assertEqual(read_back(survivor), served)
        self.assertGreater(in_the_cache_alone, 0)

    def test_a_crash_of_the_restart_is_survived_as_well(self) -> None:
        for disk, right in self.faults():
            for survivor in crashed_recoveries(disk.after_kill()):
                served = read_back(survivor)
                self.assertIn(served, [record(value) for value in right])
                for later in survivor.after_crashes():
                    self.assertEqual(read_back(later), served)

    def test_a_power_loss_in_a_save_and_then_a_crash_of_the_restart(self) -> None:
        for step in (1, 2):
            disk, right = self.saving("crash", step)
            for survivor in disk.after_power_losses():
                first = record_in(survivor.durable(VALUE_NAME))
                self.assertIn(first, [record(value) for value in right])
                for later in crashed_recoveries(survivor):
                    self.assertEqual(read_back(later), first)

    def test_two_lives_of_saves_never_meet(self) -> None:
        """The second life's slots are newer than everything that the first has left behind."""
        disk, _ = self.saving()
        second = disk.after_kill()
        file = value_file(second)
        self.assertEqual(file.recover().record, record(8))
        file.save(record(2))
        self.assertEqual([each.value for each in (read_back(later) for later in second.after_crashes())], [2, 2])

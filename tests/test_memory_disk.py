"""The disk under the other tests must itself be able to lose things."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.simulation.inode import PAGE_BYTES, SECTOR_BYTES
from tests.memory_disk import TAKEN_BYTES, Crashed, MemoryDisk, MemoryFile

OLD = b"a" * 2 * PAGE_BYTES
NEW = b"bbb" + b"a" * (PAGE_BYTES - 6) + b"bbb"


def found(disk: MemoryDisk, name: str = "a") -> set[bytes | None]:
    """What the file may be after a power loss."""
    return {each.durable(name) for each in disk.after_power_losses()}


class NewFileTests(SynchronousTestCase):
    def test_unsynced_data_may_be_lost_kept_or_torn(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        disk.create("a").write(b"new!")
        self.assertEqual(disk.cached("a"), b"new!")
        outcomes = found(disk)
        self.assertLessEqual({b"old", b"", b"ne", b"new!", b"\0\0w!"}, outcomes)

    def test_synced_data_is_kept(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        file = disk.create("a")
        file.write(b"new")
        file.write(b"er")
        file.fsync()
        self.assertEqual(found(disk), {b"newer"})

    def test_an_unsynced_name_may_be_lost(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        file = disk.create("b")
        file.write(b"new")
        file.fsync()
        disk.replace("b", "a")
        self.assertEqual(found(disk), {b"old", b"new"})
        disk.fsync_directory()
        self.assertEqual(found(disk), {b"new"})

    def test_after_a_failed_sync_of_the_directory_nothing_is_certain(self) -> None:
        disk = MemoryDisk()
        disk.put("a", b"old")
        disk.put("b", b"new")
        disk.replace("b", "a")
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, disk.fsync_directory)
        disk.fsync_directory()
        self.assertEqual((disk.cached("a"), found(disk)), (b"new", {b"old", b"new"}))

    def test_a_later_change_of_the_same_name_is_made_certain(self) -> None:
        disk = MemoryDisk()
        for name in "abc":
            disk.put(name, name.encode())
        disk.replace("b", "a")
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, disk.fsync_directory)
        disk.replace("c", "a")
        disk.fsync_directory()
        self.assertEqual(found(disk), {b"c"})


class InPlaceTests(SynchronousTestCase):
    def written(self, data: bytes = NEW, offset: int = PAGE_BYTES) -> tuple[MemoryDisk, MemoryFile]:
        """A synced file of two pages with an unsynced write over the second of them."""
        disk = MemoryDisk()
        file = disk.create("a")
        file.write(OLD)
        file.fsync()
        disk.fsync_directory()
        file.write_at(data, offset)
        return disk, file

    def test_a_kill_keeps_the_cache(self) -> None:
        disk, _ = self.written()
        self.assertEqual(disk.after_kill().cached("a"), OLD[:PAGE_BYTES] + NEW)

    def test_a_power_loss_keeps_all_nothing_or_any_part(self) -> None:
        disk, _ = self.written()
        outcomes = found(disk)
        before = OLD[:PAGE_BYTES]
        self.assertLessEqual({OLD, before + NEW}, outcomes)
        for cut in (1, 2, 3, SECTOR_BYTES, 3 * SECTOR_BYTES, PAGE_BYTES - 1):
            self.assertIn(before + NEW[:cut] + OLD[PAGE_BYTES + cut :], outcomes)
            self.assertIn(before + OLD[:cut] + NEW[cut:], outcomes)
        self.assertEqual({each[:PAGE_BYTES] for each in outcomes if each}, {before})
        self.assertTrue(any(not set(each) <= set(b"ab") for each in outcomes if each))

    def test_what_was_synced_is_kept(self) -> None:
        disk, file = self.written()
        file.fdatasync()
        self.assertEqual(found(disk), {OLD[:PAGE_BYTES] + NEW})

    def test_two_writes_are_lost_each_by_itself(self) -> None:
        disk, file = self.written()
        file.write_at(NEW, 0)
        self.assertLessEqual({OLD, NEW + NEW, NEW + OLD[PAGE_BYTES:], OLD[PAGE_BYTES:] + NEW}, found(disk))

    def test_after_a_failed_sync_the_next_one_has_nothing_to_write(self) -> None:
        disk, file = self.written()
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, file.fdatasync)
        before = found(disk)
        file.fdatasync()
        file.fsync()
        self.assertEqual(disk.cached("a"), OLD[:PAGE_BYTES] + NEW)
        self.assertEqual(found(disk), before)
        self.assertIn(OLD, before)
        self.assertGreater(len(before), 2)
        again = disk.after_kill()
        self.assertEqual(again.open("a").read(3 * PAGE_BYTES), OLD[:PAGE_BYTES] + NEW)
        self.assertEqual(found(again), before)

    def test_a_page_that_is_written_again_is_synced_whole(self) -> None:
        disk, file = self.written(b"b" * 10)
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, file.fdatasync)
        file.write_at(b"c", PAGE_BYTES + 20)
        file.fdatasync()
        self.assertEqual(found(disk), {OLD[:PAGE_BYTES] + b"b" * 10 + b"a" * 10 + b"c" + OLD[: PAGE_BYTES - 21]})

    def test_a_sync_of_another_page_makes_a_forgotten_one_no_surer(self) -> None:
        disk, file = self.written()
        disk.fail_at = {len(disk.steps) + 1}
        self.assertRaises(OSError, file.fdatasync)
        file.write_at(NEW, 0)
        file.fdatasync()
        outcomes = found(disk)
        self.assertLessEqual({NEW + OLD[:PAGE_BYTES], NEW + NEW}, outcomes)
        self.assertEqual({each[:PAGE_BYTES] for each in outcomes if each}, {NEW})

    def test_a_write_that_fails_or_is_killed_half_way_has_taken_some(self) -> None:
        for fault in ("fail", "crash"):
            disk, file = self.written(b"")
            step = len(disk.steps) + 1
            disk.fail_at = {step} if fault == "fail" else set()
            disk.crash_at = step if fault == "crash" else None
            disk.crash_halfway = True
            self.assertRaises((OSError, Crashed), file.write_at, NEW, PAGE_BYTES)
            half = OLD[:PAGE_BYTES] + NEW[:TAKEN_BYTES] + OLD[PAGE_BYTES + TAKEN_BYTES :]
            self.assertEqual(disk.after_kill().cached("a"), half)

"""The store over a disk that can lose things: durable, then visible, then acknowledged; and group commit."""

from collections import Counter
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

import glitchgrid.storage.store
from glitchgrid.errors import DataDirectoryInUse, DataDirectoryUnusable, StoreBusy, StoreDamaged, StoreFailed
from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.properties import Seen
from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.storage.slots import SLOT_BYTES
from glitchgrid.storage.store import Store
from glitchgrid.storage.valuefile import VALUE_NAME
from tests.fakes import IDENTITY, CaughtLog, record_in, threads
from tests.memory_disk import Crashed, MemoryDisk

SAVE_STEPS = 2
RECOVER_STEPS = 8
FAILED = "store failed: [Errno 5] Input/output error; no further store is taken until a restart, and GET goes on with "


def sets(value: int) -> StoreRequest:
    return StoreRequest(value, guarded=False)


def raises(value: int) -> StoreRequest:
    return StoreRequest(value, guarded=True)


class Bench:
    """A store over a memory disk, with a thread and a reactor that do as they are told."""

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self.disk = disk or MemoryDisk()
        self.reactor, self.pool = threads()
        self.store = Store(self.reactor, self.disk, self.pool, lambda: IDENTITY)

    def open(self) -> Deferred[None]:
        opened = self.store.open()
        self.pool.finish()
        return opened

    def acknowledged(self, request: StoreRequest) -> StoreOutcome | None:
        """Store one value to the end: its outcome, or None when it failed."""
        outcomes: list[StoreOutcome] = []
        stored = self.store.submit(request)
        stored.addCallbacks(outcomes.append, lambda failure: failure.trap(StoreFailed))
        self.pool.finish_all()
        return outcomes[0] if outcomes else None

    @property
    def durable(self) -> int:
        return record_in(self.disk.durable(VALUE_NAME)).value


def opened(disk: MemoryDisk | None = None) -> Bench:
    bench = Bench(disk)
    bench.open()
    return bench


def holding(value: int) -> Bench:
    bench = opened()
    bench.acknowledged(sets(value))
    return bench


def served_after(disk: MemoryDisk) -> int:
    """What a vault that starts from `disk` shows first."""
    return opened(disk).store.value


class OpenTests(SynchronousTestCase):
    def test_nothing_touches_the_disk_outside_the_pool(self) -> None:
        bench = Bench()
        bench.store.open()
        self.assertEqual(bench.disk.steps, [])
        bench.pool.work()
        before = list(bench.disk.steps)
        bench.reactor.take_over()
        bench.store.submit(sets(3))
        self.assertEqual(bench.disk.steps, before)

    def test_an_empty_directory_begins_at_0(self) -> None:
        bench = Bench()
        self.assertIsNone(self.successResultOf(bench.open()))
        self.assertEqual((bench.store.value, bench.store.identity), (0, IDENTITY))

    def test_value_and_identity_come_back(self) -> None:
        bench = holding(7)
        again = Bench(bench.disk.after_kill())
        again.store._file._new_identity = lambda: "e" * 32
        again.open()
        self.assertEqual((again.store.value, again.store.identity), (7, IDENTITY))

    def test_a_directory_in_use_is_refused(self) -> None:
        disk = MemoryDisk()
        disk.claim()
        self.failureResultOf(Bench(disk).open(), DataDirectoryInUse)

    def test_a_damaged_file_is_refused(self) -> None:
        disk = MemoryDisk()
        disk.put(VALUE_NAME, b"damaged")
        self.failureResultOf(Bench(disk).open(), StoreDamaged)

    def test_one_bad_slot_is_passed_over_and_logged_once(self) -> None:
        bench = holding(7)
        bench.acknowledged(raises(9))
        for place, value in (("first", 7), ("second", 9)):
            log = CaughtLog(self)
            data = bench.disk.durable(VALUE_NAME) or b""
            disk = MemoryDisk()
            blank = bytes(SLOT_BYTES)
            disk.put(VALUE_NAME, blank + data[SLOT_BYTES:] if place == "first" else data[:SLOT_BYTES] + blank)
            self.assertEqual(served_after(disk), value)
            self.assertEqual(served_after(disk.after_kill()), value)
            said = (
                f"/data/value: the {place} of its two slots is damaged: it is empty; going on with {value} from the"
                " other. A power failure in the middle of a store does that, and loses nothing; after anything else"
                " the last store may be lost"
            )
            self.assertEqual((log.errors, log.warnings), ([said], []))

    def test_a_sound_file_is_nothing_to_log(self) -> None:
        log = CaughtLog(self)
        served_after(holding(7).disk.after_kill())
        self.assertEqual(log.errors + log.warnings, [])

    def test_a_failing_disk_is_refused(self) -> None:
        disk = MemoryDisk()
        disk.fail_at = {2}
        self.failureResultOf(Bench(disk).open(), DataDirectoryUnusable)

    def test_closing_lets_the_directory_go(self) -> None:
        bench = opened()
        self.assertTrue(bench.disk.claimed)
        bench.store.close()
        self.assertFalse(bench.disk.claimed)


class OrderTests(SynchronousTestCase):
    def test_durable_then_visible_then_acknowledged(self) -> None:
        bench = holding(3)
        seen: list[tuple[int, int]] = []
        stored = bench.store.submit(sets(5))
        stored.addCallback(lambda _: seen.append((bench.durable, bench.store.value)))
        self.assertEqual((bench.durable, bench.store.value, seen), (3, 3, []))
        bench.pool.work()
        self.assertEqual((bench.durable, bench.store.value, seen), (5, 3, []))
        bench.reactor.take_over()
        self.assertEqual((bench.durable, bench.store.value, seen), (5, 5, [(5, 5)]))

    def test_no_step_of_a_save_shows_the_value_before_it_is_durable(self) -> None:
        bench = holding(3)
        shown: list[tuple[int, bool]] = []
        step = bench.disk.step

        def watched(name: str, *fail: Any) -> None:
            shown.append((bench.store.value, stored.called))
            step(name, *fail)

        self.patch(bench.disk, "step", watched)
        stored = bench.store.submit(sets(5))
        bench.pool.finish()
        self.assertEqual(shown, [(3, False)] * SAVE_STEPS)

    def test_a_refusal_waits_for_the_sync_of_its_batch(self) -> None:
        bench = holding(3)
        first = bench.store.submit(sets(5))
        higher = bench.store.submit(sets(9))
        refused = bench.store.submit(raises(7))
        bench.pool.finish()
        self.successResultOf(first)
        bench.pool.work()
        self.assertNoResult(refused)
        bench.reactor.take_over()
        self.assertEqual(self.successResultOf(higher), Stored(9))
        self.assertEqual(self.successResultOf(refused), Refused(9))

    def test_a_refusal_of_what_was_asked_during_a_sync_names_the_new_value(self) -> None:
        bench = holding(3)
        bench.store.submit(sets(9))
        refused = bench.store.submit(raises(7))
        bench.pool.finish()
        self.assertEqual(self.successResultOf(refused), Refused(9))

    def test_what_changes_nothing_is_answered_without_a_sync(self) -> None:
        bench = holding(9)
        self.assertEqual(self.successResultOf(bench.store.submit(raises(7))), Refused(9))
        self.assertEqual(self.successResultOf(bench.store.submit(raises(9))), Stored(9))
        self.assertEqual(self.successResultOf(bench.store.submit(sets(9))), Stored(9))
        self.assertFalse(bench.pool.waiting)

    def test_a_decrease_is_stored_and_logged_as_an_error(self) -> None:
        bench = holding(9)
        log = CaughtLog(self)
        self.assertEqual(bench.acknowledged(sets(4)), Stored(4, decreased_from=9))
        self.assertEqual((bench.durable, bench.store.value), (4, 4))
        self.assertEqual(log.errors, ["Value decreases from 9 to 4"])

    def test_an_increase_is_not_logged(self) -> None:
        log = CaughtLog(self)
        bench = holding(4)
        bench.acknowledged(raises(9))
        self.assertEqual(log.errors + log.warnings, [])


class GroupCommitTests(SynchronousTestCase):
    def test_stores_that_wait_share_one_more_sync(self) -> None:
        bench = opened()
        syncs_before = bench.disk.steps.count("fdatasync")
        stores = [bench.store.submit(sets(value)) for value in range(1, 101)]
        self.assertEqual(len(bench.pool.waiting), 1)
        bench.pool.finish()
        self.assertEqual([each.called for each in stores], [True] + [False] * 99)
        self.assertEqual(len(bench.pool.waiting), 1)
        bench.pool.finish()
        self.assertEqual([self.successResultOf(each) for each in stores], [Stored(value) for value in range(1, 101)])
        self.assertEqual(bench.disk.steps.count("fdatasync") - syncs_before, 2)
        self.assertEqual((bench.durable, bench.store.value), (100, 100))

    def test_a_batch_is_folded_in_the_order_of_arrival(self) -> None:
        log = CaughtLog(self)
        bench = holding(3)
        bench.store.submit(sets(5))
        batch = [bench.store.submit(request) for request in (raises(8), sets(6), raises(7), raises(4), sets(2))]
        bench.pool.finish_all()
        self.assertEqual(
            [self.successResultOf(each) for each in batch],
            [Stored(8), Stored(6, decreased_from=8), Stored(7), Refused(7), Stored(2, decreased_from=7)],
        )
        self.assertEqual((bench.durable, bench.store.value), (2, 2))
        self.assertEqual(log.errors, ["Value decreases from 8 to 6", "Value decreases from 7 to 2"])

    def test_the_batch_is_told_in_the_order_of_arrival(self) -> None:
        bench = opened()
        told: list[int] = []
        for value in (1, 2, 3, 4):
            bench.store.submit(sets(value)).addCallback(lambda outcome: told.append(outcome.value))
        bench.pool.finish_all()
        self.assertEqual(told, [1, 2, 3, 4])

    def test_a_store_from_within_an_answer_waits_for_the_next_sync(self) -> None:
        bench = opened()
        nested: list[Deferred[StoreOutcome]] = []
        bench.store.submit(sets(1)).addCallback(lambda _: nested.append(bench.store.submit(sets(2))))
        bench.pool.finish()
        self.assertNoResult(nested[0])
        self.assertEqual(len(bench.pool.waiting), 1)
        bench.pool.finish()
        self.assertEqual(self.successResultOf(nested[0]), Stored(2))

    def test_a_batch_that_ends_where_it_began_is_answered(self) -> None:
        bench = holding(3)
        bench.store.submit(sets(5))
        batch = [bench.store.submit(request) for request in (sets(4), sets(5), raises(2))]
        bench.pool.finish_all()
        outcomes = [self.successResultOf(each) for each in batch]
        self.assertEqual(outcomes, [Stored(4, decreased_from=5), Stored(5), Refused(5)])
        self.assertEqual((bench.durable, bench.store.value), (5, 5))

    def test_however_many_of_them_come_one_behind_the_other(self) -> None:
        """As pipelined stores do: each is let in by the answer to the one before it."""
        bench = holding(7)
        left = [1000]

        def again(outcome: StoreOutcome) -> None:
            self.assertEqual(outcome, Stored(8))
            left[0] -= 1
            if left[0]:
                bench.store.submit(raises(8)).addCallback(again)

        bench.store.submit(raises(8)).addCallback(again)
        bench.pool.finish()
        self.assertEqual((left, len(bench.pool.waiting)), ([0], 0))
        self.successResultOf(bench.store.when_idle())
        self.assertEqual(bench.acknowledged(sets(9)), Stored(9))

    def test_a_callback_that_raises_keeps_nobody_else_from_an_answer(self) -> None:
        bench = opened()
        bad = bench.store.submit(sets(1)).addCallback(lambda _: 1 // 0)
        also_bad = bench.store.submit(sets(2)).addCallback(lambda _: 1 // 0)
        good = bench.store.submit(sets(3))
        bench.pool.finish_all()
        self.assertEqual(self.successResultOf(good), Stored(3))
        self.failureResultOf(bad, ZeroDivisionError)
        self.failureResultOf(also_bad, ZeroDivisionError)

    def test_cancelling_a_waiter_changes_nothing_about_the_store(self) -> None:
        bench = holding(3)
        running, waiting, other = (bench.store.submit(sets(value)) for value in (5, 7, 6))
        for cancelled in (running, waiting):
            cancelled.addErrback(lambda _: None)
            cancelled.cancel()
        bench.pool.finish()
        self.assertEqual(bench.store.value, 5)
        bench.pool.finish()
        self.assertEqual(self.successResultOf(other), Stored(6, decreased_from=7))
        self.assertEqual((bench.durable, bench.store.value), (6, 6))

    def test_more_than_so_many_never_wait(self) -> None:
        self.patch(glitchgrid.storage.store, "WAITING_STORES_MAX", 3)
        bench = opened()
        taken = [bench.store.submit(sets(value)) for value in (1, 2, 3, 4)]
        self.failureResultOf(bench.store.submit(sets(5)), StoreBusy)
        bench.pool.finish_all()
        self.assertEqual([self.successResultOf(each) for each in taken], [Stored(value) for value in (1, 2, 3, 4)])
        self.assertEqual(bench.acknowledged(sets(6)), Stored(6))

    def test_ten_thousand_may_wait(self) -> None:
        self.assertEqual(glitchgrid.storage.store.WAITING_STORES_MAX, 10_000)


class WhenIdleTests(SynchronousTestCase):
    def test_at_once_when_nothing_is_going_on(self) -> None:
        self.assertIsNone(self.successResultOf(opened().store.when_idle()))

    def test_after_the_last_store_that_waits(self) -> None:
        bench = opened()
        bench.store.submit(sets(1))
        bench.store.submit(sets(2))
        idle = [bench.store.when_idle(), bench.store.when_idle()]
        bench.pool.finish()
        self.assertNoResult(idle[0])
        bench.pool.finish()
        self.assertEqual([self.successResultOf(each) for each in idle], [None, None])

    def test_after_a_failed_sync(self) -> None:
        bench = opened()
        bench.disk.fail_at = {len(bench.disk.steps) + 1}
        bench.store.submit(sets(1)).addErrback(lambda _: None)
        idle = bench.store.when_idle()
        bench.pool.finish()
        self.assertIsNone(self.successResultOf(idle))


class BugTests(SynchronousTestCase):
    def test_one_is_logged_and_the_next_store_is_taken(self) -> None:
        bench = opened()
        log = CaughtLog(self)
        with patch.object(glitchgrid.storage.store, "always", side_effect=ZeroDivisionError):
            bench.store.submit(sets(5))
            bench.pool.finish_all()
        self.assertEqual(log.errors, ["bug in the store"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(bench.acknowledged(sets(7)), Stored(7))


class StatedTests(SynchronousTestCase):
    def test_that_stores_share_a_sync(self) -> None:
        for stores, times in ((1, 0), (2, 1), (3, 1)):
            seen: Seen = Counter()
            bench = opened()
            bench.store.submit(sets(1))  # what comes meanwhile waits together
            with collecting("glitchgrid", seen, self.fail):
                for value in range(stores):
                    bench.store.submit(sets(value + 2))
                bench.pool.finish_all()
            self.assertEqual(seen["vault: stores share a sync", True], times, stores)


class FailedSyncTests(SynchronousTestCase):
    def failing(self, step: int) -> tuple[Bench, Sequence[Deferred[StoreOutcome]]]:
        """A store that holds 3, and whose sync of 5 is going to fail at `step` while 7, 2 and 9 wait."""
        bench = holding(3)
        bench.disk.fail_at = {len(bench.disk.steps) + step}
        return bench, [bench.store.submit(request) for request in (sets(5), sets(7), raises(2), raises(9))]

    def test_the_batch_and_all_that_wait_are_told_and_the_value_stays(self) -> None:
        for step in range(1, SAVE_STEPS + 1):
            bench, stores = self.failing(step)
            bench.pool.finish_all()
            for stored in stores:
                self.failureResultOf(stored, StoreFailed)
            self.assertEqual(bench.store.value, 3)

    def test_the_log_says_so(self) -> None:
        log = CaughtLog(self)
        bench, stores = self.failing(1)
        bench.pool.finish_all()
        for stored in stores:
            self.failureResultOf(stored, StoreFailed)
        self.assertEqual(log.errors, [FAILED + "3"])

    def test_no_later_store_is_taken_not_even_one_that_changes_nothing(self) -> None:
        bench, stores = self.failing(2)
        bench.pool.finish_all()
        for stored in stores:
            self.failureResultOf(stored, StoreFailed)
        steps = len(bench.disk.steps)
        for request in (sets(11), raises(11), sets(3), raises(1)):
            self.failureResultOf(bench.store.submit(request), StoreFailed)
        self.assertFalse(bench.pool.waiting)
        self.assertEqual((len(bench.disk.steps), bench.store.value), (steps, 3))

    def test_a_store_from_within_a_failed_answer_is_refused(self) -> None:
        bench, stores = self.failing(2)
        nested: list[Deferred[StoreOutcome]] = []
        stores[0].addErrback(lambda _: nested.append(bench.store.submit(sets(8))))
        for stored in stores[1:]:
            stored.addErrback(lambda _: None)
        bench.pool.finish_all()
        self.failureResultOf(nested[0], StoreFailed)

    def test_anything_but_an_oserror_fails_the_store_too(self) -> None:
        bench = holding(3)
        self.patch(bench.store._file, "save", lambda _record: 1 // 0)
        stored = bench.store.submit(sets(5))
        bench.pool.finish_all()
        self.failureResultOf(stored, StoreFailed)
        self.failureResultOf(bench.store.submit(sets(6)), StoreFailed)


@frozen
class Story:
    """What clients were told: the values that may be read afterwards, whatever crash comes."""

    acknowledged: int
    attempted: tuple[int, ...]

    @property
    def right(self) -> list[int]:
        return [self.acknowledged, *self.attempted]


class CrashTests(SynchronousTestCase):
    """Each primitive in turn crashes or fails, in each way: never less than what was acknowledged is read."""

    def play(self, disk: MemoryDisk, first: int = 1, last: int = 4) -> Story:
        """Start, and store `first` to `last` in two batches, until the end or the crash."""
        bench = Bench(disk)
        acknowledged: list[int] = []
        try:
            bench.open()
            for value in range(first, last + 1):
                stored = bench.store.submit(raises(value))
                stored.addCallbacks(lambda outcome: acknowledged.append(outcome.value), lambda _: None)
            bench.pool.finish_all()
        except Crashed:
            pass
        return Story(acknowledged[-1] if acknowledged else first - 1, tuple(range(first, last + 1)))

    def test_a_crash_at_every_primitive(self) -> None:
        whole = MemoryDisk()
        self.assertEqual(self.play(whole).acknowledged, 4)
        for step in range(1, len(whole.steps) + 2):
            disk = MemoryDisk()
            disk.crash_at = step
            story = self.play(disk)
            for survivor in disk.after_crashes():
                read = served_after(survivor)
                self.assertGreaterEqual(read, story.acknowledged)
                self.assertIn(read, story.right)

    def test_two_lives_with_a_crash_in_each(self) -> None:
        for first_step in range(RECOVER_STEPS, RECOVER_STEPS + 2 * SAVE_STEPS):
            disk = MemoryDisk()
            disk.crash_at = first_step
            first = self.play(disk, 1, 2)
            for survivor in disk.after_crashes():
                for second_step in range(1, RECOVER_STEPS + SAVE_STEPS):
                    second_life = survivor.after_kill()
                    second_life.crash_at = second_step
                    second = self.play(second_life, 3, 3)
                    least = second.acknowledged if second.acknowledged == 3 else first.acknowledged
                    for last in second_life.after_crashes():
                        read = served_after(last)
                        self.assertGreaterEqual(read, least)
                        self.assertLessEqual(read, 3)

    def test_a_failure_at_every_primitive_then_every_crash(self) -> None:
        for step in range(RECOVER_STEPS, RECOVER_STEPS + 2 * SAVE_STEPS):
            disk = MemoryDisk()
            disk.fail_at = {step}
            story = self.play(disk)
            for survivor in disk.after_crashes():
                read = served_after(survivor)
                self.assertGreaterEqual(read, story.acknowledged)
                self.assertIn(read, story.right)

    def test_what_a_restart_served_after_a_failed_sync_survives_a_power_loss(self) -> None:
        larger_than_acknowledged = 0
        for step in range(1, SAVE_STEPS + 1):
            bench = holding(3)
            bench.disk.fail_at = {len(bench.disk.steps) + step}
            self.assertIsNone(bench.acknowledged(sets(5)))
            restarted = opened(bench.disk.after_kill())
            larger_than_acknowledged += restarted.store.value == 5
            for survivor in restarted.disk.after_power_losses():
                self.assertEqual(served_after(survivor), restarted.store.value)
        self.assertEqual(larger_than_acknowledged, 1)  # the failed sync: the slot is in the cache

    def test_an_acknowledged_decrease_is_not_undone(self) -> None:
        bench = holding(9)
        bench.acknowledged(sets(4))
        for survivor in bench.disk.after_crashes():
            self.assertEqual(served_after(survivor), 4)

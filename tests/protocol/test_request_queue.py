"""The two lines of one vault."""

from collections.abc import Iterable, Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.protocol.request_queue import PENDING_PRUNED_AT, RequestQueue, VaultQueues
from glitchgrid.protocol.rounds import StoreRound

HERE = 1


def round_of(value: int = 7, ask: Iterable[int] = (0, 1, 2)) -> StoreRound[str]:
    return StoreRound(3, ask, value)


class CountedList(list[Any]):
    """Counts what is looked at."""

    looked_at = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            type(self).looked_at += 1
            yield each


class LineTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.line: RequestQueue[StoreRound[str]] = RequestQueue(HERE)

    def test_it_is_idle_at_first(self) -> None:
        self.assertEqual(
            (self.line.busy, self.line.resting, self.line.skipped, self.line.failures), (False,) * 3 + (0,)
        )
        self.assertEqual(self.line.load(), [])
        self.assertFalse(self.line.busy)

    def test_one_request_carries_all_that_waits(self) -> None:
        rounds = [round_of(value) for value in (5, 7, 6)]
        for each in rounds:
            self.line.add(each)
        self.assertEqual(self.line.load(), rounds)
        self.assertEqual((self.line.busy, self.line.carried, self.line.pending), (True, rounds, []))
        self.assertFalse(self.line.skipped)

    def test_what_comes_later_waits_for_the_next(self) -> None:
        first, second = round_of(5), round_of(6)
        self.line.add(first)
        self.line.load()
        self.line.add(second)
        self.assertEqual(self.line.unload(), [first])
        self.assertEqual((self.line.busy, self.line.carried, self.line.pending), (False, [], [second]))

    def test_a_round_that_is_decided_is_skipped(self) -> None:
        decided, open_ = round_of(), round_of()
        self.line.add(decided)
        self.line.add(open_)
        decided.expire()
        self.assertEqual(self.line.load(), [open_])
        self.assertTrue(self.line.skipped)

    def test_a_round_that_does_not_ask_here_is_skipped(self) -> None:
        elsewhere, here = round_of(ask=(0, 2)), round_of(ask=(HERE,))
        self.line.add(elsewhere)
        self.line.add(here)
        self.assertEqual(self.line.load(), [here])
        self.assertTrue(self.line.skipped)

    def test_that_one_was_skipped_is_remembered(self) -> None:
        decided = round_of()
        decided.expire()
        self.line.add(decided)
        self.line.load()
        self.line.add(round_of())
        self.line.load()
        self.assertTrue(self.line.skipped)

    def test_decided_rounds_do_not_pile_up(self) -> None:
        for _ in range(10_000):
            round_ = round_of()
            self.line.add(round_)
            round_.expire()
            self.assertLessEqual(len(self.line.pending), PENDING_PRUNED_AT)
        self.assertTrue(self.line.skipped)

    def test_no_round_is_lost_by_pruning(self) -> None:
        open_ = [round_of() for _ in range(100)]
        for each in open_:
            self.line.add(each)
            decided = round_of()
            decided.expire()
            self.line.add(decided)
        self.assertEqual(self.line.load(), open_)

    def test_what_waits_undecided_is_not_walked_for_each_newcomer(self) -> None:
        """Two vaults stuck, one answering: nothing is decided before their time-out, and all of it waits here."""
        self.line.pending = CountedList()
        prune = RequestQueue._prune

        def prune_and_count(line: RequestQueue[Any]) -> None:
            prune(line)
            line.pending = CountedList(line.pending)

        self.patch(RequestQueue, "_prune", prune_and_count)
        CountedList.looked_at = 0
        for _ in range(4000):
            self.line.add(round_of())
        self.assertEqual(len(self.line.pending), 4000)
        self.assertLess(CountedList.looked_at, 5 * 4000)

    def test_it_shrinks_again(self) -> None:
        rounds = [round_of() for _ in range(1000)]
        for each in rounds:
            self.line.add(each)
        for each in rounds:
            each.expire()
        for _ in range(2000):
            decided = round_of()
            decided.expire()
            self.line.add(decided)
        self.assertLessEqual(len(self.line.pending), PENDING_PRUNED_AT)


class VaultTests(SynchronousTestCase):
    def test_its_lines_are_its_own(self) -> None:
        vault: VaultQueues[str] = VaultQueues(HERE)
        vault.stores.add(round_of(ask=(HERE,)))
        self.assertEqual((len(vault.stores.load()), vault.reads.load()), (1, []))
        self.assertEqual((vault.number, vault.voter, vault.behind, vault.held), (HERE, None, False, 0))

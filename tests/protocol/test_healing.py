"""Reads that heal, by themselves: what they store, what they hear, when they need not wait any longer."""

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Holds, Undecided
from glitchgrid.protocol.effects import Effect, Ended, ValueLost
from glitchgrid.protocol.healing import Healing
from glitchgrid.protocol.rounds import ReadRound, StoreRound


def read(*values: int, floor: int = 0) -> ReadRound[str]:
    """A read of three vaults, of which the first ones have answered these values."""
    round_: ReadRound[str] = ReadRound(3)
    round_.floor = floor
    for vault, value in enumerate(values):
        round_.answer(vault, f"vault {vault}", value)
    return round_


class HealingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.effects: list[Effect[str]] = []
        self.queued: list[StoreRound[str]] = []
        self.decided: list[StoreRound[str]] = []
        self.healing: Healing[str] = Healing(self.effects.append, self.queued.append, self.decided.append)

    def begun(self, *values: int, floor: int = 0) -> tuple[ReadRound[str], StoreRound[str]]:
        round_ = read(*values, floor=floor)
        self.assertTrue(self.healing.begin(round_))
        assert round_.healing is not None
        return round_, round_.healing

    def assert_queued(self, values: Sequence[int]) -> None:
        self.assertEqual([round_.value for round_ in self.queued], list(values))

    def test_a_read_that_has_its_value_does_not_heal(self) -> None:
        self.assertFalse(self.healing.begin(read(7, 7)))
        self.assertFalse(self.healing.begin(read(7)), "there is no majority yet")
        self.assert_queued([])

    def test_it_stores_what_is_lacking_and_begins_once(self) -> None:
        round_, stores = self.begun(7, 5)
        self.assert_queued([7])
        self.assertEqual(stores.open, {1, 2})
        self.assertFalse(self.healing.begin(round_))
        self.assert_queued([7])
        self.assertEqual(self.effects, [])

    def test_a_majority_below_the_floor_has_lost_something(self) -> None:
        self.begun(5, 4, floor=7)
        self.assertEqual(self.effects, [ValueLost(7, 5)])
        self.assert_queued([7])

    def test_a_vault_that_holds_it_decides(self) -> None:
        round_, stores = self.begun(7, 5)
        self.healing.hear(round_, 2, "vault 2", 6)
        self.assertEqual(self.decided, [], "less than that says nothing")
        self.healing.hear(round_, 2, "vault 2", 7)
        self.assertEqual(self.decided, [stores])

    def test_a_vault_that_holds_more_is_what_is_stored_from_then_on(self) -> None:
        round_, stores = self.begun(7, 5)
        self.healing.hear(round_, 2, "vault 2", 9)
        self.assertEqual(self.effects, [Ended(stores)])
        self.assertIsInstance(stores.outcome, Undecided)
        self.assert_queued([7, 9])
        self.healing.hear(round_, 1, "vault 1", 9)
        self.assertEqual([each.value for each in self.decided], [9])

    def test_an_end_ends_what_it_stores(self) -> None:
        round_, stores = self.begun(7, 5)
        self.healing.end(round_)
        self.assertEqual((self.healing.reads, self.effects), ([], [Ended(stores)]))
        self.healing.end(round_)
        self.assertEqual(self.effects, [Ended(stores)], "once")

    def test_nothing_is_heard_after_the_end(self) -> None:
        round_, _ = self.begun(7, 5)
        round_.end(Holds(7))
        self.healing.hear(round_, 2, "vault 2", 9)
        self.assertEqual((self.effects, self.decided), ([], []))

    def test_who_need_not_wait(self) -> None:
        small, _ = self.begun(7, 5)
        large, _ = self.begun(9, 5)
        lost, _ = self.begun(3, 2, floor=6)
        self.assertEqual(self.healing.held(6), [])
        self.assertEqual(self.healing.held(7), [small])
        self.assertEqual(self.healing.held(9), [small, large])
        self.assertNotIn(lost, self.healing.held(100), "its vaults have forgotten something")

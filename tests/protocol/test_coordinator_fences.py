"""Vaults that were replaced: their votes are taken back, and whoever is at their addresses by now is asked."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Holds, Stored, Undecided
from tests.bench import Bench

OLD, NEW = "voter 0", "the one in its place"


class FenceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3)
        self.outcomes = self.bench.outcomes

    def fence(self, *voters: str) -> None:
        """An answer that comes now names these."""
        self.bench.coordinator.fence(frozenset(voters))
        self.bench.settle()

    def replace(self) -> None:
        """Vault 0 has another data directory, and votes again."""
        self.bench.voters[0] = NEW


class WriteTests(FenceCase):
    def test_a_vote_from_before_is_taken_back_and_its_address_asked_again(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.replace()
        self.fence(OLD)
        self.assertEqual(self.bench.stored_values, {0: 7, 1: 7, 2: 7})
        self.bench.stored(1)
        self.assertNotIn("w", self.outcomes)
        self.bench.stored(0)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})

    def test_what_is_decided_stays_so(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.fence(OLD)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})
        self.assertEqual(self.bench.floor, 7)

    def test_an_answer_that_was_under_way_does_not_count_and_whoever_is_there_is_asked(self) -> None:
        self.bench.write(7, "w")
        self.fence(OLD)
        self.bench.stored(0)
        self.assertEqual((self.outcomes, self.bench.resting), ({}, set()))
        self.replace()
        self.bench.stored(0, 1)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})

    def test_one_that_goes_on_answering_has_failed(self) -> None:
        self.fence(OLD)
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.assertEqual(self.bench.resting, {(0, "store")})
        self.bench.store_fails(1)
        self.assertEqual(self.outcomes, {"w": Undecided(0, 3)})

    def test_a_round_that_has_no_majority_without_it_wakes_the_vault_that_rests(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.bench.store_fails(1)
        self.assertEqual(self.bench.resting, {(1, "store")})
        self.replace()
        self.fence(OLD)
        self.bench.stored(0, 2)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})

    def test_the_one_in_its_place_is_sent_what_it_lacks(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1, 2)
        self.replace()
        self.fence(OLD)
        self.assertEqual(self.bench.stored_values, {0: 7})

    def test_to_be_told_again_changes_nothing(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.replace()
        self.fence(OLD)
        self.bench.stored(0)
        self.fence(OLD)
        self.assertEqual(self.bench.stored_values, {1: 7, 2: 7})
        self.bench.stored(1)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})

    def test_others_are_fenced_later(self) -> None:
        self.fence(OLD)
        self.bench.write(7, "w")
        self.bench.stored(1)
        self.fence(OLD, "voter 1")
        self.bench.voters[1] = "another"
        self.bench.stored(2)
        self.assertNotIn("w", self.outcomes)
        self.bench.stored(1)
        self.assertEqual(self.outcomes, {"w": Committed(2, 3)})


class ReadTests(FenceCase):
    def test_a_vote_from_before_is_taken_back_and_its_address_asked_again(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 0)
        self.replace()
        self.fence(OLD)
        self.bench.holds(1, 0)
        self.assertNotIn("r", self.outcomes)
        self.bench.holds(0, 0)
        self.assertEqual(self.outcomes, {"r": Holds(0)})

    def test_an_answer_that_was_under_way_is_asked_for_again(self) -> None:
        self.bench.read("r")
        self.fence(OLD)
        self.bench.holds(0, 0)
        self.replace()
        self.bench.holds(0, 9)
        self.bench.holds(1, 9)
        self.assertEqual(self.outcomes, {"r": Holds(9)})

    def test_one_that_goes_on_answering_has_failed(self) -> None:
        self.fence(OLD)
        self.bench.read("r")
        self.bench.holds(0, 0)
        self.assertEqual(self.bench.resting, {(0, "read")})

    def test_a_write_back_does_not_count_who_held_it_before(self) -> None:
        """9 is stored at two vaults. One of them is replaced while a read stores it at the third."""
        self.bench.read("r")
        self.bench.holds(0, 9)
        self.bench.holds(1, 0)
        self.assertEqual(self.bench.stored_values, {1: 9, 2: 9})
        self.replace()
        self.fence(OLD)
        self.bench.stored(1)
        self.assertNotIn("r", self.outcomes)
        self.bench.stored(0)
        self.assertEqual(self.outcomes, {"r": Holds(9)})

    def test_nor_who_has_taken_it_before(self) -> None:
        self.bench.read("r")
        self.bench.holds(1, 9)
        self.bench.holds(2, 0)
        self.bench.store_fails(2)
        self.fence("voter 1")
        self.bench.voters[1] = "another"
        self.bench.stored(0)
        self.assertNotIn("r", self.outcomes)
        self.bench.stored(1)
        self.assertEqual(self.outcomes, {"r": Holds(9)})


class FloorTests(FenceCase):
    def test_writes_that_wait_for_the_floor_wait_for_a_majority_of_others(self) -> None:
        bench = Bench(3, floor=None)
        bench.write(5, "w")
        bench.holds(0, 7)
        bench.coordinator.fence(frozenset({OLD}))
        bench.settle()
        bench.voters[0] = NEW
        bench.holds(1, 0)
        self.assertIsNone(bench.floor)
        bench.holds(2, 0)
        self.assertEqual(bench.floor, 0)

    def test_nothing_is_left_over(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.replace()
        self.fence(OLD)
        self.bench.stored(0, 1, 2)
        for number in list(self.bench.stores):
            self.bench.coordinator.store_answered(number, self.bench.voters[number], Stored(7))
        self.assertEqual(set(self.bench.coordinator.in_progress().values()), {0})

"""Reads, without a network: what a majority holds, and what has to be stored before it is told."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Holds, Inconsistent
from glitchgrid.protocol.effects import (
    Ended,
    ValueLost,
)
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from tests.bench import Bench


class ReadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3)

    def test_the_value_of_a_majority(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.holds(2, 7)
        self.assertEqual((self.bench.outcomes, self.bench.floor, self.bench.stores), ({"r": Holds(7)}, 7, {}))

    def test_no_majority(self) -> None:
        self.bench.read("r")
        self.bench.read_fails(0)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.read_fails(1)
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent()})
        self.assertEqual(self.bench.floor, 0)

    def test_the_largest_is_stored_where_it_is_lacking_first(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.assertEqual((self.bench.outcomes, self.bench.stored_values), ({}, {1: 7, 2: 7}))
        self.bench.stored(1)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"r": Holds(7)}, 7))
        self.assertEqual(self.bench.heard(ValueLost), [])

    def test_a_late_answer_may_be_what_was_lacking(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.holds(2, 7)
        self.assertEqual(self.bench.outcomes, {"r": Holds(7)})

    def test_a_late_answer_of_less_is_nothing(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.holds(2, 6)
        self.assertEqual(self.bench.outcomes, {})

    def test_a_committed_write_of_the_same_control_may_be_what_was_lacking(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 0)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3), "r": Holds(7)})

    def test_a_committed_write_of_more_is_what_it_holds(self) -> None:
        self.bench.write(9, "w")
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 0)
        self.bench.stored(1, 2)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3), "r": Holds(9)})

    def test_so_is_one_that_was_committed_before_the_answers_came(self) -> None:
        self.bench.read("r")
        self.bench.write(9, "w")
        self.bench.stored(1, 2)
        self.bench.holds(0, 7)
        self.bench.holds(1, 0)
        self.assertEqual((self.bench.outcomes["r"], self.bench.heard(ValueLost)), (Holds(9), []))
        self.assertEqual(self.bench.coordinator._healing.reads, [])

    def test_a_write_that_was_acknowledged_by_more_proves_nothing_about_a_read(self) -> None:
        """The write of 2 came after 9 was committed elsewhere; so 2 was never what the register held."""
        self.bench.read("r")
        self.bench.holds(1, 0)
        self.bench.write(2, "w")
        self.bench.stored(0)
        self.bench.refused(1, 9)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})
        self.bench.holds(0, 2)
        self.assertNotIn("r", self.bench.outcomes)
        self.bench.refused(1, 9)
        self.bench.refused(2, 9)
        self.assertNotIn("r", self.bench.outcomes)
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes["r"], Holds(9))

    def test_a_vault_that_holds_more_makes_it_begin_anew(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.refused(1, 9)
        self.assertEqual((self.bench.outcomes, self.bench.stored_values), ({}, {0: 9, 2: 7}))
        self.bench.stored(0)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"r": Holds(9)}, 9))

    def test_so_does_one_that_says_so_late(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.holds(2, 9)
        self.assertEqual((self.bench.outcomes, self.bench.stored_values), ({}, {0: 9, 1: 7, 2: 7}))
        self.bench.refused(1, 9)
        self.assertEqual(self.bench.outcomes, {"r": Holds(9)})

    def test_what_was_outgrown_does_not_answer_for_what_came_of_it(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.refused(1, 9)
        self.bench.stored(2)
        self.assertEqual((self.bench.outcomes, self.bench.stored_values), ({}, {0: 9, 2: 9}))

    def test_each_of_its_stores_has_ended_in_the_end(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.refused(1, 9)
        self.bench.stored(0)
        ended = [effect.round for effect in self.bench.heard(Ended)]
        self.assertEqual([each.value for each in ended if isinstance(each, StoreRound)], [7, 9])
        self.assertEqual(len([each for each in ended if isinstance(each, ReadRound)]), 1)

    def test_the_floor_of_its_beginning_needs_no_second_look(self) -> None:
        """A majority is known to hold it, and no vault says more: nothing has to be stored first."""
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.bench.read("r")
        self.bench.holds(2, 0)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.outcomes["r"], Holds(7))

    def test_no_majority_to_heal(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.store_fails(1)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.store_fails(2)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"r": Inconsistent()}, 0))

    def test_its_time_is_up(self) -> None:
        self.bench.read("r")
        self.bench.expire("r")
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent()})
        for number in range(3):
            self.bench.holds(number, 7)
        self.assertEqual((self.bench.outcomes, self.bench.stores), ({"r": Inconsistent()}, {}))

    def test_its_time_is_up_before_it_was_asked(self) -> None:
        self.bench.read("stuck")
        self.bench.read("r")
        self.bench.expire("r")
        self.bench.read("later")
        for _ in range(2):
            self.bench.holds(0, 0)
            self.bench.holds(1, 0)
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent(), "stuck": Holds(0), "later": Holds(0)})

    def test_its_time_is_up_while_it_heals(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        self.bench.expire("r")
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent()})
        self.assertEqual(len(self.bench.heard(Ended)), 2)
        self.bench.stored(1, 2)
        self.assertEqual((self.bench.floor, len(self.bench.heard(Ended))), (0, 2))
        self.assertEqual(self.bench.coordinator._healing.reads, [])

    def test_a_healing_that_is_told_to_expire_ends_its_read(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 5)
        (healing,) = self.bench.stores[1].rounds
        self.bench.coordinator.expire(healing)
        self.bench.settle()
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent()})

    def test_many_reads_are_healed_by_one_store(self) -> None:
        for number in range(5):
            self.bench.read(f"r{number}")
        for _ in range(2):
            self.bench.holds(0, 7)
            self.bench.holds(1, 5)
        self.assertEqual(self.bench.stored_values, {1: 7, 2: 7})
        self.bench.stored(1)
        self.assertEqual(self.bench.outcomes, {f"r{number}": Holds(7) for number in range(5)})

    def test_a_read_that_a_decided_one_has_settled_is_not_asked_for_again(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.bench.holds(2, 7)
        self.assertEqual((self.bench.stores, self.bench.reads, self.bench.running), ({}, {}, []))


class ValueLostTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3, floor=9)
        self.bench.read("r")

    def test_a_majority_of_less_than_the_floor_is_said(self) -> None:
        self.bench.holds(0, 5)
        self.assertEqual(self.bench.heard(ValueLost), [])
        self.bench.holds(1, 3)
        self.assertEqual(self.bench.heard(ValueLost), [ValueLost(9, 5)])

    def test_the_floor_is_stored_again_and_what_is_read(self) -> None:
        self.bench.holds(0, 5)
        self.bench.holds(1, 5)
        self.assertEqual((self.bench.outcomes, self.bench.stored_values), ({}, {0: 9, 1: 9, 2: 9}))
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.stored(1)
        self.assertEqual(self.bench.outcomes, {"r": Holds(9)})
        self.assertEqual(len(self.bench.heard(ValueLost)), 1)

    def test_that_it_was_committed_once_ends_no_such_read(self) -> None:
        self.bench.holds(0, 5)
        self.bench.holds(1, 5)
        self.bench.write(9, "w")
        self.assertEqual(self.bench.outcomes, {})
        self.bench.read("other")
        self.bench.holds(0, 9)
        self.bench.holds(2, 9)
        self.assertNotIn("other", self.bench.outcomes)

    def test_only_what_was_known_when_it_began(self) -> None:
        """What is committed while the answers are under way is not missing from them."""
        bench = Bench(3)
        bench.read("r")
        bench.write(9, "w")
        bench.stored(0, 1)
        bench.holds(0, 0)
        bench.holds(2, 0)
        self.assertEqual((bench.outcomes["r"], bench.heard(ValueLost)), (Holds(0), []))

    def test_a_read_that_waited_begins_when_it_is_sent(self) -> None:
        bench = Bench(3)
        bench.read("first")
        bench.read("r")
        bench.write(9, "w")
        bench.stored(0, 1)
        for number in (0, 1, 0, 1):
            bench.holds(number, 0)
        self.assertEqual(bench.heard(ValueLost), [ValueLost(9, 0)])

    def test_one_vault(self) -> None:
        bench = Bench(1, floor=9)
        bench.read("r")
        bench.holds(0, 0)
        self.assertEqual(bench.stored_values, {0: 9})
        bench.refused(0, 10)
        self.assertEqual(bench.outcomes, {"r": Holds(10)})

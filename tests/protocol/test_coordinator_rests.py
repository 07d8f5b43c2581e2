"""Vaults that fail rest, and those that are behind are caught up."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Holds, Inconsistent
from glitchgrid.protocol.effects import (
    Rest,
)
from tests.bench import Bench


class RestTests(SynchronousTestCase):
    """A vault that has failed is left alone for a while, unless it is needed."""

    def setUp(self) -> None:
        self.bench = Bench(3)

    def fail_one(self) -> None:
        self.bench.write(5, "first")
        self.bench.store_fails(2)
        self.bench.stored(0, 1)

    def test_each_failure_in_a_row_is_counted(self) -> None:
        self.fail_one()
        for _ in range(2):
            self.bench.rested(2, "store")
            self.bench.store_fails(2)
        self.assertEqual(self.bench.heard(Rest), [Rest(2, "store", 1), Rest(2, "store", 2), Rest(2, "store", 3)])
        self.bench.rested(2, "store")
        self.bench.stored(2)
        self.bench.write(9, "w")
        self.bench.store_fails(2)
        self.assertEqual(self.bench.heard(Rest)[-1], Rest(2, "store", 1))

    def test_reads_and_stores_rest_apart(self) -> None:
        self.fail_one()
        self.bench.read("r")
        self.assertEqual(sorted(self.bench.reads), [0, 1, 2])
        self.bench.read_fails(2)
        self.assertEqual(self.bench.heard(Rest)[-1], Rest(2, "read", 1))

    def test_it_is_not_asked(self) -> None:
        self.fail_one()
        self.bench.write(6, "w")
        self.assertEqual(self.bench.stored_values, {0: 6, 1: 6})
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes["w"], Committed(2, 3))

    def test_resting_is_no_failure(self) -> None:
        self.fail_one()
        self.bench.write(6, "w")
        self.bench.stored(0)
        self.bench.store_fails(1)
        self.assertNotIn("w", self.bench.outcomes)
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes["w"], Committed(2, 3))

    def test_its_rest_ends_when_a_round_lacks_a_majority_without_it(self) -> None:
        self.fail_one()
        self.bench.write(6, "w")
        self.bench.store_fails(1)
        self.assertEqual(self.bench.stored_values, {0: 6, 2: 6})

    def test_a_round_that_can_do_without_it_leaves_it_alone(self) -> None:
        bench = Bench(5)
        bench.write(5, "first")
        bench.store_fails(4)
        bench.stored(0, 1, 2, 3)
        bench.write(6, "w")
        bench.store_fails(3)
        self.assertEqual(bench.stored_values, {0: 6, 1: 6, 2: 6})
        bench.store_fails(2)
        self.assertEqual(bench.stored_values, {0: 6, 1: 6, 4: 6})

    def test_a_new_round_that_has_no_majority_without_it_asks_at_once(self) -> None:
        self.bench.write(5, "first")
        self.bench.store_fails(2, 1)
        self.bench.stored(0)
        self.bench.write(6, "w")
        self.assertEqual(self.bench.stored_values, {0: 6, 1: 6, 2: 6})

    def test_so_do_reads(self) -> None:
        self.bench.read("first")
        self.bench.read_fails(2)
        self.bench.holds(0, 0)
        self.bench.holds(1, 0)
        self.bench.read("r")
        self.assertEqual(sorted(self.bench.reads), [0, 1])
        self.bench.read_fails(1)
        self.assertEqual(sorted(self.bench.reads), [0, 2])
        self.bench.holds(0, 7)
        self.assertNotIn("r", self.bench.outcomes)
        self.bench.holds(2, 7)
        self.assertEqual(self.bench.outcomes["r"], Holds(7))

    def test_a_round_that_waits_behind_a_failure_wakes_too(self) -> None:
        self.fail_one()
        self.bench.write(6, "w")
        self.bench.write(7, "behind it")
        self.bench.stored(0)
        self.assertEqual(self.bench.stored_values, {0: 7, 1: 6})
        self.bench.store_fails(1)
        self.assertEqual(self.bench.stored_values, {0: 7, 2: 7})

    def test_a_round_that_waits_behind_one_that_has_ended_wakes_too(self) -> None:
        self.fail_one()
        self.bench.write(6, "ended")
        self.bench.write(7, "behind it")
        self.bench.stored(0)
        self.bench.expire("ended")
        self.bench.stored(0)
        self.assertEqual(self.bench.stored_values, {1: 6})
        self.bench.store_fails(1)
        self.assertEqual(self.bench.stored_values, {1: 7, 2: 7})

    def test_so_does_a_read(self) -> None:
        self.bench.read("first")
        self.bench.read_fails(2)
        self.bench.holds(0, 0)
        self.bench.read("behind it")
        self.bench.expire("first")
        self.bench.holds(0, 0)
        self.assertEqual(list(self.bench.reads), [1])
        self.bench.read_fails(1)
        self.assertEqual(sorted(self.bench.reads), [1, 2])
        self.bench.holds(1, 0)
        self.assertEqual(self.bench.outcomes["behind it"], Holds(0))

    def test_what_heals_wakes_too(self) -> None:
        self.fail_one()
        self.bench.read("r")
        self.bench.holds(0, 9)
        self.bench.holds(1, 5)
        self.assertEqual(self.bench.stored_values, {1: 9})
        self.bench.store_fails(1)
        self.assertEqual(self.bench.stored_values, {2: 9})
        self.bench.store_fails(2)
        self.assertEqual(self.bench.outcomes["r"], Inconsistent())

    def test_after_its_rest_it_is_asked(self) -> None:
        self.fail_one()
        self.bench.write(6, "w")
        self.bench.rested(2, "store")
        self.assertEqual(self.bench.stored_values, {0: 6, 1: 6, 2: 6})
        self.bench.read("r")
        self.bench.read_fails(2)
        self.bench.holds(0, 5)
        self.bench.holds(1, 5)
        self.bench.read("again")
        self.bench.rested(2, "read")
        self.assertEqual(sorted(self.bench.reads), [0, 1, 2])

    def test_a_store_that_is_answered_ends_its_own_rest_alone(self) -> None:
        self.fail_one()
        self.bench.read("r")
        self.bench.holds(2, 0)
        self.bench.write(6, "w")
        self.assertEqual(self.bench.stored_values, {0: 6, 1: 6})


class BehindTests(SynchronousTestCase):
    """A vault that has missed a store is brought up to the floor, without anybody asking for that."""

    def setUp(self) -> None:
        self.bench = Bench(3)

    def test_after_its_rest_without_any_traffic(self) -> None:
        self.bench.write(5, "w")
        self.bench.stored(0, 1)
        self.bench.store_fails(2)
        self.assertEqual(self.bench.stores, {})
        self.bench.rested(2, "store")
        self.assertEqual((self.bench.stored_values, self.bench.stores[2].rounds), ({2: 5}, []))
        self.bench.store_fails(2)
        self.bench.rested(2, "store")
        self.bench.stored(2)
        self.assertEqual((self.bench.stores, self.bench.running), ({}, []))

    def test_once_it_has_caught_up_it_is_left_in_peace(self) -> None:
        self.test_after_its_rest_without_any_traffic()
        self.bench.coordinator.rested(2, "store")
        self.bench.settle()
        self.assertEqual(self.bench.stores, {})

    def test_when_it_frees(self) -> None:
        self.bench.write(5, "first")
        self.bench.stored(0, 1)
        self.bench.write(9, "w")
        self.bench.stored(0, 1)
        self.assertEqual((self.bench.outcomes["w"], self.bench.stored_values), (Committed(2, 3), {2: 5}))
        self.bench.stored(2)
        self.assertEqual(self.bench.stored_values, {2: 9})

    def test_with_what_waits(self) -> None:
        self.bench.write(5, "first")
        self.bench.stored(0, 1)
        self.bench.write(9, "w")
        self.bench.stored(0, 1)
        self.bench.write(12, "more")
        self.bench.stored(2)
        self.assertEqual(self.bench.stored_values, {0: 12, 1: 12, 2: 12})

    def test_of_less_that_waits_it_is_sent_the_floor(self) -> None:
        bench = Bench(5)
        bench.write(5, "first")
        bench.stored(0, 1, 2)
        bench.write(6, "low")
        bench.write(9, "high")
        bench.stored(0)
        for number in (1, 2):
            bench.store_fails(number)
            bench.rested(number, "store")
        bench.stored(0, 1, 2)
        self.assertEqual((set(bench.outcomes), bench.floor), ({"first", "high"}, 9))
        bench.stored(4)
        self.assertEqual((bench.stored_values[4], len(bench.stores[4].rounds)), (9, 1))
        bench.stored(4, 3)
        self.assertNotIn("low", bench.outcomes)
        bench.stored(3)
        self.assertEqual(bench.outcomes["low"], Committed(3, 5))

    def test_after_a_round_that_expired_too(self) -> None:
        self.bench.write(5, "first")
        self.bench.stored(0, 1)
        self.bench.write(9, "w")
        self.bench.stored(0)
        self.bench.expire("w")
        self.bench.stored(2)
        self.assertEqual((self.bench.floor, self.bench.stored_values), (5, {1: 9}))

    def test_a_read_shows_it(self) -> None:
        bench = Bench(3, floor=9)
        bench.read("r")
        bench.holds(0, 9)
        bench.holds(1, 9)
        bench.holds(2, 3)
        self.assertEqual((bench.stored_values, bench.stores[2].rounds), ({2: 9}, []))

    def test_a_read_shows_it_while_a_store_of_less_is_under_way(self) -> None:
        self.bench.write(3, "w")
        self.bench.stored(0, 1)
        self.bench.read("r")
        for number in (0, 1):
            self.bench.holds(number, 9)
        self.bench.holds(2, 0)
        self.assertEqual(self.bench.stored_values, {2: 3})
        self.bench.stored(2)
        self.assertEqual(self.bench.stored_values, {2: 9})

    def test_what_it_says_before_the_floor_is_known_does_not_make_up_for_what_it_missed(self) -> None:
        bench = Bench(3, floor=None)
        bench.read("r")
        bench.holds(0, 7)
        bench.holds(1, 5)
        bench.store_fails(2)
        bench.holds(2, 5)
        bench.stored(1)
        self.assertEqual((bench.floor, bench.stores), (7, {}))
        bench.rested(2, "store")
        self.assertEqual(bench.stored_values, {2: 7})

    def test_one_that_turns_out_to_hold_enough_is_not_sent_it(self) -> None:
        self.bench.write(5, "w")
        self.bench.stored(0, 1)
        self.bench.store_fails(2)
        self.bench.read("r")
        self.bench.holds(2, 5)
        self.bench.rested(2, "store")
        self.assertEqual(self.bench.stores, {})

    def test_nothing_is_behind_nothing(self) -> None:
        self.bench.write(5, "w")
        self.bench.store_fails(2, 1)
        self.bench.rested(2, "store")
        self.assertEqual(self.bench.stored_values, {0: 5})

"""Writes, without a network: what is sent to whom and when, what counts for whom, and what it comes to."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Decreases, Holds, Stored, Undecided
from glitchgrid.protocol.effects import (
    Began,
)
from tests.bench import Bench


class WriteTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3)

    def test_every_vault_is_sent_the_value_at_once(self) -> None:
        self.bench.write(7, "w")
        self.assertEqual(self.bench.stored_values, {0: 7, 1: 7, 2: 7})
        self.assertEqual([type(each) for each in self.bench.news], [Began])

    def test_it_is_committed_by_the_majority_and_not_before(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(2)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({}, 0))
        self.bench.stored(0)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"w": Committed(2, 3)}, 7))
        self.bench.stored(1)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})

    def test_it_is_undecided_when_no_majority_is_left(self) -> None:
        self.bench.write(7, "w")
        self.bench.store_fails(2)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.store_fails(0)
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3)})
        self.assertEqual(self.bench.floor, 0)

    def test_it_counts_those_that_had_acknowledged(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(1)
        self.bench.store_fails(0, 2)
        self.assertEqual(self.bench.outcomes, {"w": Undecided(1, 3)})

    def test_a_refusal_with_as_much_acknowledges(self) -> None:
        self.bench.write(7, "w")
        self.bench.refused(0, 7)
        self.bench.refused(1, 9)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})
        self.assertEqual(self.bench.floor, 7, "9 is not known to be committed")

    def test_a_refusal_with_less_is_a_failure(self) -> None:
        self.bench.write(7, "w")
        self.bench.refused(0, 6)
        self.bench.refused(1, 0)
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3)})
        self.assertEqual(self.bench.resting, {(0, "store"), (1, "store")})

    def test_another_echo_is_a_failure(self) -> None:
        for echoed in (6, 8):
            bench = Bench(1)
            bench.write(7, "w")
            bench.coordinator.store_answered(0, "v", Stored(echoed))
            bench.settle()
            self.assertEqual(bench.outcomes, {"w": Undecided(0, 1)})

    def test_below_the_floor_nothing_is_sent(self) -> None:
        bench = Bench(3, floor=9)
        bench.write(8, "w")
        self.assertEqual((bench.outcomes, bench.stores, bench.running), ({"w": Decreases(9, 8)}, {}, []))

    def test_the_floor_itself_is_written(self) -> None:
        bench = Bench(3, floor=9)
        bench.write(9, "w")
        bench.stored(0, 1)
        self.assertEqual(bench.outcomes, {"w": Committed(2, 3)})

    def test_the_floor_never_falls(self) -> None:
        """A round of less that ends after a round of more."""
        self.bench.write(5, "low")
        self.bench.stored(0)
        self.bench.write(9, "high")
        self.bench.stored(0)
        self.bench.stored(1)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"low": Committed(2, 3)}, 5))
        self.bench.stored(1)
        self.assertEqual(self.bench.floor, 9)
        self.bench.stored(2)
        self.assertEqual(self.bench.floor, 9)

    def test_it_does_not_fall_by_less_that_is_committed_later(self) -> None:
        self.bench.write(5, "low")
        self.bench.write(9, "high")
        self.bench.stored(0, 0)
        self.bench.store_fails(1)
        self.bench.rested(1, "store")
        self.bench.stored(1)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"high": Committed(2, 3)}, 9))
        self.bench.stored(2)
        self.assertEqual((self.bench.outcomes["low"], self.bench.floor), (Committed(2, 3), 9))

    def test_its_time_is_up(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0)
        self.bench.expire("w")
        self.assertEqual(self.bench.outcomes, {"w": Undecided(1, 3)})
        self.bench.stored(1, 2)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"w": Undecided(1, 3)}, 0))

    def test_its_time_is_up_before_anything_was_sent(self) -> None:
        self.bench.write(5, "stuck")
        self.bench.write(7, "w")
        self.bench.expire("w")
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3)})
        self.bench.write(8, "later")
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.stored_values, {0: 8, 1: 8, 2: 5})


class GatheringTests(SynchronousTestCase):
    """Writes and reads that wait share a round, and a round that was sent to anybody takes no newcomers."""

    def setUp(self) -> None:
        self.bench = Bench(3)

    def test_writes_that_find_every_vault_busy_are_sent_as_their_largest(self) -> None:
        self.bench.write(1, "first")
        for value, ticket in ((5, "a"), (9, "b"), (7, "c")):
            self.bench.write(value, ticket)
        self.assertEqual(self.bench.stored_values, {0: 1, 1: 1, 2: 1})
        self.bench.stored(0)
        self.assertEqual(self.bench.stored_values, {0: 9, 1: 1, 2: 1})
        self.bench.stored(1)
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes, {each: Committed(2, 3) for each in ("first", "a", "b", "c")})
        self.assertEqual(self.bench.floor, 9)

    def test_no_newcomer_joins_what_was_sent_to_one_vault(self) -> None:
        self.bench.write(1, "first")
        self.bench.write(5, "a")
        self.bench.stored(0)
        self.bench.write(5, "late")
        self.bench.stored(0, 1)
        self.bench.stored(1)
        self.assertEqual(self.bench.outcomes, {"first": Committed(2, 3), "a": Committed(2, 3)})
        self.bench.stored(0)
        self.assertEqual(self.bench.outcomes["late"], Committed(2, 3))

    def test_an_answer_does_not_count_for_a_write_that_came_after_its_request(self) -> None:
        """Not even where the vault holds more already."""
        self.bench.write(9, "first")
        self.bench.write(5, "late")
        self.bench.stored(0)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.stored(1)
        self.assertEqual(self.bench.outcomes, {"first": Committed(2, 3)})

    def test_nor_does_a_stragglers(self) -> None:
        self.bench.write(1, "first")
        self.bench.stored(0, 1)
        self.bench.write(5, "late")
        self.bench.stored(0)
        self.bench.refused(2, 9)
        self.assertNotIn("late", self.bench.outcomes)
        self.assertEqual(self.bench.stored_values, {1: 5, 2: 5})

    def test_a_straggler_is_asked_when_it_frees_and_counts_then(self) -> None:
        self.bench.write(1, "first")
        self.bench.stored(0, 1)
        self.bench.write(5, "late")
        self.bench.stored(0)
        self.bench.stored(2)
        self.assertEqual(self.bench.stored_values, {1: 5, 2: 5})
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes["late"], Committed(2, 3))

    def test_a_vault_that_frees_is_asked_for_all_rounds_by_one_request(self) -> None:
        self.bench.write(1, "first")
        self.bench.write(4, "second")
        self.bench.stored(0)
        self.bench.write(3, "third")
        self.bench.stored(0)
        self.assertEqual(self.bench.stored_values, {0: 3, 1: 1, 2: 1})
        self.bench.stored(1)
        self.assertEqual(self.bench.stored_values, {0: 3, 1: 4, 2: 1})
        self.assertEqual(len(self.bench.stores[1].rounds), 2)
        self.bench.stored(1)
        self.assertEqual(set(self.bench.outcomes), {"first", "second"})
        self.bench.stored(0)
        self.assertEqual(self.bench.outcomes["third"], Committed(2, 3))

    def test_a_busy_vault_is_undecided_and_no_failure(self) -> None:
        self.bench.write(1, "first")
        self.bench.stored(0)
        self.bench.write(5, "late")
        self.bench.store_fails(0)
        self.assertEqual(self.bench.outcomes, {})

    def test_reads_do_the_same(self) -> None:
        self.bench.read("first")
        self.bench.read("a")
        self.bench.read("b")
        self.bench.holds(0, 0)
        self.bench.read("late")
        self.bench.holds(1, 0)
        self.assertEqual(self.bench.outcomes, {"first": Holds(0)})
        self.bench.holds(0, 5)
        self.bench.holds(1, 5)
        self.assertEqual(self.bench.outcomes, {"first": Holds(0), "a": Holds(5), "b": Holds(5)})
        self.bench.holds(2, 7)
        self.assertNotIn("late", self.bench.outcomes)

    def test_a_straggler_s_read_does_not_count_for_newcomers(self) -> None:
        self.bench.read("first")
        self.bench.holds(0, 0)
        self.bench.holds(1, 0)
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.bench.read("late")
        self.bench.holds(2, 0)
        self.assertNotIn("late", self.bench.outcomes)
        self.bench.holds(2, 0)
        self.bench.holds(0, 7)
        self.assertEqual(self.bench.outcomes["late"], Holds(7))

    def test_reads_and_writes_do_not_wait_for_each_other(self) -> None:
        self.bench.write(7, "w")
        self.bench.read("r")
        self.assertEqual((sorted(self.bench.stores), sorted(self.bench.reads)), ([0, 1, 2], [0, 1, 2]))

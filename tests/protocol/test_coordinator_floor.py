"""What a control has to know before it writes: the floor, and how it is found."""

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, Undecided
from glitchgrid.protocol.effects import (
    Declined,
)
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from tests.bench import Bench


class FloorTests(SynchronousTestCase):
    """It is unknown at first, and a read tells it."""

    def setUp(self) -> None:
        self.bench = Bench(3, floor=None)

    def test_it_is_asked_for_once(self) -> None:
        self.bench.coordinator.recover()
        self.bench.coordinator.recover()
        self.bench.settle()
        self.assertEqual(len(self.bench.running), 1)
        for number in range(3):
            self.bench.holds(number, 7)
        self.bench.coordinator.recover()
        self.bench.settle()
        self.assertEqual((self.bench.floor, self.bench.running, self.bench.reads), (7, [], {}))

    def test_nothing_written_is_a_floor(self) -> None:
        self.bench.coordinator.recover()
        self.bench.settle()
        self.bench.holds(0, 0)
        self.assertIsNone(self.bench.floor)
        self.bench.holds(1, 0)
        self.assertEqual(self.bench.floor, 0)

    def test_a_write_waits_for_it(self) -> None:
        self.bench.write(9, "w")
        self.assertEqual((self.bench.stores, sorted(self.bench.reads)), ({}, [0, 1, 2]))
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual((self.bench.floor, self.bench.stored_values), (7, {0: 9, 1: 9, 2: 9}))
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})

    def test_a_decrease_is_refused_when_it_is_known(self) -> None:
        for value in (5, 9, 7, 6):
            self.bench.write(value, f"w{value}")
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.outcomes, {"w5": Decreases(7, 5), "w6": Decreases(7, 6)})
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes["w9"], Committed(2, 3))
        self.assertEqual(self.bench.outcomes["w7"], Committed(2, 3))
        self.assertEqual(self.bench.running, [])

    def test_all_of_them_may_be_decreases(self) -> None:
        self.bench.write(5, "a")
        self.bench.write(6, "b")
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.outcomes, {"a": Decreases(7, 5), "b": Decreases(7, 6)})
        self.assertEqual((self.bench.stores, self.bench.running), ({}, []))
        self.assertEqual([each.ticket for each in self.bench.heard(Declined)], ["a", "b"])

    def test_what_it_is_has_to_be_committed_first(self) -> None:
        self.bench.write(6, "low")
        self.bench.write(8, "high")
        self.bench.holds(0, 7)
        self.bench.holds(1, 0)
        self.assertEqual((self.bench.floor, self.bench.outcomes), (None, {}))
        self.assertEqual(self.bench.stored_values, {1: 7, 2: 7})
        self.bench.stored(2)
        self.assertEqual((self.bench.floor, self.bench.outcomes), (7, {"low": Decreases(7, 6)}))
        self.bench.stored(1)
        self.assertEqual(self.bench.stored_values, {0: 8, 1: 8, 2: 8})

    def test_any_read_tells_it(self) -> None:
        self.bench.read("r")
        self.bench.write(9, "w")
        self.assertEqual(len([each for each in self.bench.running if isinstance(each, ReadRound)]), 2)
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual((self.bench.outcomes, self.bench.floor), ({"r": Holds(7)}, 7))
        self.assertEqual(self.bench.stored_values, {0: 9, 1: 9, 2: 9})

    def test_without_it_a_write_is_undecided(self) -> None:
        self.bench.write(9, "w")
        self.bench.read_fails(0)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.read_fails(1)
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3)})
        self.assertEqual((self.bench.stores, self.bench.running), ({}, []))

    def test_the_next_write_tries_again(self) -> None:
        self.bench.write(9, "w")
        self.bench.read_fails(0, 1, 2)
        self.bench.write(8, "again")
        self.assertEqual(sorted(self.bench.reads), [0, 1, 2])
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3), "again": Committed(2, 3)})

    def test_another_reads_failure_is_not_the_recoverys(self) -> None:
        self.bench.read("r")
        self.bench.write(9, "w")
        self.bench.expire("r")
        self.assertEqual(self.bench.outcomes, {"r": Inconsistent()})
        self.assertEqual([type(each) for each in self.bench.running], [StoreRound, ReadRound])

    def test_the_time_of_a_write_that_waits_is_up(self) -> None:
        self.bench.write(9, "w")
        self.bench.expire("w")
        self.assertEqual(self.bench.outcomes, {"w": Undecided(0, 3)})
        self.bench.write(8, "late")
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.stored_values, {0: 8, 1: 8, 2: 8})

    def test_their_time_is_up_and_nobody_comes_after_them(self) -> None:
        self.bench.write(9, "w")
        self.bench.expire("w")
        self.bench.holds(0, 7)
        self.bench.holds(1, 7)
        self.assertEqual((self.bench.floor, self.bench.stores), (7, {}))

    def test_newcomers_join_those_that_waited_until_they_are_sent(self) -> None:
        bench = Bench(1, floor=None)
        bench.write(9, "w")
        bench.holds(0, 7)
        bench.write(10, "late")
        self.assertEqual(bench.stored_values, {0: 9})
        bench.stored(0)
        self.assertEqual(bench.stored_values, {0: 10})

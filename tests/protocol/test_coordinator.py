"""The protocol without a network: what is sent to whom and when, what counts for whom, and what it comes to."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.campaign.evaluations import collecting
from glitchgrid.lab.properties import Seen
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, Refused, Stored, Undecided
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import (
    Began,
    Declined,
    Ended,
    FloorRecovered,
    Rest,
    SameVault,
    SendRead,
    SendStore,
    ValueLost,
)
from glitchgrid.protocol.request_queue import PENDING_PRUNED_AT
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from tests.bench import Bench


class StatedTests(SynchronousTestCase):
    """What the coordinator states of itself, and when."""

    FLOOR = "control: a read begins with a floor that is known"
    HEALED = "control: a read stores its value where it is lacking"

    def test_of_a_read(self) -> None:
        seen: Seen = Counter()
        coordinator: Coordinator[str] = Coordinator(1)
        with collecting("glitchgrid", seen, self.fail):
            for value in (1, 1):
                coordinator.read("r")
                coordinator.read_answered(0, "v", value)
        self.assertEqual((seen[self.FLOOR, False], seen[self.FLOOR, True]), (1, 1))
        self.assertEqual((seen[self.HEALED, False], seen[self.HEALED, True]), (2, 0))

    def test_that_two_stores_never_are_on_their_way_to_one_vault(self) -> None:
        broke: list[str] = []
        coordinator: Coordinator[str] = Coordinator(1)
        coordinator.read("r")
        coordinator.read_answered(0, "v", 0)
        coordinator.write(7, "w")
        with collecting("glitchgrid", Counter(), broke.append):
            coordinator._ask_to_store(coordinator._vaults[0])
        self.assertEqual(broke, ["control: two stores are on their way to one vault"])


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


class NumbersOfVaultsTests(SynchronousTestCase):
    def test_one(self) -> None:
        bench = Bench(1)
        bench.write(7, "w")
        bench.stored(0)
        bench.read("r")
        bench.holds(0, 9)
        self.assertEqual(bench.outcomes, {"w": Committed(1, 1), "r": Holds(9)})
        bench.read("dead")
        bench.read_fails(0)
        bench.write(10, "lost")
        bench.store_fails(0)
        self.assertEqual((bench.outcomes["dead"], bench.outcomes["lost"]), (Inconsistent(), Undecided(0, 1)))

    def test_two_need_both(self) -> None:
        bench = Bench(2)
        bench.write(7, "w")
        bench.stored(0)
        self.assertEqual(bench.outcomes, {})
        bench.stored(1)
        self.assertEqual(bench.outcomes, {"w": Committed(2, 2)})
        bench.write(8, "lost")
        bench.store_fails(1)
        self.assertEqual(bench.outcomes["lost"], Undecided(0, 2))

    def test_half_of_four_is_no_majority(self) -> None:
        bench = Bench(4)
        bench.write(7, "w")
        bench.stored(0, 1)
        bench.store_fails(2)
        self.assertEqual(bench.outcomes, {})
        bench.store_fails(3)
        self.assertEqual(bench.outcomes, {"w": Undecided(2, 4)})
        bench.read("r")
        bench.holds(0, 7)
        bench.holds(1, 7)
        self.assertEqual(bench.outcomes.get("r"), None)
        bench.holds(2, 0)
        self.assertEqual(bench.stored_values, {2: 7, 3: 7})
        bench.stored(3)
        self.assertEqual(bench.outcomes["r"], Holds(7))

    def test_three_of_four_are_one(self) -> None:
        bench = Bench(4)
        bench.write(7, "w")
        bench.stored(3, 1, 0)
        self.assertEqual(bench.outcomes, {"w": Committed(3, 4)})


class IdentityTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bench = Bench(3)
        self.bench.voters = ["same", "same", "other"]

    def test_two_addresses_of_one_vault_are_no_majority(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.stored(2)
        self.assertEqual(self.bench.outcomes, {"w": Committed(2, 3)})

    def test_nor_for_a_read_or_for_what_heals_it(self) -> None:
        self.bench.read("r")
        self.bench.holds(0, 5)
        self.bench.holds(1, 7)
        self.assertEqual(self.bench.outcomes, {})
        self.bench.holds(2, 9)
        self.assertEqual(self.bench.stored_values, {0: 9, 1: 9})
        self.bench.stored(0)
        self.assertEqual(self.bench.outcomes, {"r": Holds(9)})

    def test_what_heals_counts_a_vault_once(self) -> None:
        bench = Bench(4)
        bench.voters = ["same", "same", "other", "third"]
        bench.read("r")
        bench.holds(2, 9)
        bench.holds(3, 5)
        bench.holds(0, 5)
        bench.stored(0, 1)
        self.assertEqual(bench.outcomes, {})
        bench.stored(3)
        self.assertEqual(bench.outcomes, {"r": Holds(9)})

    def test_it_is_said_when_it_is_seen(self) -> None:
        self.bench.write(7, "w")
        self.bench.stored(0, 1)
        self.assertEqual(self.bench.heard(SameVault), [SameVault(0, 1, "same")])
        self.bench.read("r")
        self.bench.holds(1, 7)
        self.bench.holds(0, 7)
        self.assertEqual(len(self.bench.heard(SameVault)), 1)

    def test_one_that_became_another_is_no_double(self) -> None:
        """An address can lead elsewhere after a failure; what it was is forgotten then."""
        bench = Bench(2)
        bench.voters = ["a", "b"]
        bench.write(7, "w")
        bench.stored(0)
        bench.store_fails(1)
        bench.voters = ["b", "a"]
        bench.write(8, "again")
        bench.store_fails(0)
        bench.stored(1)
        self.assertEqual(bench.heard(SameVault), [])


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


class Costly:
    """A ticket that says how often somebody has looked at it."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        type(self).looks += 1
        return self is other

    def __hash__(self) -> int:
        type(self).looks += 1
        return id(self)


class CountedWrites(list[Any]):
    """The writes of a round, and how many of them were walked."""

    walked = 0

    def __iter__(self) -> Iterator[Any]:
        for each in super().__iter__():
            type(self).walked += 1
            yield each


class CostTests(SynchronousTestCase):
    def rounds_at(self, bench: Bench) -> int:
        """How many rounds the coordinator still knows of."""
        coordinator = bench.coordinator
        lines = [line for vault in coordinator._vaults for line in (vault.stores, vault.reads)]
        return sum(len(line.pending) + len(line.carried) for line in lines) + len(coordinator._healing.reads)

    def test_a_failure_touches_rounds_and_not_operations(self) -> None:
        coordinator: Coordinator[Any] = Coordinator(3)
        coordinator.recover()
        for number in range(3):
            coordinator.read_answered(number, str(number), 0)
        coordinator.write(1, Costly())
        for _ in range(5000):
            coordinator.write(2, Costly())
            coordinator.read(Costly())
        waiting = coordinator._gathering_writes
        reads = coordinator._gathering_reads
        assert waiting is not None
        assert reads is not None
        waiting.writes = CountedWrites(waiting.writes)
        tickets: list[Any] = CountedWrites(reads.tickets)
        reads.tickets = tickets
        Costly.looks = CountedWrites.walked = 0
        coordinator.store_failed(0)
        coordinator.read_failed(0)
        coordinator.store_answered(1, "1", Stored(1))
        coordinator.read_answered(1, "1", 0)
        coordinator.rested(0, "store")
        coordinator.store_answered(2, "2", Stored(1))
        self.assertEqual((Costly.looks, CountedWrites.walked), (0, 0))
        self.assertEqual((len(waiting.writes), len(reads.tickets)), (5000, 4999))

    def test_a_stuck_vault_does_not_collect_what_passes_it(self) -> None:
        bench = Bench(3)
        for value in range(1, 10_001):
            bench.write(value, f"w{value}")
            bench.stored(0, 1)
            bench.read(f"r{value}")
            bench.holds(0, value)
            bench.holds(1, value)
            bench.news.clear()
            self.assertLess(self.rounds_at(bench), 4 * PENDING_PRUNED_AT)
        self.assertEqual(len(bench.outcomes), 20_000)
        self.assertEqual((bench.stored_values, list(bench.reads)), ({2: 1}, [2]))
        bench.stored(2)
        self.assertEqual(bench.stored_values, {2: 10_000})
        bench.holds(2, 1)
        bench.stored(2)
        self.assertEqual((self.rounds_at(bench), bench.running), (0, []))

    def test_nor_does_one_that_fails_again_and_again(self) -> None:
        bench = Bench(3)
        for value in range(1, 1001):
            bench.write(value, f"w{value}")
            bench.stored(0, 1)
            if 2 in bench.stores:
                bench.store_fails(2)
            bench.rested(2, "store")
        self.assertLess(self.rounds_at(bench), 2 * PENDING_PRUNED_AT)

    def test_effects_are_handed_out_once(self) -> None:
        coordinator: Coordinator[str] = Coordinator(1)
        coordinator.read("r")
        effects = coordinator.take()
        self.assertEqual([type(each) for each in effects], [Began, SendRead])
        self.assertEqual(coordinator.take(), [])
        coordinator.read_answered(0, "v", 0)
        coordinator.write(7, "w")
        self.assertEqual([type(each) for each in coordinator.take()], [Ended, FloorRecovered, Began, SendStore])
        coordinator.store_answered(0, "v", Refused(8))
        self.assertEqual([type(each) for each in coordinator.take()], [Ended])

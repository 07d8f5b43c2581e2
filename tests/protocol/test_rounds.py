"""Rounds alone: every pattern of answers against a count that knows nothing of them."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Committed, Holds, Inconsistent, Refused, Stored, Undecided
from glitchgrid.protocol.quorum import Vote
from glitchgrid.protocol.rounds import ReadRound, StoreRound, acknowledged_value

ACK, FAIL = "ack", "fail"


def voter(number: int) -> str:
    return f"voter {number}"


def store_round(vaults: int, value: int = 7) -> StoreRound[str]:
    return StoreRound(vaults, range(vaults), value)


class AcknowledgementTests(SynchronousTestCase):
    def test_table(self) -> None:
        for answer, held in (
            (Stored(7), 7),
            (Stored(6), None),
            (Stored(8), None),
            (Stored(0), None),
            (Refused(6), None),
            (Refused(0), None),
            (Refused(7), 7),
            (Refused(8), 8),
            (Refused(2**63 - 1), 2**63 - 1),
        ):
            self.assertEqual(acknowledged_value(7, answer), held, answer)


class StorePatternTests(SynchronousTestCase):
    """Each order of each pattern, decided at the first moment that decides it, and only then."""

    def check(self, vaults: int) -> None:
        orders = list(itertools.permutations(range(vaults)))[:: max(1, vaults - 2)]
        for pattern in itertools.product((ACK, FAIL), repeat=vaults):
            for order in orders:
                self.check_one(vaults, pattern, order)

    def check_one(self, vaults: int, pattern: tuple[str, ...], order: tuple[int, ...]) -> None:
        round_ = store_round(vaults)
        decided: Committed | Undecided | None = None
        for heard in range(1, vaults + 1):
            number = order[heard - 1]
            said = round_.acknowledge(number, voter(number), 7) if pattern[number] == ACK else round_.fail(number)
            acknowledged = sum(pattern[each] == ACK for each in order[:heard])
            expected: Any = None
            if decided is None and 2 * acknowledged > vaults:
                decided = expected = Committed(acknowledged, vaults)
            elif decided is None and 2 * (acknowledged + vaults - heard) <= vaults:
                decided = expected = Undecided(acknowledged, vaults)
            self.assertEqual((said, round_.outcome), (expected, decided), (pattern, order, heard))
        self.assertIsNotNone(decided)

    def test_1_vault(self) -> None:
        self.check(1)

    def test_2_vaults(self) -> None:
        self.check(2)

    def test_3_vaults(self) -> None:
        self.check(3)

    def test_4_vaults(self) -> None:
        self.check(4)

    def test_5_vaults(self) -> None:
        self.check(5)


class StoreRoundTests(SynchronousTestCase):
    def test_its_value_is_the_largest_of_its_writes(self) -> None:
        round_ = store_round(3, 0)
        for value, ticket in ((5, "a"), (9, "b"), (7, "c")):
            round_.join(value, ticket)
        self.assertEqual((round_.value, round_.tickets), (9, ["a", "b", "c"]))

    def test_writes_below_a_floor_can_be_taken_out(self) -> None:
        round_ = store_round(3, 0)
        for value, ticket in ((5, "a"), (9, "b"), (7, "c")):
            round_.join(value, ticket)
        self.assertEqual(round_.drop_below(7), [(5, "a")])
        self.assertEqual((round_.value, round_.writes), (9, [(9, "b"), (7, "c")]))

    def test_a_smaller_value_is_an_answer_and_no_acknowledgement(self) -> None:
        round_ = store_round(3)
        self.assertIsNone(round_.acknowledge(0, voter(0), 6))
        self.assertEqual(round_.acknowledge(1, voter(1), 6), Undecided(0, 3))

    def test_a_larger_value_acknowledges_and_is_not_exact(self) -> None:
        round_ = store_round(3)
        round_.acknowledge(0, voter(0), 7)
        self.assertTrue(round_.exact)
        self.assertEqual(round_.acknowledge(1, voter(1), 8), Committed(2, 3))
        self.assertFalse(round_.exact)

    def test_what_comes_after_the_decision_does_not_touch_what_it_was_made_of(self) -> None:
        round_ = store_round(3)
        round_.acknowledge(0, voter(0), 7)
        round_.acknowledge(1, voter(1), 7)
        self.assertIsNone(round_.acknowledge(2, voter(2), 8))
        self.assertTrue(round_.exact)
        self.assertEqual(round_.outcome, Committed(2, 3))

    def test_a_voter_counts_once_whatever_its_address(self) -> None:
        round_ = store_round(3)
        self.assertIsNone(round_.acknowledge(0, "same", 7))
        self.assertIsNone(round_.acknowledge(1, "same", 7))
        self.assertEqual(round_.acknowledge(2, "other", 7), Committed(2, 3))
        round_ = store_round(3)
        round_.acknowledge(0, "same", 7)
        round_.fail(2)
        self.assertEqual(round_.acknowledge(1, "same", 7), Undecided(1, 3))

    def test_an_identity_that_reads_like_an_address_is_another_voter(self) -> None:
        """A vault without an identity counts by its address; nobody can take that vote away by calling itself so."""
        nameless, posing = Vote("a:1", None, 7).voter, Vote("b:1", "a:1", 7).voter
        round_ = store_round(3)
        round_.acknowledge(0, nameless, 7)
        self.assertEqual(round_.acknowledge(1, posing, 7), Committed(2, 3))

    def test_those_that_hold_it_already_count(self) -> None:
        round_: StoreRound[str] = StoreRound(3, [1, 2], 7, {voter(0): 0})
        self.assertEqual(round_.acknowledge(2, voter(2), 7), Committed(2, 3))
        round_ = StoreRound(3, [1, 2], 7, {voter(0): 0})
        self.assertIsNone(round_.fail(1))
        self.assertEqual(round_.fail(2), Undecided(1, 3))

    def test_its_time_is_up(self) -> None:
        round_ = store_round(3)
        round_.acknowledge(1, voter(1), 7)
        self.assertEqual(round_.expire(), Undecided(1, 3))
        self.assertIsNone(round_.expire())
        self.assertIsNone(round_.acknowledge(0, voter(0), 7))
        self.assertIsNone(round_.fail(2))
        self.assertEqual(round_.outcome, Undecided(1, 3))

    def test_a_committed_round_does_not_expire(self) -> None:
        round_ = store_round(1)
        round_.acknowledge(0, voter(0), 7)
        self.assertIsNone(round_.expire())
        self.assertEqual(round_.outcome, Committed(1, 1))

    def test_when_it_lacks_a_majority(self) -> None:
        round_ = store_round(3)
        for available, lacks in (({0, 1, 2}, False), ({1, 2}, False), ({1}, True), (set[int](), True)):
            self.assertEqual(round_.lacks(available), lacks, available)
        round_.acknowledge(0, voter(0), 7)
        for available, lacks in (({1}, False), ({0}, True), ({2}, False), (set[int](), True)):
            self.assertEqual(round_.lacks(available), lacks, available)
        round_.acknowledge(1, voter(1), 7)
        self.assertFalse(round_.lacks(set()))
        round_ = store_round(3)
        round_.expire()
        self.assertFalse(round_.lacks(set()))


def read_round(vaults: int, floor: int = 0) -> ReadRound[str]:
    round_: ReadRound[str] = ReadRound(vaults)
    round_.floor = floor
    return round_


class ReadPatternTests(SynchronousTestCase):
    """Each pattern of values and failures, in the order of the vaults: what the first majority comes to."""

    def check(self, vaults: int) -> None:
        for held in itertools.product((0, 5, 7, None), repeat=vaults):
            for floor in (0, 5, 7):
                self.check_one(vaults, held, floor)

    def check_one(self, vaults: int, held: tuple[int | None, ...], floor: int) -> None:
        round_ = read_round(vaults, floor)
        said = None
        for number, value in enumerate(held):
            self.assertIsNone(said)
            said = round_.fail(number) if value is None else round_.answer(number, voter(number), value)
            if round_.outcome is not None or round_.healing is not None:
                break
        heard = held[: number + 1]
        values = [value for value in heard if value is not None]
        context = (held, floor, heard)
        if 2 * len(values) <= vaults:
            self.assertEqual(said, Inconsistent(), context)
            self.assertEqual(len(heard) - len(values), vaults - vaults // 2, context)
            return
        self.assertEqual(len(values), vaults // 2 + 1, context)
        largest = max(values)
        wanted = max(largest, floor)
        self.assertEqual(round_.has_lost, largest < floor, context)
        if values.count(wanted) == len(values) or largest == floor:
            self.assertEqual((said, round_.healing), (Holds(wanted), None), context)
            return
        healing = round_.healing
        assert healing is not None
        self.assertIsNone(said)
        self.assertEqual((healing.value, healing.heals), (wanted, round_), context)
        holders = {each for each, value in enumerate(heard) if value == wanted}
        self.assertEqual(healing.open, set(range(vaults)) - holders, context)
        needed = vaults // 2 + 1 - len(holders)
        self.assertTrue(healing.lacks(set(sorted(healing.open)[: needed - 1])), context)
        self.assertFalse(healing.lacks(set(sorted(healing.open)[:needed])), context)

    def test_1_vault(self) -> None:
        self.check(1)

    def test_2_vaults(self) -> None:
        self.check(2)

    def test_3_vaults(self) -> None:
        self.check(3)

    def test_4_vaults(self) -> None:
        self.check(4)

    def test_5_vaults(self) -> None:
        self.check(5)


class ReadRoundTests(SynchronousTestCase):
    def test_every_vault_is_asked(self) -> None:
        self.assertEqual(read_round(4).open, {0, 1, 2, 3})

    def test_nothing_written_is_a_value(self) -> None:
        round_ = read_round(3)
        round_.answer(0, voter(0), 0)
        self.assertEqual(round_.answer(2, voter(2), 0), Holds(0))

    def test_one_vault_under_two_addresses_is_no_majority(self) -> None:
        round_ = read_round(3)
        round_.answer(0, "same", 7)
        self.assertIsNone(round_.answer(1, "same", 7))
        self.assertIsNone(round_.healing)
        self.assertEqual(round_.fail(2), Inconsistent())

    def test_of_its_two_answers_the_smaller_counts(self) -> None:
        for first, second in ((5, 7), (7, 5)):
            round_ = read_round(3)
            round_.answer(0, "same", first)
            round_.answer(1, "same", second)
            self.assertEqual(round_.answer(2, "other", 5), Holds(5))

    def test_neither_of_its_addresses_is_healed_where_it_holds_the_value(self) -> None:
        round_ = read_round(4)
        round_.answer(0, "same", 7)
        round_.answer(1, "same", 7)
        round_.answer(2, "other", 5)
        round_.answer(3, "third", 5)
        assert round_.healing is not None
        self.assertEqual(round_.healing.open, {2, 3})

    def test_a_vault_that_has_not_answered_is_healed_too(self) -> None:
        round_ = read_round(3)
        round_.answer(0, voter(0), 7)
        round_.answer(1, voter(1), 5)
        assert round_.healing is not None
        self.assertEqual(round_.healing.open, {1, 2})

    def test_failures_after_the_decision_say_nothing(self) -> None:
        round_ = read_round(3)
        round_.answer(0, voter(0), 7)
        round_.answer(1, voter(1), 7)
        self.assertIsNone(round_.fail(2))
        self.assertEqual(round_.outcome, Holds(7))

    def test_failures_while_it_heals_say_nothing(self) -> None:
        round_ = read_round(3)
        round_.answer(0, voter(0), 7)
        round_.answer(1, voter(1), 5)
        healing = round_.healing
        self.assertIsNone(round_.fail(2))
        self.assertIsNone(round_.outcome)
        self.assertIs(round_.healing, healing)

    def test_it_is_ended_once(self) -> None:
        round_ = read_round(3)
        self.assertEqual(round_.end(Inconsistent()), Inconsistent())
        self.assertIsNone(round_.end(Holds(7)))
        self.assertIsNone(round_.answer(0, voter(0), 7))
        self.assertIsNone(round_.answer(1, voter(1), 7))
        self.assertEqual(round_.outcome, Inconsistent())

    def test_when_it_lacks_a_majority(self) -> None:
        round_ = read_round(3)
        for available, lacks in (({0, 1, 2}, False), ({1, 2}, False), ({1}, True)):
            self.assertEqual(round_.lacks(available), lacks, available)
        round_.answer(0, voter(0), 7)
        self.assertFalse(round_.lacks({1}))
        self.assertTrue(round_.lacks({0}))
        round_.answer(1, voter(1), 5)
        self.assertFalse(round_.lacks(set()), "what heals lacks nothing: its store does")
        round_ = read_round(3)
        round_.end(Inconsistent())
        self.assertFalse(round_.lacks(set()))

    def test_what_it_outgrows(self) -> None:
        round_ = read_round(3)
        round_.answer(0, voter(0), 7)
        round_.answer(1, voter(1), 5)
        healing = round_.outgrow(9)
        self.assertIs(round_.healing, healing)
        self.assertEqual((healing.value, healing.open, healing.heals), (9, {0, 1, 2}, round_))
        self.assertIsNone(healing.acknowledge(1, voter(1), 9))

    @given(st.integers(1, 6), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.integers(0, 4)), max_size=12))
    def test_whoever_answers_as_often_as_they_like(self, vaults: int, said: list[tuple[int, int, int]]) -> None:
        """No number of answers under one name is a majority."""
        round_ = read_round(vaults)
        names = set[str]()
        for number, name, value in said:
            outcome = round_.answer(number % vaults, voter(name), value)
            names.add(voter(name))
            if outcome is not None:
                break
            if round_.healing is not None:
                break
        if isinstance(round_.outcome, Holds) or round_.healing is not None:
            self.assertGreater(2 * len(names), vaults)

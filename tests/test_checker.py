"""The fast checker: each rule by its smallest histories, all of them against a search that knows no rules."""

from collections import Counter
from itertools import combinations, permutations
from math import log2
from random import Random

from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.lab.checkers.answer import Found
from glitchgrid.lab.checkers.max_register import Rule, check, violations
from glitchgrid.lab.checkers.models.registers import MaxRegister
from glitchgrid.lab.checkers.result import CannotSay, Linearizable, NotLinearizable
from glitchgrid.lab.checkers.search import search
from glitchgrid.lab.history.format import READ, WRITE, initial_value, written_value
from glitchgrid.lab.history.operation import History, Operation, Outcome
from tests.histories import ambiguous, drawn_history, failed_read, history, read, refused, write

HISTORIES = 20_000
SEED = 20_240_229

RULE_3 = history(read(2, 0, 6), write(8, 2, 3), write(2, 5, 8))
"""From the register's proof: the smallest that needs rule 3."""


def rules_broken(checked: History) -> list[Rule]:
    return [Rule(each.rule) for each in violations(checked) if each.rule is not None]


def linearizable(checked: History) -> bool:
    """What the search says, which knows what a max-register does, and none of the rules."""
    return isinstance(search(checked.operations, MaxRegister(initial_value(checked))), Found)


def tried_in_every_order(checked: History) -> bool:
    """The definition itself: is there a choice of ambiguous writes, and an order, that explains the history?"""
    sure = [each for each in checked.operations if each.outcome in {Outcome.OK, Outcome.REFUSED}]
    unsure = [each for each in checked.operations if each.outcome is Outcome.AMBIGUOUS]
    return any(
        explains(order, initial_value(checked))
        for number in range(len(unsure) + 1)
        for chosen in combinations(unsure, number)
        for order in permutations([*sure, *chosen])
    )


def explains(order: tuple[Operation, ...], initial: int) -> bool:
    for one, other in combinations(order, 2):
        if other.outcome is not Outcome.AMBIGUOUS and other.return_ns is not None and other.return_ns < one.call_ns:
            return False
    written = [initial]
    for each in order:
        if each.function == READ and each.result != max(written):
            return False
        floor = floor_of(each)
        if floor is not None and not (written_value(each) < floor and (floor in written or floor < initial)):
            return False
        if each.function == WRITE and floor is None:
            written.append(written_value(each))
    return True


def floor_of(operation: Operation) -> int | None:
    """What a refusal names."""
    if operation.outcome is not Outcome.REFUSED:
        return None
    assert isinstance(operation.result, int)
    return operation.result


class AgainstTheSearchTests(SynchronousTestCase):
    def test_no_disagreement(self) -> None:
        random = Random(SEED)
        verdicts: Counter[bool] = Counter()
        alone: Counter[Rule] = Counter()
        kinds: Counter[str] = Counter()
        for _ in range(HISTORIES):
            drawn = drawn_history(random)
            broken = rules_broken(drawn)
            self.assertEqual(linearizable(drawn), not broken, drawn)
            verdicts[not broken] += 1
            kinds.update(kinds_in(drawn))
            if len(broken) == 1:
                alone.update(broken)
        self.assertEqual(verdicts.total(), HISTORIES)
        self.assertGreater(min(verdicts[True], verdicts[False]), HISTORIES // 5, verdicts)
        self.assertGreater(min(alone[rule] for rule in Rule), 300, alone)
        self.assertEqual(len(kinds), 9, kinds)
        self.assertGreater(min(kinds.values()), HISTORIES // 50, kinds)

    def test_the_search_is_the_definition(self) -> None:
        """Its memory, and what it leaves out, change nothing: held against every order of small histories."""
        random = Random(SEED)
        verdicts: Counter[bool] = Counter()
        for _ in range(3_000):
            drawn = drawn_history(random, most=4)
            if len(drawn.operations) <= 5:
                verdicts[linearizable(drawn)] += 1
                self.assertEqual(linearizable(drawn), tried_in_every_order(drawn), drawn)
        self.assertGreater(min(verdicts[True], verdicts[False]), 300, verdicts)


def kinds_in(drawn: History) -> set[str]:
    """What of all that matters to the rules a history has."""
    operations = drawn.operations
    writes = [written_value(each) for each in operations if each.function == WRITE]
    calls = {each.call_ns for each in operations}
    found = {
        "an initial value": initial_value(drawn) > 0,
        "equal values": len(set(writes)) < len(writes),
        "a 400": any(each.outcome is Outcome.REFUSED for each in operations),
        "a 400 that is none": any(
            (floor_of(each) or 9) <= written_value(each) for each in operations if each.function == WRITE
        ),
        "a failed write": any(each.outcome is Outcome.FAILED and each.function == WRITE for each in operations),
        "a failed read": any(each.outcome is Outcome.FAILED and each.function == READ for each in operations),
        "an ambiguous write": any(each.outcome is Outcome.AMBIGUOUS and each.return_ns for each in operations),
        "an open write": any(each.outcome is Outcome.AMBIGUOUS and not each.return_ns for each in operations),
        "touching intervals": any(each.return_ns in calls for each in operations),
    }
    return {kind for kind, is_there in found.items() if is_there}


class RuleTests(SynchronousTestCase):
    def assert_breaks(self, rule: Rule, checked: History, ops: list[int], sentence: str) -> None:
        """It breaks this rule and no other, so that without the rule nobody would notice."""
        self.assertFalse(linearizable(checked))
        (found,) = violations(checked)
        self.assertEqual((found.rule, [each.op for each in found.operations]), (rule, ops))
        self.assertEqual(found.sentence, sentence)
        self.assertEqual(check(checked, acknowledged_min=99), found)

    def assert_fine(self, *operations: Operation, initial: int = 0) -> None:
        checked = history(*operations, initial=initial)
        self.assertTrue(linearizable(checked))
        self.assertEqual(rules_broken(checked), [])

    def test_1_a_read_of_what_nobody_wrote(self) -> None:
        sentence = "read #1 by c1 returned 5, and no write of 5 can have happened"
        self.assert_breaks(Rule.FROM_NOWHERE, history(read(5, 0, 1)), [1], sentence)
        for not_there in (write(5, 0, 1, Outcome.FAILED), refused(5, 6, 0, 1)):
            checked = history(read(5, 0, 1), not_there, ambiguous(6, 0))
            self.assert_breaks(Rule.FROM_NOWHERE, checked, [1], sentence)
        self.assert_fine(read(5, 0, 1), ambiguous(5, 0))
        self.assert_fine(read(5, 0, 1), initial=5)
        self.assertEqual(rules_broken(history(read(5, 0, 1), initial=8)), [Rule.FROM_NOWHERE, Rule.WENT_BACK])

    def test_1_a_read_before_the_write(self) -> None:
        sentence = "read #1 by c1 returned 5, before the first write of 5 (#3 by c3) was called"
        checked = history(read(5, 0, 1), write(5, 3, 4), write(5, 2, 4))
        self.assert_breaks(Rule.FROM_NOWHERE, checked, [1, 3], sentence)
        self.assert_fine(read(5, 0, 1), write(5, 1, 2))

    def test_1_a_floor_that_nobody_wrote(self) -> None:
        sentence = "write #1 of 3 by c1 was refused as a decrease from 5, and no write of 5 can have happened"
        self.assert_breaks(Rule.FROM_NOWHERE, history(refused(3, 5, 2, 3), write(9, 0, 1)), [1], sentence)
        self.assert_fine(refused(3, 5, 2, 3), write(9, 0, 1), ambiguous(5, 3))

    def test_1_a_floor_from_before_the_history(self) -> None:
        self.assert_fine(refused(3, 5, 2, 3), initial=5)
        self.assert_fine(refused(3, 5, 2, 3), initial=6)
        self.assertEqual(rules_broken(history(refused(3, 5, 2, 3), initial=4)), [Rule.FROM_NOWHERE])

    def test_1_a_floor_before_its_write(self) -> None:
        sentence = (
            "write #1 of 3 by c1 was refused as a decrease from 5, before the first write of 5 (#2 by c2) was called"
        )
        self.assert_breaks(Rule.FROM_NOWHERE, history(refused(3, 5, 0, 1), write(5, 2, 3)), [1, 2], sentence)

    def test_1_a_refusal_of_what_is_no_decrease(self) -> None:
        sentence = "write #2 of 5 by c2 was refused as a decrease from 5, which it is not"
        self.assert_breaks(Rule.FROM_NOWHERE, history(write(5, 0, 1), refused(5, 5, 2, 3)), [2], sentence)

    def test_2_what_had_returned_before(self) -> None:
        went_back = "read #2 by c2 returned 5, although"
        for first, had in (
            (write(8, 0, 1), "write #1 of 8 by c1 had been answered 200"),
            (read(8, 0, 1), "read #1 by c1 had returned 8"),
            (refused(4, 8, 0, 1), "write #1 of 4 by c1 had been refused as a decrease from 8"),
        ):
            others = (ambiguous(8, 0), ambiguous(5, 0), write(7, 0, 1))
            checked = history(first, read(5, 2, 3), *others)
            self.assert_breaks(Rule.WENT_BACK, checked, [2, 1], f"{went_back} {had} before it was called")
            self.assert_fine(first, read(5, 1, 3), *others[:2])

    def test_2_the_initial_value(self) -> None:
        checked = history(read(5, 0, 1), ambiguous(5, 0), initial=8)
        first, second = violations(checked)
        self.assertEqual((first.rule, second.rule), (Rule.WENT_BACK, Rule.OVERTAKEN))
        sentence = "read #1 by c1 returned 5, although the register had begun at 8 before it was called"
        self.assertEqual((first.sentence, len(first.operations)), (sentence, 1))
        self.assert_fine(read(8, 0, 1), write(5, 0, 1), initial=8)
        checked = history(write(3, 0, 1), write(5, 2, 3), read(5, 4, 5), initial=8)
        self.assertEqual(rules_broken(checked), [Rule.WENT_BACK, Rule.OVERTAKEN])

    def test_2_an_ambiguous_write_has_never_returned(self) -> None:
        self.assert_fine(ambiguous(8, 0, 1), write(5, 0, 1), read(5, 2, 3), read(8, 4, 5))
        self.assert_fine(write(8, 0, 1, Outcome.FAILED), write(5, 0, 1), read(5, 2, 3))

    def test_2_a_floor_is_not_what_a_read_must_return(self) -> None:
        self.assert_fine(write(5, 0, 1), write(8, 0, 1), refused(3, 5, 2, 3), read(8, 4, 5))

    def test_3_a_write_that_was_overtaken_and_is_read(self) -> None:
        sentence = (
            "read #1 by c1 returned 2, although write #2 of 8 by c2 had been answered 200"
            " before the first write of 2 (#3 by c3) was called"
        )
        self.assert_breaks(Rule.OVERTAKEN, RULE_3, [1, 3, 2], sentence)
        for late in (ambiguous(2, 5), ambiguous(2, 5, 6)):
            checked = history(read(2, 0, 6), write(8, 2, 3), late)
            self.assert_breaks(Rule.OVERTAKEN, checked, [1, 3, 2], sentence)
        self.assert_fine(read(2, 0, 6), write(8, 2, 3), write(2, 3, 8))
        self.assert_fine(read(2, 0, 6), write(8, 2, 3), write(2, 5, 8), ambiguous(2, 1))

    def test_3_a_floor_may_be_overtaken(self) -> None:
        """A control names what it knows, and has counted a write although another's was larger."""
        self.assert_fine(write(8, 0, 1), write(5, 2, 3), refused(3, 5, 4, 5))

    def test_3_the_initial_value_needs_no_write(self) -> None:
        self.assert_fine(read(2, 0, 6), write(8, 2, 3), write(2, 5, 8), initial=2)

    def test_the_first_violation_counts_and_each_rule_has_one(self) -> None:
        checked = history(*RULE_3.operations, read(9, 0, 1), read(7, 0, 0), read(2, 9, 9))
        self.assertEqual(rules_broken(checked), list(Rule))
        verdict = check(checked)
        assert isinstance(verdict, NotLinearizable)
        self.assertEqual([each.op for each in verdict.operations], [5])


class VerdictTests(SynchronousTestCase):
    def test_linearizable(self) -> None:
        checked = history(write(5, 0, 1), read(5, 2, 3))
        self.assertEqual(check(checked), Linearizable())
        self.assertEqual(check(checked, acknowledged_min=1), Linearizable())

    def test_too_little_proves_nothing(self) -> None:
        cases: list[tuple[History, int, str]] = [
            (history(), 1, "0 acknowledged writes and 0 reads prove nothing: it takes 1 of each"),
            (history(write(5, 0, 1)), 1, "1 acknowledged writes and 0 reads prove nothing: it takes 1 of each"),
            (history(read(0, 0, 1)), 1, "0 acknowledged writes and 1 reads prove nothing: it takes 1 of each"),
            (
                history(write(5, 0, 1), write(6, 0, 1), read(6, 2, 3), failed_read(2, 3), ambiguous(7, 2, 3)),
                2,
                "2 acknowledged writes and 1 reads prove nothing: it takes 2 of each",
            ),
            (
                history(read(0, 0, 1), read(0, 0, 1), ambiguous(5, 0), write(6, 2, 3), refused(1, 6, 4, 5)),
                2,
                "1 acknowledged writes and 2 reads prove nothing: it takes 2 of each",
            ),
        ]
        for checked, acknowledged_min, reason in cases:
            self.assertEqual(check(checked, acknowledged_min), CannotSay(reason))

    def test_a_violation_is_one_however_little_happened(self) -> None:
        self.assertIsInstance(check(history(read(5, 0, 1))), NotLinearizable)
        self.assertIsInstance(check(history(write(5, 0, 1), refused(4, 7, 0, 1))), NotLinearizable)


class Counted(int):
    """A number that counts how often any of them is compared."""

    comparisons = 0

    def __lt__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__lt__(self, other)

    def __le__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__le__(self, other)

    def __gt__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__gt__(self, other)

    def __ge__(self, other: int) -> bool:
        Counted.comparisons += 1
        return int.__ge__(self, other)

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return int.__eq__(self, other)

    __hash__ = int.__hash__


def long_history(operations: int) -> History:
    """Writes and reads in turn, overlapping, and a 400 after them."""
    events: list[Operation] = []
    for step in range(operations // 3):
        value = Counted(step + 10)
        one, two, three, four, five, six = (Counted(step * 5 + ns) for ns in range(6))
        events += [write(value, one, four), read(value, two, five), refused(1, value, three, six)]
    return History(tuple(events), 0)


class EffortTests(SynchronousTestCase):
    def comparisons_for(self, operations: int) -> int:
        checked = long_history(operations)
        Counted.comparisons = 0
        self.assertEqual(check(checked), Linearizable())
        return Counted.comparisons

    def test_the_comparisons_grow_as_n_log_n(self) -> None:
        tenth = self.comparisons_for(20_000)
        self.assertGreater(tenth, 20_000)
        self.assertLess(tenth, 2 * 20_000 * log2(20_000))
        # A square would make it a hundred times as many.
        self.assertLess(self.comparisons_for(200_000) / tenth, 14)

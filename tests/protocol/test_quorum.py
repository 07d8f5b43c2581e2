import itertools

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.protocol.quorum import Vote, majority
from glitchgrid.register.counting import agreed_value, count_once


def votes(*values: int) -> list[Vote]:
    return [Vote(f"vault-{number}:8001", None, value) for number, value in enumerate(values)]


class MajorityTests(SynchronousTestCase):
    def test_table(self) -> None:
        self.assertEqual([majority(vaults) for vaults in range(1, 10)], [1, 2, 2, 3, 3, 4, 4, 5, 5])

    @given(st.integers(min_value=1, max_value=10_000))
    def test_it_is_the_least_that_is_more_than_half(self, vaults: int) -> None:
        self.assertGreater(2 * majority(vaults), vaults)
        self.assertLessEqual(2 * (majority(vaults) - 1), vaults)


class CountOnceTests(SynchronousTestCase):
    def test_each_address_counts(self) -> None:
        each = votes(7, 7, 5)
        self.assertEqual(count_once(each), (each, []))

    def test_no_votes(self) -> None:
        self.assertEqual(count_once([]), ([], []))

    def test_one_identity_counts_once_with_its_smallest_value(self) -> None:
        seven, five = Vote("a:1", "same", 7), Vote("b:1", "same", 5)
        for order in itertools.permutations((seven, five)):
            self.assertEqual(count_once(order), ([five], [(five, seven)]))

    def test_an_identity_is_no_address(self) -> None:
        each = [Vote("a:1", None, 7), Vote("b:1", "a:1", 7)]
        self.assertEqual(count_once(each), (each, []))

    @given(st.lists(st.tuples(st.sampled_from([None, "x", "y", "z"]), st.integers(0, 5)), max_size=7))
    def test_each_voter_once_with_the_least_it_said(self, said: list[tuple[str | None, int]]) -> None:
        cast = [Vote(f"vault-{number}:1", identity, value) for number, (identity, value) in enumerate(said)]
        kept, doubles = count_once(cast)
        anonymous = [value for identity, value in said if identity is None]
        least = {identity: min(v for i, v in said if i == identity) for identity, _ in said if identity is not None}
        self.assertEqual(sorted(vote.value for vote in kept if vote.identity is None), sorted(anonymous))
        self.assertEqual({vote.identity: vote.value for vote in kept if vote.identity is not None}, least)
        self.assertEqual(len(kept) + len(doubles), len(cast))
        for one, other in doubles:
            self.assertEqual(one.identity, other.identity)
            self.assertLessEqual(one.value, other.value)


class AgreedValueTests(SynchronousTestCase):
    @given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.integers(0, 2), max_size=n))))
    def test_what_more_than_half_of_all_vaults_hold(self, round_: tuple[int, list[int]]) -> None:
        vaults, held = round_
        expected = [value for value in (0, 1, 2) if 2 * held.count(value) > vaults]
        self.assertEqual(agreed_value(votes(*held), vaults), expected[0] if expected else None)

    def test_the_majority_is_of_all_vaults_and_not_of_those_that_answered(self) -> None:
        self.assertIsNone(agreed_value(votes(7, 7), 4))
        self.assertEqual(agreed_value(votes(7, 7), 3), 7)

    def test_half_is_not_enough(self) -> None:
        self.assertIsNone(agreed_value(votes(7, 7, 5, 5), 4))

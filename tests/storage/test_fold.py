from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from glitchgrid.outcome import Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.storage.fold import fold

VALUES = st.integers(min_value=1, max_value=6)
REQUESTS = st.lists(st.builds(StoreRequest, VALUES, st.booleans()), max_size=8)


def store_alone(held: int, request: StoreRequest) -> tuple[int, StoreOutcome]:
    """What the spec says of one store on an idle vault."""
    if request.guarded and request.value < held:
        return held, Refused(held)
    return request.value, Stored(request.value, held if request.value < held else None)


def store_one_by_one(held: int, requests: list[StoreRequest]) -> tuple[int, list[StoreOutcome]]:
    outcomes: list[StoreOutcome] = []
    for request in requests:
        held, outcome = store_alone(held, request)
        outcomes.append(outcome)
    return held, outcomes


class FoldTests(SynchronousTestCase):
    @given(st.integers(min_value=0, max_value=6), REQUESTS)
    def test_a_batch_is_what_storing_one_by_one_is(self, durable: int, requests: list[StoreRequest]) -> None:
        self.assertEqual(fold(durable, requests), store_one_by_one(durable, requests))

    @given(st.integers(min_value=0, max_value=6), REQUESTS, REQUESTS)
    def test_two_batches_are_what_one_is(
        self, durable: int, first: list[StoreRequest], then: list[StoreRequest]
    ) -> None:
        middle, outcomes = fold(durable, first)
        end, more = fold(middle, then)
        self.assertEqual(fold(durable, first + then), (end, outcomes + more))

    @given(st.integers(min_value=0, max_value=6), st.lists(VALUES, max_size=8))
    def test_guarded_stores_alone_come_to_the_largest(self, durable: int, values: list[int]) -> None:
        value, _ = fold(durable, [StoreRequest(each, guarded=True) for each in values])
        self.assertEqual(value, max([durable, *values]))

    @given(st.integers(min_value=0, max_value=6), st.lists(VALUES, min_size=1, max_size=8))
    def test_unguarded_stores_alone_come_to_the_last(self, durable: int, values: list[int]) -> None:
        value, _ = fold(durable, [StoreRequest(each, guarded=False) for each in values])
        self.assertEqual(value, values[-1])

    def test_an_empty_batch_changes_nothing(self) -> None:
        self.assertEqual(fold(5, []), (5, []))

    def test_an_equal_value_is_stored_and_no_decrease(self) -> None:
        for guarded in (True, False):
            self.assertEqual(fold(5, [StoreRequest(5, guarded)]), (5, [Stored(5)]))

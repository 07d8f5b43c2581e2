"""Waiting that can be stopped: whoever is told to stop does not take what that does to others for an answer."""

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred

from glitchgrid.waiting import settled, stoppable


def _fails_otherwise() -> tuple[Deferred[str], list[str]]:
    told: list[str] = []

    def canceller(work: Deferred[str]) -> None:
        told.append("cancelled")
        work.errback(ConnectionError())

    return Deferred(canceller), told


@pytest.mark.parametrize("answers", [False, True])
def test_what_work_makes_of_its_cancellation_is_its_own_affair(*, answers: bool) -> None:
    work, told = _fails_otherwise()
    if answers:
        work.addErrback(lambda _: "as if nothing had been")
    waiting = stoppable(work)
    waiting.cancel()
    found: list[Any] = []
    waiting.addBoth(found.append)
    assert found[0].check(CancelledError)
    assert told == ["cancelled"]


def test_results_and_failures_are_handed_on() -> None:
    found: list[Any] = []
    one: Deferred[int] = Deferred()
    stoppable(one).addCallback(found.append)
    one.callback(1)
    other: Deferred[int] = Deferred()
    stoppable(other).addErrback(lambda failure: found.append(failure.type))
    other.errback(KeyError())
    assert found == [1, KeyError]


def test_all_of_many_are_cancelled() -> None:
    works = [_fails_otherwise(), _fails_otherwise()]
    waiting = settled(work for work, _ in works)
    waiting.cancel()
    found: list[Any] = []
    waiting.addErrback(lambda failure: found.append(failure.type))
    assert found == [CancelledError]
    assert [told for _, told in works] == [["cancelled"]] * 2

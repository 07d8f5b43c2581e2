"""What real coordinators count is what the exploration of membership takes for a quorum: see `counting` there."""

import pytest

from tests.exploration.membership.counting import ALL_AT_ONCE, BREAKS, SMALL, Instance, search, tell, walk

WALKS = 500


def counts_right(instance: Instance) -> None:
    report = search(instance)
    assert not report.wrong, "\n".join(tell(report))
    assert report.complete
    assert report.states > 100


@pytest.mark.parametrize("name", SMALL)
def test_nothing_is_counted_that_may_not_be(name: str) -> None:
    counts_right(SMALL[name])


def test_nor_with_all_at_once_as_far_as_walks_go() -> None:
    walked = [walk(ALL_AT_ONCE, seed) for seed in range(WALKS)]
    wrong = [report for report in walked if report.wrong]
    assert not wrong, "\n".join(tell(wrong[0]))
    assert sum(report.complete for report in walked) > 0.9 * WALKS


@pytest.mark.parametrize("name", BREAKS)
def test_each_part_of_it_is_needed(name: str) -> None:
    report = search(BREAKS[name])
    assert report.wrong
    assert len(report.story) == 3, "\n".join(tell(report))


def test_a_story() -> None:
    assert tell(search(BREAKS["keeps-votes"])) == [
        "a client calls: read",
        "A0 answers that it holds nothing",
        "B0 answers that it holds nothing, and that A0 is fenced",
        "the control says: holds 0, and no majority that can be counted together has said so",
    ]

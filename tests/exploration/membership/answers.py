"""Answers of vaults to reads and stores, and whether a control may have counted a majority of them.

Control may hear any answer that was ever made, as late as it likes. What it counts together is *consistent*: no two of
one place, and none of an identity that one of these answers calls fenced.
"""

from itertools import combinations
from typing import NamedTuple

from glitchgrid.protocol.quorum import majority


class Answer(NamedTuple):
    """:ivar fenced: what it carries."""

    place: str
    identity: str
    fenced: frozenset[str]


Answers = frozenset[Answer]


def with_answer(answers: Answers, answer: Answer) -> Answers:
    """One that carries fewer fences can be counted wherever one with more can: of one vault only the least are kept."""

    def less(one: Answer, other: Answer) -> bool:
        return one.identity == other.identity and one.fenced <= other.fenced

    if any(less(each, answer) for each in answers):
        return answers
    return frozenset([each for each in answers if not less(answer, each)] + [answer])


def consistent_majority(answers: Answers, vaults: int) -> tuple[Answer, ...] | None:
    """Some of these that can be counted together, and are enough."""
    for some in combinations(sorted(answers, key=lambda each: (each.identity, sorted(each.fenced))), majority(vaults)):
        fenced = frozenset[str]().union(*(each.fenced for each in some))
        places = {each.place for each in some}
        if len(places) == len(some) and not any(each.identity in fenced for each in some):
            return some
    return None

"""The conditions of membership, broken one at a time: overrides, and no line of it in the product.

Each break comes with the instance that shows it. The intact protocol is explored with the same instance.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

from attrs import evolve, frozen

from glitchgrid.protocol.member import FenceQuestion, Member, Membership, Phase, answers_needed
from glitchgrid.protocol.roster import Roster
from tests.exploration.membership.vaults import INTACT, Rules
from tests.exploration.membership.world import Instance

Joined = tuple[int, Membership] | None


def _refenced(membership: Membership, fenced: frozenset[str]) -> Membership:
    assert membership.roster is not None
    return evolve(membership, roster=evolve(membership.roster, fenced=fenced))


class NoFence(Member):
    """A replacement takes the largest value of enough peers, and nobody writes that the disk before does not count."""

    def fence(self, question: FenceQuestion) -> Membership:
        return _refenced(super().fence(question), frozenset())

    def join(self, *, accept_loss: bool = False) -> Joined:
        with mock.patch.object(self, "_named", frozenset()):
            joined = super().join(accept_loss=accept_loss)
        return joined and (joined[0], _refenced(joined[1], frozenset()))


class NothingCarried(Member):
    """Answers to reads and stores do not say who is fenced."""

    @property
    def fenced(self) -> frozenset[str]:
        return frozenset()


class KeepsFencesToItself(Member):
    """What a replacement has heard of other places' fences, it forgets."""

    def join(self, *, accept_loss: bool = False) -> Joined:
        joined = super().join(accept_loss=accept_loss)
        if joined is None:
            return None
        roster = joined[1].roster
        assert roster is not None
        own = next(each for each in roster.places if each.identity == self.now.identity)
        return joined[0], _refenced(joined[1], own.identities - {own.identity})


class CountsTheFenced(Member):
    """A peer that is fenced, as another one says, is counted by a replacement like any other."""

    def join(self, *, accept_loss: bool = False) -> Joined:
        asked = {each.identity for each in self._answers.values()}
        heard = frozenset[str]().union(*(each.roster.fenced for each in self._answers.values()))
        overlooked = {
            number: evolve(each, roster=evolve(each.roster, fenced=each.roster.fenced - asked))
            for number, each in self._answers.items()
        }
        with mock.patch.object(self, "_answers", overlooked):
            joined = super().join(accept_loss=accept_loss)
        if joined is None:
            return None
        roster = joined[1].roster
        assert roster is not None
        return joined[0], _refenced(joined[1], roster.fenced | heard)


class FencesTheLatest(Member):
    """A peer fences whom it knows in that place now, and nobody asks it for more."""

    def _known_here(self, roster: Roster) -> frozenset[str]:
        return frozenset()

    def fence(self, question: FenceQuestion) -> Membership:
        return super().fence(evolve(question, fenced=frozenset()))


class FormsAtOnce(Member):
    """A vault that has heard all others, or of a list with itself, is formed. Nobody waits until all hold the list."""

    def hear(self, heard: Any) -> Membership | None:
        after = super().hear(heard)
        if after is not None and after.phase is Phase.LISTED:
            return evolve(after, phase=Phase.FORMED)
        return after


@contextmanager
def one_answer_fewer() -> Iterator[None]:
    with mock.patch("glitchgrid.protocol.member.answers_needed", lambda vaults: answers_needed(vaults) - 1):
        yield


@frozen
class Break:
    what: str
    intact: Instance
    rules: Rules = INTACT
    patch: Any = nullcontext

    @property
    def instance(self) -> Instance:
        return evolve(self.intact, rules=self.rules)


_ONE = Instance(losses=1)
_TWO = Instance(losses=2)
_GHOSTS = Instance(losses=2, ghosts=True)
_BIRTH = Instance(losses=2, starts=Phase.NEW)

BREAKS = {
    "no-fence": Break("a replacement reads the others, and nobody fences", _ONE, Rules(NoFence)),
    "one-answer-fewer": Break("one peer fewer is enough to join", _ONE, INTACT, one_answer_fewer),
    "mark-not-durable": Break("a crash makes a vault forget that it rejoins", _ONE, Rules(keeps_mark=False)),
    "nothing-carried": Break("answers do not name the fences", _ONE, Rules(NothingCarried)),
    "fences-not-passed-on": Break("a replacement forgets others' fences", _TWO, Rules(KeepsFencesToItself)),
    "fenced-peer-counts": Break("a fenced peer counts for a replacement", _GHOSTS, Rules(CountsTheFenced)),
    "latest-alone": Break("only the latest identity is fenced", _GHOSTS, Rules(FencesTheLatest)),
    "formed-at-once": Break("nobody is listed first", _BIRTH, Rules(FormsAtOnce)),
    "value-not-stored": Break("a replacement joins without the value", _ONE, Rules(keeps_value=False)),
}

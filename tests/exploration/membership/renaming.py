"""The same state with the places renamed. Places are alike: what happens to one can happen to any other.

Addresses and identities begin with the letter of their place, so that a renamed thing is sorted where it belongs.
"""

from attrs import evolve

from glitchgrid.protocol.member import FenceAnswer, Membership
from glitchgrid.protocol.roster import Place, Roster
from tests.exploration.membership.answers import Answer
from tests.exploration.membership.vaults import Vault

Renaming = dict[str, str]
"""The new letter of each place."""


def name(text: str, letters: Renaming) -> str:
    return letters[text[0]] + text[1:]


def names(texts: frozenset[str], letters: Renaming) -> frozenset[str]:
    return frozenset(name(each, letters) for each in texts)


def _place(place: Place, letters: Renaming) -> Place:
    earlier = tuple((name(address, letters), name(identity, letters)) for address, identity in place.earlier)
    return Place(name(place.address, letters), name(place.identity, letters), earlier)


def _roster(roster: Roster, letters: Renaming) -> Roster:
    places = sorted((_place(each, letters) for each in roster.places), key=lambda each: each.address)
    return Roster(tuple(places), names(roster.fenced, letters))


def _membership(membership: Membership, letters: Renaming) -> Membership:
    return evolve(
        membership,
        identity=name(membership.identity, letters),
        peers=tuple(sorted(name(each, letters) for each in membership.peers)),
        roster=None if membership.roster is None else _roster(membership.roster, letters),
    )


def _fence_answer(answer: FenceAnswer, letters: Renaming) -> FenceAnswer:
    return FenceAnswer(name(answer.identity, letters), _roster(answer.roster, letters), answer.value)


def answer(each: Answer, letters: Renaming) -> Answer:
    return Answer(letters[each.place], name(each.identity, letters), names(each.fenced, letters))


def vault(each: Vault, letters: Renaming) -> Vault:
    heard = ((name(address, letters), _membership(other, letters)) for address, other in each.heard)
    order = sorted(letters)
    answers = ((order.index(letters[order[number]]), _fence_answer(got, letters)) for number, got in each.answers)
    return Vault(
        letters[each.place],
        name(each.address, letters),
        _membership(each.membership, letters),
        each.value,
        names(each.named, letters),
        tuple(answers),
        tuple(sorted(heard, key=lambda one: one[0])),
        frozenset(_fence_answer(got, letters) for got in each.on_the_way),
        frozenset((names(asked, letters), hears) for asked, hears in each.asked),
    )

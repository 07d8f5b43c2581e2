"""One vault: what it holds on its disk and in its memory, and what it may do next.

A `Vault` is frozen, so that states can be compared. A real `Member` is made of it, decides, and is frozen again. What
can't matter any more is left out when it is frozen:

- A vault that is formed decides by what is durable alone. To hear that it is fenced keeps it from voting and from
  fencing, until it hears again. Nobody has to hear: such hearings only take away what may happen, and are left out.
- A listed vault waits for peers that hold a roster: others that it heard of are as good as none.
- A rejoining vault takes names from what it hears, one after the other. What names nobody new is dropped.
- A vault can always ask itself: it knows its address.
"""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from attrs import evolve, field, frozen

from glitchgrid.errors import Misfit
from glitchgrid.protocol.member import CannotFence, FenceAnswer, FenceQuestion, Member, Membership, Phase

Names = frozenset[str]
Heard = Sequence[tuple[str, Membership]]
"""What others said that they are, by the address at which they were asked."""
Words = tuple[Any, ...]
"""What happened: a kind, and what the story needs to tell it."""


@frozen(cache_hash=True)
class Vault:
    """:ivar place: the letter of its place, which begins its identity.
    :ivar value: 1 where it holds what is written, durably.
    :ivar named: whom it wants fenced.
    :ivar answers: to its questions, by the number of the place, in the order in which they came.
    :ivar heard: what others were when they were asked, by their address.
    :ivar on_the_way: answers that it may still hear.
    :ivar asked: names in questions that it sent before, and whether it can still hear an answer to them.
    """

    place: str
    address: str
    membership: Membership
    value: int = 0
    named: Names = frozenset()
    answers: tuple[tuple[int, FenceAnswer], ...] = ()
    heard: tuple[tuple[str, Membership], ...] = ()
    on_the_way: frozenset[FenceAnswer] = frozenset()
    asked: frozenset[tuple[Names, bool]] = frozenset()

    @property
    def identity(self) -> str:
        return self.membership.identity

    @property
    def phase(self) -> Phase:
        return self.membership.phase


@frozen
class Rules:
    """What a break changes.

    :ivar member: decides.
    :ivar keeps_mark: is it durable that a vault rejoins?
    :ivar keeps_value: does a vault that joins store the value?
    """

    member: type[Member] = Member
    keeps_mark: bool = True
    keeps_value: bool = True


INTACT = Rules()


@frozen
class VaultModel:
    """What vaults do, by the decisions of real members.

    A question reaches a peer, and its answer is heard at once or never. One that is heard later adds little to that: it
    is as if it had been heard at once, and a vault that asks again hears the same or more. Still, it would have named
    more from then on. With `late`, all questions and answers may be under way for as long as they like, and nothing of
    this is taken for granted.

    :ivar late: answers and questions may be late.
    :ivar misfits: what vaults said that could not be members.
    """

    rules: Rules = INTACT
    late: bool = False
    misfits: set[str] = field(factory=set)

    def thaw(self, vault: Vault) -> Member:
        member = self.rules.member(vault.membership)
        member._address = vault.address
        member._named = vault.named
        member._answers = dict(vault.answers)
        return member

    def freeze(self, vault: Vault, member: Member, heard: Heard) -> Vault:
        """`vault` after its member has decided. Whoever writes something durable has adopted it."""
        asked = vault.asked
        has_changed = member._named != vault.named or member.now != vault.membership
        if self.late and has_changed and vault.phase is Phase.REJOINING:
            asked |= {(vault.named, True)}
        if member.now.phase is not Phase.REJOINING:
            keeps = member.now.phase in {Phase.NEW, Phase.UNLISTED}
            waits = member.now.phase is Phase.LISTED
            heard = tuple(each for each in heard if keeps or (waits and each[1].roster is not None))
            unheard = frozenset((names, False) for names, _ in asked)
            return Vault(vault.place, vault.address, member.now, vault.value, heard=heard, asked=unheard)
        after = evolve(
            vault,
            membership=member.now,
            named=member._named,
            answers=tuple(member._answers.items()),
            asked=asked - {(member._named, True)},
        )
        return evolve(after, heard=tuple(each for each in heard if self._names_more(after, each)))

    def _names_more(self, vault: Vault, heard: tuple[str, Membership]) -> bool:
        member = self.thaw(vault)
        self._told(member, vault, [heard])
        return member._named != vault.named

    def _told(self, member: Member, vault: Vault, some: Heard) -> Membership | None:
        try:
            return member.hear({vault.address: vault.membership, **dict(some)})
        except Misfit as misfit:
            self.misfits.add(f"{vault.identity}: {misfit}")
            return None

    def votes(self, vault: Vault) -> bool:
        return self.thaw(vault).votes

    def fences(self, vault: Vault) -> Names:
        """What its answers to reads and stores carry."""
        return self.thaw(vault).fenced

    # What it does by itself.

    def own_moves(self, vault: Vault, *, crashes: bool) -> list[tuple[Words, Vault]]:
        moves = [*self._hearings(vault), *self._late_answers(vault), *self._joins(vault, crashes=crashes)]
        if crashes:
            moves.append((("crash", vault.identity), self.restarted(vault)))
        return [(words, after) for words, after in moves if after != vault]

    def _hearings(self, vault: Vault) -> list[tuple[Words, Vault]]:
        """Any of what it heard so far is taken together. (A rejoining vault takes one after the other.)"""
        most = 1 if vault.phase is Phase.REJOINING else len(vault.heard)
        moves = []
        for number in range(1, most + 1):
            for some in combinations(vault.heard, number):
                after = self._hears(vault, list(some))
                moves.append((("hear", vault.identity, tuple(each.identity for _, each in some)), after))
        return moves

    def _hears(self, vault: Vault, some: Heard) -> Vault:
        member = self.thaw(vault)
        becomes = self._told(member, vault, some)
        if member._is_fenced:
            return vault
        if becomes is not None:
            member.adopt(becomes)
        return self.freeze(vault, member, vault.heard)

    def _late_answers(self, vault: Vault) -> list[tuple[Words, Vault]]:
        moves: list[tuple[Words, Vault]] = []
        for answer in vault.on_the_way:
            after = self.hears_answer(evolve(vault, on_the_way=vault.on_the_way - {answer}), answer)
            moves.append((("late", vault.identity, answer.identity, answer.value), after))
        return moves

    def hears_answer(self, vault: Vault, answer: FenceAnswer) -> Vault:
        member = self.thaw(vault)
        member.hear_fence(answer)
        return self.freeze(vault, member, vault.heard)

    def _joins(self, vault: Vault, *, crashes: bool) -> list[tuple[Words, Vault]]:
        """The value and the membership are written, or the value alone, and then it crashes.

        What happens between the two may as well happen before both: nobody sees either before the second.
        """
        member = self.thaw(vault)
        joins = member.join()
        if joins is None:
            return []
        value, becomes = joins
        stored = evolve(vault, value=max(vault.value, value)) if self.rules.keeps_value else vault
        member.adopt(becomes)
        moves: list[tuple[Words, Vault]] = [(("join", vault.identity, value), self.freeze(stored, member, ()))]
        if crashes and stored != vault:
            moves.append((("half join", vault.identity, value), self.restarted(stored)))
        return moves

    def restarted(self, vault: Vault) -> Vault:
        """Its disk is what it was, its memory is gone."""
        membership = vault.membership
        if membership.phase is Phase.REJOINING and not self.rules.keeps_mark:
            membership = evolve(membership, phase=Phase.UNLISTED)
        names = {names for names, _ in vault.asked}
        if self.late and vault.phase is Phase.REJOINING:
            names.add(vault.named)
        asked = frozenset((each, False) for each in names)
        return Vault(vault.place, vault.address, membership, vault.value, asked=asked)

    # What it does with another one.

    def asks(self, vault: Vault, some: Heard) -> Vault:
        """It asks peers what they are, and keeps their answers beside those of others."""
        heard = dict(vault.heard) | dict(some)
        return self.freeze(vault, self.thaw(vault), sorted(heard.items(), key=lambda each: each[0]))

    def asks_at_once(self, vault: Vault, some: Heard) -> Vault:
        """It asks peers what they are, decides by that, and keeps nothing of it."""
        return evolve(self._hears(vault, some), heard=())

    def fencings(self, asker: Vault, peer: Vault) -> list[tuple[Words, Vault, Vault]]:
        """A question reaches a peer: what happens, the asker afterwards, and the peer."""
        questions = [(names, hears) for names, hears in sorted(asker.asked, key=str)]
        question = self.thaw(asker).question()
        if question is not None:
            questions.append((question.fenced, True))
        moves = []
        for names, hears in questions:
            sent = FenceQuestion(asker.identity, asker.address, asker.membership.peers, names)
            moves += self._fenced(asker, peer, sent, hears=hears)
        return [each for each in moves if each[1:] != (asker, peer)]

    def _fenced(
        self, asker: Vault, peer: Vault, question: FenceQuestion, *, hears: bool
    ) -> list[tuple[Words, Vault, Vault]]:
        member = self.thaw(peer)
        try:
            becomes = member.fence(question)
        except CannotFence:
            return []
        member.adopt(becomes)
        after = self.freeze(peer, member, peer.heard)
        names = tuple(sorted(self.thaw(after).fenced))
        told = (asker.identity, peer.identity, names, peer.value)
        moves: list[tuple[Words, Vault, Vault]] = [(("fence unheard", *told), asker, after)]
        assert becomes.roster is not None
        answer = FenceAnswer(peer.identity, becomes.roster, peer.value)
        if not hears or asker.phase is not Phase.REJOINING:
            return moves
        if self.late:
            return [(("fence late", *told), evolve(asker, on_the_way=asker.on_the_way | {answer}), after)]
        return [(("fence", *told), self.hears_answer(asker, answer), after), *moves]

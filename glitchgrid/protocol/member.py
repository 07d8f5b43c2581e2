"""A vault as a member of its grid: how the roster comes to be, and how a replaced vault is taken in again.

Decisions alone: what peers say goes in, what is to be written and asked comes out. `glitchgrid.peers` carries it out.

::

    member = Member(membership)
    after = member.hear({address: what the vault there said, ...})
    ...                                     # `after` is written and synced; None where nothing changes yet
    member.adopt(after)

**Birth.** A new vault that has heard every peer, each new as well, writes the list of all addresses and identities: it
is *listed*. It is *formed*, and votes, when every peer has said that it holds that list. A vault that voted as soon as
it had heard all others could acknowledge a store and lose its disk, and nobody would know that it was ever there.

**Rejoining.** A new vault whose place has another identity in a peer's roster is a replacement: what the disk before
it acknowledged may still be counted by some control. It writes that it is *rejoining*, and does not vote. It asks its
peers to *fence* every identity that is known for its place: a peer writes that down, and answers with its value and
its roster. With enough such answers it takes the largest value, all fences and the roster, and is formed.

*Enough* is a majority of n vaults, the whole of what can be asked where that is less (n = 2), each from another place
and none from an identity that is fenced by any of the answers.

Why that is enough. Let v be committed, counting the replaced X. At least majority - 1 of its votes are of others, and
the new vault Y has heard all others but majority - 2 of them or fewer. So one of the votes is of a peer P that Y has
heard. If P gave that vote before it wrote the fence, then P held v when it answered Y, and so does Y. If P gave it
afterwards, the vote carried the fence, and whoever counted it has dropped X's.

Source: Michael et al., "Recovering shared objects without stable storage" (2017), for the danger; the fences are ours.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import reduce

from attrs import evolve, frozen

from glitchgrid.errors import Misfit
from glitchgrid.protocol.change import Accepted, CannotChange, ChangeQuestion, Step
from glitchgrid.protocol.quorum import majority
from glitchgrid.protocol.roster import FENCED_MAX, Place, Roster


class Phase(StrEnum):
    """How far a vault is. Those that vote are unlisted, enrolled and formed."""

    NEW = "new"
    """It has never voted."""
    UNLISTED = "unlisted"
    """It holds a value from before its grid had a roster, and votes as it always did."""
    LISTED = "listed"
    ENROLLED = "enrolled"
    """Listed, and it was unlisted before: it votes as it always did. A disk that is lost meanwhile comes back empty
    among vaults that hold values, and that is no birth."""
    FORMED = "formed"
    REJOINING = "rejoining"


VOTING = frozenset({Phase.UNLISTED, Phase.ENROLLED, Phase.FORMED})
WITH_ROSTER = frozenset({Phase.LISTED, Phase.ENROLLED, Phase.FORMED})


@frozen
class Membership:
    """What a vault knows of itself and its grid.

    :ivar peers: the addresses that it was started with, sorted.
    :ivar roster: None before it has one.
    :ivar losses: how often somebody has let it go on without enough peers.
    :ivar promised: the number of the latest proposal of another list that it has promised to heed; 0 for none.
    :ivar accepted: the list that it has accepted, which may be the next one.
    """

    identity: str
    phase: Phase
    peers: tuple[str, ...]
    roster: Roster | None = None
    losses: int = 0
    promised: int = 0
    accepted: Accepted | None = None


@frozen
class FenceQuestion:
    """What a vault that rejoins asks of its peers: not to let `fenced` be counted any more, but itself."""

    identity: str
    address: str
    peers: tuple[str, ...]
    fenced: frozenset[str]


@frozen
class FenceAnswer:
    """:ivar value: what the peer held, durably, after it had written the fences."""

    identity: str
    roster: Roster
    value: int


class CannotFence(Exception):
    """Why a peer does not fence what it is asked to. Its text is one line for the asker's log."""


def answers_needed(vaults: int) -> int:
    """How many peers have to fence what is known for a place before the vault there votes again.

    All but majority - 2 of the others are n - majority + 1, which is never more than a majority. With an even number it
    is one less, and too few where a replaced disk is still alive.
    """
    return min(vaults - 1, majority(vaults))


class Member:
    """:ivar now: what is durable.
    :ivar waits: what is not as it should be, or waited for, for people; else empty.

    :param is_added: it is new, and is to be added to a grid that has another list than its own: it waits for that.
    :raises Misfit: where the list of peers is none of those of the roster.
    """

    def __init__(self, membership: Membership, *, is_added: bool = False) -> None:
        self.now = membership
        self.waits = "its peers have not been asked yet"
        self._is_added = is_added
        self._address: str | None = None
        self._named: frozenset[str] = frozenset()
        self._answers: dict[int, FenceAnswer] = {}
        self._is_fenced = False
        if membership.roster is not None:
            self._check_list(membership.roster)
        self._look()

    @property
    def votes(self) -> bool:
        """Do its answers to reads and stores count?"""
        return self.votes_by_its_list and not self.is_changing

    @property
    def votes_by_its_list(self) -> bool:
        """Would they count, if nobody changed the list?"""
        return self.now.phase in VOTING and not self._is_fenced and self.now.identity not in self.fenced

    @property
    def is_changing(self) -> bool:
        """Has it promised to somebody who changes the list?"""
        return self.now.promised > 0

    @property
    def fenced(self) -> frozenset[str]:
        """What its answers have to name."""
        return frozenset() if self.now.roster is None else self.now.roster.fenced

    @property
    def is_settled(self) -> bool:
        """Is there nothing to hear from peers that would change anything?"""
        return self.now.phase is Phase.FORMED and self.votes

    def adopt(self, membership: Membership) -> None:
        """That is durable now."""
        self.now = membership
        self._look()

    def _look(self) -> None:
        if self.is_settled:
            self.waits = ""

    # Hearing what others are.

    def hear(self, heard: Mapping[str, Membership]) -> Membership | None:
        """What this vault becomes by what all who answered are, itself among them; None where it stays what it is.

        :param heard: by the address at which each was asked; all of it has to have been so at one moment.
        :raises Misfit: where it can't be a member.
        """
        me = self._find_itself(heard)
        if me is None:
            return None
        others = {address: each for address, each in heard.items() if address != me}
        rosters = [each.roster for each in others.values() if each.roster is not None]
        if self._is_added and self.now.phase is Phase.NEW:
            # It has no part in a birth: others who are new may have lost their disks.
            rosters = [each for each in rosters if each.epoch and each.allows(self.now.peers)]
            if not rosters:
                self.waits = "it is to be added to a grid: it waits for 'glitchgrid roster change'"
                return None
        later = self._later(rosters)
        return self._hear(me, others, rosters) if later is None else self._leave_for(later)

    def _hear(self, me: str, others: Mapping[str, Membership], rosters: list[Roster]) -> Membership | None:
        heard_of, rosters = rosters, self._of_this_grid(rosters)
        if heard_of and not rosters and self.now.phase is Phase.REJOINING:
            theirs = _listed(heard_of[0].addresses)
            self.waits = f"it lists {_listed(self.now.peers)}, and a peer {theirs}: it waits for what others say"
            return None
        self._is_fenced = any(self.now.identity in roster.fenced for roster in rosters)
        if self._is_fenced:
            self.waits = "another vault has taken its place: empty its data directory, and it rejoins"
            return None
        self._named = self._named.union(*(self._known_here(roster) for roster in rosters))
        match self.now.phase:
            case Phase.NEW | Phase.UNLISTED:
                after = self._enter(me, others) if rosters else self._be_born(me, others)
            case Phase.LISTED | Phase.ENROLLED:
                after = self._form(me, others)
            case Phase.FORMED:
                after = self._learn([each.roster for each in others.values() if each.phase is Phase.FORMED], rosters)
            case Phase.REJOINING:
                after = None
        self._look()
        self._look_at_its_place(me)
        if self.is_changing:
            self.waits = "the list of vaults is being changed: 'glitchgrid roster change' has to be run to its end"
        return after

    def _later(self, rosters: Iterable[Roster]) -> Roster | None:
        """The list that this vault's grid has now, where that is not the one that it knows."""
        mine = self.now.roster
        later = [each for each in rosters if mine and each.epoch > mine.epoch and each.known & mine.known]
        return reduce(Roster.merged, later) if later else None

    def _leave_for(self, later: Roster) -> Membership | None:
        """It was away while the list was changed, and does not know what it would have been told then."""
        if self.now.identity in later.identities:
            peers = tuple(sorted(later.addresses))
            return Membership(self.now.identity, Phase.REJOINING, peers, losses=self.now.losses)
        self._is_fenced = True
        self.waits = f"it is not of its grid any more, whose vaults are {_listed(later.addresses)}: stop it"
        return None

    def _look_at_its_place(self, me: str) -> None:
        """A directory that was taken to another address is not looked for there."""
        if self.now.phase is not Phase.FORMED or self.now.roster is None:
            return
        listed = dict(zip(self.now.roster.identities, self.now.roster.addresses, strict=True))
        there = listed.get(self.now.identity, me)
        if there != me:
            self.waits = f"it is at {me}, and listed at {there}: to move a vault, start an empty one at the new address"

    def _find_itself(self, heard: Mapping[str, Membership]) -> str | None:
        """At which of the addresses it is."""
        mine = sorted(address for address, each in heard.items() if each.identity == self.now.identity)
        if len(mine) > 1:
            raise Misfit(f"bad --peers: {mine[0]} and {mine[1]} are one vault, this one")
        if mine:
            self._address = mine[0]
        elif self._address is None and len(heard) == len(self.now.peers):
            raise Misfit("bad --peers: none of them leads to this vault, which has to be among them")
        if self._address is None:
            self.waits = f"none of {_listed(heard)} is this vault itself: it waits for {self._missing(heard)}"
        return self._address

    def _missing(self, heard: Mapping[str, object]) -> str:
        return _listed(each for each in self.now.peers if each not in heard)

    def _check_list(self, roster: Roster) -> None:
        """One place may have an address that nobody has heard of: that of a vault that takes another's place."""
        if not roster.allows(self.now.peers):
            theirs = _listed(roster.addresses)
            raise Misfit(f"bad --peers: it lists {_listed(self.now.peers)}, and the grid has {theirs}")

    def _of_this_grid(self, rosters: list[Roster]) -> list[Roster]:
        """Those that fit. One vault that is not of this grid, wherever it came from, must not stop the others."""
        mine = self.now.roster
        latest = max((each.epoch for each in rosters), default=0) if mine is None else mine.epoch
        rosters = [each for each in rosters if each.epoch == latest]  # others were away when the list was changed
        if self.now.phase is Phase.REJOINING:
            return self._of_these_peers(rosters)
        if mine is None or self.now.phase is not Phase.FORMED:
            for roster in rosters:
                self._check_list(roster)
            return rosters
        akin = [roster for roster in rosters if mine.known & roster.known]
        vaults = len(mine.places)
        if not akin and len(rosters) >= max(1, min(vaults - 1, majority(vaults))):
            raise Misfit("this data directory is of another grid: none of its vaults is known to those of --peers")
        return akin

    def _of_these_peers(self, rosters: list[Roster]) -> list[Roster]:
        """Those that have the list of a vault that rejoins. A few may have been away while it became what it is."""
        fitting = [each for each in rosters if each.allows(self.now.peers)]
        if rosters and not fitting and len(rosters) >= answers_needed(len(self.now.peers)):
            self._check_list(rosters[0])
        return fitting

    def _known_here(self, roster: Roster) -> frozenset[str]:
        """Who was in this vault's place, by one roster."""
        number = None if self._address is None else roster.place_for(self._address, self.now.peers)
        return frozenset() if number is None else roster.places[number].identities - {self.now.identity}

    def _enter(self, me: str, others: Mapping[str, Membership]) -> Membership | None:
        """There is a roster already: this vault is in it, or comes in the place of one that was.

        Disks that are lost one after the other during the birth may leave both at once, so it takes all peers to know:
        one that has not answered may have another vault in this one's place, and that one may have voted.
        """
        rosters = [each.roster for each in others.values() if each.roster is not None]
        if any(each.epoch for each in rosters):
            return evolve(self.now, phase=Phase.REJOINING)  # no birth: others may vote, and hold values, by now
        if all(self.now.identity in roster.identities for roster in rosters):
            together = reduce(Roster.merged, rosters)
            if len(others) < len(self.now.peers) - 1:
                self.waits = f"the grid is not formed: it waits for {self._missing({me: None, **others})}"
            elif not together.is_certain:
                self.waits = "the grid is not formed: its vaults hold two lists; to begin anew, empty all directories"
            else:
                return self._with_list(together)
            return None
        if self.now.phase is Phase.UNLISTED:
            raise Misfit(
                "this data directory is of another grid: it holds a value, and its identity is not in the peers' roster"
            )
        return evolve(self.now, phase=Phase.REJOINING)

    def _be_born(self, me: str, others: Mapping[str, Membership]) -> Membership | None:
        """No roster was heard of."""
        if len(others) < len(self.now.peers) - 1:
            self.waits = f"the grid is not formed: it waits for {self._missing({me: None, **others})}"
            return None
        for address, each in others.items():
            if each.peers != self.now.peers:
                theirs = f"--peers {','.join(each.peers)}" if each.peers else "no --peers"
                self.waits = f"{address} was started with {theirs}, and this vault with {','.join(self.now.peers)}"
                return None
            if each.phase is not self.now.phase:
                old, empty = (address, me) if each.phase is Phase.UNLISTED else (me, address)
                self.waits = (
                    f"{old} holds a value and {empty} none, and no vault has a roster: if the disk of {empty} was not"
                    " replaced, start it without --peers until control has brought it up to date"
                )
                return None
        identities = {me: self.now.identity} | {address: each.identity for address, each in others.items()}
        if len(set(identities.values())) < len(identities):
            raise Misfit("bad --peers: two of the addresses lead to one vault")
        places = tuple(Place(address, identities[address]) for address in self.now.peers)
        return self._with_list(Roster(places))

    def _with_list(self, roster: Roster) -> Membership:
        phase = Phase.ENROLLED if self.now.phase is Phase.UNLISTED else Phase.LISTED
        return evolve(self.now, phase=phase, roster=roster)

    def _form(self, me: str, others: Mapping[str, Membership]) -> Membership | None:
        """Listed: do all the others hold the same list?"""
        mine = self.now.roster
        assert mine is not None
        for each in others.values():
            if each.roster is not None and not each.roster.fenced <= mine.fenced:
                return evolve(self.now, roster=mine.merged(each.roster))  # a place was taken meanwhile
        lacking = [
            address for address in self.now.peers if address != me and not _holds(others.get(address), mine.identities)
        ]
        if not lacking:
            return evolve(self.now, phase=Phase.FORMED)
        self.waits = f"the grid is not formed: {_listed(lacking)} did not say yet that the list is on its disk"
        return None

    def _learn(self, formed: Sequence[Roster | None], of_this_grid: Sequence[Roster]) -> Membership | None:
        """Formed: it was away while a place was taken, and that took only enough of the others."""
        mine = self.now.roster
        assert mine is not None
        more = [each for each in of_this_grid if each in formed and not each.fenced <= mine.fenced]
        if not more or self.is_changing:
            return None
        return evolve(self.now, roster=reduce(Roster.merged, more, mine))

    # Taking another's place.

    def question(self) -> FenceQuestion | None:
        """What to ask all peers; None for a vault that does not rejoin, or does not know yet where it is."""
        if self.now.phase is not Phase.REJOINING or self._address is None:
            return None
        return FenceQuestion(self.now.identity, self._address, self.now.peers, self._named)

    def hear_fence(self, answer: FenceAnswer) -> None:
        """A peer has written what it was asked to."""
        number = next((at for at, each in enumerate(answer.roster.identities) if each == answer.identity), None)
        if self.now.phase is not Phase.REJOINING or number is None:
            return
        if len(answer.roster.places) != len(self.now.peers):
            return  # of another grid, that was put at this address since
        self._answers[number] = answer
        self._named |= self._known_here(answer.roster)

    @property
    def word(self) -> str:
        """What somebody has to say who wants this vault to go on without enough peers."""
        return hashlib.sha256(f"{self.now.identity} may forget".encode()).hexdigest()[:8]

    def join(self, *, accept_loss: bool = False) -> tuple[int, Membership] | None:
        """The value to hold, and then to become this; None where it takes more answers.

        :param accept_loss: one answer is enough, and what the others had acknowledged is given up.
        """
        latest = max((each.roster.epoch for each in self._answers.values()), default=0)
        answers = [each for each in self._answers.values() if each.roster.epoch == latest]
        fenced = frozenset[str]().union(*(each.roster.fenced for each in answers))
        counted = [each for each in answers if each.identity not in fenced and self._named <= each.roster.fenced]
        needed = answers_needed(len(self.now.peers))
        if self.now.phase is not Phase.REJOINING or self.now.identity in fenced:
            return None
        has_enough = len(counted) >= max(1, needed)
        if not (has_enough or (accept_loss and counted)):
            have = {each.roster.places[number].address for number, each in self._answers.items()} | {self._address}
            self.waits = (
                f"its disk was replaced: {len(counted)} of the {needed} peers that it takes have let it in; it waits"
                f" for {_listed(each for each in self.now.peers if each not in have)}"
            )
            return None
        roster = reduce(Roster.merged, [each.roster for each in counted])
        assert self._address is not None
        number = roster.place_for(self._address, self.now.peers)
        assert number is not None
        after = roster.taken(number, self.now.identity, self._address, self._named)
        losses = self.now.losses + (not has_enough)
        return max(each.value for each in counted), evolve(self.now, phase=Phase.FORMED, roster=after, losses=losses)

    # Letting others take a place.

    def fence(self, question: FenceQuestion) -> Membership:
        """What to write before an asker is answered; `now` where that is written already.

        :raises CannotFence: where the asker is not let in.
        """
        mine = self._roster_to_fence_in(question)
        number = mine.place_for(question.address, question.peers)
        if number is None or not mine.allows(question.peers):
            raise CannotFence(f"the asker lists {_listed(question.peers)}, and the grid has {_listed(mine.addresses)}")
        if mine.places[number].identity == self.now.identity:
            raise CannotFence(f"{question.address} is this vault's own place")
        strangers = question.fenced & (frozenset(mine.identities) - mine.places[number].identities)
        if strangers:
            raise CannotFence("the asker names a vault that is in another place")
        after = mine.taken(number, question.identity, question.address, question.fenced)
        if len(after.fenced) > FENCED_MAX:
            raise CannotFence(f"this grid has had {FENCED_MAX} replacements, which is the most")
        return evolve(self.now, roster=after)

    def _roster_to_fence_in(self, question: FenceQuestion) -> Roster:
        if self.now.roster is None or self.now.phase not in WITH_ROSTER:
            raise CannotFence(f"this vault is {self.now.phase}: it has no roster of its own")
        if self._is_fenced:
            raise CannotFence("this vault has been replaced itself")
        if self.is_changing:
            raise CannotFence("the list of vaults is being changed: 'glitchgrid roster change' has to end first")
        if question.identity in self.now.roster.fenced:
            raise CannotFence("the asker has been replaced itself: its data directory has to be emptied")
        return self.now.roster

    # Changing the list.

    def change(self, question: ChangeQuestion) -> Membership:
        """What to write before whoever changes the list is answered; `now` where that is written already.

        To install, the vault has to hold the question's value first.

        :raises CannotChange: where it does not do that.
        """
        mine = self.now.roster
        if question.step is Step.INSTALL:
            return self._install(question)
        if mine is None or not self.votes_by_its_list:
            raise CannotChange(f"this vault does not vote ({self.now.phase}), and has no part in a change")
        if mine.epoch != question.epoch:
            return self.now  # the answer tells what it has
        if question.number < self.now.promised or (
            question.step is Step.PREPARE and question.number == self.now.promised
        ):
            raise CannotChange(f"another change is under way, with number {self.now.promised}: run it again")
        after = evolve(self.now, promised=question.number)
        if question.roster is not None:
            after = evolve(after, accepted=Accepted(question.number, question.roster))
        return after

    def _install(self, question: ChangeQuestion) -> Membership:
        mine, roster = self.now.roster, question.roster
        if roster is None or roster.epoch != question.epoch + 1:
            raise CannotChange("there is no next list to install")
        if mine is not None and mine.epoch >= roster.epoch:
            return self.now
        if self.now.identity in roster.identities:
            return evolve(
                self.now,
                phase=Phase.FORMED,
                peers=tuple(sorted(roster.addresses)),
                roster=roster,
                promised=0,
                accepted=None,
            )
        if mine is None or self.now.identity not in roster.fenced:
            raise CannotChange("this vault is not in the list, and never was")
        return evolve(self.now, roster=roster, promised=0, accepted=None)


def _holds(peer: Membership | None, identities: tuple[str, ...]) -> bool:
    return (
        peer is not None
        and peer.roster is not None
        and peer.phase in WITH_ROSTER
        and peer.roster.identities == identities
    )


def _listed(addresses: Iterable[str]) -> str:
    return ", ".join(addresses) or "nobody"

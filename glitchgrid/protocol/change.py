"""More or fewer vaults: how those of the list from before agree on the next one.

While controls serve that is out of scope. This is for a grid whose controls are stopped, and it must lose nothing where
one of them was forgotten, or where two people change the list at once. Decisions without Twisted: a vault's own are
`glitchgrid.protocol.member.Member.change`, and those of whoever changes the list are here.

**The next list is one value that the vaults of this list agree on**, by single-decree Paxos (Lamport, "Paxos made
simple", 2001). The vaults are the acceptors; whoever changes the list proposes:

1. *Prepare.* With a number larger than any that it has seen it asks every vault to promise. A vault that promises
   writes that down, and from then on takes no store, answers no read and lets nobody rejoin: whatever is acknowledged
   by this list, a majority acknowledged it before it promised. It answers with its value, its roster, and the list that
   it has accepted, if it has one.
2. *Accept.* With the promises of a majority it proposes its list, or the one that was accepted by the highest number,
   where there is one: that may be agreed on. A vault accepts unless it has promised to a larger number.
3. *Install.* With a majority that has accepted, that list is agreed on. Every vault in it is sent the list and the
   largest value of the promises; it stores the value, writes down the list, and votes by it. When a majority has, those
   that are not in it any more are told.

Each majority of the next list is of vaults that hold that value, or more: nothing is lost. Those that were away find
out from their peers that there is a later list, and come in as a vault does whose disk was replaced: a majority that
votes by the later list holds the value, so its answers are enough.

To go back is a change, too: to the list as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from functools import reduce

from attrs import frozen

from glitchgrid.protocol.quorum import majority
from glitchgrid.protocol.roster import FENCED_MAX, Roster


class Step(StrEnum):
    PREPARE = "prepare"
    ACCEPT = "accept"
    INSTALL = "install"


@frozen
class Accepted:
    """:ivar number: of the proposal.
    :ivar roster: what was proposed.
    """

    number: int
    roster: Roster


@frozen
class ChangeQuestion:
    """What is asked of a vault.

    :ivar epoch: of the list that is left.
    :ivar number: of the proposal; from 1 on.
    :ivar roster: the next list; None to prepare.
    :ivar value: what its vaults have to hold; 0 but to install.
    """

    step: Step
    epoch: int
    number: int
    roster: Roster | None = None
    value: int = 0


@frozen
class ChangeAnswer:
    """What a vault is, once it has done what it was asked to.

    :ivar promised: the number that it has promised to; 0 for none.
    :ivar votes: does its vote count by its list, or would it, had it promised nothing?
    """

    identity: str
    roster: Roster
    promised: int
    accepted: Accepted | None
    votes: bool
    value: int


class CannotChange(Exception):
    """Why a list is not changed. Its text is one line, with the cure."""


@frozen
class Promises:
    """Answers of vaults that have promised, of a majority by their list.

    :ivar roster: what they know together.
    :ivar value: the largest.
    """

    roster: Roster
    value: int
    accepted: Accepted | None

    def next_list(self, addresses: Iterable[str], added: Mapping[str, str]) -> Roster:
        """What to propose.

        :param added: who is at the addresses that the list has not had.
        :raises CannotChange: where another list may be agreed on already, or it is not known who is in this one.
        """
        if self.accepted is None:
            unknown = set(addresses) - set(self.roster.addresses) - set(added)
            if unknown:
                raise CannotChange(f"a vault has come to another address meanwhile, {','.join(unknown)}: run it again")
            wanted = self.roster.changed(addresses, added)
            if len(wanted.fenced) > FENCED_MAX:
                raise CannotChange(
                    f"this grid would have had more than {FENCED_MAX} vaults replaced, which is the most"
                )
            return wanted
        begun = self.accepted.roster
        if set(begun.addresses) != set(addresses):
            raise CannotChange(
                f"a change to {','.join(begun.addresses)} was begun, and may be agreed on: finish it first, with --to"
                f" {','.join(begun.addresses)}"
            )
        return begun


def counted(answers: Iterable[ChangeAnswer]) -> Sequence[ChangeAnswer]:
    """Those of vaults that are in the latest list, and are not fenced by any of them; each vault's once."""
    by_identity = {each.identity: each for each in answers}
    if not by_identity:
        return ()
    together = reduce(Roster.merged, [each.roster for each in by_identity.values()])
    counted = frozenset(together.identities) - together.fenced
    return [each for identity, each in by_identity.items() if identity in counted]


def promises(answers: Iterable[ChangeAnswer], epoch: int, number: int) -> Promises | None:
    """None where it takes more of them.

    :param epoch: of the list that is left. Others may have gone on to another one since.
    """
    given = counted(each for each in answers if each.roster.epoch == epoch and each.promised == number and each.votes)
    if not given or len(given) < majority(len(given[0].roster.places)):
        return None
    accepted = [each.accepted for each in given if each.accepted is not None]
    latest = max(accepted, key=lambda each: each.number) if accepted else None
    return Promises(reduce(Roster.merged, [each.roster for each in given]), max(each.value for each in given), latest)


def is_agreed_on(answers: Iterable[ChangeAnswer], epoch: int, number: int) -> bool:
    """Has a majority accepted what was proposed by that number?"""
    accepting = counted(
        each
        for each in answers
        if each.roster.epoch == epoch and each.accepted is not None and each.accepted.number == number
    )
    return bool(accepting) and len(accepting) >= majority(len(accepting[0].roster.places))

"""A change of a grid's list of vaults, carried out: `glitchgrid.protocol.change` decides, this asks and tells.

::

    change = ListChange(vaults, to, partial(PeerClient, reactor), print)
    await change.run()                          # or CannotChange
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Protocol, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred, gatherResults

from glitchgrid.errors import VaultError, one_line
from glitchgrid.protocol.change import (
    CannotChange,
    ChangeAnswer,
    ChangeQuestion,
    Promises,
    Step,
    counted,
    is_agreed_on,
    promises,
)
from glitchgrid.protocol.member import VOTING, Membership, Phase
from glitchgrid.protocol.quorum import majority
from glitchgrid.protocol.roster import Roster
from glitchgrid.vaults.address import VaultAddress
from glitchgrid.waiting import settled

_T = TypeVar("_T")

AGAIN = "run it again when they answer"


@frozen
class Answers:
    """What some vaults have answered, and why others have not, by their addresses."""

    given: Mapping[str, ChangeAnswer]
    lacking: Mapping[str, str]

    @property
    def why_not(self) -> str:
        return "; ".join(f"{address}: {reason}" for address, reason in sorted(self.lacking.items())) or "nobody else"


class Asked(Protocol):
    """A vault, as it is asked: a `glitchgrid.peers.client.PeerClient`."""

    def membership(self) -> Deferred[Membership]: ...

    def change(self, question: ChangeQuestion) -> Deferred[tuple[Membership, int]]: ...

    def close(self) -> Deferred[None]: ...


class ListChange:
    """:param vaults: the grid's vaults.
    :param to: those that it is to have.
    :param make_client: asks the vault at an address.
    :param tell: is told of each step, in a line.
    """

    def __init__(
        self,
        vaults: Sequence[VaultAddress],
        to: Sequence[VaultAddress],
        make_client: Callable[[VaultAddress], Asked],
        tell: Callable[[str], object],
    ) -> None:
        self._vaults = tuple(sorted(each.canonical_text for each in vaults))
        self._to = tuple(sorted(each.canonical_text for each in to))
        spelled = {each.canonical_text: each for each in (*vaults, *to)}
        self._clients = {address: make_client(each) for address, each in spelled.items()}
        self._tell = tell
        self._roster: Roster | None = None

    async def look(self) -> "Standing":
        """Can it be done? Changes nothing.

        :raises CannotChange: where not.
        """
        heard, lacking = await self._of(self._clients, lambda client: client.membership())
        now = stand_of(self._vaults, self._to, heard, lacking)
        self._roster = now.roster
        return now

    async def run(self) -> None:
        """Do it, or go on with what was begun before.

        :raises CannotChange: where it can't be done, or is not done yet. Nothing is lost then.
        """
        now = await self.look()
        self._tell(now.told)
        if now.is_agreed_on:
            value = await self._value_by(now.roster)
            await self._install(now.roster, value, [each for each in self._vaults if each not in self._to])
            return
        promised = await self._prepare(now)
        if now.problem and promised.accepted is None:
            raise CannotChange(f"{now.problem}. The vaults serve nothing until this is run to its end")
        following = promised.next_list(self._to, now.added)
        await self._accept(now, following)
        left = [each for each in now.roster.addresses if each not in following.addresses]
        await self._install(following, promised.value, left)

    async def close(self) -> None:
        """Close the connections that are kept."""
        await gatherResults([client.close() for client in self._clients.values()])

    async def _prepare(self, now: "Standing") -> Promises:
        count = len(now.roster.places)
        question = ChangeQuestion(Step.PREPARE, now.roster.epoch, now.number)
        answers = await self._ask(now.roster.addresses, question)
        promised = promises(answers.given.values(), now.roster.epoch, now.number)
        if promised is None:
            raise CannotChange(
                f"{len(answers.given)} of {count} vaults have promised, and it takes a majority: {answers.why_not}."
                f" Those that have serve nothing until this is run to its end: {AGAIN}"
            )
        self._tell(
            f"2. {len(counted(answers.given.values()))} of {count} vaults serve no more by the list from before;"
            f" the largest value is {promised.value}"
        )
        return promised

    async def _accept(self, now: "Standing", following: Roster) -> None:
        question = ChangeQuestion(Step.ACCEPT, now.roster.epoch, now.number, following)
        answers = await self._ask(now.roster.addresses, question)
        if not is_agreed_on(answers.given.values(), now.roster.epoch, now.number):
            raise CannotChange(f"no majority has accepted the next list: {answers.why_not}; {AGAIN}")
        self._tell(f"3. the vaults have agreed on the next list: {_listed(following.addresses)}")

    async def _value_by(self, following: Roster) -> int:
        """What the vaults hold that serve by the next list already: all that was acknowledged before, or more.

        Who has the list, and is asked to install it, does nothing, and says what it holds.
        """
        question = ChangeQuestion(Step.INSTALL, following.epoch - 1, 1, following)
        heard, _ = await self._of(self._clients, lambda client: client.membership())
        has_it = [each for each, what in heard.items() if what.roster and what.roster.epoch == following.epoch]
        answers = await self._ask([each for each in has_it if each in following.addresses], question)
        if not answers.given:
            raise CannotChange(f"none that serves by the next list answers: {answers.why_not}; {AGAIN}")
        return max(each.value for each in answers.given.values())

    async def _install(self, following: Roster, value: int, left: Sequence[str]) -> None:
        """:param left: those that are not in it. They are told last: where one of them knows, enough others do."""
        question = ChangeQuestion(Step.INSTALL, following.epoch - 1, 1, following, value)
        answers = await self._ask(following.addresses, question)
        count = len(following.places)
        voting = [each for each in counted(answers.given.values()) if each.votes]
        if len(voting) < majority(count):
            raise CannotChange(
                f"{len(voting)} of {count} vaults have the next list, and it takes a majority: {answers.why_not};"
                f" {AGAIN}"
            )
        self._tell(f"4. {len(voting)} of {count} vaults serve by the next list, and hold {value} or more")
        late = [each for each in following.addresses if each in answers.lacking]
        if late:
            self._tell(f"   not yet: {answers.why_not}. Once up, a vault asks its peers, and comes in by itself")
        await self._ask(left, question)
        listed = _listed(following.addresses)
        self._tell(f"Now start the controls with --vaults {listed}")
        self._tell(f"and each vault with --peers {listed} from its next start on.")
        if left:
            self._tell(f"Stop {', '.join(left)}: the grid is without.")

    async def _ask(self, addresses: Sequence[str], question: ChangeQuestion) -> Answers:
        asked = {each: self._clients[each] for each in addresses if each in self._clients}
        answers, lacking = await self._of(asked, lambda client: client.change(question))
        given = {}
        for address, (membership, value) in answers.items():
            answer = _answer(membership, value)
            if answer is None:
                lacking[address] = f"it is {membership.phase}"
            elif self._roster is None or not is_akin(answer.roster, self._roster):
                lacking[address] = "it is of another grid"
            else:
                given[address] = answer
        return Answers(given, lacking)

    async def _of(
        self, asked: Mapping[str, Asked], ask: Callable[[Asked], Deferred[_T]]
    ) -> tuple[dict[str, _T], dict[str, str]]:
        results = await settled([ask(client) for client in asked.values()])
        given: dict[str, _T] = {}
        lacking: dict[str, str] = {}
        for address, (is_well, result) in zip(asked, results, strict=True):
            if is_well:
                given[address] = result
            elif result.check(VaultError):
                lacking[address] = one_line(result.getErrorMessage()) or "it did not answer in time"
            else:
                result.raiseException()
        return given, lacking


@frozen
class Standing:
    """What is to be done, once it is known that it can be.

    :ivar roster: of the grid before; or the next one, where that is agreed on.
    :ivar added: who is at the addresses that the list has not had.
    :ivar number: of the next proposal.
    :ivar is_agreed_on: some vaults serve by the next list already.
    :ivar problem: why nobody can begin with it, where it was begun.
    """

    roster: Roster
    added: Mapping[str, str]
    number: int
    is_agreed_on: bool
    told: str
    problem: str = ""


def _answer(membership: Membership, value: int) -> ChangeAnswer | None:
    roster = membership.roster
    if roster is None:
        return None
    return ChangeAnswer(
        membership.identity, roster, membership.promised, membership.accepted, _votes(membership), value
    )


def _votes(membership: Membership) -> bool:
    """By its list, if nobody changes it."""
    roster = membership.roster
    return membership.phase in VOTING and roster is not None and membership.identity not in roster.fenced


def stand_of(
    vaults: Sequence[str], to: Sequence[str], heard: Mapping[str, Membership], lacking: Mapping[str, str]
) -> Standing:
    """:param heard: what vaults are, by their addresses.
    :param lacking: why others did not say.
    :raises CannotChange: where it can't be done, or would lose something.
    """
    roster = _latest(vaults, to, heard, lacking)
    of_now = [each for each in heard.values() if each.roster is not None and is_akin(each.roster, roster)]
    of_now = [each for each in of_now if each.roster is not None and each.roster.epoch == roster.epoch]
    is_changing = any(each.promised for each in of_now)
    if roster.epoch and set(roster.addresses) == set(to) and (set(vaults) != set(to) or not is_changing):
        return Standing(roster, {}, 1, True, f"1. the change to {_listed(to)} was agreed on before")
    if set(roster.addresses) != set(vaults):
        raise CannotChange(f"bad --vaults: the vaults of the grid are {_listed(roster.addresses)}")
    if set(vaults) == set(to) and not is_changing:
        raise CannotChange("bad --to: these are the vaults that the grid has")
    number = 1 + max(each.promised for each in of_now)
    problem = next((each for each in (_problem(each, roster, to, heard, lacking) for each in to) if each), "")
    if any(each.accepted is not None for each in of_now):
        told = "1. a change was begun before, and goes on"
        return Standing(roster, _added(roster, to, heard), number, False, told, problem)
    if problem:
        raise CannotChange(problem)
    gone, come = set(vaults) - set(to), set(to) - set(vaults)
    told = f"1. all vaults of the next list are up; {len(come)} come, {len(gone)} go"
    return Standing(roster, _added(roster, to, heard), number, False, told)


def _latest(
    vaults: Sequence[str], to: Sequence[str], heard: Mapping[str, Membership], lacking: Mapping[str, str]
) -> Roster:
    """What is known of the grid whose vaults these are."""
    told = {address: each.roster for address, each in heard.items() if each.roster is not None}
    first = next((told[each] for each in (*vaults, *to) if each in told), None)
    if first is None:
        said = "; ".join(f"{each}: {lacking.get(each) or f'it is {heard[each].phase}'}" for each in vaults)
        raise CannotChange(f"no vault of --vaults has a list of its grid ({said}): start them with --peers")
    strangers = [each for each in vaults if each in told and not is_akin(told[each], first)]
    if strangers:
        raise CannotChange(
            f"bad --vaults: {_listed(strangers)} is of another grid, of {_listed(told[strangers[0]].addresses)}"
        )
    akin = [each for each in told.values() if is_akin(each, first)]
    epoch = max(each.epoch for each in akin)
    return reduce(Roster.merged, [each for each in akin if each.epoch == epoch])


def is_akin(one: Roster, other: Roster) -> bool:
    """Are they of one grid?"""
    return bool(one.known & other.known) and (one.epoch != other.epoch or len(one.places) == len(other.places))


def _added(roster: Roster, to: Sequence[str], heard: Mapping[str, Membership]) -> Mapping[str, str]:
    return {each: heard[each].identity for each in to if each not in roster.addresses and each in heard}


def _problem(
    address: str, roster: Roster, to: Sequence[str], heard: Mapping[str, Membership], lacking: Mapping[str, str]
) -> str:
    """Why a vault can't be in the next list yet; empty where it can."""
    reason = _not_yet(address, roster, to, heard, lacking)
    return f"every vault of the next list has to be up: {address} {reason}" if reason else ""


def _not_yet(
    address: str, roster: Roster, to: Sequence[str], heard: Mapping[str, Membership], lacking: Mapping[str, str]
) -> str:
    is_new = address not in roster.addresses
    start = f"start it with an empty directory, --added and --peers {_listed(to)}"
    if address not in heard:
        return f"does not answer ({lacking.get(address)}){f': {start}' if is_new else ''}"
    membership = heard[address]
    if membership.roster is not None and not is_akin(membership.roster, roster):
        return f"is of another grid, of {_listed(membership.roster.addresses)}"
    if is_new:
        if membership.phase is not Phase.NEW:
            return f"is {membership.phase}, and no new vault: {start}"
        if set(membership.peers) != set(to):
            return f"was started with --peers {_listed(membership.peers)}: {start}"
    elif not _votes(membership):
        return f"does not vote, it is {membership.phase}: wait until it does"
    return ""


def _listed(addresses: Iterable[str]) -> str:
    return ",".join(addresses)

"""A vault's membership in its grid, carried out: `glitchgrid.protocol.member` decides, this asks, writes and tells.

Until its grid is formed, or it has been taken in again, it asks all its peers several times a second. After that it
asks now and then, to learn whether somebody has taken its place. Whatever it becomes is on its disk before anybody is
told.
"""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from antithesis.assertions import always, reachable
from attrs import evolve
from prometheus_client.core import Metric
from twisted.internet.defer import CancelledError, Deferred, DeferredLock, gatherResults
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from glitchgrid.errors import (
    ChangeRefused,
    Changing,
    FenceRefused,
    Forming,
    ListDiffers,
    ListMissing,
    Misfit,
    Rejoining,
    Replaced,
    RequestError,
    StoreBusy,
    StoreFailed,
    VaultError,
    one_line,
)
from glitchgrid.measures import gauge
from glitchgrid.outcome import StoreRequest
from glitchgrid.protocol.change import CannotChange, Step
from glitchgrid.protocol.member import (
    WITH_ROSTER,
    CannotFence,
    FenceAnswer,
    FenceQuestion,
    Member,
    Membership,
    Phase,
    answers_needed,
)
from glitchgrid.protocol.roster import Roster
from glitchgrid.storage.record import RecordDamaged
from glitchgrid.storage.rosterfile import RosterFile, decode_change, decode_question, encode_membership
from glitchgrid.storage.store import Store
from glitchgrid.waiting import settled, shield

AGAIN_S = 0.2
"""How long a vault that does not vote waits before it asks its peers again."""

AT_ONCE_S = 0.02
"""How long it waits where something has changed."""

LOSS_S = 10.0
"""So long it asks for peers in any case, before it gives up those that do not answer."""

LOOK_S = 30.0
"""How often a vault that votes asks whether another has taken its place."""

_T = TypeVar("_T")


class Peer(Protocol):
    """A peer, as it is asked: a `glitchgrid.peers.client.PeerClient`."""

    def present(self, token: bytes | None) -> None: ...

    def membership(self) -> Deferred[Membership]: ...

    def fence(self, question: FenceQuestion) -> Deferred[FenceAnswer]: ...

    def close(self) -> Deferred[None]: ...


class GridMembership:
    """:param peers: the addresses of `--peers`, in their canonical form, the vault's own among them; none for a vault
        that was started without. It knows its peers all the same, if it has a roster.
    :param make_client: asks the vault at such an address.
    :param allows_unlisted: take stores that come without a list.
    :param accept_loss: the word of whoever wants it to go on without enough peers, and with what they had acknowledged
        lost.
    :param is_added: it is to be added to a grid that has another list by now, and waits for that if it is new.
    :param fatal: is told of what the vault can't go on with.
    """

    _log = Logger()
    _member: Member

    def __init__(
        self,
        reactor: Any,
        store: Store,
        file: RosterFile,
        peers: Sequence[str],
        make_client: Callable[[str], Peer],
        fatal: Callable[[Misfit], None],
        *,
        allows_unlisted: bool = False,
        accept_loss: str | None = None,
        is_added: bool = False,
    ) -> None:
        self._is_added = is_added
        self._reactor = reactor
        self._store = store
        self._file = file
        self._peers = tuple(sorted(peers))
        self._make_client = make_client
        self._fatal = fatal
        self._allows_unlisted = allows_unlisted
        self._accept_loss = accept_loss
        self._began_s = 0.0
        self._clients: dict[str, Peer] = {}
        self._token: bytes | None = None
        self._writing = DeferredLock()
        self._asking: Deferred[Any] | None = None
        self._again: IDelayedCall | None = None
        self._stopped = False
        self._digest = b""
        self._former: frozenset[bytes] = frozenset()
        self._warned: set[bytes] = set()
        self._said = ""
        self._heard: dict[str, Membership] = {}
        self._has_looked = False
        self._problems: dict[str, str] = {}
        self.exists = False
        """Has it peers, or a roster? Else it is on its own, and all of this lets everything pass."""
        self.is_open = False
        """Is it known what it is?"""
        self.fenced = b""
        """What its answers to reads and stores have to name; empty for nobody."""

    # Its life.

    async def open(self) -> None:
        """Recover what is on the disk. Only for a store that is open.

        :raises StartError: when the roster can't be used, or is not of these peers.
        """
        known = await self._store.look(self._file.recover, self._store.identity)
        if known is None and not self._peers:
            self._log.info(
                "without --peers: if its disk is replaced, or a control has another list of vaults, the grid may lose"
                " what it has acknowledged"
            )
            self.is_open = True
            return
        if known is None:
            phase = Phase.UNLISTED if self._store.value else Phase.NEW
            known = Membership(self._store.identity, phase, self._peers)
        elif self._peers:
            known = evolve(known, peers=self._peers)
        self.exists = True
        self._member = Member(known, is_added=self._is_added)
        if self._accept_loss is not None:
            self._check_word()
        self._ask_from_now_on(known.peers)
        self._look()
        self.is_open = True

    def _check_word(self) -> None:
        if self._member.now.phase in WITH_ROSTER or self._accept_loss == self._member.word:
            return
        raise Misfit(
            f"bad --accept-loss {self._accept_loss!r}: what the vaults that are gone had acknowledged would be lost for"
            f" good; to go on with what is left, give --accept-loss {self._member.word}"
        )

    def _ask_from_now_on(self, addresses: Sequence[str]) -> None:
        left = {address: client for address, client in self._clients.items() if address not in addresses}
        self._clients = {each: self._clients.get(each) or self._make_client(each) for each in addresses}
        self.present(self._token)
        for client in left.values():
            client.close()

    def present(self, token: bytes | None) -> None:
        """Present a token to the peers from now on."""
        self._token = token
        for client in self._clients.values():
            client.present(token)

    def start(self) -> None:
        """Begin to ask, once the vault listens: it has to find itself among its peers."""
        self._began_s = self._reactor.seconds()
        if self.exists:
            self._ask()

    async def stop(self) -> None:
        """Ask no more; returns when nothing is being written."""
        self._stopped = True
        if self._again is not None and self._again.active():
            self._again.cancel()
        if self._asking is not None:
            self._asking.cancel()
        await self._writing.acquire()
        await gatherResults([client.close() for client in self._clients.values()])

    # What the vault asks of it for each request.

    def admit(self, listed: bytes | None, *, stores: bool) -> None:
        """May a request be answered?

        :param listed: the digest of its sender's list of vaults; None where it sends none.
        :raises RequestError: where not: with a vault that does not vote, or a list that is not this grid's.
        """
        if not self.exists:
            return
        if not self._member.votes:
            raise self._refusal()
        if listed == self._digest or not self._digest:
            return
        if listed is not None:
            self._admit_former(listed)
        elif stores and not self._allows_unlisted:
            raise ListMissing

    def _admit_former(self, listed: bytes) -> None:
        """:raises RequestError: for a list that has not been this grid's in any spelling that is known here."""
        if listed not in self._former:
            if self._may_have_missed_some:
                raise Forming
            reachable("vault: a list of vaults that is not this grid's is refused")
            raise ListDiffers(self._addresses)
        if listed not in self._warned:
            self._warned.add(listed)
            self._log.warn(
                "a control's list has an address from before: the grid's vaults are {now}",
                now=", ".join(self._addresses),
            )

    @property
    def _may_have_missed_some(self) -> bool:
        """May a place have been taken while it was away, and it has not asked yet?"""
        vaults = len(self._addresses)
        return not self._has_looked and answers_needed(vaults) < vaults - 1

    def _refusal(self) -> RequestError:
        if self._member.is_changing:
            return Changing()
        match self._member.now.phase:
            case Phase.REJOINING:
                return Rejoining()
            case Phase.NEW | Phase.LISTED:
                return Forming()
        return Replaced()

    @property
    def roster(self) -> Roster | None:
        """What is known of the grid; None before it has a list."""
        return self._member.now.roster if self.exists else None

    @property
    def _addresses(self) -> Sequence[str]:
        roster = self._member.now.roster
        return self._member.now.peers if roster is None else roster.addresses

    # What it tells.

    def fault(self) -> str | None:
        """Why it does not vote; None where it does."""
        return self._member.waits if self.exists and not self._member.votes else None

    def told(self) -> dict[str, Any] | None:
        """For the status; None for a vault on its own."""
        if not self.exists:
            return None
        now = self._member.now
        places = () if now.roster is None else now.roster.places
        return {
            "phase": now.phase.value,
            "votes": self._member.votes,
            "waits": self._member.waits or None,
            "peers": list(now.peers),
            "places": [{"address": each.address, "identity": each.identity} for each in places],
            "fenced": sorted(self._member.fenced),
            "epoch": 0 if now.roster is None else now.roster.epoch,
            "changing": self._member.is_changing,
            "losses": now.losses,
        }

    def collect(self) -> Iterator[Metric]:
        """For the metrics."""
        votes = not self.exists or self._member.votes
        yield gauge("glitchgrid_votes", "Whether its answers to reads and stores count.", float(votes))

    def text(self) -> bytes | None:
        """For peers; None for a vault on its own."""
        return encode_membership(self._member.now) if self.exists else None

    def fence(self, text: bytes) -> Deferred[bytes]:
        """Answer a vault that rejoins, once what it asks for is on the disk.

        :raises FenceRefused: (in the Deferred) where it is not let in.
        :raises StoreFailed: (in the Deferred) when the disk failed, now or since the start.
        :raises StoreBusy: (in the Deferred) when there was no room for it.
        """
        return self._alone(partial(self._fence, text))

    async def _fence(self, text: bytes) -> bytes:
        if not self.exists:
            raise FenceRefused("this vault was started without --peers, and has no roster")
        try:
            question = decode_question(text)
            after = self._member.fence(question)
        except RecordDamaged as error:
            raise FenceRefused(f"the question is damaged: {error}") from None
        except CannotFence as error:
            raise FenceRefused(str(error)) from None
        if after != self._member.now:
            await self._write(after)
            reachable("vault: a peer's replaced disk is fenced")
            self._log.warn(
                "the vault in the place of {address} is {identity} now; whoever was there before is fenced",
                address=question.address,
                identity=question.identity,
            )
        # The value is taken after the fence: what was acknowledged before it is in it.
        return encode_membership(self._member.now, self._store.value)

    def change(self, text: bytes) -> Deferred[bytes]:
        """Answer whoever changes the list of vaults, once what it asks for is on the disk.

        :raises ChangeRefused: (in the Deferred) where the vault has no part in that.
        :raises StoreFailed: (in the Deferred) when the disk failed, now or since the start.
        :raises StoreBusy: (in the Deferred) when there was no room for it.
        """
        return self._alone(partial(self._change, text))

    async def _change(self, text: bytes) -> bytes:
        if not self.exists:
            raise ChangeRefused("this vault was started without --peers, and has no roster")
        try:
            question = decode_change(text)
            after = self._member.change(question)
        except RecordDamaged as error:
            raise ChangeRefused(f"the question is damaged: {error}") from None
        except CannotChange as error:
            raise ChangeRefused(str(error)) from None
        if after != self._member.now:
            if question.step is Step.INSTALL:
                await self._hold(question.value)
            await self._write(after)
            if question.step is Step.INSTALL:
                is_in = self._member.now.identity not in self._member.fenced
                what = "start this vault with these --peers from now on" if is_in else "this one is none: stop it"
                self._log.warn("the grid's vaults are {now}: {what}", now=",".join(self._addresses), what=what)
        # What is acknowledged from now on is acknowledged by the list that was written.
        return encode_membership(self._member.now, self._store.value)

    async def _hold(self, value: int) -> None:
        if value > self._store.value:
            await self._store.submit(StoreRequest(value, guarded=True))
        always(self._store.value >= value, "vault: it holds what its peers held before it votes")

    # What it asks.

    def _ask(self) -> None:
        self._again = None
        self._asking = Deferred.fromCoroutine(self._ask_all())
        self._asking.addCallbacks(self._ask_again, self._failed)

    def _ask_again(self, at_once: bool) -> None:
        self._asking = None
        if self._stopped:
            return
        delay_s = AT_ONCE_S if at_once else AGAIN_S
        if self._member.is_settled and not at_once:
            delay_s = LOOK_S
            for client in self._clients.values():  # nobody needs them for that long
                client.close()
        self._again = self._reactor.callLater(delay_s, self._ask)

    def _failed(self, failure: Failure) -> None:
        self._asking = None
        if self._stopped or failure.check(CancelledError):
            return
        if failure.check(Misfit):
            self._stopped = True
            self._fatal(failure.value)  # type: ignore[arg-type]
            return
        if not failure.check(StoreFailed, StoreBusy):  # of the first the log has a line
            self._log.failure("bug while peers are asked", failure)
        self._ask_again(at_once=False)

    async def _ask_all(self) -> bool:
        """Ask all peers what they are, and to be let in where this vault rejoins. Returns whether to ask again at once.

        Source: Afek et al., "Atomic snapshots of shared memory" (1993), for the double collect.
        """
        before, heard_before = self._member.now, self._heard
        heard = self._heard = await self._of(self._clients, lambda client: client.membership())
        if heard != heard_before:
            return True
        # Twice the same, one round after the other: so it was between the two, all of it at one moment. Answers of one
        # round may be of different moments, and a grid as some of them have it, and others, may never have been.
        await self._alone(partial(self._hear, heard))
        others = sum(each.identity != self._member.now.identity for each in heard.values())
        vaults = len(self._addresses)
        self._has_looked = others >= vaults - 1 - answers_needed(vaults)  # no more, itself among them, need not know
        question = self._member.question()
        if question is not None:
            await self._ask_to_be_let_in(question)
        has_changed = self._member.now != before
        if not has_changed:
            self._say()
        return has_changed

    async def _hear(self, heard: dict[str, Membership]) -> None:
        after = self._member.hear(heard)
        if after is not None:
            await self._write(after)

    async def _ask_to_be_let_in(self, question: FenceQuestion) -> None:
        asked = {address: client for address, client in self._clients.items() if address != question.address}
        answers = await self._of(asked, lambda client: client.fence(question))
        for answer in answers.values():
            self._member.hear_fence(answer)
        await self._alone(self._join)

    async def _join(self) -> None:
        gives_up = self._accept_loss is not None and self._reactor.seconds() - self._began_s >= LOSS_S
        joined = self._member.join(accept_loss=gives_up)
        if joined is None:
            return
        value, after = joined
        await self._hold(value)
        has_lost = after.losses > self._member.now.losses
        await self._write(after)
        reachable("vault: a replaced disk is taken in again")
        if has_lost:
            self._log.error("this vault goes on without enough peers: what they had acknowledged alone is lost")

    async def _write(self, after: Membership) -> None:
        await self._store.keep(self._file.save, after)
        before = self._member.now
        self._member.adopt(after)
        if after.peers != before.peers:
            self._ask_from_now_on(after.peers)
        self._look()
        if after.phase is not before.phase:
            self._log.info("this vault is {phase}", phase=after.phase.value)

    def _alone(self, work: Callable[[], Coroutine[Any, Any, _T]]) -> Deferred[_T]:
        """Do one thing at a time that decides and writes. It is not cancelled halfway."""
        done: Deferred[_T] = self._writing.run(lambda: Deferred.fromCoroutine(work()))
        return shield(done)

    async def _of(self, asked: dict[str, Peer], ask: Callable[[Peer], Deferred[_T]]) -> dict[str, _T]:
        """The answers that count, by address. Why others do not is logged once."""
        results = await settled([ask(client) for client in asked.values()])
        answers: dict[str, _T] = {}
        for address, (is_well, result) in zip(asked, results, strict=True):
            if is_well:
                answers[address] = result
                self._problems.pop(address, None)
            elif result.check(VaultError):
                self._note_problem(address, result.getErrorMessage())
            else:
                self._log.failure("bug while {peer} is asked", result, peer=address)
        return answers

    def _note_problem(self, address: str, reason: str) -> None:
        if self._problems.get(address) != reason:
            self._problems[address] = reason
            self._log.info("peer {peer} does not answer as it should: {reason}", peer=address, reason=one_line(reason))

    def _say(self) -> None:
        """Log what is waited for, once as long as it stays the same."""
        if self._member.waits != self._said:
            self._said = self._member.waits
            if self._said:
                self._log.warn("membership: {reason}", reason=self._said)

    def _look(self) -> None:
        """What follows from what is known now, kept so that requests need not look."""
        roster = self._member.now.roster
        self.fenced = " ".join(sorted(self._member.fenced)).encode("ascii")
        if roster is not None:
            now, former = roster.digests()
            self._digest, self._former = now.encode("ascii"), frozenset(each.encode("ascii") for each in former)

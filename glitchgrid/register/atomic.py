"""The atomic protocol: a linearizable max-register for any number of controls.

`glitchgrid.protocol.coordinator` decides; this carries it out. Requests go out by treq, answers and failures come
back into the coordinator, and when it has decided a round, everybody in it is answered. The vaults that were slower
are still listened to: each round closes through a DeferredList of its requests, which says who lags.

Whoever asks gets a Deferred of their own, on which nothing else depends: cancelling it stops nothing.
"""

from collections.abc import Callable, Sequence
from typing import Any

from antithesis.assertions import reachable, unreachable
from attrs import define
from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from glitchgrid.errors import TooManyOperations, VaultError
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.outcome import ReadOutcome, WriteOutcome
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import (
    Began,
    Declined,
    Effect,
    Ended,
    FloorRecovered,
    Rest,
    RoundKind,
    SameVault,
    SendRead,
    SendStore,
    ValueLost,
)
from glitchgrid.protocol.quorum import Vote
from glitchgrid.protocol.rounds import ReadRound, StoreRound
from glitchgrid.register.doubles import Doubles
from glitchgrid.register.interface import OPERATION_TIMEOUT_S, OPERATIONS_MAX, IRegister
from glitchgrid.vaults.client import NOBODY_FENCED, GuardedAnswer, VaultClient

REST_FIRST_S = 0.05
REST_MAX_S = 0.5
"""How long a vault that has failed is left alone, at first and at most, while the others make a majority."""

LAGGING_S = 0.25
"""A vault that answers so long after the others had decided is worth a line in the log."""

_Ticket = Deferred[Any]
_Round = StoreRound[_Ticket] | ReadRound[_Ticket]


@define(eq=False)
class _Asked:
    """A vault that was asked something.

    :ivar closed: fires when what came of it was taken; a failure in it is a bug.
    :ivar answered_at_s: when its answer was taken; None where it has failed, or where nothing came yet.
    """

    vault: VaultClient
    closed: Deferred[None]
    answered_at_s: float | None = None


def _comes_later(effect: Effect[_Ticket]) -> bool:
    """Requests go out first: the vaults work on them while a crowd of clients is answered."""
    return not isinstance(effect, SendStore | SendRead)


@implementer(IRegister)
class AtomicRegister:
    """:param vaults: one client a configured vault, each with a deadline of its own."""

    _log = Logger()

    def __init__(self, vaults: Sequence[VaultClient], clock: IReactorTime, observer: Observer = UNOBSERVED) -> None:
        self._vaults = vaults
        self._observer = observer
        self._clock = clock
        self._coordinator: Coordinator[_Ticket] = Coordinator(len(vaults))
        self._fenced = [NOBODY_FENCED] * len(vaults)
        self._acting = False
        self._stopped = False
        self._waiting = 0
        self._traces: dict[_Ticket, bytes] = {}
        self._deadlines: dict[_Round, IDelayedCall] = {}
        self._asked: dict[_Round, list[_Asked]] = {}
        self._rests: dict[tuple[int, RoundKind], IDelayedCall] = {}
        self._lagging: set[VaultClient] = set()
        self._doubles = Doubles()

    @property
    def floor(self) -> int | None:
        return self._coordinator.floor

    def start(self) -> None:
        self._coordinator.recover()
        self._act()

    def stop(self) -> None:
        self._stopped = True
        for timer in (*self._deadlines.values(), *self._rests.values()):
            if timer.active():
                timer.cancel()

    def write(self, value: int, trace: bytes | None = None) -> Deferred[WriteOutcome]:
        if self._waiting >= OPERATIONS_MAX:
            return fail(TooManyOperations())
        self._waiting += 1
        if self._coordinator.floor is None:
            self._observer.write_waits()
        ticket: Deferred[WriteOutcome] = Deferred()
        if trace is not None:
            self._traces[ticket] = trace
        self._coordinator.write(value, ticket)
        self._act()
        return ticket

    def read(self, trace: bytes | None = None) -> Deferred[ReadOutcome]:
        if self._waiting >= OPERATIONS_MAX:
            return fail(TooManyOperations())
        self._waiting += 1
        ticket: Deferred[ReadOutcome] = Deferred()
        if trace is not None:
            self._traces[ticket] = trace
        self._coordinator.read(ticket)
        self._act()
        return ticket

    def in_progress(self) -> dict[str, int]:
        return {
            "waiting operations": self._waiting,
            "deadlines": len(self._deadlines),
            "rounds that listen": len(self._asked),
        } | self._coordinator.in_progress()

    def _act(self) -> None:
        """Carry out the coordinator's effects, and those that follow from them."""
        if self._acting or self._stopped:
            return
        self._acting = True
        try:
            while effects := self._coordinator.take():
                for effect in sorted(effects, key=_comes_later):
                    self._carry_out(effect)
        finally:
            self._acting = False

    def _carry_out(self, effect: Effect[_Ticket]) -> None:
        match effect:
            case SendStore(number, value, rounds):
                stored = self._vaults[number].store_guarded(value, self._trace_of(rounds))
                self._listen(number, rounds, stored, self._stored, "store")
            case SendRead(number, rounds):
                read = self._vaults[number].read(self._trace_of(rounds))
                self._listen(number, rounds, read, self._was_read, "read")
            case Began(round_):
                self._deadlines[round_] = self._clock.callLater(OPERATION_TIMEOUT_S, self._expire, round_)
            case Ended(round_):
                self._end(round_)
            case Declined(ticket, outcome):
                reachable("control: a decrease is refused")
                self._waiting -= 1
                self._traces.pop(ticket, None)
                self._observer.write_declined(outcome)
                ticket.callback(outcome)
            case Rest():
                self._rest(effect)
            case FloorRecovered() | SameVault() | ValueLost():
                self._report(effect)

    def _trace_of(self, rounds: Sequence[_Round]) -> bytes | None:
        """The first trace among the operations that a request is for."""
        if not self._traces:
            return None
        operations = [
            each.heals if isinstance(each, StoreRound) and each.heals is not None else each for each in rounds
        ]
        traces = (self._traces.get(ticket) for each in operations for ticket in each.tickets)
        return next((trace for trace in traces if trace is not None), None)

    def _listen(
        self,
        number: int,
        rounds: Sequence[_Round],
        answer: Deferred[Any],
        answered: Callable[[Any, int, _Asked], None],
        kind: RoundKind,
    ) -> None:
        """Take a vault's answer for the rounds that wait for it."""
        asked = _Asked(self._vaults[number], answer)
        for round_ in rounds:
            self._asked.setdefault(round_, []).append(asked)
        answer.addCallbacks(answered, self._failed, (number, asked), {}, (number, kind), {})

    def _stored(self, answer: GuardedAnswer, number: int, asked: _Asked) -> None:
        self._heed(number, answer.fenced)
        self._coordinator.store_answered(number, answer.voter, answer.outcome)
        self._act()
        asked.answered_at_s = self._clock.seconds()

    def _heed(self, number: int, fenced: frozenset[str]) -> None:
        """Before an answer is counted: whose votes it says do not count."""
        if fenced is not self._fenced[number]:  # as long as it stays the same, it is one object
            self._fenced[number] = fenced
            self._coordinator.fence(fenced)

    def _was_read(self, vote: Vote, number: int, asked: _Asked) -> None:
        self._heed(number, vote.fenced)
        self._coordinator.read_answered(number, vote.voter, vote.value)
        self._act()
        asked.answered_at_s = self._clock.seconds()

    def _failed(self, failure: Failure, number: int, kind: RoundKind) -> None:
        if not failure.check(VaultError):
            self._log.failure("bug while asking a vault", failure)
        if kind == "store":
            self._coordinator.store_failed(number)
        else:
            self._coordinator.read_failed(number)
        self._act()

    def _expire(self, round_: _Round) -> None:
        reachable("control: an operation is still undecided at its deadline")
        self._coordinator.expire(round_)
        self._act()

    def _end(self, round_: _Round) -> None:
        """Answer everybody in a round, and go on listening to the vaults that have not answered it."""
        deadline = self._deadlines.pop(round_, None)
        if deadline is not None and deadline.active():
            deadline.cancel()
        tickets = round_.tickets
        if len(tickets) > 1:
            reachable("control: several clients share a round")
        self._waiting -= len(tickets)
        self._tell(round_)
        for ticket in tickets:
            self._traces.pop(ticket, None)
            ticket.callback(round_.outcome)
        asked = self._asked.pop(round_, [])
        closed = DeferredList([each.closed for each in asked], consumeErrors=True)
        closed.addCallback(self._closed, asked, self._clock.seconds())

    def _tell(self, round_: _Round) -> None:
        outcome: Any = round_.outcome
        if isinstance(round_, ReadRound):
            self._observer.read_ended(outcome, len(round_.tickets), healed=round_.healing is not None)
        elif round_.heals is None:
            self._observer.write_ended(outcome, len(round_.tickets))
        else:
            self._observer.healing_ended(outcome, outgrown=round_.heals.healing is not round_)

    def _closed(self, results: list[tuple[bool, Any]], asked: Sequence[_Asked], decided_at_s: float) -> None:
        """Every vault that was asked in a round has answered or failed: say who lags, when it begins to.

        One that has failed is no straggler: its client has said so.
        """
        for each, (is_well, bug) in zip(asked, results, strict=True):
            vault = each.vault
            if not is_well:
                unreachable("control: a bug while an answer is taken")
                self._log.failure("bug while taking an answer of {vault}", bug, vault=vault.name)
                continue
            if each.answered_at_s is None:
                continue
            behind_s = each.answered_at_s - decided_at_s
            if behind_s < LAGGING_S:
                self._lagging.discard(vault)
                continue
            self._observer.vault_answered_late(vault.name, behind_s)
            if vault not in self._lagging:
                self._lagging.add(vault)
                reachable("control: a vault lags behind the others")
                self._log.warn("vault {vault} lags {s:.1f} s behind the others", vault=vault.name, s=behind_s)

    def _rest(self, rest: Rest) -> None:
        duration_s = min(REST_FIRST_S * 2.0 ** min(rest.failures - 1, 10), REST_MAX_S)
        key = rest.vault, rest.kind
        timer = self._rests.get(key)
        if timer is not None and timer.active():
            timer.cancel()
        self._observer.vault_rests(self._vaults[rest.vault].name, rest.kind, duration_s)
        self._rests[key] = self._clock.callLater(duration_s, self._rested, rest.vault, rest.kind)

    def _rested(self, number: int, kind: RoundKind) -> None:
        self._coordinator.rested(number, kind)
        self._act()

    def _report(self, effect: FloorRecovered | SameVault | ValueLost) -> None:
        """Tell the observer or the log. The last two are for an operator to mend."""
        match effect:
            case FloorRecovered(floor):
                self._observer.floor_recovered(floor)
            case SameVault(first, second, voter):
                unreachable("control: two addresses lead to one vault", {"voter": voter})
                self._doubles.report(self._vaults[first].name, self._vaults[second].name, voter)
            case ValueLost(floor, seen):
                unreachable("control: a majority holds less than was committed", {"seen": seen, "floor": floor})
                self._log.error(
                    "a majority of the vaults holds at most {seen}, but {floor} was committed: a vault has lost data",
                    seen=seen,
                    floor=floor,
                )

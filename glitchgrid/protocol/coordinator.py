"""The atomic protocol as a machine without a network: calls, answers and failures in, requests and outcomes out.

::

    coordinator = Coordinator(3)
    coordinator.write(7, ticket)            # whatever the ticket is, its round comes back with the outcome
    for effect in coordinator.take():       # Began(round), SendStore(0, 7, [round]), SendStore(1, 7, [round]), ...
        ...
    coordinator.store_answered(0, "identity of that vault", Stored(7))

How operations become rounds. At most one store and one read are in flight to each vault; two stores never are,
because they could overtake each other. Writes that arrive while every vault is busy gather in one round, which is
sent, as their largest value, when the first vault frees. From then on that round takes no newcomers: an answer
counts only for what had arrived before *that* request was sent. The other vaults are asked when they free. Reads
do the same. So an operation is in one round, at most one request to each vault carries a round, and one request
may carry several rounds.

What becomes of a round at a vault:

=========  ==================================================  ================================================
the vault  the round                                           until
=========  ==================================================  ================================================
is free    is sent                                             the vault answers or fails
is busy    waits behind the request in flight, undecided       that request has its answer, failure or time-out
rests      waits, undecided: resting is no failure             `rested`, or a round lacks a majority without it
=========  ==================================================  ================================================

A vault rests after a failure, for one kind of request. One that has missed a store is *behind*: it is sent the
floor when it frees, with what waits or by itself.

Votes are by identity. One whose data directory was replaced is *fenced*: the vaults that vote in its grid say so with
each answer, and from then on it has no vote in any round.

The floor is the largest value that is known to be committed. It is unknown at first, and any read tells it; writes
wait for that (they are *parked*), so that a decrease can be refused before anything is sent.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from antithesis.assertions import always, reachable, sometimes, unreachable

from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, ReadOutcome, StoreOutcome
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
)
from glitchgrid.protocol.healing import Healing
from glitchgrid.protocol.request_queue import RequestQueue, VaultQueues
from glitchgrid.protocol.rounds import ReadRound, StoreRound, acknowledged_value

T = TypeVar("T")


class Coordinator(Generic[T]):
    """One control's side of the protocol. Every call may add effects: `take` them afterwards, and act on them.

    :param vaults: how many are configured; they are numbered from 0.
    """

    def __init__(self, vaults: int) -> None:
        self.floor: int | None = None
        self._vaults: list[VaultQueues[T]] = [VaultQueues(number) for number in range(vaults)]
        self._gathering_writes: StoreRound[T] | None = None
        self._gathering_reads: ReadRound[T] | None = None
        self._parked: StoreRound[T] | None = None
        self._recovery: ReadRound[T] | None = None
        self._healing: Healing[T] = Healing(self._emit, self._queue, self._store_ended)
        self._exact = 0
        """The largest value that a read has returned, or that a write has committed with no voter holding more."""
        self._fenced: frozenset[str] = frozenset()
        self._effects: list[Effect[T]] = []

    def take(self) -> list[Effect[T]]:
        """What is to be done now; each effect is handed out once."""
        effects, self._effects = self._effects, []
        return effects

    def in_progress(self) -> dict[str, int]:
        """What is going on: a count for each name. All are 0 when nobody has asked for anything for a while."""
        queues: list[RequestQueue[Any]] = [queue for vault in self._vaults for queue in (vault.stores, vault.reads)]
        return {
            "rounds at vaults": sum(len(queue.pending) + len(queue.carried) for queue in queues),
            "vaults that rest": sum(queue.resting for queue in queues),
            "reads that heal": len(self._healing.reads),
            "parked rounds": int(self._parked is not None),
        }

    def _emit(self, effect: Effect[T]) -> None:
        self._effects.append(effect)

    # What is asked of the register.

    def write(self, value: int, ticket: T) -> None:
        """Write `value`, 1 or more."""
        if self.floor is None:
            self._park(value, ticket)
            self.recover()
        elif value < self.floor:
            # Condition 8: said only before anything was sent, and only against a committed value.
            self._effects.append(Declined(ticket, Decreases(self.floor, value)))
        else:
            self._gather_writes().join(value, ticket)
            self._ask()

    def read(self, ticket: T) -> None:
        """Read the register."""
        self._gather_reads().tickets.append(ticket)
        self._ask()

    def recover(self) -> None:
        """Learn the floor, unless it is known or being learnt."""
        if self.floor is None and (self._recovery is None or self._recovery.outcome is not None):
            self._recovery = self._gather_reads()
            self._ask()

    def expire(self, round_: StoreRound[T] | ReadRound[T]) -> None:
        """The time of a round is up."""
        if isinstance(round_, ReadRound):
            self._end_read(round_, Inconsistent())
        elif round_.expire() is not None:
            self._store_ended(round_)
        self._ask()

    # What vaults answer.

    def fence(self, identities: frozenset[str]) -> None:
        """An answer names identities that were replaced. To be called before that answer is counted."""
        fenced = identities - self._fenced
        if not fenced:
            return
        self._fenced |= fenced
        for vault in self._vaults:
            vault.stores.doubtful, vault.reads.doubtful = vault.stores.busy, vault.reads.busy
            if vault.voter in fenced:
                vault.voter, vault.held, vault.behind = None, 0, True
        again = {round_: round_.fence(fenced) for round_ in self._undecided()}
        for round_, numbers in again.items():
            for number in numbers:
                reachable("control: the vote of a replaced vault is taken back")
                if isinstance(round_, StoreRound):
                    self._vaults[number].stores.add(round_)
                else:
                    self._vaults[number].reads.add(round_)
        self._wake_stores([each for each in again if isinstance(each, StoreRound)])
        self._wake_reads([each for each in again if isinstance(each, ReadRound)])
        self._ask()

    def _undecided(self) -> list[StoreRound[T] | ReadRound[T]]:
        """The rounds that may have votes: each is at a vault, or heals."""
        queues: list[RequestQueue[Any]] = [queue for vault in self._vaults for queue in (vault.stores, vault.reads)]
        found = [round_ for queue in queues for round_ in (*queue.carried, *queue.pending)]
        found += self._healing.reads
        return [each for each in dict.fromkeys(found) if each.outcome is None]

    def store_answered(self, number: int, voter: str, answer: StoreOutcome) -> None:
        """A vault has answered the store that it was sent."""
        vault = self._vaults[number]
        if voter in self._fenced:
            self._disregard(vault.stores, self.store_failed, number)
            return
        held = acknowledged_value(vault.sent, answer)
        if held is None:
            self.store_failed(number)
            return
        self._heard_from(vault, voter, held, vault.stores)
        for round_ in vault.stores.unload():
            if round_.heals is not None:
                self._healing.hear(round_.heals, number, voter, held)
            elif round_.acknowledge(number, voter, held) is not None:
                self._store_ended(round_)
        self._ask()

    def store_failed(self, number: int) -> None:
        """A vault gave no answer that counts. It may have stored the value, or may do so later."""
        vault = self._vaults[number]
        vault.behind = True
        carried = vault.stores.unload()
        self._rest(vault, vault.stores, "store")
        for round_ in carried:
            if round_.fail(number) is not None:
                self._store_ended(round_)
        self._wake_stores([*carried, *vault.stores.pending])
        self._ask()

    def read_answered(self, number: int, voter: str, value: int) -> None:
        """A vault has answered what it holds."""
        vault = self._vaults[number]
        if voter in self._fenced:
            self._disregard(vault.reads, self.read_failed, number)
            return
        self._heard_from(vault, voter, value, vault.reads)
        if not self._reaches_floor(value):
            vault.behind = True
        for round_ in vault.reads.unload():
            if round_.healing is None:
                self._read_went_on(round_, round_.answer(number, voter, value))
            else:
                self._healing.hear(round_, number, voter, value)
        self._ask()

    def read_failed(self, number: int) -> None:
        """A vault gave no answer that counts."""
        vault = self._vaults[number]
        carried = vault.reads.unload()
        self._rest(vault, vault.reads, "read")
        for round_ in carried:
            self._read_went_on(round_, round_.fail(number))
        self._wake_reads([*carried, *vault.reads.pending])
        self._ask()

    def _disregard(self, queue: RequestQueue[Any], fail: Callable[[int], None], number: int) -> None:
        """A vault that was replaced has answered. Where that was not known when it was asked, ask who is there now."""
        if not queue.doubtful:
            fail(number)
            return
        for round_ in queue.unload():
            if round_.outcome is None:
                queue.add(round_)
        self._ask()

    def rested(self, number: int, kind: RoundKind) -> None:
        """A vault's rest is over."""
        vault = self._vaults[number]
        queue: RequestQueue[Any] = vault.stores if kind == "store" else vault.reads
        queue.resting = False
        self._ask()

    # How rounds begin.

    def _gather_writes(self) -> StoreRound[T]:
        """The round that takes writes until it is sent; a new one where there is none."""
        if self._gathering_writes is None or self._gathering_writes.outcome is not None:
            self._gathering_writes = self._new_store_round()
            self._queue(self._gathering_writes)
        return self._gathering_writes

    def _gather_reads(self) -> ReadRound[T]:
        """The round that takes reads until it is sent; a new one where there is none."""
        if self._gathering_reads is None or self._gathering_reads.outcome is not None:
            self._gathering_reads = ReadRound(len(self._vaults))
            self._effects.append(Began(self._gathering_reads))
            for vault in self._vaults:
                vault.reads.add(self._gathering_reads)
            self._wake_reads([self._gathering_reads])
        return self._gathering_reads

    def _new_store_round(self) -> StoreRound[T]:
        round_: StoreRound[T] = StoreRound(len(self._vaults), range(len(self._vaults)))
        self._effects.append(Began(round_))
        return round_

    def _queue(self, round_: StoreRound[T]) -> None:
        """Let a round wait for the vaults that it asks."""
        for number in round_.open:
            self._vaults[number].stores.add(round_)
        self._wake_stores([round_])

    def _park(self, value: int, ticket: T) -> None:
        """Let a write wait until the floor is known."""
        if self._parked is None or self._parked.outcome is not None:
            self._parked = self._new_store_round()
        self._parked.join(value, ticket)

    def _unpark(self, floor: int) -> None:
        """The floor is known: refuse the writes below it, and let the others go."""
        parked, self._parked = self._parked, None
        if parked is None or parked.outcome is not None:
            return
        for value, ticket in parked.drop_below(floor):
            self._effects.append(Declined(ticket, Decreases(floor, value)))
        if parked.writes:
            self._gathering_writes = parked
            self._queue(parked)
        elif parked.expire() is not None:
            self._effects.append(Ended(parked))

    # How rounds go on, and end.

    def _read_went_on(self, round_: ReadRound[T], outcome: ReadOutcome | None) -> None:
        """A read has had an answer or a failure: it has ended, begins to heal, or neither."""
        if outcome is not None:
            self._read_ended(round_)
        elif self._healing.begin(round_):
            self._end_what_is_held()

    def _end_read(self, round_: ReadRound[T], outcome: ReadOutcome) -> None:
        if round_.end(outcome) is not None:
            self._read_ended(round_)

    def _read_ended(self, round_: ReadRound[T]) -> None:
        self._effects.append(Ended(round_))
        self._healing.end(round_)
        if isinstance(round_.outcome, Holds):
            value = round_.outcome.value
            known = value <= max(self.floor or 0, self._exact)
            always(known or round_.is_held(value), "control: what a read returns is known to be on a majority")
            always(value >= round_.floor, "control: a read returns no less than the floor that it began with")
            sometimes(round_.floor > 0, "control: a read begins with a floor that is known")
            sometimes(round_.healing is not None, "control: a read stores its value where it is lacking")
            self._raise_floor(value, exact=True)
        elif round_ is self._recovery and self._parked is not None and self._parked.expire() is not None:
            self._effects.append(Ended(self._parked))

    def _store_ended(self, round_: StoreRound[T]) -> None:
        self._effects.append(Ended(round_))
        committed = isinstance(round_.outcome, Committed)
        if round_.heals is not None:
            self._end_read(round_.heals, Holds(round_.value) if committed else Inconsistent())
        elif committed:
            self._raise_floor(round_.value, exact=round_.exact)

    def _raise_floor(self, value: int, *, exact: bool) -> None:
        """A majority is known to hold `value`, or more where that is not `exact`."""
        if exact:
            self._exact = max(self._exact, value)
        if self.floor is None:
            sometimes(self._parked is not None, "control: writes wait until the floor is recovered")
            sometimes(value > 0, "control: a floor is recovered from the vaults")
            self.floor = value
            self._effects.append(FloorRecovered(value))
            self._unpark(value)
        elif value > self.floor:
            self.floor = value
        always(self.floor >= value, "control: the floor is no less than what was committed")
        self._end_what_is_held()

    def _end_what_is_held(self) -> None:
        """End the reads that wait for a majority to hold a value, where one is known to hold it by now."""
        for round_ in self._healing.held(self._exact):
            self._end_read(round_, Holds(self._exact))

    # Vaults.

    def _ask(self) -> None:
        """Send what waits to the vaults that are free."""
        for vault in self._vaults:
            stores, reads = vault.stores, vault.reads
            if (stores.pending or vault.behind) and not (stores.busy or stores.resting):
                self._ask_to_store(vault)
            if reads.pending and not (reads.busy or reads.resting):
                self._ask_to_read(vault)

    def _ask_to_store(self, vault: VaultQueues[T]) -> None:
        if vault.stores.busy:
            unreachable("control: two stores are on their way to one vault")
        rounds = vault.stores.load()
        value = max((round_.value for round_ in rounds), default=0)
        if vault.stores.skipped:
            vault.stores.skipped = False
            vault.behind = True
        if vault.behind and not self._reaches_floor(vault.held):
            value = max(value, self.floor or 0)
        if not value:
            return
        if self._gathering_writes in rounds:
            self._gathering_writes = None
        if len(rounds) > 1:
            reachable("control: one store carries several rounds")
        vault.stores.busy = True
        vault.sent = value
        self._effects.append(SendStore(vault.number, value, rounds))

    def _ask_to_read(self, vault: VaultQueues[T]) -> None:
        rounds = vault.reads.load()
        if not rounds:
            return
        if self._gathering_reads is not None and self._gathering_reads in rounds:
            self._gathering_reads.floor = self.floor or 0
            self._gathering_reads = None
        self._effects.append(SendRead(vault.number, rounds))

    def _heard_from(self, vault: VaultQueues[T], voter: str, held: int, queue: RequestQueue[Any]) -> None:
        queue.resting = False
        queue.failures = 0
        vault.held = held
        if self.floor is not None and held >= self.floor:
            vault.behind = False
        if vault.voter != voter:
            vault.voter = voter
            for other in self._vaults:
                if other is not vault and other.voter == voter:
                    self._effects.append(SameVault(other.number, vault.number, voter))

    def _rest(self, vault: VaultQueues[T], queue: RequestQueue[Any], kind: RoundKind) -> None:
        queue.resting = True
        queue.failures += 1
        vault.voter = None
        self._effects.append(Rest(vault.number, kind, queue.failures))

    def _wake_stores(self, rounds: Sequence[StoreRound[T]]) -> None:
        _wake([vault.stores for vault in self._vaults], rounds)

    def _wake_reads(self, rounds: Sequence[ReadRound[T]]) -> None:
        _wake([vault.reads for vault in self._vaults], rounds)

    def _reaches_floor(self, value: int) -> bool:
        return self.floor is None or value >= self.floor


def _wake(queues: Sequence[RequestQueue[Any]], rounds: Sequence[StoreRound[Any] | ReadRound[Any]]) -> None:
    """End the rest of vaults without which one of `rounds` lacks a majority."""
    if not any(queue.resting for queue in queues):
        return
    for round_ in rounds:
        if round_.lacks({number for number, queue in enumerate(queues) if not queue.resting}):
            for number in round_.open:
                queues[number].resting = False

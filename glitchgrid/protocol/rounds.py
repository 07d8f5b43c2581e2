"""Rounds: what many operations ask of the vaults together, and when that is decided.

A round begins with no answer, is fed with one answer or failure for each vault, and ends with an outcome:

- A `StoreRound` wants its value on a majority of all configured vaults. It is Committed when a majority has
  acknowledged it, and Undecided when a majority can no longer be had, or when its time is up.
- A `ReadRound` wants answers from a majority. The largest value among them, or the floor if that is larger, is
  what the register holds; it Holds it once a majority is known to have it too. Where that is not known, the
  round turns into a store of that value on the vaults that lack it (`healing`), and ends as that one does; but a
  vault that says meanwhile that it holds more makes it begin anew with that (`outgrow`).

Why more makes it begin anew: a read that settled for less could go against the order of two writes that came one
after the other. Three vaults and several controls, all vaults hold 0. A read asks; one vault says 0. Then 8 is
written, and committed by that vault and another one. Then a control that does not know of it writes 2: the third
vault takes it, and the first refuses, for it holds 8. Now the third vault answers the read: 2. Stored where it is
lacking, 2 is "acknowledged" by the 8. But at no time was 2 the largest value that had been written. Either of two
majorities shows that nothing larger had been committed before a value was written: one in which each vault was seen
to hold just that value (`exact`), or one that holds no more than what was committed before it was asked.

An identity that is *fenced* was replaced (`glitchgrid.protocol.member`): its votes are taken out of every round that is
not decided yet, and the vault that they came from is asked again.

The methods that feed a round return its outcome at the moment when it is decided, and None before and afterwards.

Vaults are numbers here: places in control's list of addresses. Voters are names: a vault that tells its identity
votes under that, whatever the address it answered at, and votes once (condition 6 of the register's correctness).

Source: Attiya, Bar-Noy and Dolev, "Sharing memory robustly in message-passing systems" (1995); here the value is
its own timestamp.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

from antithesis.assertions import always, reachable, sometimes

from glitchgrid.outcome import Committed, Holds, Inconsistent, ReadOutcome, Refused, Stored, StoreOutcome, Undecided
from glitchgrid.protocol.quorum import majority

T = TypeVar("T")

NOBODY: Mapping[str, int] = MappingProxyType({})


def acknowledged_value(sent: int, answer: StoreOutcome) -> int | None:
    """What a vault holds durably, by its answer to a guarded store of `sent`; None where that is no acknowledgement.

    Condition 5 of the register's correctness: an acknowledgement is a 200 that echoes the value, or a 412 with a
    value that is as large. (A vault that answers 412 with less refuses what it should have taken.)
    """
    if isinstance(answer, Stored) and answer.value == sent:
        return answer.value
    if isinstance(answer, Refused) and answer.value >= sent:
        return answer.value
    return None


class StoreRound(Generic[T]):
    """Stores one value, the largest of its writes, on a majority.

    :param vaults: how many are configured.
    :param ask: the vaults whose answers are awaited.
    :param value: what to begin with; 1 or more where there are no writes to come.
    :param holders: voters that are known to hold `value` already, and the vault as which each has answered.
    """

    __slots__ = ("_vaults", "_voters", "exact", "heals", "open", "outcome", "value", "writes")

    def __init__(self, vaults: int, ask: Iterable[int], value: int = 0, holders: Mapping[str, int] = NOBODY) -> None:
        self._vaults = vaults
        self._voters = dict(holders)
        self.open = set(ask)
        self.value = value
        self.exact = True
        """Has no vault acknowledged by holding more?"""
        self.writes: list[tuple[int, T]] = []
        self.heals: ReadRound[T] | None = None
        self.outcome: Committed | Undecided | None = None

    @property
    def tickets(self) -> list[T]:
        return [ticket for _, ticket in self.writes]

    def join(self, value: int, ticket: T) -> None:
        """Let one more write take part. Only before anything was sent for this round."""
        self.value = max(self.value, value)
        self.writes.append((value, ticket))

    def drop_below(self, floor: int) -> list[tuple[int, T]]:
        """Take out the writes of less than `floor`. Only before anything was sent for this round."""
        dropped = [write for write in self.writes if write[0] < floor]
        self.writes = [write for write in self.writes if write[0] >= floor]
        return dropped

    def acknowledge(self, vault: int, voter: str, held: int) -> Committed | Undecided | None:
        """`voter`, who answered as `vault`, holds `held` durably."""
        self.open.discard(vault)
        if held >= self.value:
            self._voters[voter] = vault
            self.exact = self.exact and (held == self.value or self.outcome is not None)
        return self._decide()

    def fail(self, vault: int) -> Committed | Undecided | None:
        """`vault` gave no answer that counts. It may hold the value all the same, now or later."""
        self.open.discard(vault)
        return self._decide()

    def fence(self, fenced: frozenset[str]) -> set[int]:
        """These votes do not count. Returns the vaults that are to be asked again: another may answer there by now."""
        if self.outcome is not None or fenced.isdisjoint(self._voters):
            return set()
        again = {self._voters.pop(voter) for voter in fenced.intersection(self._voters)}
        self.open |= again
        return again

    def expire(self) -> Undecided | None:
        """End the round as it stands."""
        if self.outcome is not None:
            return None
        self.outcome = Undecided(len(self._voters), self._vaults)
        return self.outcome

    def lacks(self, available: set[int]) -> bool:
        """Is it undecided, with no majority to be had from `available` vaults?"""
        votes = len(self._voters) + len(self.open & available)
        return self.outcome is None and votes < majority(self._vaults)

    def _decide(self) -> Committed | Undecided | None:
        if self.outcome is not None:
            return None
        needed = majority(self._vaults)
        if len(self._voters) >= needed:
            self.outcome = Committed(len(self._voters), self._vaults)
            always(2 * len(self._voters) > self._vaults, "control: a commit has the votes of more than half of all")
            sometimes(len(self._voters) < self._vaults, "control: a write commits before every vault has answered")
        elif len(self._voters) + len(self.open) < needed:
            self.outcome = Undecided(len(self._voters), self._vaults)
            reachable("control: a majority can no longer be had for a write")
        return self.outcome


class ReadRound(Generic[T]):
    """Learns the register's value from a majority.

    :param vaults: how many are configured; every one of them is asked.
    """

    __slots__ = ("_vaults", "_voter_of", "_votes", "floor", "healing", "open", "outcome", "tickets")

    def __init__(self, vaults: int) -> None:
        self._vaults = vaults
        self._votes: dict[str, int] = {}
        self._voter_of: dict[int, str] = {}
        self.open = set(range(vaults))
        self.floor = 0
        """What was known to be committed when the first vault was asked."""
        self.tickets: list[T] = []
        self.healing: StoreRound[T] | None = None
        self.outcome: ReadOutcome | None = None

    def answer(self, vault: int, voter: str, value: int) -> ReadOutcome | None:
        """`voter`, who answered as `vault`, holds `value`. Not for a round that heals."""
        self.open.discard(vault)
        # Of two answers under one identity the smaller one counts: the vault was asked twice, and it held at least
        # that much both times.
        self._votes[voter] = min(value, self._votes.get(voter, value))
        self._voter_of[vault] = voter
        return self._decide()

    def fail(self, vault: int) -> ReadOutcome | None:
        """`vault` gave no answer that counts."""
        self.open.discard(vault)
        return self._decide()

    def fence(self, fenced: frozenset[str]) -> set[int]:
        """These votes do not count. Returns the vaults that are to be asked again; of a round that heals none.

        That one ends by the majority that holds what it stores, each of which has told so since the read began.
        """
        if self.outcome is not None or fenced.isdisjoint(self._votes):
            return set()
        again = {vault for vault, voter in self._voter_of.items() if voter in fenced}
        self._votes = {voter: value for voter, value in self._votes.items() if voter not in fenced}
        self._voter_of = {vault: voter for vault, voter in self._voter_of.items() if voter not in fenced}
        if self.healing is not None:
            return set()
        self.open |= again
        return again

    def end(self, outcome: ReadOutcome) -> ReadOutcome | None:
        """End the round with this outcome, whatever it still waits for."""
        if self.outcome is not None:
            return None
        self.outcome = outcome
        return outcome

    def lacks(self, available: set[int]) -> bool:
        """Is it undecided, with no majority to be had from `available` vaults?"""
        votes = len(self._votes) + len(self.open & available)
        return self.outcome is None and self.healing is None and votes < majority(self._vaults)

    def outgrow(self, value: int) -> StoreRound[T]:
        """Heal `value` instead of what is healed so far, on every vault."""
        reachable("control: a read goes on with a larger value than it was healing")
        self.healing = StoreRound(self._vaults, range(self._vaults), value)
        self.healing.heals = self
        return self.healing

    def is_held(self, value: int) -> bool:
        """Was `value` seen on a majority, or stored there by this read?"""
        holders = sum(held >= value for held in self._votes.values())
        healed = self.healing is not None and isinstance(self.healing.outcome, Committed)
        return healed or 2 * holders > self._vaults

    @property
    def has_lost(self) -> bool:
        """Does a majority answer with less than the floor? Then vaults have forgotten what they acknowledged."""
        return self.largest < self.floor

    @property
    def largest(self) -> int:
        """The largest value that was answered."""
        return max(self._votes.values(), default=0)

    def _decide(self) -> ReadOutcome | None:
        if self.outcome is not None or self.healing is not None:
            return None
        needed = majority(self._vaults)
        if len(self._votes) >= needed:
            value = max(self.floor, self.largest)
            holders = {voter for voter, held in self._votes.items() if held >= value}
            if len(holders) >= needed or value == self.largest == self.floor:
                self.outcome = Holds(value)
            else:
                lacking = (each for each in range(self._vaults) if self._voter_of.get(each) not in holders)
                have = {voter: vault for vault, voter in self._voter_of.items() if voter in holders}
                self.healing = StoreRound(self._vaults, lacking, value, have)
                self.healing.heals = self
        elif len(self._votes) + len(self.open) < needed:
            self.outcome = Inconsistent()
        return self.outcome

"""The conditions of docs/explanation/correctness.md, broken one at a time: overrides, and no line of it in the product.

Each break comes with the instance that shows it. The intact protocol is explored with the same instance.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from unittest import mock

from attrs import evolve, frozen

from glitchgrid.outcome import Holds, ReadOutcome, Refused, Stored, StoreOutcome, StoreRequest
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.rounds import ReadRound
from glitchgrid.storage.fold import fold
from tests.exploration.history import Operation
from tests.exploration.vaults import Vault, VaultModel
from tests.exploration.world import Instance


class Unguarded(VaultModel):
    """Condition 1: stores go out without the guard."""

    guarded = False


class AnswersBeforeTheSync(VaultModel):
    """Condition 2: a store is shown and acknowledged, and becomes durable some time later."""

    def store(self, vault: Vault, value: int) -> tuple[Vault, StoreOutcome | None]:
        stored, (outcome,) = fold(vault.shown, [StoreRequest(value, guarded=True)])
        return vault._replace(cached=stored, shown=stored), outcome

    def by_itself(self, vault: Vault) -> list[tuple[str, Vault]]:
        happens = super().by_itself(vault)
        if vault.cached != vault.durable:
            happens.append(("syncs {shown}", vault._replace(durable=vault.cached)))
        return happens


class ShowsBeforeTheSync(VaultModel):
    """Condition 2: a store is shown to readers while its sync is still under way."""

    def begin(self, vault: Vault, value: int) -> Vault:
        shown, _ = fold(vault.shown, [StoreRequest(value, guarded=True)])
        return vault._replace(cached=shown, shown=shown)

    def store(self, vault: Vault, value: int) -> tuple[Vault, StoreOutcome | None]:
        stored, outcome = super().store(vault, value)
        return stored._replace(durable=stored.shown), outcome


class ServesWhatItRead(VaultModel):
    """Condition 3: a restart serves what it reads from its file, without writing it anew."""

    def restart(self, vault: Vault) -> Vault:
        return vault._replace(shown=vault.cached, failed=False)


class RefusesWhatItCannotStore(VaultModel):
    """No break by itself: a vault whose disk has failed says 412 with what it holds, where it should say 500."""

    def store(self, vault: Vault, value: int) -> tuple[Vault, StoreOutcome | None]:
        if vault.failed:
            return vault, Refused(vault.shown)
        return super().store(vault, value)


class TimeOutCounts(Coordinator[int]):
    """Condition 5: no answer is taken for an acknowledgement."""

    def store_failed(self, number: int) -> None:
        self.store_answered(number, "ABCD"[number], Stored(self._vaults[number].sent))


class AnyAnswerCounts(Coordinator[int]):
    """Condition 5: any 412 is taken for an acknowledgement."""

    def store_answered(self, number: int, voter: str, answer: StoreOutcome) -> None:
        super().store_answered(number, voter, Stored(self._vaults[number].sent))


class CountsAddresses(Coordinator[int]):
    """Condition 6: identities are ignored, so that one vault behind two addresses counts twice."""

    def store_answered(self, number: int, voter: str, answer: StoreOutcome) -> None:
        super().store_answered(number, "ABCD"[number], answer)

    def read_answered(self, number: int, voter: str, value: int) -> None:
        super().read_answered(number, "ABCD"[number], value)


class NoWriteBack(Coordinator[int]):
    """A read answers the largest value that it has seen, whoever holds it."""

    def _read_went_on(self, round_: ReadRound[int], outcome: ReadOutcome | None) -> None:
        if outcome is None and round_.outcome is None and round_.healing is not None:
            self._end_read(round_, Holds(round_.healing.value))
        else:
            super()._read_went_on(round_, outcome)


class FloorBeforeTheCommit(Coordinator[int]):
    """Condition 8: the floor is raised as soon as a write is called."""

    def write(self, value: int, ticket: int) -> None:
        super().write(value, ticket)
        if self.floor is not None:
            self.floor = max(self.floor, value)


class JoinsTheRunningRound(Coordinator[int]):
    """A read takes the answers to requests that were sent before it was called."""

    def _gather_reads(self) -> ReadRound[int]:
        for vault in self._vaults:
            for round_ in vault.reads.carried:
                if round_.outcome is None:
                    return round_
        return super()._gather_reads()


@contextmanager
def half_is_enough() -> Iterator[None]:
    """Condition 6: half of the vaults are taken for a majority."""
    with mock.patch("glitchgrid.protocol.rounds.majority", lambda vaults: (vaults + 1) // 2):
        yield


@frozen
class Break:
    condition: str
    what: str
    intact: Instance
    broken: dict[str, Any]
    """What is different in the broken instance."""
    patch: Any = nullcontext

    @property
    def instance(self) -> Instance:
        return evolve(self.intact, **self.broken)


def _writes(*controls: int) -> tuple[Operation, ...]:
    return tuple(Operation(control, value) for value, control in enumerate(controls, 1))


_READ = Operation(1)
_ONE_WRITE = (*_writes(0), _READ)
_TWO_READS = (*_writes(0), _READ, _READ)
_READ_AT_EACH = (*_writes(0), Operation(0), _READ)
_TWO_WRITES = (*_writes(0, 0), _READ)
_ADDRESSES = ((0, 0, 2), (0, 1, 2))

BREAKS = {
    "no-guard": Break("1", "stores without the guard", Instance(_TWO_WRITES, time_outs=1), {"model": Unguarded()}),
    "answer-before-sync": Break(
        "2", "acknowledged before it is durable", Instance(_ONE_WRITE), {"model": AnswersBeforeTheSync()}
    ),
    "show-before-sync": Break(
        "2", "shown before it is durable", Instance(_READ_AT_EACH), {"model": ShowsBeforeTheSync()}
    ),
    "restart-serves-cache": Break(
        "3", "a restart serves what it read", Instance(_READ_AT_EACH, failed_syncs=1), {"model": ServesWhatItRead()}
    ),
    "time-out-counts": Break("5", "a time-out counts", Instance(_ONE_WRITE, time_outs=1), {"core": TimeOutCounts}),
    "any-412-counts": Break(
        "5",
        "a 412 with less counts",
        Instance(_TWO_WRITES, failed_syncs=1, model=RefusesWhatItCannotStore()),
        {"core": AnyAnswerCounts},
    ),
    "half-is-enough": Break("6", "half is a majority", Instance(_ONE_WRITE, vaults=2), {}, half_is_enough),
    "same-vault-twice": Break(
        "6", "identities are ignored", Instance(_ONE_WRITE, routes=_ADDRESSES), {"core": CountsAddresses}
    ),
    "early-floor": Break(
        "8",
        "the floor is raised before the commit",
        Instance(_TWO_WRITES, recovers_at_start=True),
        {"core": FloorBeforeTheCommit},
    ),
    "no-write-back": Break("", "a read leaves the others as they are", Instance(_READ_AT_EACH), {"core": NoWriteBack}),
    "join-running-round": Break(
        "", "a read joins a round that has been sent", Instance(_TWO_READS), {"core": JoinsTheRunningRound}
    ),
}

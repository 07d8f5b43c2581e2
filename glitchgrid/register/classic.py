"""The original's protocol: ask every vault, wait for all of them, count.

A write sends an unguarded store to every vault and is committed when more than half acknowledge it. A read
asks every vault and has a value when more than half hold the *same* one. The floor is kept in memory alone:
0 at start, raised by a write that a majority took.

It is kept to show what goes wrong and to measure against. It is not linearizable: a stale store may overtake
a newer one, and a write that reached only some vaults leaves no majority with equal values, although every
vault is up.
"""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList, fail
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from glitchgrid.errors import TooManyOperations, VaultError
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.outcome import Committed, Decreases, Holds, Inconsistent, ReadOutcome, Undecided, WriteOutcome
from glitchgrid.protocol.quorum import Vote, majority
from glitchgrid.register.counting import agreed_value, count_once
from glitchgrid.register.doubles import Doubles
from glitchgrid.register.interface import OPERATIONS_MAX, IRegister
from glitchgrid.vaults.client import VaultClient
from glitchgrid.waiting import shield

_Outcome = TypeVar("_Outcome", WriteOutcome, ReadOutcome)


@implementer(IRegister)
class ClassicRegister:
    """:param vaults: one client a configured vault, each with a deadline of its own."""

    _log = Logger()

    def __init__(self, vaults: Sequence[VaultClient], clock: IReactorTime, observer: Observer = UNOBSERVED) -> None:
        self._vaults = vaults
        self._observer = observer
        self.floor = 0
        self._waiting = 0
        self._doubles = Doubles()

    def start(self) -> None:
        """Nothing: the floor is 0 until a write is taken."""

    def stop(self) -> None:
        """Nothing: every operation has a deadline of its own."""

    async def _write(self, value: int, trace: bytes | None) -> WriteOutcome:
        if value < self.floor:
            declined = Decreases(self.floor, value)
            self._observer.write_declined(declined)
            return declined
        acknowledged = len(await self._ask([vault.store(value, trace) for vault in self._vaults]))
        is_committed = acknowledged >= majority(len(self._vaults))
        if is_committed:
            self.floor = max(self.floor, value)
        outcome = (Committed if is_committed else Undecided)(acknowledged, len(self._vaults))
        self._observer.write_ended(outcome, 1)
        return outcome

    async def _read(self, trace: bytes | None) -> ReadOutcome:
        votes = await self._ask([vault.read(trace) for vault in self._vaults])
        value = agreed_value(votes, len(self._vaults))
        outcome = Inconsistent() if value is None else Holds(value)
        self._observer.read_ended(outcome, 1, healed=False)
        return outcome

    def write(self, value: int, trace: bytes | None = None) -> Deferred[WriteOutcome]:
        return self._begin(partial(self._write, value, trace))

    def read(self, trace: bytes | None = None) -> Deferred[ReadOutcome]:
        return self._begin(partial(self._read, trace))

    def in_progress(self) -> dict[str, int]:
        return {"waiting operations": self._waiting}

    def _begin(self, operation: Callable[[], Coroutine[Any, Any, _Outcome]]) -> Deferred[_Outcome]:
        if self._waiting >= OPERATIONS_MAX:
            return fail(TooManyOperations())
        self._waiting += 1
        return shield(Deferred.fromCoroutine(operation()).addBoth(self._has_ended))

    def _has_ended(self, outcome: _Outcome) -> _Outcome:
        self._waiting -= 1
        return outcome

    async def _ask(self, answers: list[Deferred[Vote]]) -> list[Vote]:
        """Wait for every vault, and keep the votes that count, one a vault."""
        results: list[tuple[bool, Any]] = await DeferredList(answers, consumeErrors=True)
        for succeeded, result in results:
            if not succeeded and not result.check(VaultError):
                self._log.failure("bug while asking a vault", result)
        votes, doubles = count_once(result for succeeded, result in results if succeeded)
        for kept, dropped in doubles:
            self._doubles.report(kept.address, dropped.address, kept.identity)
        return votes

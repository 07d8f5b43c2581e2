"""One durable value, and group commit.

A store goes through three moments, in this order: it is durable, then it is what `Store.value` shows, then
whoever asked is told. While one sync runs on the thread pool, the stores that arrive wait; when it ends, they
are folded (see `glitchgrid.storage.fold`) into one value and share the next. What a caller does with its Deferred,
cancelling included, changes nothing about the store: a commit, once begun, is not undone.
"""

from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from antithesis.assertions import always, reachable, sometimes, unreachable
from attrs import evolve
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from glitchgrid.errors import StoreBusy, StoreFailed, one_line
from glitchgrid.observer import UNOBSERVED, Observer
from glitchgrid.outcome import Refused, StoreOutcome, StoreRequest
from glitchgrid.storage.disk import IDisk
from glitchgrid.storage.fold import fold
from glitchgrid.storage.record import Record
from glitchgrid.storage.slots import Contents
from glitchgrid.storage.valuefile import ValueFile

WAITING_STORES_MAX = 10_000
"""More stores than this never wait for one sync: clients that come and go must not fill the memory."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Waiter = tuple[StoreRequest, Deferred[StoreOutcome]]


class Store:
    """The value of one data directory. `open` it, `submit` to it, `close` it.

    :param pool: runs everything that touches the disk; one thread is enough, and more bring nothing.
    :param new_identity: makes the 32 hexadecimal digits that name a vault for life.
    """

    _log = Logger()
    _record: Record
    is_open = False
    """Has the value been recovered?"""

    def __init__(
        self,
        reactor: IReactorFromThreads,
        disk: IDisk,
        pool: ThreadPool,
        new_identity: Callable[[], str],
        observer: Observer = UNOBSERVED,
    ) -> None:
        self._reactor = reactor
        self._pool = pool
        self._observer = observer
        self._file = ValueFile(disk, new_identity)
        self._waiting: list[_Waiter] = []
        self._syncing = False
        self._failed = False
        self._idle_waiters: list[Deferred[None]] = []

    @property
    def value(self) -> int:
        """The last durable value; 0 before the first store."""
        return self._record.value

    @property
    def durable_value(self) -> int:
        """What is in the file, as far as this process knows: `value`, or the next one a moment before it is shown."""
        return self._file.durable_value

    @property
    def has_failed(self) -> bool:
        """Has a sync failed since the start? Then no store is taken any more."""
        return self._failed

    @property
    def identity(self) -> str:
        return self._record.identity

    def open(self) -> Deferred[None]:
        """Claim the data directory and recover the value.

        :raises StartError: (in the Deferred) when the directory or its file can't be used.
        """

        def recovered(contents: Contents) -> None:
            sometimes(contents.record.value > 0, "vault: a value is found again at the start")
            sometimes(contents.bad is not None, "vault: a torn slot is found at the start")
            self._record = contents.record
            self.is_open = True
            self._observer.value_recovered(self.value, slot_is_damaged=contents.bad is not None)
            if contents.bad is not None:
                self._log.error(
                    "{path}: the {place} of its two slots is damaged: {reason}; going on with {value} from the other."
                    " A power failure in the middle of a store does that, and loses nothing; after anything else"
                    " the last store may be lost",
                    path=one_line(self._file.path),
                    place=contents.bad.place,
                    reason=contents.bad.reason,
                    value=self.value,
                )

        return self._in_pool(self._file.recover).addCallback(recovered)

    def submit(self, request: StoreRequest) -> Deferred[StoreOutcome]:
        """Store a value, guarded or not; the Deferred fires after the sync that made it durable.

        :raises StoreFailed: (in the Deferred) when the disk failed, now or since the start.
        :raises StoreBusy: (in the Deferred) when too many stores wait already; this one was not taken.
        """
        if self._failed:
            reachable("vault: a store is refused after a failed sync")
            self._observer.store_turned_down()
            return fail(StoreFailed())
        if len(self._waiting) >= WAITING_STORES_MAX:
            return fail(StoreBusy())
        outcome: Deferred[StoreOutcome] = Deferred()
        self._waiting.append((request, outcome))
        if not self._syncing:
            self._sync()
        return outcome

    def keep(self, save: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[None]:
        """Have something else of the data directory saved, by the thread that the value is saved by.

        :raises StoreFailed: (in the Deferred) when the disk failed, now or since the start.
        """
        if self._failed:
            return fail(StoreFailed())
        return self._in_pool(save, *args, **kwargs).addErrback(self._keep_failed)

    def look(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
        """Have something else of the data directory recovered by that thread; StartError in the Deferred."""
        return self._in_pool(work, *args, **kwargs)

    def _keep_failed(self, failure: Failure) -> NoReturn:
        failure.trap(OSError)
        if not self._failed:
            self._save_failed(failure, [])
        raise StoreFailed

    def in_progress(self) -> dict[str, int]:
        """What is going on: a count for each name. All are 0 when nobody has asked for anything for a while."""
        return {"waiting stores": len(self._waiting), "syncs": int(self._syncing)}

    def when_idle(self) -> Deferred[None]:
        """Fires once nothing is being synced and nothing waits for it."""
        if not self._syncing:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._idle_waiters.append(idle)
        return idle

    def close(self) -> None:
        """Let go of the data directory. Only for a store that is idle."""
        self._file.close()

    def _sync(self) -> None:
        """Settle the waiting stores: at once where they change nothing, else by one write and one sync for all."""
        if self._syncing:
            unreachable("vault: a sync begins beside another")
        if self._failed:
            unreachable("vault: something is synced after a failed sync")
        self._syncing = True
        while self._waiting:
            batch, self._waiting = self._waiting, []
            value, outcomes = fold(self.value, (request for request, _ in batch))
            record = evolve(self._record, value=value)
            if record != self._record:
                self._observer.sync_began(value, len(batch))
                saved = self._in_pool(self._file.save, record)
                saved.addCallbacks(self._saved, self._save_failed, (record, batch, outcomes), {}, (batch,), {})
                saved.addErrback(self._bug)
                saved.addCallback(lambda _: self._sync_has_ended())
                return
            # A batch that ends where it began has nothing to write: that value is durable already.
            maybeDeferred(self._saved, None, record, batch, outcomes).addErrback(self._bug)
        self._rest()

    def _bug(self, failure: Failure) -> None:
        self._log.failure("bug in the store", failure)

    def _saved(self, _: None, record: Record, batch: list[_Waiter], outcomes: list[StoreOutcome]) -> None:
        is_lower = record.value < self._record.value
        always(
            not is_lower or not all(request.guarded for request, _ in batch),
            "vault: guarded stores never lower the value",
        )
        if len(batch) > 1:
            reachable("vault: stores share a sync")
        self._record = record
        self._observer.batch_settled(record.value, len(batch))
        for (_request, waiter), outcome in zip(batch, outcomes, strict=True):
            if isinstance(outcome, Refused):
                reachable("vault: the guard refuses a decrease")
            elif outcome.decreased_from is not None:
                self._log.error("Value decreases from {old} to {new}", old=outcome.decreased_from, new=outcome.value)
            waiter.callback(outcome)

    def _save_failed(self, failure: Failure, batch: list[_Waiter]) -> None:
        self._failed = True
        reachable("vault: a sync fails")
        self._log.error(
            "store failed: {reason}; no further store is taken until a restart, and GET goes on with {value}",
            reason=failure.getErrorMessage(),
            value=self.value,
        )
        batch += self._waiting
        self._waiting = []
        self._observer.sync_failed(len(batch))
        for _request, waiter in batch:
            waiter.errback(StoreFailed())

    def _sync_has_ended(self) -> None:
        self._syncing = False
        if self._waiting:
            self._sync()
        else:
            self._rest()

    def _rest(self) -> None:
        self._syncing = False
        self._observer.store_is_idle()
        idle_waiters, self._idle_waiters = self._idle_waiters, []
        for idle in idle_waiters:
            idle.callback(None)

    def _in_pool(self, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
        return deferToThreadPool(self._reactor, self._pool, work, *args, **kwargs)

"""What a vault counts of its store: an observer of it, and the store as it is."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric
from twisted.internet.interfaces import IReactorTime

from glitchgrid.measures import COUNTS, DURATIONS_S, Distribution, count, counter, gauge, histogram
from glitchgrid.observer import Observer
from glitchgrid.outcome import Refused, StoreOutcome, StoreRequest
from glitchgrid.storage.store import Store


class StoreMetrics(Observer):
    """:ivar store: is there only after its observer: it is told of it."""

    store: Store

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._began_s: float | None = None
        self._stores: Counter[tuple[str, ...]] = Counter()
        self._decreases = self._syncs = self._failures = self._turned_down = 0
        self._durations = Distribution(DURATIONS_S)
        self._sharing = Distribution(COUNTS)

    def store_answered(self, request: StoreRequest, outcome: StoreOutcome) -> None:
        if isinstance(outcome, Refused):
            self._stores["refused",] += 1
        else:
            self._stores["stored",] += 1
            self._decreases += outcome.decreased_from is not None

    def store_turned_down(self) -> None:
        self._turned_down += 1

    def sync_began(self, value: int, stores: int) -> None:
        self._began_s = self._clock.seconds()
        self._sharing.observe(stores)

    def batch_settled(self, value: int, stores: int) -> None:
        self._end_of_sync()

    def sync_failed(self, stores: int) -> None:
        self._failures += 1
        self._end_of_sync()

    def _end_of_sync(self) -> None:
        if self._began_s is not None:  # None for a batch that had nothing to write
            self._syncs += 1
            self._durations.observe(self._clock.seconds() - self._began_s)
            self._began_s = None

    def collect(self) -> Iterator[Metric]:
        store = self.store
        yield gauge("glitchgrid_value", "What the vault shows.", store.value)
        text = "Stores that were answered; the guard has refused some of them, as decreases."
        yield counter("glitchgrid_stores", text, ("outcome",), self._stores)
        text = "Stores that have lowered the value: control never asks for that."
        yield count("glitchgrid_decreases", text, self._decreases)
        yield count("glitchgrid_syncs", "Syncs that have ended, well or not.", self._syncs)
        yield count("glitchgrid_sync_failures", "Syncs that have failed.", self._failures)
        text = "Stores that were not taken because a sync had failed."
        yield count("glitchgrid_stores_turned_down", text, self._turned_down)
        text = "How long a write and its sync took, with the wait for the disk's thread."
        yield histogram("glitchgrid_sync_duration_seconds", text, (), [((), self._durations)])
        yield histogram("glitchgrid_sync_stores", "Stores that shared a sync.", (), [((), self._sharing)])
        waiting = store.in_progress()["waiting stores"]
        yield gauge("glitchgrid_stores_waiting", "Stores that wait for the sync before theirs.", waiting)
        text = "Whether a sync has failed since the start: no store is taken then."
        yield gauge("glitchgrid_disk_failed", text, float(store.has_failed))

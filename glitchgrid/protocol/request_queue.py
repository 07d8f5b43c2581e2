"""One vault as the coordinator sees it: two queues of requests, at most one in flight of each."""

from typing import Any, Generic, TypeVar

from glitchgrid.protocol.rounds import ReadRound, StoreRound

T = TypeVar("T")
R = TypeVar("R", bound=StoreRound[Any] | ReadRound[Any])

PENDING_PRUNED_AT = 16


class RequestQueue(Generic[R]):
    """Requests of one kind to one vault: the rounds that the one in flight carries, and those behind it."""

    __slots__ = ("_pruned_at", "_vault", "busy", "carried", "doubtful", "failures", "pending", "resting", "skipped")

    def __init__(self, vault: int) -> None:
        self._vault = vault
        self._pruned_at = PENDING_PRUNED_AT
        self.busy = False
        self.carried: list[R] = []
        self.pending: list[R] = []
        self.resting = False
        self.failures = 0
        self.doubtful = False
        """Has anybody been fenced since the request in flight was sent?"""
        self.skipped = False
        """Has a round been decided while it waited here? Then this vault has never heard of it."""

    def add(self, round_: R) -> None:
        if len(self.pending) >= self._pruned_at:
            # A vault that is busy for long collects what the others have decided meanwhile. Where they have not
            # decided it either, the list is let grow to twice its length before all of it is looked at again.
            self._prune()
            self._pruned_at = max(PENDING_PRUNED_AT, 2 * len(self.pending))
        self.pending.append(round_)

    def load(self) -> list[R]:
        """The rounds for the next request: those that wait, without those that need this vault no more."""
        self._prune()
        self.carried, self.pending = self.pending, []
        self.busy = bool(self.carried)
        self.doubtful = False
        return self.carried

    def unload(self) -> list[R]:
        """The request has ended: give out the rounds that it carried."""
        carried, self.carried, self.busy = self.carried, [], False
        return carried

    def _prune(self) -> None:
        needed = [each for each in self.pending if each.outcome is None and self._vault in each.open]
        self.skipped = self.skipped or len(needed) < len(self.pending)
        self.pending = needed


class VaultQueues(Generic[T]):
    """What is known about one vault, and what waits for it."""

    __slots__ = ("behind", "held", "number", "reads", "sent", "stores", "voter")

    def __init__(self, number: int) -> None:
        self.number = number
        self.voter: str | None = None
        self.held = 0
        """By its latest answer."""
        self.behind = False
        """Has it missed a store?"""
        self.sent = 0
        """By the store in flight."""
        self.stores: RequestQueue[StoreRound[T]] = RequestQueue(number)
        self.reads: RequestQueue[ReadRound[T]] = RequestQueue(number)

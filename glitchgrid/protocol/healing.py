"""Reads that heal: a majority has answered, and does not yet hold the value that the read would return.

Such a read stores its value where that is lacking, and returns it once a majority holds it: else a later read could
find a smaller one ("Sharing memory robustly in message-passing systems", Attiya, Bar-Noy and Dolev, 1995). What it
stores grows when a vault turns out to hold more.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from glitchgrid.protocol.effects import Effect, Ended, ValueLost
from glitchgrid.protocol.rounds import ReadRound, StoreRound

T = TypeVar("T")


class Healing(Generic[T]):
    """The reads of one control that heal.

    :ivar reads: those that do just now.

    :param emit: hands out an effect.
    :param queue: lets a round of stores wait for the vaults that it asks.
    :param decided: is told of a round of stores that has its outcome.
    """

    def __init__(
        self,
        emit: Callable[[Effect[T]], None],
        queue: Callable[[StoreRound[T]], None],
        decided: Callable[[StoreRound[T]], None],
    ) -> None:
        self._emit = emit
        self._queue = queue
        self._decided = decided
        self.reads: list[ReadRound[T]] = []

    def begin(self, round_: ReadRound[T]) -> bool:
        """Let a read heal that has to, unless it does already. Returns whether it begins now."""
        stores = round_.healing
        if round_.outcome is not None or stores is None or round_ in self.reads:
            return False
        if round_.has_lost:
            self._emit(ValueLost(round_.floor, round_.largest))
        self.reads.append(round_)
        self._queue(stores)
        return True

    def hear(self, round_: ReadRound[T], number: int, voter: str, held: int) -> None:
        """A vault holds `held`: more than what this read stores, less, or just that."""
        stores = round_.healing
        if round_.outcome is not None or stores is None or held < stores.value:
            return
        has_grown = held > stores.value
        if has_grown:
            self._give_up(stores)
            stores = round_.outgrow(held)
        if stores.acknowledge(number, voter, held) is not None:
            self._decided(stores)
        elif has_grown:
            self._queue(stores)

    def end(self, round_: ReadRound[T]) -> None:
        """A read has ended: what it still stores is not waited for any more."""
        if round_ in self.reads:
            self.reads.remove(round_)
        if round_.healing is not None:
            self._give_up(round_.healing)

    def held(self, value: int) -> list[ReadRound[T]]:
        """The reads that need not wait longer, as each vault of a majority is known to hold `value` and no more.

        Not those that have found a majority below their floor: there the vaults have forgotten something.
        """
        return [
            each
            for each in self.reads
            if each.healing is not None and each.healing.value <= value and not each.has_lost
        ]

    def _give_up(self, stores: StoreRound[T]) -> None:
        if stores.expire() is not None:
            self._emit(Ended(stores))

"""A Coordinator on the workbench: what it sends is kept, and answered as the test says."""

from collections.abc import Sequence
from typing import Any

from glitchgrid.outcome import ReadOutcome, Refused, Stored, WriteOutcome
from glitchgrid.protocol.coordinator import Coordinator
from glitchgrid.protocol.effects import Began, Declined, Effect, Ended, Rest, RoundKind, SendRead, SendStore
from glitchgrid.protocol.rounds import ReadRound, StoreRound

Round = StoreRound[str] | ReadRound[str]


class Bench:
    """One coordinator. Tickets are texts; a vault's voter is `voters[number]`.

    :param floor: what the coordinator knows already; None for one that knows nothing.
    """

    def __init__(self, vaults: int, floor: int | None = 0) -> None:
        self.coordinator: Coordinator[str] = Coordinator(vaults)
        self.voters = [f"voter {number}" for number in range(vaults)]
        self.stores: dict[int, SendStore[str]] = {}
        self.reads: dict[int, SendRead[str]] = {}
        self.resting: set[tuple[int, RoundKind]] = set()
        self.outcomes: dict[str, WriteOutcome | ReadOutcome] = {}
        self.running: list[Round] = []
        self.news: list[Effect[str]] = []
        """All effects but requests, since the test has last looked."""
        if floor is not None:
            self.coordinator.recover()
            self.settle()
            for number in list(self.reads):
                self.holds(number, floor)
            assert self.floor == floor
            self.news.clear()

    @property
    def floor(self) -> int | None:
        return self.coordinator.floor

    @property
    def stored_values(self) -> dict[int, int]:
        """By vault, what the store in flight there asks for."""
        return {number: request.value for number, request in sorted(self.stores.items())}

    # What clients do.

    def write(self, value: int, ticket: str) -> None:
        self.coordinator.write(value, ticket)
        self.settle()

    def read(self, ticket: str) -> None:
        self.coordinator.read(ticket)
        self.settle()

    def expire(self, ticket: str) -> None:
        """The time of the round that `ticket` is in is up."""
        (round_,) = [each for each in self.running if ticket in each.tickets]
        self.coordinator.expire(round_)
        self.settle()

    # What vaults do.

    def stored(self, *numbers: int) -> None:
        """These vaults take what they were sent, one after the other."""
        for number in numbers:
            request = self.stores.pop(number)
            self.coordinator.store_answered(number, self.voters[number], Stored(request.value))
            self.settle()

    def refused(self, number: int, held: int) -> None:
        del self.stores[number]
        self.coordinator.store_answered(number, self.voters[number], Refused(held))
        self.settle()

    def store_fails(self, *numbers: int) -> None:
        for number in numbers:
            del self.stores[number]
            self.coordinator.store_failed(number)
            self.settle()

    def holds(self, number: int, value: int) -> None:
        """A vault answers a read."""
        del self.reads[number]
        self.coordinator.read_answered(number, self.voters[number], value)
        self.settle()

    def read_fails(self, *numbers: int) -> None:
        for number in numbers:
            del self.reads[number]
            self.coordinator.read_failed(number)
            self.settle()

    def rested(self, number: int, kind: RoundKind) -> None:
        self.resting.discard((number, kind))
        self.coordinator.rested(number, kind)
        self.settle()

    # What the coordinator does.

    def settle(self) -> None:
        """Take the effects, and check what holds for each of them at any time."""
        for effect in self.coordinator.take():
            if isinstance(effect, SendStore | SendRead):
                self._send(effect)
            else:
                self.news.append(effect)
                self._hear(effect)
        assert self.coordinator.take() == []

    def _send(self, request: SendStore[str] | SendRead[str]) -> None:
        if isinstance(request, SendRead):
            assert request.vault not in self.reads, f"two reads in flight to vault {request.vault}"
            self.reads[request.vault] = request
        else:
            assert request.vault not in self.stores, f"two stores in flight to vault {request.vault}"
            assert request.value >= 1
            self.stores[request.vault] = request

    def _hear(self, effect: Effect[str]) -> None:
        match effect:
            case Began(round_):
                self.running.append(round_)
            case Ended(round_):
                self._end(round_)
            case Declined(ticket, outcome):
                self._note(ticket, outcome)
            case Rest(number, kind, _):
                self.resting.add((number, kind))

    def _end(self, round_: Round) -> None:
        if round_ in self.running:
            self.running.remove(round_)
        assert round_.outcome is not None
        for ticket in round_.tickets:
            self._note(ticket, round_.outcome)

    def heard(self, *kinds: type[Any]) -> Sequence[Any]:
        """The news of these kinds."""
        return [effect for effect in self.news if isinstance(effect, kinds)]

    def _note(self, ticket: str, outcome: WriteOutcome | ReadOutcome) -> None:
        assert ticket not in self.outcomes, f"two outcomes for {ticket}"
        self.outcomes[ticket] = outcome
